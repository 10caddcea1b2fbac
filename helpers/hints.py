"""`hint("vpsde.loss")`: three hints for each task, from a nudge to a near-answer in words, one more at each call."""

from __future__ import annotations

import difflib
import functools
import tomllib
from importlib import resources

from helpers import panel

KINDS = ("nudge", "idea", "near")
"""The three hints of a task, by what they are called in helpers/hint_texts: where to look, the steps, a near-answer in words."""

_shown: dict[str, int] = {}


def hint(task: str, number: int | None = None) -> None:
    """Show the next hint for a task, or the one that is asked for.

    Args:
        task: the task's name, such as "vpsde.loss"; it is in the TODO line of its cell.
        number: 1, 2 or 3; if None, the one after the hint that this session has seen last.
    """
    found = texts()
    if not found:
        panel.note("No hints", "Your instructor has switched hints off.").show()
    elif task not in found:
        panel.note("No hints", _unknown(task, list(found))).show()
    elif number is not None and number not in (1, 2, 3):
        panel.note(task, f"There are three hints for each task: 1, 2 and 3, and no hint {number}.").show()
    else:
        last = number is None and _shown.get(task, 0) == len(KINDS)
        _shown[task] = number or min(_shown.get(task, 0) + 1, len(KINDS))
        sentences = [found[task][_shown[task] - 1]] + ["There are no more hints for this task."] * last
        panel.note(f"{task}: Hint {_shown[task]} of {len(KINDS)}", *sentences).show()


@functools.cache
def texts() -> dict[str, tuple[str, ...]]:
    """The three hints of every task, by task; empty where an instructor has switched hints off."""
    folder = resources.files("helpers").joinpath("hint_texts")
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".toml")] if folder.is_dir() else []
    return {
        task: tuple(hints[kind] for kind in KINDS)
        for entry in sorted(files, key=lambda entry: entry.name)
        for task, hints in tomllib.loads(entry.read_text(encoding="utf-8")).items()
    }


def _unknown(task: str, names: list[str]) -> str:
    """A sentence about a name that no task with hints has, with the names that are near."""
    near = [name for name in names if name.partition(".")[2] == str(task).rpartition(".")[2]]
    near += [name for name in difflib.get_close_matches(str(task), names, n=3, cutoff=0.5) if name not in near]
    if near:
        return f"There are no hints for {task!r}. Do you mean {' or '.join(near[:4])}?"
    return f"There are no hints for {task!r}: a task's name is in the TODO line of its cell, such as vpsde.loss."
