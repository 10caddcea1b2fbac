"""Get the answers out of whatever was handed in, and into the pristine notebook.

Answers are recognised by nbgrader's grade id, else by their TODO banner, else by the names they define. Everything that
is graded comes from the pristine notebook, so edited tests, lost metadata, tags, duplicated or deleted cells do not matter.
What the student added is kept: outputs (sanitised), and other cells, at the end.
"""

from __future__ import annotations

import ast
import copy
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import nbformat

BANNER = re.compile(r"TODO ([a-z][a-z0-9_]*\.[a-z0-9_]+)")
SAFE_OUTPUTS = ("text/plain", "image/png", "image/jpeg")
MAX_OUTPUT = 2_000_000


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a notebook of any version; an unreadable file gives an empty notebook with a note about it."""
    try:
        raw = json.loads(path.read_bytes().decode("utf-8-sig"))
        if not isinstance(raw, dict):
            raise ValueError("it holds no notebook")
        if "worksheets" in raw or raw.get("nbformat", 4) < 4:
            return nbformat.convert(nbformat.from_dict(raw), 4)
        return _tidy(raw)
    except Exception as error:  # whatever is wrong with one student's file, the class is graded
        why = "it is not valid JSON" if isinstance(error, ValueError) else f"{type(error).__name__}"
        note = f"The file {path.name} could not be read as a notebook ({why}); no answer could be salvaged from it."
        return nbformat.v4.new_notebook(metadata={"diffusion_labs": {"notes": [note]}})


def _tidy(raw: dict[str, Any]) -> nbformat.NotebookNode:
    """A valid notebook with the cells of `raw` that have a type and a source, whatever else is wrong with it."""
    cells = []
    for cell in raw.get("cells") or []:
        if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
            continue
        source = cell.get("source", "")
        source = "".join(map(str, source)) if isinstance(source, list) else str(source)
        new = getattr(nbformat.v4, f"new_{cell['cell_type']}_cell")(source)
        if isinstance(cell.get("id"), str):
            new.id = cell["id"][:64]
        if isinstance(cell.get("metadata"), dict):
            new.metadata = nbformat.from_dict(cell["metadata"])
        if cell["cell_type"] == "code":
            new.outputs = [out for entry in cell.get("outputs") or [] if (out := _safe_output(entry)) is not None]
        cells.append(new)
    metadata = raw.get("metadata")
    return nbformat.v4.new_notebook(cells=cells, metadata=nbformat.from_dict(metadata if isinstance(metadata, dict) else {}))


def _safe_output(entry: Any) -> nbformat.NotebookNode | None:
    """An output without anything live in it (HTML, JavaScript, widgets), or None."""
    if not isinstance(entry, dict):
        return None
    if entry.get("output_type") == "stream":
        text = entry.get("text", "")
        text = "".join(map(str, text)) if isinstance(text, list) else str(text)
        return nbformat.v4.new_output("stream", name="stdout", text=text[-20_000:])
    if entry.get("output_type") in ("display_data", "execute_result") and isinstance(entry.get("data"), dict):
        data = {}
        for kind in SAFE_OUTPUTS:
            value = entry["data"].get(kind)
            value = "".join(map(str, value)) if isinstance(value, list) else value
            if isinstance(value, str) and len(value) <= MAX_OUTPUT:
                data[kind] = value
        return nbformat.v4.new_output("display_data", data=data) if data else None
    if entry.get("output_type") == "error":
        text = f"{str(entry.get('ename'))[:100]}: {str(entry.get('evalue'))[:2000]}"
        return nbformat.v4.new_output("stream", name="stdout", text=text)
    return None


def salvage(submitted: nbformat.NotebookNode, pristine: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The pristine notebook with the submission's answers, outputs and extra cells.

    Its metadata holds `diffusion_labs.notes` (sentences for the instructor), and every added cell is tagged "added".
    """
    result = copy.deepcopy(pristine)
    notes = list(submitted.metadata.get("diffusion_labs", {}).get("notes", []))
    slots = {cell.metadata.nbgrader.grade_id: cell for cell in result.cells if _nbgrader(cell).get("solution")}
    candidates, used = _candidates(submitted, slots)
    for name, slot in slots.items():
        found = candidates.get(name, [])
        filled = [cell for cell in found if cell.source.strip() != slot.source.strip()] or found
        if len({cell.source for cell in filled}) > 1:
            notes.append(f"{name} was answered in {len(filled)} cells; the last one counts.")
        if filled:
            slot.source = filled[-1].source
            if slot.cell_type == "code":
                slot.outputs = filled[-1].get("outputs", [])
        elif submitted.cells:
            notes.append(f"No answer to {name} was found in the submission.")
    graded = {cell.metadata.nbgrader.grade_id for cell in result.cells if _nbgrader(cell).get("grade")}
    kept = [_nbgrader(cell).get("grade_id") for cell in submitted.cells]
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


