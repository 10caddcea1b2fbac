"""The grader's side of the worker: send a task's cells and inputs, get back arrays."""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from autograder import cage, course, sandbox
from autograder.worker import END, READY, REPORT, TOO_MUCH_MEMORY
from helpers.arrays import Observation, unpack
from helpers.probes import PATIENCE

SECONDS = 10.0
"""Time limit of one task: defining the cells, and again for all its properties together."""

MAX_REPLY = 64_000_000
START = 120.0
"""Seconds that the worker may take to start, on a busy machine with a cold disk."""


class WorkerDied(RuntimeError):
    """The worker itself is gone: a fault of the grader's, never of an answer's."""


class _Late(Exception):
    """An answer did not come in time."""


class _NotThere(Exception):
    """No process could be set up for an answer."""


class _TooLarge(Exception):
    """An answer's process sent more than anything right could be."""


class Runner:
    """Runs answers in fresh processes forked from one warm worker. Use as a context manager.

    The worker is in the sandbox wherever that works, and outside where it does not: whoever grades students' code calls
    `sandbox.require` first. `caged` overrides this.
    """

    def __init__(self, seconds: float = SECONDS, caged: bool | None = None) -> None:
        self.seconds = seconds
        self._used, self._unread = 0.0, False  # whether there is a report on the last answer's process that we have not read
        self._caged = caged
        self._served = False  # whether the last worker came to serve
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._next: socket.socket | None = None
        """To the process for the next answer, which gets ready while the last one runs."""
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """End the worker."""
        if self._next is not None:
            self._next.close()
            self._next = None
        self._unread = False
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def observe(
        self, task: str, item: dict[str, Any], answer: str | None = None, carried: list[str] | None = None
    ) -> dict[str, Observation]:
        """The observations of one answer (the reference's if None) with reference answers of all other tasks around it."""
        message = json.dumps(request(task, item, answer, carried, self.seconds)).encode()
        try:
            result = self._ask(message)
        except WorkerDied:
            try:
                result = self._ask(message)  # once more with a new worker
            except WorkerDied:
                if not self._served or self._in_cage():
                    raise
                result = "ended the grading worker, twice"  # which it can reach where there is no sandbox
        if isinstance(result, bytes):
            try:
                found = unpack(result, [prop["name"] for prop in item["properties"]])
                return {name: _in_our_words(one, self.seconds) for name, one in found.items()}
            except ValueError:
                result = "ran in a process that sent a garbled result"
        return {prop["name"]: {"failed": "lost", "text": result} for prop in item["properties"]}

    def _ask(self, message: bytes) -> bytes | str:
        """The reply to one request, over a socket that is used for it alone; or a sentence that says why there is none."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        reply = failure = None
        there, status = True, 0
        try:
            ours, self._next = self._next or self._connect(), None
            self._next = self._connect()
            with ours:
                try:
                    reply = _talk(ours, message, PATIENCE * self.seconds + 5.0)
                except _NotThere:
                    there = False
                except _Late:
                    failure = f"did not finish within {self.seconds:g} s and had to be stopped"
                except _TooLarge:
                    failure = "returned far more numbers than asked for"
            self._read_report()
            self._control.sendall(END)
            self._unread = True
            if reply is None:
                status = self._read_report()
        except (OSError, struct.error):
            reason = self._last_words()
            self.close()
            raise WorkerDied(f"the grading worker ended; no answer was judged by it{reason}") from None
        if not there:
            raise WorkerDied("no process could be set up for an answer; see docs/security.md on testing the sandbox")
        return failure or reply or f"ran in a process that ended without a result ({_how(status)})"

    @property
    def used(self) -> float:
        """Seconds of computing of all answers' processes so far, the given cells and the probe's calls included."""
        with contextlib.suppress(OSError, struct.error):
            self._read_report()
        return self._used

    def _read_report(self) -> int:
        """How the last answer's process ended; 0 if we know already. It is asked for late: meanwhile its numbers can be compared."""
        status = 0
        if self._unread:
            self._unread = False
            status, used = struct.unpack(REPORT, self._control.recv(struct.calcsize(REPORT), socket.MSG_WAITALL))
            self._used += used
        return status

    def _connect(self) -> socket.socket:
        """Our end of a socket to a process for one answer, which the worker now sets up."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"!"], [theirs.fileno()])
        return ours

    def _start(self) -> None:
        """Start a worker, and wait until it is warm."""
        self.close()
        self._served = False
        self._scratch = tempfile.TemporaryDirectory(prefix="diffusion-labs-")
        command, environment = (sandbox.command(), {}) if self._in_cage() else sandbox.bare_command()
        self._control, theirs = socket.socketpair()
        with theirs, Path(self._scratch.name, "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=stderr, cwd=self._scratch.name, env=environment
            )
        self._control.settimeout(START)
        try:
            ready = self._control.recv(1)
        except OSError:
            ready = b""
        if ready != READY:
            reason = self._last_words()
            self._process.kill()
            self.close()
            raise WorkerDied(f"the grading worker did not start{reason}")
        self._served = True

    def _in_cage(self) -> bool:
        """Whether the worker runs in the sandbox."""
        return sandbox.in_use() if self._caged is None else self._caged

    def _last_words(self) -> str:
        """The end of what the worker wrote before it was ready, for an error's text."""
        text = Path(self._scratch.name, "stderr").read_text(errors="replace").strip() if self._scratch else ""
        return f": {text[-2000:]}" if text else ""


