# -*- test-case-name: inetdtw.helpers.warm.test.test_pools -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The free blocks of the interpreter's own allocator for small objects.

It divides pools of memory into blocks of one size.  What is free after the preparation
of a warm process is scattered, and a child would copy a page for almost each object
that it makes.

@see: C{Objects/obmalloc.c} of CPython.
"""

from __future__ import annotations

from inetdtw.helpers.warm.library import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

#: The bytes of a pool.  Before 3.10 it was one page of memory, with its header.
_POOL = 1 << 14
#: The first block begins behind the header of its pool.
_HEADER = 48
#: The sizes of blocks: each multiple of 16 up to 512.
_SIZES = range(16, 513, 16)
#: The bytes that a C{bytes} object needs besides its own.
_OVERHEAD = bytes.__basicsize__
#: What makes an object in a smaller block than that.
_SMALL: dict[int, Callable[[], object]] = {16: object, 32: complex}


def fillPools() -> list[object]:
    """
    Use up the free blocks, so that the next objects get new pools.

    @return: what has to be kept for as long as that matters.
    """
    kept: list[object] = []
    if VERSION < (3, 10):
        return kept
    for size in _SIZES:
        for _ in range(_POOL // size):
            block = _SMALL[size]() if size in _SMALL else bytes(size - _OVERHEAD)
            kept.append(block)
            if id(block) % _POOL == _HEADER:
                break
    return kept
