# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Scripts that end, or fail to begin, in many ways."""

from __future__ import annotations

from tests.support.exitscripts import EXITS

#: A module that the scripts can import, which has something open.
MODULE = """\
file = open("out.txt", "w")
class Thing:
    def __del__(self): print("the module's thing is gone")
thing = Thing()
"""

#: What is sent to those scripts that read.
SENT = {"input": b"one\ntwo\n", "readall": b"four", "surrogates": b"\xff\n"}

#: The scripts, by names.  Those that write a file write C{out.txt}.
SCRIPTS = {
    **EXITS,
    "docstring": """
'''hello'''
print(__doc__, __name__)
""",
    "annotations": """
x: int = 3
print(__annotations__)
""",
    "future": """
from __future__ import annotations
x: nope = 3
print(__annotations__)
""",
    "nofuture": """
def f(x: int): pass
print(f.__annotations__)
""",
    "frames": """
import traceback
def f(): traceback.print_stack(limit=1)
f()
""",
    "killed": """
import os,signal; os.kill(os.getpid(), signal.SIGTERM)
""",
    "crashed": """
import os,signal; os.kill(os.getpid(), signal.SIGSEGV)
""",
    "aborted": """
import os; os.abort()
""",
    "fork": """
import os
p=os.fork()
if p: print(os.waitpid(p,0)[1])
else: print('child')
""",
    "nested": """
exec(compile('1/0','x','exec'))
""",
    "warn": """
import warnings
warnings.warn('w')
""",
    "syntaxwarn": """
print('\\d', 1 is 1)
""",
    "asserts": """
assert 0,'msg'
""",
    "input": """
print(input()+'!'); print(input())
""",
    "readall": """
import sys; print(len(sys.stdin.buffer.read()))
""",
    "bytes": """
import sys; sys.stdout.buffer.write(b'\\xff\\n'); print('\\xe9')
""",
    "surrogates": """
import sys; print(sys.stdin.read().encode('utf-8','surrogateescape'))
""",
    "notASCII": """
print('\\u20ac')
""",
    "argv": """
import sys; print(sys.argv)
""",
    "weakref": """
import weakref
class C: pass
c=C()
weakref.finalize(c, print, 'fin')
""",
    "importsMain": """
import __main__, sys; print(__main__.__file__, __main__ is sys.modules['__main__'])
""",
    "temporaryFiles": """
import tempfile,os
t=tempfile.NamedTemporaryFile(); d=tempfile.TemporaryDirectory()
print(os.path.isdir(d.name))
""",
    "generator": """
def g():
    try: yield 1
    finally: print('gen closed')
x=g(); next(x)
""",
    "contextManager": """
import contextlib
@contextlib.contextmanager
def c():
    try: yield
    finally: print('ctx')
e=c(); e.__enter__()
""",
    "delglob": """
X='glob'
class C:
    def __del__(s): print(X)
c=C()
def f(): return c
""",
    "logging": """
import logging; logging.basicConfig(level=10); logging.info('hi')
logging.getLogger('x').error('e')
""",
    "concurrent": """
from concurrent.futures import ThreadPoolExecutor as T
t=T(2); f=t.submit(print,'pool')
""",
    "multiprocessing": """
import multiprocessing as m
if __name__=='__main__':
    p=m.Process(target=print,args=('mp',)); p.start()
""",
    "sockdel": """
import socket,sys
s=socket.socket(fileno=0)
print(s.family, s.type)
""",
    "exceptgroup": """
import sys
if sys.version_info>(3,11):
    raise ExceptionGroup('g',[ValueError(1),KeyError(2)])
""",
    "lastexc": """
import sys,atexit
atexit.register(lambda: print(repr(getattr(sys,'last_value',None))))
raise ValueError(5)
""",
    "ctypes": """
import ctypes
ctypes.CDLL(None).printf(b'C stdio\\n')
print('py')
""",
    "ctypes3": """
import ctypes
class C:
    def __del__(s): print('del')
c=C()
1/0
""",
    "syntax": """
print(1)
def
""",
    "indent": """
if 1:
x
""",
    "unknownEncoding": """
# coding: nope
print(1)
""",
    "empty": """

""",
    "returns": """
return 5
""",
    "delmain": """
import sys; del sys.modules['__main__']; print(2)
""",
    "clearmods": """
import sys; sys.modules.clear(); print(3)
""",
    "pickled": """
import pickle
class A: pass
print(pickle.loads(pickle.dumps(A())).__class__ is A)
""",
    "asyncio": """
import asyncio
async def m():
    await asyncio.sleep(0.01); print('aio')
asyncio.run(m())
""",
    "asyncioInterrupted": """
import asyncio,os,signal
async def m():
    os.kill(os.getpid(),signal.SIGINT)
    await asyncio.sleep(3)
asyncio.run(m())
""",
    "timer": """
import threading; threading.Timer(0.02, print, ['timer']).start()
""",
    "flusherr": """
import os,sys; os.dup2(os.open('/dev/full',1),1); print('x')
""",
    "flusherr2": """
import os,sys; os.dup2(os.open('/dev/full',1),1); print('x'); sys.exit(4)
""",
    "flusherr3": """
import os,sys; os.dup2(os.open('/dev/full',1),1); print('x'); 1/0
""",
    "delorder": """
import sys
class C:
    def __init__(s,n): s.n=n
    def __del__(s): print('del',s.n)
def f(): pass
z=C('z'); _y=C('y'); a=C('a')
class D: c=C('in class')
l=[C('l')]
""",
    "brokenPipe": """
import os
r,w=os.pipe(); os.close(r); os.dup2(w,1); print('x')
""",
    "brokenPipeExit": """
import os,sys
r,w=os.pipe(); os.close(r); os.dup2(w,1); print('x'); sys.exit(5)
""",
    "brokenPipeFlush": """
import os,sys
r,w=os.pipe(); os.close(r); os.dup2(w,1); print('x', flush=True)
""",
    "brokenPipeErr": """
import os
r,w=os.pipe(); os.close(r); os.dup2(w,1); os.dup2(w,2); print('x'); 1/0
""",
    "atexitOrder": """
import atexit,threading,time
class C:
    def __del__(s): print('destructor')
c=C()
atexit.register(lambda: print('exit handler'))
main=threading.Event()
def f():
    main.wait(); time.sleep(0.03); print('thread')
threading.Thread(target=f).start()
print('main')
main.set()
""",
    "untrackedDestructor": """
class C:
    __slots__ = ()
    def __del__(s): print('untracked', flush=True)
c = {'a': {'b': (C(), 1)}}
del C
""",
    "untrackedGlobal": """
class C:
    __slots__ = ()
    def __del__(s): print('untracked', flush=True)
c = C()
del C
""",
    "outputReplaced": """
import sys
print('kept in the buffer')
sys.stdout = None
""",
    "outputDeleted": """
import sys
print('kept in the buffer')
del sys.stdout
""",
    "openFile": """
file = open('out.txt', 'w'); file.write('in the buffer')
""",
    "duplicatedOutput": """
import io
io.TextIOWrapper(io.FileIO(1, 'w', closefd=False)).write('lost?')
kept = io.BufferedWriter(io.FileIO(1, 'w', closefd=False)); kept.write(b'kept')
""",
    "frozenFile": """
import gc
file = open('out.txt', 'w'); file.write('in the buffer'); gc.freeze()
""",
    "sharedTuples": """
import gc
kept = []; shared = (1.5,)
for _ in range(40):
    shared = (shared, shared); kept.append(shared)
gc.collect(); print('shared')
""",
    "manyObjects": """
kept = list(range(2 * 10**6)); print(len(kept))
""",
    "daemonThread": """
import _thread, time
_thread.start_new_thread(time.sleep, (5,)); print('left')
""",
    "pathKept": """
from sys import path
import sys
print(path is sys.path, len(path), path[0])
""",
    "weakCallback": """
import weakref
class C: pass
c = C(); r = weakref.ref(c, lambda r: print('gone'))
""",
    "finalize": """
import weakref
class C: pass
c = C(); weakref.finalize(c, print, 'finalized')
""",
    "sqliteRolledBack": """
import os, sqlite3
db = sqlite3.connect('out.db'); db.execute('create table if not exists t (a)')
print(os.path.exists('out.db'), flush=True); os.remove('out.db')
""",
    "unraisable": """
class C:
    def __del__(s): 1/0
c=C()
""",
    "recursion": """
import sys
def f(n):
    try: return f(n+1)
    except RecursionError: return n
print(abs(f(0)-sys.getrecursionlimit()) < 60)
""",
    "limitedRecursion": """
def f(): f()
f()
""",
    "exitInThread": """
import threading,sys
t=threading.Thread(target=sys.exit,args=(3,)); t.start(); t.join(); print('on')
""",
    "subprocessInherits": """
import subprocess,sys
print('first', flush=True)
subprocess.call(['/bin/sh','-c','echo sub; echo err >&2; exit 3'])
""",
    "execs": """
import os
print('lost without a flush')
os.execv('/bin/echo', ['echo', 'executed'])
""",
    "chdir": """
import os; os.chdir('/'); open(os.devnull).close(); 1/0
""",
}