def _candidates(
    submitted: nbformat.NotebookNode, slots: dict[str, nbformat.NotebookNode]
) -> tuple[dict[str, list[nbformat.NotebookNode]], set[int]]:
    """The submitted cells that answer each slot, in order, by id, else banner, else defined names."""
    by_task = {name.replace("-", ".", 1): name for name in slots}
    by_definition = {defined: name for name, slot in slots.items() for defined in definitions(slot.source)}
    found: dict[str, list[nbformat.NotebookNode]] = {}
    used: set[int] = set()

    def take(name: str, cell: nbformat.NotebookNode) -> None:
        found.setdefault(name, []).append(cell)
        used.add(id(cell))

    for cell in submitted.cells:
        name = _nbgrader(cell).get("grade_id")
        if isinstance(name, str) and name in slots and cell.cell_type == slots[name].cell_type:
            take(name, cell)
    for cell in submitted.cells:
        if id(cell) not in used and cell.cell_type == "code":
            banner = BANNER.search(cell.source)
            if banner and by_task.get(banner[1]) in slots and by_task[banner[1]] not in found:
                take(by_task[banner[1]], cell)
    still_open = set(slots) - set(found)
    for cell in submitted.cells:
        if id(cell) not in used and cell.cell_type == "code":
            names = {by_definition[name] for name in definitions(cell.source) if name in by_definition} & still_open
            if len(names) == 1:
                take(names.pop(), cell)
    return found, used


def definitions(source: str) -> set[str]:
    """What a code cell defines at top level, methods with the class they are attached to: {"sample", "VPSDE.alpha"}."""
    names: set[str] = set()
    for node in statements(source):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            owners = [ast.unparse(d.args[0]) for d in node.decorator_list if isinstance(d, ast.Call) and d.args]
            names.add(".".join([*owners[:1], node.name]))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def statements(source: str) -> list[ast.stmt]:
    """Top-level statements; magics are dropped, and a cell that does not parse has none."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    try:
        return ast.parse(textwrap.dedent("\n".join(lines))).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def carried_definitions(notebook: nbformat.NotebookNode, pristine_names: set[str]) -> list[str]:
    """Functions, classes, imports and constants that the student defined anywhere, and that the course does not define.

    They are offered to every answer, so that a helper function written in another cell is found.
    """
    carried = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or not ("added" in cell.metadata.get("tags", []) or _nbgrader(cell).get("solution")):
            continue
        for node in statements(cell.source):
            names = definitions(ast.unparse(node))
            constant = isinstance(node, ast.Assign) and not any(isinstance(part, ast.Call) for part in ast.walk(node.value))
            kept = constant or isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom))
            if kept and names and not names & pristine_names:
                carried.append(ast.unparse(node))
    return carried


def _carry_the_rest(submitted: nbformat.NotebookNode, result: nbformat.NotebookNode, used: set[int]) -> None:
    """Outputs of unchanged cells go to their place; cells that the student changed or added go to the end."""
    by_source: dict[str, list[nbformat.NotebookNode]] = {}
    for cell in result.cells:
        by_source.setdefault(cell.source.strip(), []).append(cell)
    by_id = {cell.get("id"): cell for cell in result.cells if not _nbgrader(cell)}
    checks = {cell.source.strip() for cell in result.cells if _nbgrader(cell).get("grade")}
    added = []
    for cell in submitted.cells:
        if id(cell) in used or not cell.source.strip() or cell.source.strip() in checks:
            continue
        same = by_source.get(cell.source.strip())
        if same:
            if cell.cell_type == "code" and same[0].cell_type == "code" and not _nbgrader(same[0]).get("grade"):
                same[0].outputs = cell.get("outputs", [])
        elif cell.get("id") in by_id and cell.cell_type == by_id[cell.id].cell_type:
            place = by_id[cell.id]  # a cell that students may edit: their version stands
            place.source = cell.source
            if cell.cell_type == "code":
                place.outputs = cell.get("outputs", [])
                place.metadata["tags"] = ["added"]
        else:
            added.append(cell)
    if added:
        result.cells.append(nbformat.v4.new_markdown_cell("---\n*Cells that the student added:*", id="added-cells"))
    for number, cell in enumerate(added):
        new = nbformat.v4.new_markdown_cell(cell.source, id=f"added-{number:03d}")
        if cell.cell_type == "code":
            new = nbformat.v4.new_code_cell(cell.source, id=f"added-{number:03d}", outputs=cell.get("outputs", []))
        new.metadata["tags"] = ["added"]
        result.cells.append(new)
