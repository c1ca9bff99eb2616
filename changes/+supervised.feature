`Inherited` and `Notifications` are public: an application passes its supervisor's sockets to
`InetdService`, and has it told.
