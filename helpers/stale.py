"""Notice objects that are older than the class they were made from: a cell was run again, and a later one was not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from helpers import notebook, panel

REACH = 300
"""How many objects are looked at in one that is asked about: its attributes, theirs, and what is in their lists."""

_said: set[str] = set()


def notes(objects: tuple[Any, ...], space: dict[str, Any]) -> list[str]:
    """One sentence for every object that is older than a class it was made from, or that lost methods to a new version of its class.

    Args:
        objects: instances, classes or functions.
        space: the notebook's namespace: what a name means now.
    """
    found = []
    for thing in objects:
        name = next((name for name, value in space.items() if value is thing and not name.startswith("_")), "")
        sentence = _sentence(thing, name or f"this {type(thing).__name__}", space)
        found += [sentence] if sentence else []
    return found


def watch(shell: Any) -> None:
    """Look after every cell from now on whether it made something older than its class, and say so once."""
    if _after_cell not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _after_cell)


def _after_cell(*_: Any) -> None:
    global _said
    from IPython import get_ipython

    with contextlib.suppress(Exception):  # a student's objects may do anything when they are looked at
        space = dict(get_ipython().user_ns)
        mine = {id(value): value for name, value in space.items() if not name.startswith("_") and name not in ("In", "Out")}
        now = set(notes(tuple(value for value in mine.values() if _by_a_cell(value, space)), space))
        if now - _said:
            panel.note("A class was defined again", *sorted(now - _said)).show()
        _said = now


def _by_a_cell(value: Any, space: dict[str, Any]) -> bool:
    """Whether a value may have to do with a class of this notebook: classes and objects with attributes, not modules or functions."""
    if isinstance(value, type):
        return value.__module__ == space.get("__name__")
    return any(kind.__module__ == space.get("__name__") for kind in type(value).__mro__) or hasattr(
        type(value), "named_modules"
    )


def _sentence(thing: Any, name: str, space: dict[str, Any]) -> str:
    if isinstance(thing, type):
        lost = [method for method, owner in notebook.attached.get(thing.__qualname__, {}).items()
                if owner is not thing and not hasattr(thing, method)]  # fmt: skip
        if lost and not _outdated(thing, space):
            return f"{name} was defined anew, without {', '.join(lost)}: run the cells that write them again."
        base = next((kind for kind in thing.__mro__[1:] if _outdated(kind, space)), None)
        return (
            f"{name} builds on an earlier version of {base.__name__}: run the cell that defines {name} again."
            if base
            else ""
        )
    old = next((kind for kind in type(thing).__mro__ if _outdated(kind, space)), None)
    if old is type(thing):
        return f"{name} was made from an earlier version of {old.__name__}: run the cell that makes {name} again."
    if old:
        cls = type(thing).__name__
        return (f"{name} was made from {cls}, which builds on an earlier version of {old.__name__}: "
                f"run the cell that defines {cls} again, then the one that makes {name}.")  # fmt: skip
    parts = (kind for part in _reachable(thing) for kind in type(part).__mro__ if _outdated(kind, space))
    old = next(parts, None)
    return (
        f"{name} holds something made from an earlier version of {old.__name__}: run the cells that make both again."
        if old
        else ""
    )


def _outdated(kind: type, space: dict[str, Any]) -> bool:
    """Whether a class was made by a cell, and its name now means another class."""
    now = space.get(kind.__name__)
    return (kind.__module__ == space.get("__name__") and kind.__qualname__ == kind.__name__ and now is not kind
            and isinstance(now, type) and now.__qualname__ == kind.__qualname__ and now.__module__ == kind.__module__)  # fmt: skip


def _reachable(thing: Any) -> Iterator[Any]:
    """The attributes of an object, theirs, and so on, through lists, tuples and dictionaries; at most REACH of them."""
    queue, seen = [thing], {id(thing)}
    while queue and len(seen) < REACH:
        current = queue.pop(0)
        inside = (
            list(current.values())
            if isinstance(current, dict)
            else list(current[:50])
            if isinstance(current, (list, tuple))
            else []
        )
        with contextlib.suppress(TypeError):
            inside += vars(current).values()
        for part in inside:
            if id(part) not in seen and not isinstance(part, (str, bytes, int, float, type)) and part is not None:
                seen.add(id(part))
                queue.append(part)
                yield part
