"""The sandbox: what it shows, what it forbids, what is said where there is none."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time

import nbformat
import pytest

from autograder import course, demo, keys, sandbox
from autograder.grading import judge_answer
from autograder.runner import Runner
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow  # a sandbox of its own for many of them
TASK = "sampling.gaussian"
HEAD = "def sample_gaussian(n, mean, cov, generator=None):\n    "
needs_sandbox = pytest.mark.skipif(sandbox.problem() is not None, reason=f"no sandbox here: {sandbox.problem()}")


@pytest.fixture(scope="module")
def caged():
    with Runner(caged=True) as runner:
        yield runner


def says(runner, code: str) -> str:
    """What an answer finds out (an expression after some statements), through the text of an exception."""
    *lines, last = code.splitlines()
    body = "\n    ".join([*lines, f"raise RuntimeError(repr({last}))"])
    seen = runner.observe(TASK, keys.secret_item(TASK, 0), HEAD + body)
    text = next(iter(seen.values()))["text"]
    assert "RuntimeError: " in text, text
    return text.partition("RuntimeError: ")[2].rpartition(" (line")[0]


@needs_sandbox
def test_it_is_process_one_of_its_own_tree_with_no_rights(caged):
    assert says(caged, "import os\n(os.getpid(), os.getppid(), os.getuid(), os.getcwd())") == "(1, 0, 65534, '/scratch')"
    assert says(caged, "import os\nos.listdir('/proc')") == "[]"
    assert says(caged, "import os\nsorted(os.listdir('/grader/autograder'))") == "['__init__.py', 'cage.py', 'worker.py']"
    assert (
        says(caged, "import ctypes\nlibc = ctypes.CDLL(None)\n[libc.umount(b'/proc'), libc.unshare(0x20000)]") == "[-1, -1]"
    )


@needs_sandbox
@pytest.mark.parametrize(
    "code",
    [
        "float(torch.ones(64).half().float().sum())",
        "float(torch.ones(64).bfloat16().float().sum())",
        "float((torch.ones(8, 8).bfloat16() @ torch.ones(8, 8).bfloat16()).float().sum()) / 8",
        "with torch.autocast('cpu', torch.bfloat16): y = torch.nn.functional.conv2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 1, 1))\nfloat(y.float().sum())",
        "float(torch.quantize_per_tensor(torch.ones(64), 0.1, 0, torch.qint8).dequantize().sum())",
        "float(torch.nn.functional.conv2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 1, 1)).sum())",
        "import numpy, tempfile, os\nf = tempfile.NamedTemporaryFile()\nnumpy.save(f.name + '.npy', numpy.ones(64))\nfloat(numpy.load(f.name + '.npy').sum())",
    ],
)
def test_honest_code_that_asks_for_the_processor_or_a_file_works(caged, code):
    assert says(caged, code)[:4] == "64.0"


@needs_sandbox
def test_only_the_environment_is_there_and_only_to_read(caged):
    seen = says(caged, f"import os\n[os.path.exists(p) for p in ({str(REPOSITORY / 'solutions')!r}, {str(course.ROOT / 'course.secret')!r}, '/home', '/etc/passwd')]")  # fmt: skip
    assert seen == "[False, False, False, False]"
    code = f"import os\n[p for p in ('/', '/grader', '/grader/helpers', '/dev', '/usr/lib', {os.path.dirname(os.__file__)!r}) if os.access(p, os.W_OK)]"
    assert says(caged, code) == "[]"


@needs_sandbox
def test_no_variable_and_no_descriptor_is_inherited(caged, monkeypatch):
    monkeypatch.setenv("SECRET_OF_MINE", "a token")
    with Runner(caged=True) as fresh:
        assert says(fresh, "import os\n'SECRET_OF_MINE' in os.environ") == "False"
    code = "import os\nopen_ = []\nfor fd in range(3, 300):\n    try: open_.append(os.fstat(fd).st_mode // 4096)\n    except OSError: pass\nopen_"
    # the socket of this one answer, and the saved stderr and the null device of helpers.probes.quiet
    assert says(caged, code).count("12") == 1


REFUSED = """
import ctypes, os, platform
libc, kind = ctypes.CDLL(None, use_errno=True), platform.machine()
calls = {"x86_64": (248, 250, 272, 308, 321, 425, 29, 64, 68, 319), "aarch64": (217, 219, 97, 268, 280, 425, 194, 190, 186, 279)}[kind]
mmap = {"x86_64": 9, "aarch64": 222}[kind]
def refused(*words):
    ctypes.set_errno(0)
    return libc.syscall(*map(ctypes.c_long, words)) == -1 and ctypes.get_errno() == 1