def request(
    task: str, item: dict[str, Any], answer: str | None, carried: list[str] | None, seconds: float
) -> dict[str, Any]:
    """What the worker is asked. Of the item's properties it gets names and inputs, never what is expected."""
    assignment = course.load(course.tasks()[task])
    properties = [{"name": prop["name"], "inputs": prop["inputs"]} for prop in item["properties"]]
    return {
        "task": task,
        "item": {"seed": item["seed"], "properties": properties},
        "cells": assignment.cells_before_check(task, answer),
        "check": assignment.check_cell(task).source,
        "carried": carried or [],
        "seconds": seconds,
    }


def _in_our_words(seen: Observation, seconds: float) -> Observation:
    """What a student's process may say of being late: that it was, and nothing that it has learnt of the item."""
    kind = seen.get("failed")
    if kind == "TimeLimit":
        return {"failed": kind, "text": f"did not finish within {seconds:g} s (an endless loop?)"}
    if kind == "skipped":
        return {"failed": kind, "text": "was not tried, since the time was already used up"}
    return {**seen, "failed": "Lost"} if kind == "lost" else seen  # only the grader knows that a process was lost


def _talk(ours: socket.socket, message: bytes, seconds: float) -> bytes | None:
    """Send a request once the process for it is there; its whole reply, or None if it ended before it had written one."""
    ours.settimeout(START)
    if ours.recv(1) != READY or _ended(ours):
        raise _NotThere
    deadline = time.monotonic() + seconds
    try:
        ours.sendall(struct.pack("<Q", len(message)) + message)
        (size,) = struct.unpack("<Q", _receive(ours, 8, deadline))
        if size > MAX_REPLY:
            raise _TooLarge
        return _receive(ours, size, deadline)
    except (ConnectionError, EOFError):
        return None


def _ended(ours: socket.socket) -> bool:
    """Whether the process at the other end, which says nothing unasked, is gone."""
    return bool(select.select([ours], [], [], 0)[0])


def _receive(ours: socket.socket, size: int, deadline: float) -> bytes:
    """Exactly `size` bytes."""
    chunks = bytearray()
    while len(chunks) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _Late
        ours.settimeout(left)
        try:
            chunk = ours.recv(min(size - len(chunks), 1 << 20))
        except TimeoutError:
            raise _Late from None
        if not chunk:
            raise EOFError
        chunks += chunk
    return bytes(chunks)


def _how(status: int) -> str:
    """How the process of an answer ended, in words."""
    if status == TOO_MUCH_MEMORY:
        return f"out of memory: it used more than {cage.MAX_MEMORY >> 30} GB"
    if status == -signal.SIGKILL:
        return "it was killed: out of memory?"
    if status in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE):
        return f"it crashed: {signal.strsignal(-status)}"
    return "out of memory, or it called exit?"
