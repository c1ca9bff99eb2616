Options may stand behind files; a wrong value of an option, a misspelt command and a pid file of a daemon that runs are said with what to do.
