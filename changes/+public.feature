`inetdtw.__all__` lists what is public: beside `InetdService`, what it takes, gives back and
raises. Importing `inetdtw` alone imports nothing of Twisted.
