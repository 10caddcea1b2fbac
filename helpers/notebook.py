"""Small tools for the notebooks: methods written cell by cell, budgets for long cells, a progress bar."""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import re
import symtable
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

DRIVE = Path("/content/drive")
"""Where Colab mounts Google Drive, whose files outlive a session."""


def begin(version: str = "") -> None:
    """What a notebook's first cell calls: are these helpers new enough for it? In Colab it also says where files go.

    Args:
        version: of the helpers that the notebook was made with, such as "0.1.0"; "" asks for nothing.

    Raises:
        ImportError: if these helpers are older.
    """
    from helpers import __version__

    if _numbers(__version__) < _numbers(version):
        raise ImportError(
            f"the helpers in {Path(__file__).parent} are of version {__version__}, and this notebook needs {version}: "
            "delete that folder and get the new ones"
        )
    if in_colab() and not Path.cwd().is_relative_to(DRIVE):
        print(
            f"What this notebook writes goes to {Path.cwd()}, and Colab deletes that with the session. To keep it, mount Google "
            "Drive (folder icon on the left), run `%cd /content/drive/MyDrive` in a cell of its own, and then this cell again."
        )


def in_colab() -> bool:
    """Whether this session runs in Google Colab, which has its own package loaded from the start."""
    return "google.colab" in sys.modules


def _numbers(version: str) -> list[int]:
    """A version as numbers that can be compared: 0.10.0 comes after 0.9.1."""
    return [int(number) for number in re.findall(r"\d+", version)]


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
        attached.setdefault(cls.__qualname__, {})[function.__name__] = cls
        return function

    return put


attached: dict[str, dict[str, type]] = {}
"""By name of a class and name of a method: the class that the method was attached to last."""


def grading() -> bool:
    """Whether nbgrader is running this notebook (it sets NBGRADER_EXECUTION to "autograde" or "validate")."""
    return bool(os.environ.get("NBGRADER_EXECUTION"))


def budget(steps: int, when_graded: int = 2) -> int:
    """`steps` for you, `when_graded` while nbgrader runs the notebook: your grade never waits for a training loop."""
    return min(steps, when_graded) if grading() else steps


def progress_bar(steps: Iterable[Any] | int, description: str = "") -> Iterable[Any]:
    """Iterate with a progress bar in notebooks and terminals; silent while a notebook is graded, and gone at the end.

    Args:
        steps: something to iterate over, or a number of steps.
        description: a word or two shown before the bar.
    """
    from tqdm import tqdm

    steps = range(steps) if isinstance(steps, int) else steps
    where = {"file": _Line(), "ncols": 80, "ascii": False} if not grading() and _in_notebook() else {}
    return tqdm(steps, desc=description, disable=grading(), leave=False, **where)


def _in_notebook() -> bool:
    """Whether displays of this session can be changed later: in a kernel, and not in a terminal or a script."""
    session = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(session, "kernel")


class _Line:
    """A line of text below a cell that is replaced by what is written: what `tqdm` writes its bar to.

    A bar that is a widget leaves "Error displaying widget: model not found" in a notebook that was run out of sight or is opened again.
    """

    def __init__(self) -> None:
        from IPython.display import display

        self._handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text: str) -> None:
        self._handle.update({"text/plain": text.strip()}, raw=True)

    def flush(self) -> None:
        """There is nothing to wait for."""


@contextlib.contextmanager
def optional(task: str) -> Iterator[None]:
    """Skip the rest of the `with` block, with a sentence, where it needs the answer to an optional task that is still open."""
    try:
        yield
    except NotImplementedError as error:
        if task not in str(error):
            raise
        print(f"This experiment needs the optional task {task}, which is still open.")


def export(module: str, *objects: Any) -> None:
    """Write the cells in which these functions and classes were defined to <module>.py, so that a script can import them.

    Methods that were attached to a class go with it, and so do the imports, functions, classes and constants of other cells that
    these cells use. While a notebook is graded nothing is written; the module is made of the objects as they are.

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

    sources = get_ipython().user_ns["In"]
    cells, imports, others = {}, {}, {}
    for number, source in enumerate(sources):
        for node in _statements(source):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imports |= {alias.asname or alias.name.split(".")[0]: ast.unparse(node) for alias in node.names}
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                owners = [
                    ast.unparse(call.args[0]) for call in node.decorator_list if isinstance(call, ast.Call) and call.args
                ]
                cells[".".join([*owners, node.name])] = number  # where it was defined last
            for name in _bound(node):
                others[name] = (number, name, ast.unparse(node))
    missing = sorted(set(names) - set(cells))
    if missing:
        raise ValueError(f"no cell that you ran defines {', '.join(missing)}; run the cells above first")
    # a method that was attached before its class was defined anew is gone
    wanted = sorted({n for name, n in cells.items() if (owner := name.split(".")[0]) in names and n >= cells[owner]})
    parts = {(number, "", sources[number].strip()) for number in wanted}
    while more := {others[name] for name in _needs(_joined(parts)) & set(others)} - parts:
        parts |= more
    body = _joined(parts)
    head = sorted({imports[name] for name in _needs(body) & set(imports)})
    text = "\n".join(
        [f'"""Your answers, as written by the cell `export({module!r}, ...)`: change them there."""', "", *head]
    )
    Path(f"{module}.py").write_text(f"{text}\n\n\n{body}\n", encoding="utf-8")
    sys.modules.pop(module, None)  # the next import reads the new file
    importlib.invalidate_caches()
    print(f"{module}.py now holds {', '.join(names)}")


def _bound(node: ast.stmt) -> list[str]:
    """The names that a function, a class or a plain assignment defines; none for other statements and attached methods."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [] if any(isinstance(call, ast.Call) and call.args for call in node.decorator_list) else [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _needs(body: str) -> set[str]:
    """The global names that a module with this text reads and does not define itself."""

    def reads(table: symtable.SymbolTable) -> set[str]:
        inside = table.get_type() != "module"
        found = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (s.is_global() or not inside)}
        return found.union(*map(reads, table.get_children()))

    table = symtable.symtable(body, "<cells>", "exec")
    return reads(table) - {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}


def _joined(parts: set[tuple[int, str, str]]) -> str:
    return "\n\n\n".join(text for _, _, text in sorted(parts))


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
