#!/bin/sh
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

# stream tcp nowait: send everything back in lower case.
exec tr '[:upper:]' '[:lower:]'
