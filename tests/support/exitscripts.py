# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Scripts with exit statuses, hooks, destructors and closed streams."""

from __future__ import annotations

#: The scripts, by names.  Those that write a file write C{out.txt}.
EXITS = {
    "exit3": """
import sys; print('x'); sys.exit(3)
""",
    "exitbig": """
import sys; sys.exit(1<<40)
""",
    "exitneg": """
import sys; sys.exit(-1)
""",
    "exit256": """
raise SystemExit(257)
""",
    "exittrue": """
raise SystemExit(True)
""",
    "exitstr": """
import sys; print('a'); sys.exit('bye')
""",
    "exitnone": """
import sys; sys.exit()
""",
    "exittuple": """
raise SystemExit((1,2))
""",
    "exitbytes": """
raise SystemExit(b'x')
""",
    "exitobj": """
class C(SystemExit): pass
raise C(4,5)
""",
    "raise": """
def f():
    raise ValueError('x')
print('before')
f()
""",
    "chain": """
try:
    1/0
except Exception as e:
    raise KeyError('k') from e
""",
    "interrupted": """
print('p')
raise KeyboardInterrupt
""",
    "interruptedBySignal": """
import os,signal,time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(5)
""",
    "hook": """
import sys
sys.excepthook=lambda *a: print('hook',a[0].__name__, a[2].tb_frame.f_code.co_name)
1/0
""",
    "hookraise": """
import sys
def h(*a): raise KeyError('in hook')
sys.excepthook=h
1/0
""",
    "hookexit": """
import sys
def h(*a): sys.exit(7)
sys.excepthook=h
1/0
""",
    "hooknone": """
import sys
sys.excepthook=None
1/0
""",
    "hookdel": """
import sys
del sys.excepthook
1/0
""",
    "atexit": """
import atexit
atexit.register(print,'one')
atexit.register(print,'two')
print('main')
""",
    "atexitfile": """
import atexit
def f(): print('__file__' in globals(), '__cached__' in globals(), __name__)
atexit.register(f)
""",
    "atexitfile2": """
import atexit,sys
def f(): print('__file__' in globals())
atexit.register(f)
sys.exit(0)
""",
    "atexitfile3": """
import atexit,sys
def f(): print('__file__' in globals(), hasattr(sys,'last_value'))
atexit.register(f)
1/0
""",
    "atexitraise": """
import atexit
def f(): raise ValueError('at')
atexit.register(print,'after')
atexit.register(f)
""",
    "thread": """
import threading,time
main=threading.Event()
def f():
    main.wait(); time.sleep(0.05); print('thread done')
threading.Thread(target=f).start()
print('main done')
main.set()
""",
    "threadraise": """
import threading
def f(): raise ValueError('t')
t=threading.Thread(target=f,name='n'); t.start(); t.join()
""",
    "daemon": """
import threading,time
threading.Thread(target=time.sleep,args=(100,),daemon=True).start()
""",
    "garbage": """
class C:
    def __init__(self, name): self.name, self.me = name, self
    def __del__(self): print(self.name)
kept = C('kept')
C('garbage')
""",
    "referred": """
import builtins, sys
class C:
    def __del__(self): print('gone')
kept = C()
builtins.main = sys.modules['__main__']
""",
    "referredCycle": """
import builtins, sys
class C:
    def __init__(self): self.me = self
    def __del__(self): print('gone')
kept = C()
builtins.main = sys.modules['__main__']
""",
    "destructors": """
class C:
    def __init__(s,n): s.n=n
    def __del__(s): print('del',s.n)
a=C('a'); b=C('b'); _c=C('c')
print('end')
""",
    "delcycle": """
class C:
    def __del__(s): print('del cycle', s.me is s)
a=C(); a.me=a
del a
b=C(); b.me=b
""",
    "delexc": """
class C:
    def __del__(s): print('del')
x=C()
def f():
    y=C()
    1/0
f()
""",
    "file": """
f=open('out.txt','w'); f.write('data'); print(1)
""",
    "fileInModule": """
import sys
import opener
opener.file.write('mod'); print(2)
""",
    "fileInClass": """
class A:
    f=open('out.txt','w')
A.f.write('cls')
def g(x=A.f): pass
""",
    "osexit": """
import os,sys
print('lost'); os._exit(5)
""",
    "stderr": """
import sys; sys.stderr.write('err'); print('out'); sys.stderr.write('err2')
""",
    "closeout": """
import sys; print('x'); sys.stdout.close()
""",
    "closefd": """
import os,sys; print('x'); os.close(1)
""",
    "closeboth": """
import sys; sys.stdout.close(); sys.stderr.close()
""",
    "close1e": """
import os,sys; print('x'); os.close(1); os.close(2)
""",
    "stdoutnone": """
import sys; sys.stdout=None; print('x')
""",
    "stdoutdel": """
import sys; del sys.stdout
""",
    "stdoutio": """
import sys,io; sys.stdout=io.StringIO(); print('x')
""",
    "detach": """
import sys; b=sys.stdout.detach(); b.write(b'raw')
""",
}
