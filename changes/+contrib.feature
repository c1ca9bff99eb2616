`contrib/` has files for systemd, OpenRC, runit, s6, launchd and containers, each checked
by the tool that reads it; the guide has a page about them.
