"""`unlock("vpsde.loss", "KEY")`: go on past a task that your instructor has opened for you."""

from __future__ import annotations

import base64
import binascii
import json
import sys
import zlib
from pathlib import Path
from typing import Any

from helpers import panel, records
from helpers.notebook import grading

WORTH = "This task was opened for you: it is worth no points."

opened: set[str] = set()
"""The tasks that were opened in this session."""


def unlock(task: str, key: str = "") -> None:
    """Put the course's own answer in the place of a task's, for the cells that follow. The task is then worth no points.

    Write it in a cell of your own below the task's cell, and run it after that one. While a notebook is graded it does nothing.

    Args:
        task: the task's name, such as "vpsde.loss".
        key: what your instructor gave you; if empty, it is read from the file "vpsde.loss.open" beside the notebook.
    """
    if grading():
        return
    space = sys._getframe(1).f_globals
    try:
        name, source = decode(key or Path(f"{task}.open").read_text(encoding="utf-8"))
        if name != task:
            raise ValueError(f"This is the key of {name}, not of {task}.")
        _run(source, task, space)
    except OSError as error:
        why = f"{task}.open: {records.reason(error)}"
        panel.note(
            f"{task} is not open",
            f'There is no key ({why}); put that file beside the notebook, or write unlock("{task}", "KEY").',
        ).show()
    except ValueError as error:
        panel.note(f"{task} is not open", str(error)).show()
    else:
        opened.add(task)
        kept = records.keep(task, opened=True)
        words = "The course's own answer now stands in for yours, for the cells that follow; yours is as it was. Run this cell again after a restart."
        panel.note(f"{task} is open", words, WORTH, *filter(None, [kept])).show()


def encode(task: str, source: str) -> str:
    """The key of a task: the text of its answer, packed. It holds no other secret, and opens nothing but itself."""
    return base64.urlsafe_b64encode(zlib.compress(json.dumps([task, source]).encode(), 9)).decode()


def decode(key: str) -> tuple[str, str]:
    """The task of a key, and the answer in it.

    Raises:
        ValueError: with a sentence, if it is no key, or not a whole one.
    """
    try:
        packed = base64.b64decode("".join(key.split()), altchars=b"-_", validate=True)
        task, source = json.loads(zlib.decompress(packed))
        if isinstance(task, str) and isinstance(source, str):
            return task, source
    except (binascii.Error, zlib.error, ValueError, TypeError):
        pass
    raise ValueError("This is not a key, or a part of it is missing: copy all of it, as your instructor gave it to you.")


def _run(source: str, task: str, space: dict[str, Any]) -> None:
    """Run an answer as if its cell had been run in the notebook.

    Raises:
        ValueError: with a sentence, if something that the answer builds on is not there.
    """
    shell = records.shell()
    code = shell.transform_cell(source) if shell is not None else source
    try:
        exec(compile(code, f"<opened {task}>", "exec"), space)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"It could not be run here ({text}): run the cells above this one first, then this one again."
        ) from None
    if shell is not None and shell.user_ns.get("In"):
        shell.user_ns["In"][-1] = code  # so that export() finds it among the cells of this session