said = []
for number in calls:  # add_key, keyctl, unshare, setns, bpf, io_uring_setup, shmget, semget, msgget, memfd_create
    said.append(refused(number, 0, 0, 0, 0, 0))
said.append(refused(mmap, 0, 4096, 3, 0x21, -1, 0) and not refused(mmap, 0, 4096, 3, 0x22, -1, 0))  # shared, private
for family in (40, 17, 38):  # vsock, packets, the kernel's ciphers
    said.append(libc.socket(family, 1, 0) == -1 and ctypes.get_errno() == 1)
said + [open("/dev/zero", "rb").read(1) == b""] + [libc.socket(family, 1, 0) > 0 for family in (1, 2)]
"""


@needs_sandbox
@pytest.mark.skipif(os.uname().machine not in sandbox.cage.CALLS, reason="no filter for this processor")
def test_calls_that_reach_past_all_namespaces_are_refused(caged):
    assert says(caged, REFUSED) == str([True] * 17)


@needs_sandbox
@pytest.mark.parametrize("kind", ["TimeLimit", "skipped", "lost"])
def test_an_exception_with_our_own_names_carries_nothing_of_the_secret_item(caged, kind):
    code = f"class {kind}(Exception): pass\n" + HEAD + f"raise {kind}('mean ' + ' '.join(map(str, mean.tolist())))"
    verdict = judge_answer(TASK, code, 0, caged)
    told = verdict.sentence + " ".join(line.observed for line in verdict.lines)
    known, secret = (
        {str(number)[:8] for prop in item["properties"] for number in prop["inputs"]["mean"] if abs(number) > 1}
        for item in (keys.public_item(TASK), keys.secret_item(TASK, 0))
    )
    assert not verdict.passed and secret - known and not any(number in told for number in secret - known)
    assert ("mean " in told) == (kind == "lost")  # that of the public item


@needs_sandbox
def test_limits(caged):
    assert "OSError" in judge_answer(TASK, HEAD + "open('x', 'wb').write(bytes(100_000_000))", 0, caged).sentence
    fill = "for i in range(100):\n        with open(str(i), 'wb') as f: f.write(bytes(10_000_000))"
    assert "No space left" in judge_answer(TASK, HEAD + fill, 0, caged).sentence
    forks = "import os, time\nn = 0\ntry:\n    while True:\n        if os.fork() == 0: time.sleep(100)\n        n += 1\nexcept OSError: pass\nn"
    if sandbox.cage.platform.release() >= "5.14":
        assert 5 < int(says(caged, forks)) <= sandbox.cage.MAX_PROCESSES
    assert judge_answer(TASK, course.load("01_sampling").answer(TASK), 0, caged).passed


TOO_MUCH = {
    "processes": """import os, time
    for k in range(9):
        if os.fork() == 0:
            x = bytearray(b"1") * (1 << 27)
            time.sleep(20)
    time.sleep(20)""",
    "processes that hide": """import ctypes, os, time
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # not dumpable: what it shares with others cannot be read
    ctypes.CDLL(None).prctl(15, b"\\rVmPTE:-9999999", 0, 0, 0)  # its name, in the file that is read
    for k in range(9):
        if os.fork() == 0:
            x = bytearray(b"1") * (1 << 27)
            time.sleep(20)
    time.sleep(20)""",
    "programs": """import os, sys, time
    for k in range(30):
        if os.fork() == 0: os.execv(sys.executable, [sys.executable, "-c", "import time; x = bytearray(b'1') * 40_000_000; time.sleep(20)"])
    time.sleep(20)""",
    "without its first thread": """import ctypes, os, threading, time
    def take():
        time.sleep(0.2)
        x = bytearray(b"1") * (1 << 29)
        for k in range(3):
            if os.fork() == 0:
                y = bytearray(b"1") * (1 << 28)
                time.sleep(20)
        time.sleep(20)
    if os.fork() == 0:
        threading.Thread(target=take).start()
        ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)  # ends this thread alone
    time.sleep(20)""",
    "page tables": """import mmap, numpy, time
    data, size = bytearray(b"1") * (11 << 26), 3 << 36  # and tables of 400 MB
    x = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | 0x4000, prot=mmap.PROT_READ)
    numpy.frombuffer(x, dtype=numpy.uint8)[:: 1 << 21].sum()
    time.sleep(20)""",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A sandbox that ends what has a gigabyte in all, which is faster reached."""
    folder = tmp_path_factory.mktemp("small")
    shutil.copytree(sandbox.PACKAGES / "helpers", folder / "helpers")
    (folder / "autograder").mkdir()
    for name in sandbox.SHOWN:
        text = (sandbox.PACKAGES / "autograder" / name).read_text()
        (folder / "autograder" / name).write_text(re.sub(r"(>|<=) (cage\.)?MAX_MEMORY\b", r"\1 \2MAX_MEMORY // 4", text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "PACKAGES", folder)
        with Runner(caged=True) as runner:
            yield runner


@needs_sandbox
@pytest.mark.parametrize("what", TOO_MUCH)
def test_all_memory_of_an_answer_counts(small, what):
    seen = small.observe(TASK, keys.secret_item(TASK, 0), HEAD + TOO_MUCH[what])
    assert "more than 4 GB" in next(iter(seen.values()))["text"]


@needs_sandbox
def test_a_name_with_a_line_of_its_own_does_not_end_the_worker(small):
    assert says(small, 'import ctypes, time\nctypes.CDLL(None).prctl(15, b"\\rVmPTE:x", 0, 0, 0)\ntime.sleep(1)\n1') == "1"
    assert judge_answer(TASK, course.load("01_sampling").answer(TASK), 0, small).passed


@needs_sandbox
def test_memory_that_processes_share_counts_once(small):
    """Nine processes with the same eighth of a gigabyte: far from one gigabyte."""
    code = "import os, time\nx = bytearray(b'1') * (1 << 27)\nfor k in range(9):\n    if os.fork() == 0:\n        time.sleep(1)\n        os._exit(0)\ntime.sleep(1)\n1"
    assert says(small, code) == "1"


@needs_sandbox
def test_what_it_leaves_running_is_dead_before_the_next(caged):
    daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True: time.sleep(1)\n    os._exit(0)\n1"
    says(caged, daemon)
    stopped = "import os, signal\nif os.fork() == 0: os.kill(os.getpid(), signal.SIGSTOP)\n1"
    says(caged, stopped)
    assert caged.used > 0  # it is there when the last process is gone
    # bwrap's own first process, the one that waits for the worker, the warm worker, and the process for the next answer
    assert [len(below(caged._process.pid, steps)) for steps in range(1, 6)] == [1, 1, 1, 1, 0]


def below(process: int, steps: int) -> list[int]:
    """The processes so many generations below this one."""
    if steps == 0:
        return [process]
    found = subprocess.run(["ps", "--ppid", str(process), "-o", "pid="], capture_output=True, text=True).stdout.split()
    return [one for child in map(int, found) for one in below(child, steps - 1)]


SCAN = """
import ctypes, gc
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
page, found, read = 1 << 16, 0, 0
buffer = ctypes.create_string_buffer(page)
first, second = b"a_name_that_", b"rewsna_siht_ylno"  # never together in this scan itself
starts = {libc.sbrk(0) // page * page} | {id(o) // page * page for o in gc.get_objects()}
todo, seen = list(starts), set()
while todo:
    start = todo.pop()
    if start in seen: continue
    seen.add(start)
    here = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), page)
    there = (ctypes.c_uint64 * 2)(start, page)
    count = libc.process_vm_readv(1, here, 1, there, 1, 0)
    if count > 0:
        read += count
        data, at = buffer.raw[:count], -1
        while (at := data.find(first, at + 1)) >= 0:
            found += data[at + 12:at + 28][::-1] == second
        todo += [start - page, start + page]
[read > 50_000_000, found]"""


@needs_sandbox
@pytest.mark.parametrize("control", [False, True])
def test_no_earlier_request_is_in_memory(caged, control):
    """A request holds reference answers of other tasks, and a student's answer: no later process may find them.

    All memory around Python's objects is read, freed memory too; as a control, a word of this very request is found.
    """
    marker = "a_name_that_only_this_answer"
    assert marker[:12].encode() in SCAN.encode() and marker[12:][::-1] in SCAN
    assert judge_answer(TASK, f"{marker} = 1\n" + course.load("01_sampling").answer(TASK), 0, caged).passed
    seen = says(caged, f"{f'# {marker}' if control else ''}{SCAN}")
    enough, found = ast.literal_eval(seen)
    assert enough and (found > 0) == control, seen


@needs_sandbox
def test_bytes_of_one_answer_are_never_read_as_the_next(caged):
    stale = "import socket, os\n    for fd in range(3, 300):\n        try: os.write(fd, b'\\x05\\0\\0\\0\\0\\0\\0\\0hello' * 100)\n        except OSError: pass\n    os._exit(0)"
    verdict = judge_answer(TASK, HEAD + stale, 0, caged)
    assert not verdict.passed and "garbled" in verdict.sentence
    assert judge_answer(TASK, course.load("01_sampling").answer(TASK), 0, caged).passed


@needs_sandbox
def test_the_whole_sandbox_dies_with_the_grader():
    code = (
        "import os\nfrom autograder import keys\nfrom autograder.runner import Runner\nrunner = Runner(caged=True)\n"
        f"runner.observe({TASK!r}, keys.public_item({TASK!r}))\nprint(runner._process.pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    pid = int(done.stdout)
    for _ in range(50):
        if subprocess.run(["ps", "-p", str(pid)], capture_output=True).returncode:
            return
        time.sleep(0.1)
    raise AssertionError("the sandbox is still there")


def test_without_a_sandbox_nothing_is_graded_and_one_sentence_says_why(tmp_path):
    for name in ("01_sampling",):
        shutil.copytree(REPOSITORY / "solutions" / name, tmp_path / "solutions" / name)
    for name in ("course.toml", "nbgrader_config.py"):
        shutil.copy(REPOSITORY / name, tmp_path)
    path = tmp_path / "submitted" / "ada" / "01_sampling" / "01_sampling.ipynb"
    path.parent.mkdir(parents=True)
    blank = nbformat.read(REPOSITORY / "notebooks/01_sampling/01_sampling.ipynb", as_version=4)
    nbformat.write(demo.fill(blank, demo.reference("01_sampling")), path)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "bwrap").write_text("#!/bin/sh\necho setting up uid map: Permission denied >&2\nexit 1\n")
    (tools / "bwrap").chmod(0o755)
    environment = {
        **os.environ,
        "DIFFUSION_LABS_COURSE": str(tmp_path),
        "PYTHONPATH": str(REPOSITORY),
        "PATH": f"{tools}:{os.environ['PATH']}",
    }
    environment.pop(sandbox.SWITCH, None)

    def run(*words, **more):
        command = [sys.executable, "-m", *words]
        return subprocess.run(command, cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True)

    assert run("autograder", "release").returncode == 0
    refused = run("nbgrader", "autograde", "01_sampling")
    assert refused.returncode == 1
    said = [line for line in refused.stderr.splitlines() if "ERROR" in line]
    assert len(said) == 1 and "Traceback" not in refused.stderr
    for words in ("Permission denied", "install bubblewrap", "container", "DIFFUSION_LABS_SANDBOX=off"):
        assert words in said[0]
    assert not (tmp_path / "autograded").exists()
    allowed = run("nbgrader", "autograde", "01_sampling", **{sandbox.SWITCH: "off"})
    assert allowed.returncode == 0 and allowed.stderr.count("without the sandbox") == 1
    graded = json.loads((tmp_path / "autograded/ada/01_sampling/01_sampling.ipynb").read_text())
    assert all(verdict["passed"] for verdict in graded["metadata"]["diffusion_labs"]["verdicts"].values())


def test_the_course_is_hidden_where_it_lies_in_the_environment(monkeypatch):
    """A course in a folder of a Python installation, or a package that was installed there, is covered."""
    monkeypatch.setattr(course, "ROOT", sandbox.Path(os.path.dirname(os.__file__)) / "email")
    words = sandbox.command()
    place = str(sandbox.Path(os.path.dirname(os.__file__)) / "email")
    assert words[words.index(place, words.index("--ro-bind")) - 1] in ("--tmpfs", "--dir")
    last = len(words) - 1 - words[::-1].index(place)
    assert words[last - 1] == "--tmpfs" and last > words.index(sys.base_prefix + "/lib")
