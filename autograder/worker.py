"""The process in which student code runs while grading. It holds no expected value, no key and no other student's work.

`python -m autograder.worker` imports torch and the probes once, then forks a fresh process for every task it is asked to run:
requests (JSON) come in on stdin, packed arrays go out on stdout, both with a length in front. The fork runs the notebook's
cells in order, with reference answers for all tasks but the one being graded, then the probe, and is killed with all its
children whatever happened. It works in a folder of its own; nothing that it leaves behind is seen by the next.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
from typing import Any, BinaryIO

from helpers import probes
from helpers.arrays import Observation, pack

MAX_REPLY = 64_000_000
MAX_MEMORY = 4 << 30


def main() -> None:
    """Serve requests until stdin closes."""
    import torch
    from IPython.core.inputtransformer2 import TransformerManager

    TransformerManager().transform_cell("warm = 1\n")
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1)], lr=0.1).zero_grad()  # the first optimizer of a process imports for seconds
    probes.load()
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    while (message := read_message(incoming)) is not None:
        request = json.loads(message)
        read_end, write_end = os.pipe()
        folder = tempfile.mkdtemp(dir=".")
        child = os.fork()
        if child == 0:
            os.close(read_end)
            os.chdir(folder)
            sys.path.insert(0, os.getcwd())
            _child(request, write_end, (incoming.fileno(), outgoing.fileno()))
        os.close(write_end)
        reply = _collect(read_end, time.monotonic() + probes.PATIENCE * request["seconds"] + 5.0)
        os.close(read_end)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        shutil.rmtree(folder, ignore_errors=True)
        write_message(outgoing, reply)


def _child(request: dict[str, Any], write_end: int, inherited: tuple[int, ...]) -> None:
    """Run one request and write its observations; never returns."""
    try:
        os.setsid()
        for descriptor in inherited:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
        message = pack(run(request))
        with os.fdopen(write_end, "wb") as stream:
            stream.write(message)
    except BaseException:
        pass
    finally:
        os._exit(0)


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
        code = TransformerManager().transform_cell(source)
        exec(compile(code, f"<{name}>", "exec"), space)

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


def _collect(read_end: int, deadline: float) -> bytes:
    """What the child wrote until it closed its end, ran out of time or wrote too much (then nothing)."""
    chunks, size = [], 0
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([read_end], [], [], left)[0]:
            break
        chunk = os.read(read_end, 1 << 16)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_REPLY:
            return b"too large"
    return b"late"


def read_message(stream: BinaryIO) -> bytes | None:
    """One message with its length in front; None at the end of the stream."""
    head = stream.read(8)
    return stream.read(struct.unpack("<Q", head)[0]) if len(head) == 8 else None


def write_message(stream: BinaryIO, message: bytes) -> None:
    """The counterpart of `read_message`."""
    stream.write(struct.pack("<Q", len(message)) + message)
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
