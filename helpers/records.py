"""What your checks found, in a file of your own: a line of JSON for each check, added and never rewritten; and the course's outline.

Lines are only ever added, so that two notebooks may write at the same time, and a line that somebody broke costs that line alone.
Nothing is written where a notebook is graded, outside of notebooks, or with DIFFUSION_LABS_PROGRESS=off.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from helpers import notebook
from helpers.notebook import grading

FILE = "diffusion-labs-progress.jsonl"
SWITCH = "DIFFUSION_LABS_PROGRESS"
DRIVE = notebook.DRIVE / "MyDrive"
"""Where Colab shows a student's Google Drive, if it is mounted."""

_complained: set[str] = set()


@functools.cache
def outline() -> dict[str, dict[str, Any]]:
    """Every notebook of the course, by name: its title, whether it is extra credit, the points of its tasks and written questions, and the cells after these."""
    return json.loads(resources.files("helpers").joinpath("course.json").read_text(encoding="utf-8"))


def place() -> Path:
    """The file: the nearest one upwards from here; else a new one in the course's folder, here, or at home, where one may write.

    In Colab it is on Google Drive if that is mounted, since Colab forgets its own files.
    """
    if DRIVE.is_dir():
        return DRIVE / "diffusion-labs" / FILE
    here = Path.cwd()
    above = [here, *here.parents]
    there = [folder for folder in above if (folder / FILE).exists()]
    course = [folder for folder in above if (folder / "helpers" / "checks.py").exists()]
    new = [folder for folder in (*course, here, Path(os.path.expanduser("~"))) if os.access(folder, os.W_OK)]
    return (there + new + [here])[0] / FILE


def shell() -> Any:
    """IPython's shell where this session is a notebook that somebody works in; None in scripts, tests and where it is graded."""
    if grading() or "IPython" not in sys.modules:
        return None
    return sys.modules["IPython"].get_ipython()


def keep(task: str, **what: Any) -> str:
    """Add a line about a task; returns "", or one sentence the first time that this is not possible for a reason."""
    if shell() is None or os.environ.get(SWITCH) == "off":
        return ""
    line = {
        "task": task,
        **what,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cell": digest(_answer_cell(task)),
    }
    try:
        path = place()
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(line))  # a line begins anew even if the one before was cut off
        return ""
    except OSError as error:
        sentence = f"Your progress cannot be kept in {FILE}: {reason(error)}. Checks work all the same."
        new = sentence not in _complained
        _complained.add(sentence)
        return sentence if new else ""


def read() -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The last line about each task (`passed`, None if nothing was filled in; `time`, `cell`, `opened` if it ever was), and sentences about what is unreadable."""
    found: dict[str, dict[str, Any]] = {}
    broken = 0
    try:
        path = place()
        lines = path.read_bytes().decode("utf-8", "replace").splitlines() if path.exists() else []
    except OSError as error:
        return {}, [f"{FILE} cannot be read: {reason(error)}."]
    for line in filter(str.strip, lines):
        try:
            entry = json.loads(line)
            task, when = entry["task"], datetime.fromisoformat(entry["time"])
            opened = bool(entry.get("opened") or found.get(task, {}).get("opened"))
            found[task] = {
                "passed": entry.get("passed"), "time": when if when.tzinfo else when.replace(tzinfo=UTC),
                "cell": entry.get("cell"), "opened": opened,
            }  # fmt: skip
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            broken += 1
    notes = [
        f"{broken} line{'s' * (broken > 1)} of {path.name} cannot be read; the rest counts, and nothing was changed in it."
    ]
    return found, notes if broken else []


def digest(source: str) -> str | None:
    """What tells one version of a cell from another; None for no cell."""
    return hashlib.sha256(source.strip().encode("utf-8", "replace")).hexdigest()[:16] if source.strip() else None


def _answer_cell(task: str) -> str:
    """The source of the cell with this task's TODO line as this session ran it last; "" if it was not run, or has lost that line."""
    history = getattr(getattr(shell(), "history_manager", None), "input_hist_raw", [])
    return next((source for source in reversed(list(history)) if f"TODO {task}:" in source), "")


def reason(error: OSError) -> str:
    """Why a file could not be written or read, as the end of a sentence."""
    import errno

    words = {
        errno.ENOSPC: "the disk is full", errno.EDQUOT: "your share of the disk is full", errno.EACCES: "you may not do that there",
        errno.EPERM: "you may not do that there", errno.EROFS: "the folder is read-only", errno.EISDIR: "it is a folder",
        errno.ENOENT: "there is no such file or folder",
    }  # fmt: skip
    return words.get(error.errno, error.strerror or type(error).__name__)
