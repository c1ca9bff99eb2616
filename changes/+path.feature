Programs of another user have `/usr/local/bin:/usr/bin:/bin` as their PATH, so that
`#!/usr/bin/env python3` finds its interpreter.
