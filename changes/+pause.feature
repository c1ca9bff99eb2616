A rate that was reached is a pause whose length the key `pause` or `--pause` says; the
key `refusal` is what a client is told that a limit turns away.
