"""The grader's side of the worker: send a task's cells and inputs, get back arrays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from autograder import course
from autograder.worker import read_message, write_message
from helpers.arrays import Observation, unpack

PACKAGES = Path(__file__).resolve().parent.parent

SECONDS = 10.0
"""Time limit of one task: defining the cells, and again for all its properties together."""


class WorkerDied(RuntimeError):
    """The worker itself is gone: a fault of the grader's, never of an answer's."""


class Runner:
    """Runs answers in fresh processes forked from one warm worker. Use as a context manager."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """End the worker."""
        if self._process is not None:
            self._process.stdin.close()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()
            self._process = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def observe(
        self, task: str, item: dict[str, Any], answer: str | None = None, carried: list[str] | None = None
    ) -> dict[str, Observation]:
        """The observations of one answer (the reference's if None) with reference answers of all other tasks around it.

        Only names and inputs of the item's properties are sent, never what is expected.
        """
        assignment = course.load(course.tasks()[task])
        public = {
            "seed": item["seed"],
            "properties": [{"name": p["name"], "inputs": p["inputs"]} for p in item["properties"]],
        }
        request = {
            "task": task,
            "item": public,
            "cells": assignment.cells_before_check(task, answer),
            "check": assignment.check_cell(task).source,
            "carried": carried or [],
            "seconds": self.seconds,
        }
        message = json.dumps(request).encode()
        try:
            reply = self._ask(message)
        except WorkerDied:
            reply = self._ask(message)  # once more with a new worker; a second death is reported
        text = {
            b"late": f"did not finish within {self.seconds:g} s and had to be stopped",
            b"too large": "returned far more numbers than asked for",
            b"": "the process that ran this answer ended without a result (out of memory, or it called exit?)",
        }.get(reply)
        if text is None:
            try:
                return unpack(reply)
            except ValueError:
                text = "the process that ran this answer sent a garbled result"
        return {prop["name"]: {"failed": "lost", "text": text} for prop in item["properties"]}

    def _ask(self, message: bytes) -> bytes:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._scratch = tempfile.TemporaryDirectory(prefix="diffusion-labs-")
            environment = {**os.environ, "NBGRADER_EXECUTION": "autograde", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
            environment["PYTHONPATH"] = os.pathsep.join([str(PACKAGES), *(path for path in sys.path if path)])
            self._process = subprocess.Popen(
                [sys.executable, "-m", "autograder.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=self._scratch.name,
                env=environment,
            )
        try:
            write_message(self._process.stdin, message)
            reply = read_message(self._process.stdout)
        except BrokenPipeError:
            reply = None
        if reply is None:
            code = self._process.wait()
            self.close()
            raise WorkerDied(f"the grading worker ended with exit code {code}; no answer was judged by it")
        return reply
