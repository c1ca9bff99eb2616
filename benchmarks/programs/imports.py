# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A service that imports what programs of some size import, and lowers lines."""

import asyncio
import decimal
import http.client
import json
import sqlite3
import sys

USED = (asyncio.run, decimal.Decimal, http.client.HTTPConnection, sqlite3.connect)

for line in sys.stdin:
    print(json.loads(json.dumps(line)).lower(), end="")
