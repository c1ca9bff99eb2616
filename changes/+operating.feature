`InetdService` has `state`, `pause`, `resume` and `drain`; SIGUSR2 logs what was started,
refused and failed as well.
