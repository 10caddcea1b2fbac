"""Small tools for the notebooks: methods written cell by cell, budgets for long cells, a progress bar."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from types import ModuleType
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


def export(module: str, *objects: Any) -> None:
    """Write the cells in which these functions and classes were defined to <module>.py, so that a script can import them.

    Methods that were attached to a class go with it, and so do the imports that the cells use. While a notebook is graded
    nothing is written; the module is made of the objects as they are.

    Args:
        module: a name for `import`.
        objects: functions and classes that were defined in cells of this notebook.

    Raises:
        ValueError: naming what no cell of this session defined.
    """
    names = [thing.__name__ for thing in objects]
    if grading():
        sys.modules[module] = ModuleType(module)
        vars(sys.modules[module]).update(zip(names, objects, strict=True))
        return
    from IPython import get_ipython

    cells, imports = {}, {}
    for number, source in enumerate(get_ipython().user_ns["In"]):
        for node in _statements(source):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imports |= {alias.asname or alias.name.split(".")[0]: ast.unparse(node) for alias in node.names}
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                owners = [ast.unparse(call.args[0]) for call in node.decorator_list if isinstance(call, ast.Call) and call.args]
                cells[".".join([*owners, node.name])] = number  # where it was defined last
    missing = sorted(set(names) - set(cells))
    if missing:
        raise ValueError(f"no cell that you ran defines {', '.join(missing)}; run the cells above first")
    wanted = sorted({number for name, number in cells.items() if name.split(".")[0] in names})
    body = "\n\n\n".join(get_ipython().user_ns["In"][number].strip() for number in wanted)
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    head = sorted({line for name, line in imports.items() if name in used})
    text = "\n".join([f'"""Your answers, as written by the cell `export({module!r}, ...)`: change them there."""', "", *head])
    Path(f"{module}.py").write_text(f"{text}\n\n\n{body}\n", encoding="utf-8")
    print(f"{module}.py now holds {', '.join(names)}")


def _statements(source: str) -> list[ast.stmt]:
    """The top-level statements of a cell; none if it is no plain Python."""
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


def notation() -> Any:
    """The course's table of symbols, which bridges continuous and discrete time; shown as a table in a notebook."""
    from IPython.display import Markdown

    return Markdown(resources.files("helpers").joinpath("notation.md").read_text(encoding="utf-8"))
