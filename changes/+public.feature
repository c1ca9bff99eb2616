`inetdtw.__all__` lists what is public: `Settings`, `Bounds`, `Report`, `ConfError`,
`ReloadOnHangup` and `StateOnUser2` beside `InetdService`.
