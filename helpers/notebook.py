"""Small tools for the notebooks: methods written cell by cell, budgets for long cells, a progress bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import resources
from typing import Any


def attach(cls: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the decorated function a method of `cls`, so that a class can be written over several cells.

    >>> class Circle: ...
    >>> @attach(Circle)
    ... def area(self, radius): return 3.14 * radius ** 2
    >>> Circle().area(2)
    12.56
    """

    def put(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(cls, function.__name__, function)
        return function

    return put


def grading() -> bool:
    """Whether nbgrader is running this notebook (it sets NBGRADER_EXECUTION to "autograde" or "validate")."""
    return bool(os.environ.get("NBGRADER_EXECUTION"))


def budget(steps: int, when_graded: int = 2) -> int:
    """`steps` for you, `when_graded` while nbgrader runs the notebook: your grade never waits for a training loop."""
    return min(steps, when_graded) if grading() else steps


def progress_bar(steps: Iterable[Any] | int, description: str = "") -> Iterable[Any]:
    """Iterate with a progress bar in notebooks and terminals; silent while a notebook is graded.

    Args:
        steps: something to iterate over, or a number of steps.
        description: a word or two shown before the bar.
    """
    from tqdm.auto import tqdm

    return tqdm(range(steps) if isinstance(steps, int) else steps, desc=description, disable=grading(), leave=False)


def notation() -> Any:
    """The course's table of symbols, which bridges continuous and discrete time; shown as a table in a notebook."""
    from IPython.display import Markdown

    return Markdown(resources.files("helpers").joinpath("notation.md").read_text(encoding="utf-8"))
