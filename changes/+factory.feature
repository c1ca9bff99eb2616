`InetdService.factory` gives the programs of a service to any port or endpoint of
Twisted's.
