"""The process in which student code runs while grading. It holds no expected value, no key and no other student's work.

`python -m autograder.worker` imports torch and the probes once, then serves: for every answer, the grader passes it one end of a
new socket (stdin is the socket over which these ends come). It never reads from them itself. It forks a process; only that one
reads the request, runs the notebook's cells in order, with reference answers for all tasks but the one being graded, then the
probe, and writes the observations. So nothing of a request is in the memory that the next answer's process is forked from. When
the grader says so, the worker ends the eldest of its processes and all that it started, and reports how it ended. The grader asks
for the next process before it sends a request to the last one, so that nobody waits for a fork.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from autograder import cage
from helpers import probes
from helpers.arrays import Observation, pack

READY, END = b"+", b"."
TOO_MUCH_MEMORY = 1001
"""What is reported besides exit codes (negative: the number of a signal)."""
REPORT = "<id"
"""A report: how the process for an answer ended, and the seconds of computing that it took."""


def main() -> None:
    """Serve requests until the grader closes its end of stdin; "--caged" says that we are in the sandbox."""
    caged = "--caged" in sys.argv
    tree = -1
    if caged:
        cage.leave_root()
        tree = cage.nest()
    warm()
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    control.sendall(READY)
    started: deque[Child] = deque()
    while True:
        while not select.select([control], [], [], 0.05 if caged and started else None)[0]:
            with contextlib.suppress(OSError, ValueError, IndexError):  # nothing that is counted may end this process
                if cage.memory_in_use() > cage.MAX_MEMORY:
                    started[0].end(TOO_MUCH_MEMORY)
        word, connections, _, _ = socket.recv_fds(control, 1, 1)
        if not word:
            for child in started:
                child.end()
            os._exit(0)  # nothing here is worth tidying up, and torch would take its time
        if connections:
            started.append(start(control, connections[0], tree))
            os.close(connections[0])
        else:
            control.sendall(started.popleft().report())


def warm() -> None:
    """Import and start once what would cost every answer seconds."""
    import torch
    from IPython.core.inputtransformer2 import TransformerManager

    TransformerManager().transform_cell("warm = 1\n")
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1)], lr=0.1).zero_grad()  # the first optimizer of a process imports for seconds
    torch.ones(64).half().float()  # torch asks for the kind of processor once, in /proc, which answers do not have
    torch.nn.functional.linear(torch.ones(4, 4).bfloat16(), torch.ones(4, 4).bfloat16())
    probes.load()
    gc.collect()
    gc.freeze()  # what is here is here to stay: an answer's process need not look through it, and so copy it


@dataclass
class Child:
    """The process for an answer: its number, its folder (in the sandbox each has its own in the same place), and how it was ended."""

    pid: int
    folder: str = ""
    status: int = 0

    def end(self, status: int = 0) -> None:
        """Kill it and all that it started; in the sandbox it is the first process of a tree, which ends with it."""
        self.status = self.status or status
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if not self.folder:
                os.kill(self.pid, signal.SIGKILL)
            else:
                os.killpg(self.pid, signal.SIGKILL)

    def report(self) -> bytes:
        """End it; how it ended and the seconds of computing that it took."""
        time.sleep(0.002)  # a process that has just answered may end by itself
        ended, code, used = os.wait4(self.pid, os.WNOHANG)
        self.end()
        while not ended or os.WIFSTOPPED(code):  # stopped: it has made this process its tracer, where that is not refused
            ended, code, used = os.wait4(self.pid, 0)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        return struct.pack(REPORT, self.status or os.waitstatus_to_exitcode(code), used.ru_utime + used.ru_stime)


def start(control: socket.socket, connection: int, tree: int) -> Child:
    """Fork the process for an answer; outside of the sandbox (no `tree`) with a folder that is its own."""
    folder = "" if tree >= 0 else tempfile.mkdtemp(dir=".")
    if not folder:
        cage.new_tree(tree)
    pid = os.fork()
    if pid == 0:
        serve(control, connection, folder)
    if folder:
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # so that it can be ended before it has come to do so itself
    return Child(pid, folder)


def serve(control: socket.socket, connection: int, folder: str) -> None:
    """In the process for an answer: read the request, run it, write the observations. Never returns."""
    try:
        os.setpgid(0, 0)
        control.close()
        os.closerange(3, connection)
        os.closerange(connection + 1, 1024)
        if not folder:
            cage.confine()
        else:
            os.chdir(folder)
            resource.setrlimit(resource.RLIMIT_DATA, (cage.MAX_MEMORY, cage.MAX_MEMORY))
        sys.path.insert(0, os.getcwd())
        with socket.socket(fileno=connection) as stream:
            stream.sendall(READY)  # whatever fails from here on is the answer's doing
            reply = pack(run(json.loads(read_message(stream))))
            stream.sendall(struct.pack("<Q", len(reply)) + reply)
    except BaseException:
        pass
    finally:
        os._exit(0)


def read_message(stream: socket.socket) -> bytes:
    """One message with its length in front."""
    (size,) = struct.unpack("<Q", stream.recv(8, socket.MSG_WAITALL))
    return stream.recv(size, socket.MSG_WAITALL)


def run(request: dict[str, Any]) -> dict[str, Observation]:
    """Run the cells of a request, then its check cell with a `check` that runs the probe on the objects named there.

    A request has `task`, `item` (properties with names and inputs, a seed), `cells` (pairs of origin and source; origin
    "answer" is the student's), `check` (the source of the check cell), `carried` (definitions that the student made elsewhere
    in the notebook) and `seconds`.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    task, item = request["task"], request["item"]
    space: dict[str, Any] = {"__name__": "__main__", "get_ipython": lambda: _NoShell()}
    found: dict[str, Observation] = {}

    def check(name: str, *objects: Any, **_: Any) -> None:
        if name == task:
            found.update(probes.observe(task, item, objects, request["seconds"]))

    def execute(source: str, name: str) -> None:
        try:
            code = compile(source, f"<{name}>", "exec")
        except (SyntaxError, ValueError):  # not plain Python: magics, or a mistake
            code = compile(TransformerManager().transform_cell(source), f"<{name}>", "exec")
        exec(code, space)

    try:
        with probes.quiet(), probes.time_limit(request["seconds"]):
            for origin, source in request["cells"]:
                if origin == "answer":
                    for extra in request["carried"]:
                        with contextlib.suppress(Exception):
                            execute(extra, "carried")
                execute(source, origin)
            space["check"] = check
        execute(request["check"], "check")
    except (Exception, SystemExit, probes.TimeLimit) as error:
        if isinstance(error, probes.TimeLimit):
            failed: Observation = {
                "failed": "TimeLimit",
                "text": f"did not finish within {request['seconds']:g} s when its cell was run",
            }
        else:
            failed = probes.failure(error)
        found = {prop["name"]: failed for prop in item["properties"]}
    return found


class _NoShell:
    """Stands in for IPython's shell: of all magics only %%writefile does something here."""

    def run_cell_magic(self, name: str, line: str, body: str) -> None:
        """Write the cell's body to a file, so that it can be imported; other magics do nothing."""
        if name == "writefile":
            with open(line.split()[-1], "w", encoding="utf-8") as file:
                file.write(body)

    def __getattr__(self, _name: str) -> Any:
        return lambda *_, **__: None


if __name__ == "__main__":
    sys.exit(main())
