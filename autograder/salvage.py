"""Get the answers out of whatever was handed in, and into the pristine notebook.

Answers are recognised by nbgrader's grade id, else by their TODO banner, else by the names they define. Everything that
is graded comes from the pristine notebook, so edited tests, lost metadata, tags, duplicated or deleted cells do not matter.
What the student added is kept: outputs (sanitised), and other cells, at the end.
"""

from __future__ import annotations

import ast
import copy
import functools
import re
import textwrap
from collections.abc import Set
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import nbformat

from autograder import feedback

BANNER = re.compile(r"TODO ([a-z][a-z0-9_]*\.[a-z0-9_]+)")


def salvage(submitted: nbformat.NotebookNode, pristine: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The pristine notebook with the submission's answers, outputs and extra cells.

    Its metadata holds `diffusion_labs.notes` (sentences for the instructor), and every added cell is tagged "added".
    """
    result = copy.deepcopy(pristine)
    notes = list(submitted.metadata.get("diffusion_labs", {}).get("notes", []))
    slots = {cell.metadata.nbgrader.grade_id: cell for cell in result.cells if _nbgrader(cell).get("solution")}
    used: set[int] = set()
    for name, slot in slots.items():
        wanted = definitions(slot.source) or _checked(name, result)
        taken = _answer(name, slot, slots, wanted, _unlike(submitted, pristine))
        used |= {id(cell) for cell in submitted.cells if cell.source.strip() == slot.source.strip()}
        used |= {id(cell) for cell in taken.cells}
        if taken.versions > 1:
            notes.append(f"{name} was answered in {taken.versions} cells; the last one counts.")
        if taken.cells:
            slot.source = _unmerged(taken.source, pristine) if slot.cell_type == "code" else feedback.harmless(taken.source)
            if slot.cell_type == "code":
                slot.outputs = taken.cells[-1].get("outputs", [])
        elif submitted.cells:
            notes.append(f"No answer to {name} was found in the submission.")
    graded = {cell.metadata.nbgrader.grade_id for cell in result.cells if _nbgrader(cell).get("grade")}
    kept = [name if isinstance(name := _nbgrader(cell).get("grade_id"), str) else None for cell in submitted.cells]
    if submitted.cells and not any(kept):
        notes.append("The submission has no nbgrader metadata; answers were recognised by their TODO banners and names.")
    elif submitted.cells:
        notes += [f"The check cell {name} was missing or renamed; it was put back." for name in sorted(graded - set(kept))]
    notes += [
        f"The check cell {name} was there {kept.count(name)} times." for name in sorted(graded) if kept.count(name) > 1
    ]
    _carry_the_rest(submitted, result, used)
    result.metadata["diffusion_labs"] = {"notes": notes}
    return result


def _nbgrader(cell: nbformat.NotebookNode) -> dict[str, Any]:
    meta = cell.metadata.get("nbgrader", {})
    return meta if isinstance(meta, dict) else {}


@dataclass(frozen=True)
class _Taken:
    """What was taken as an answer: its source, the cells it comes from, and how many different versions there were."""

    source: str = ""
    cells: tuple[nbformat.NotebookNode, ...] = ()
    versions: int = 0


def _checked(name: str, notebook: nbformat.NotebookNode) -> set[str]:
    """The variables that a slot's check looks at: what an answer without a function or a class has to define."""
    check = next((cell for cell in notebook.cells if _nbgrader(cell).get("grade_id") == f"{name}-check"), None)
    calls = [node.value for node in statements(check.source)] if check and check.cell_type == "code" else []
    return {part.id for call in calls if isinstance(call, ast.Call) for part in call.args if isinstance(part, ast.Name)}


def _unlike(submitted: nbformat.NotebookNode, pristine: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The submitted cells that are not just the course's own, as they were handed out."""
    ours = {cell.source.strip() for cell in pristine.cells if not _nbgrader(cell).get("solution")}
    return [cell for cell in submitted.cells if cell.source.strip() not in ours]


def _answer(
    name: str,
    slot: nbformat.NotebookNode,
    slots: dict[str, nbformat.NotebookNode],
    wanted: Set[str],
    submitted: list[nbformat.NotebookNode],
) -> _Taken:
    """The answer to one slot: the last cell with its id, else its banner, else its names, that defines what it must.

    If no cell does, the parts of a split cell are put together again; else what has the id or the banner counts as it is.
    """
    stub = slot.source.strip()
    alike = [cell for cell in submitted if cell.cell_type == slot.cell_type]
    found = [
        [cell for cell in alike if _nbgrader(cell).get("grade_id") == name],
        [cell for cell in alike if (banner := BANNER.search(cell.source)) and banner[1] == name.replace("-", ".", 1)],
        [cell for cell in alike if wanted & definitions(cell.source)],
    ]
    found = [[cell for cell in level if cell.source.strip() != stub] for level in found] + [found[0]]
    for level in found[:3]:
        whole = [cell for cell in level if wanted and wanted <= definitions(cell.source)]
        if whole:
            sources = [_without_the_rest(cell.source, wanted, slots) for cell in whole]
            return _Taken(sources[-1], tuple(whole), len(set(sources)))
    for level in found[:2]:
        joined = "\n".join(cell.source for cell in level)
        if len(level) > 1 and wanted and wanted <= definitions(joined):
            return _Taken(joined, tuple(level), 1)
    level = next((level for level in (found[0], found[1], found[3]) if level), [])
    return _Taken(level[-1].source if level else "", tuple(level), len({cell.source for cell in level}))


def _unmerged(source: str, pristine: nbformat.NotebookNode) -> str:
    """An answer without the course's own cells that were merged into it: they run in their places, and may need what is not there yet."""
    for cell in pristine.cells:
        given, lines = cell.source.strip(), cell.source.strip().count("\n")
        if cell.cell_type == "code" and not _nbgrader(cell).get("solution") and lines and given in source:
            source = f"\n{source}\n".replace(f"\n{given}\n", "\n" * (lines + 2))[1:-1]
    return source


def _without_the_rest(source: str, wanted: Set[str], slots: dict[str, nbformat.NotebookNode]) -> str:
    """A cell without its definitions of what *other* slots ask for, in case cells were merged."""
    others = {
        defined for slot in slots.values() if slot.cell_type == "code" for defined in definitions(slot.source)
    } - wanted
    if not others & definitions(source) or source.lstrip().startswith("%%"):
        return source
    lines = source.splitlines()
    for node in statements(source):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and definitions(_unparse(node)) & others:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            lines[first - 1 : node.end_lineno] = [""] * (node.end_lineno - first + 1)
    return "\n".join(lines)


@functools.lru_cache(maxsize=512)  # every cell is looked at for every slot, in every submission
def definitions(source: str, imports: bool = False) -> frozenset[str]:
    """What a code cell defines at top level, methods with the class they are attached to: {"sample", "VPSDE.alpha"}.

    `imports` adds the names that it imports: they are not its own, but they are there.
    """
    names: set[str] = set()
    for node in statements(source):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            owners = [_unparse(d.args[0]) for d in node.decorator_list if isinstance(d, ast.Call) and d.args]
            names.add(".".join([*owners[:1], node.name]))
        elif imports and isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(names)


def statements(source: str) -> list[ast.stmt]:
    """Top-level statements; magics are dropped, and a cell that does not parse has none."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    try:
        return ast.parse(textwrap.dedent("\n".join(lines))).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _unparse(node: ast.AST) -> str:
    """The source of a piece of code, or nothing if it is nested too deeply for that."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return ""


def carried_definitions(notebook: nbformat.NotebookNode, pristine_names: set[str]) -> list[str]:
    """Functions, classes, imports and constants that the student defined anywhere, and that the course does not define.

    They are offered to every answer, so that a helper function written in another cell is found.
    """
    carried = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or not ("added" in cell.metadata.get("tags", []) or _nbgrader(cell).get("solution")):
            continue
        for node in statements(cell.source):
            text = _unparse(node)
            names = definitions(text, imports=True)
            constant = isinstance(node, ast.Assign) and not any(isinstance(part, ast.Call) for part in ast.walk(node.value))
            kept = constant or isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom))
            if kept and names and not names & pristine_names:
                carried.append(text)
    return carried


