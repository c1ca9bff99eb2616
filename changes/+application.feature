`InetdService` puts all of it into a Twisted application.
