`contrib/` has files for systemd, OpenRC, runit, s6, launchd and containers, each read by a test, where
there is one by the tool that it is for; the guide has a page about them.