def _carry_the_rest(submitted: nbformat.NotebookNode, result: nbformat.NotebookNode, used: set[int]) -> None:
    """Outputs of unchanged cells go to their place; cells that the student changed or added go to the end."""
    by_source: dict[str, list[nbformat.NotebookNode]] = {}
    for cell in result.cells:
        by_source.setdefault(cell.source.strip(), []).append(cell)
    by_id = {cell.get("id"): cell for cell in result.cells if not _nbgrader(cell)}
    kept = {cell.get("id") for cell in submitted.cells} | {cell.source.strip() for cell in submitted.cells}
    below = {  # cells to write in of which neither id nor text is left: what stands in their place is the answer
        one.source.strip(): two for one, two in pairwise(result.cells)
        if two.cell_type == "markdown" and not _nbgrader(two) and not {two.get("id"), two.source.strip()} & kept
    }  # fmt: skip
    checks = {cell.source.strip() for cell in result.cells if _nbgrader(cell).get("grade")}
    added, before = [], ""
    for cell in submitted.cells:
        place, before = by_id.get(cell.get("id")) or below.pop(before, None), cell.source.strip()
        if id(cell) in used or not cell.source.strip() or cell.source.strip() in checks:
            continue
        same = by_source.get(cell.source.strip())
        if same:
            if cell.cell_type == "code" and same[0].cell_type == "code" and not _nbgrader(same[0]).get("grade"):
                same[0].outputs = cell.get("outputs", [])
        elif place and cell.cell_type == place.cell_type:  # a cell that students may edit: their version stands
            place.source = cell.source if cell.cell_type == "code" else feedback.harmless(cell.source)
            if cell.cell_type == "code":
                place.outputs = cell.get("outputs", [])
                place.metadata["tags"] = ["added"]
        else:
            added.append(cell)
    if added:
        result.cells.append(nbformat.v4.new_markdown_cell("---\n*Cells that the student added:*", id="added-cells"))
    for number, cell in enumerate(added):
        if cell.cell_type != "code":
            new = nbformat.v4.new_markdown_cell(feedback.harmless(cell.source), id=f"added-{number:03d}")
        else:
            new = nbformat.v4.new_code_cell(cell.source, id=f"added-{number:03d}", outputs=cell.get("outputs", []))
        new.metadata["tags"] = ["added"]
        result.cells.append(new)
