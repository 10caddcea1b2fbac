"""A corrected release in mid-course: old submissions, marks and comments stay good.

Every notebook that is released into the gradebook is kept in releases/. A submission made from an earlier one is brought up to date
before its answers are taken out of it (`update`), and the gradebook gets the new release's cells with everything that was given by
hand left in place (`revise`). Stock nbgrader would refuse to add or remove a cell once somebody has handed in.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Comment, Grade, Gradebook, GradeCell, MissingEntry, SolutionCell, SourceCell, TaskCell

from autograder import course

ALIKE = 0.6
"""How similar two texts must be to be versions of one cell (difflib's ratio)."""


class WouldLose(RuntimeError):
    """A release would throw away what was given by hand; the text says what, and what to do."""


def renamed() -> dict[str, str]:
    """The tasks that course.toml says have another name now: old name to new name, "" for a task that was taken out."""
    return dict(course.settings().get("renamed", {}))


def _ids(names: dict[str, str]) -> dict[str, str]:
    """The same for the grade ids of the tasks' cells."""
    pairs = {}
    for old, new in names.items():
        for kind in ("answer", "check"):
            pairs[course.grade_id(old, kind)] = course.grade_id(new, kind) if new else ""
    return pairs


# --------------------------------------------------------------------------------------------------- old submissions


def keep(notebook: nbformat.NotebookNode, name: str) -> Path:
    """Keep a released notebook in releases/; the same one is kept once."""
    text = nbformat.writes(notebook) + "\n"
    path = course.ROOT / "releases" / name / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.ipynb"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path


def kept(name: str) -> list[nbformat.NotebookNode]:
    """All notebooks that were released under this name."""
    return [nbformat.read(path, as_version=4) for path in sorted((course.ROOT / "releases" / name).glob("*.ipynb"))]


def update(submitted: nbformat.NotebookNode, name: str, pristine: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A submission as if it had been made from the pristine notebook: what is unchanged from its own release is replaced by today's.

    What the student wrote or changed stays as it is, under today's ids. Without an earlier release that fits better than the
    pristine notebook, the submission comes back untouched.
    """
    origin = max([pristine, *kept(name)], key=lambda release: _in_common(submitted, release))
    if _sources(origin) == _sources(pristine):
        return submitted
    result = copy.deepcopy(submitted)
    places = dict(_places(origin, pristine))
    by_id = {cell.id: cell for cell in origin.cells}
    by_source = {cell.source.strip(): cell for cell in origin.cells}
    cells, names = [], renamed()
    for cell in result.cells:
        old = by_source.get(cell.source.strip())
        unchanged = old is not None
        old = old or by_id.get(_identity(cell)) or by_id.get(cell.get("id"))
        place = places.get(old.id) if old else None
        if place is not None:
            cell["id"] = place.id
            if "nbgrader" in place.metadata:
                cell.metadata["nbgrader"] = nbformat.from_dict({"grade_id": place.metadata.nbgrader.grade_id})
        for before, now in names.items():
            cell.source = cell.source.replace(f"TODO {before}:", f"TODO {now}:") if now else cell.source
        if unchanged and place is not None:
            cell.source = place.source
        elif unchanged and not cell.get("outputs"):
            continue  # a cell of ours that is no longer there
        cells.append(cell)
    result.cells = cells
    return result


def _identity(cell: Any) -> str | None:
    meta = cell.metadata.get("nbgrader", {})
    return meta.get("grade_id") if isinstance(meta, dict) else None


def _sources(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells]


def _in_common(submitted: Any, release: Any) -> int:
    """How many cells of a release a submission has left as they were."""
    mine = {cell.source.strip() for cell in submitted.cells}
    return sum(cell.source.strip() in mine for cell in release.cells)


def _places(origin: Any, pristine: Any) -> Iterator[tuple[str, Any]]:
    """For the id of each cell of an earlier release the same cell of today's: by task, else by text, else the most similar one."""
    ids = _ids(renamed())
    tasks = {_identity(cell): cell for cell in pristine.cells if _identity(cell)}
    free = {cell.source.strip(): cell for cell in pristine.cells if not _is_task(cell)}
    rest = []
    for cell in origin.cells:
        now = ids.get(cell.id.removesuffix("-answer"), cell.id.removesuffix("-answer"))
        if _is_task(cell):
            if tasks.get(now) is not None:
                yield cell.id, tasks[now]
        elif cell.id.endswith("-answer"):
            place = next((new for new in pristine.cells if new.id == f"{now}-answer"), None)
            if place is not None:
                free.pop(place.source.strip(), None)
                yield cell.id, place
        elif cell.source.strip() in free:
            yield cell.id, free.pop(cell.source.strip())
        else:
            rest.append(cell)
    for cell in rest:
        alike = [text for text, new in free.items() if new.cell_type == cell.cell_type]
        for text in difflib.get_close_matches(cell.source.strip(), alike, n=1, cutoff=ALIKE):
            yield cell.id, free.pop(text)


def _is_task(cell: Any) -> bool:
    """Whether a cell is known by its task; given cells are only numbered."""
    return _identity(cell) is not None and not str(_identity(cell)).startswith("given-")


# ------------------------------------------------------------------------------------------------------ the gradebook


def revise(gradebook: Gradebook, assignment: str, notebook: str, cells: dict[type, dict[str, dict[str, Any]]]) -> list[str]:
    """Give a notebook that has submissions the cells of a new release; everything given by hand stays.

    Args:
        gradebook: open.
        assignment, notebook: their names.
        cells: for each of nbgrader's kinds of cell the new release's cells, by grade id.

    Returns:
        A sentence for each task that is new, gone or renamed, or whose points are others.

    Raises:
        WouldLose: before anything is changed, if marks or comments by hand stand at a cell that is gone.
    """
    try:
        found = gradebook.find_notebook(notebook, assignment)
    except MissingEntry:
        return []
    if not found.submissions:
        return []
    names, said = _ids(renamed()), []
    there = {GradeCell: found.grade_cells, SolutionCell: found.solution_cells, TaskCell: found.task_cells,
             SourceCell: found.source_cells}  # fmt: skip
    gone, new, moved = [], [], []
    for kind, wanted in cells.items():
        old = {cell.name: cell for cell in there[kind]}
        for cell in list(old.values()):
            name = names.get(cell.name)
            if cell.name not in wanted and name in wanted and name not in old:
                moved.append((cell, name))
                old[name] = old.pop(cell.name)
        gone += [cell for name, cell in old.items() if name not in wanted]
        new += [(kind, name, info) for name, info in wanted.items() if name not in old]
        for name in set(old) & set(wanted):
            before, now = getattr(old[name], "max_score", None), wanted[name].get("max_score")
            if before != now:
                said.append(f"{name} has {now:g} points now, not {before:g}.")
                said += _above(old[name], now)
    _refuse_losses([cell for cell in gone if names.get(cell.name) != ""])
    for cell, name in moved:
        said.append(f"{cell.name} is called {name} now.") if isinstance(cell, GradeCell | TaskCell) else None
        cell.name = name
    for cell in gone:
        if not isinstance(cell, SourceCell):
            said.append(f"{cell.name} is gone.") if not isinstance(cell, SolutionCell) else None
            for row in [*(cell.grades or []), *(cell.comments or [])]:
                gradebook.db.delete(row)
        gradebook.db.delete(cell)
    gradebook.db.flush()
    for kind, name, info in new:
        cell = kind(name=name, notebook=found, **info)
        gradebook.db.add(cell)
        gradebook.db.flush()
        for submission in found.submissions:
            if kind in (GradeCell, TaskCell):
                gradebook.db.add(Grade(cell_id=cell.id, notebook=submission))
            if kind in (SolutionCell, TaskCell):
                gradebook.db.add(Comment(cell_id=cell.id, notebook=submission))
        if kind in (GradeCell, TaskCell):
            said.append(f"{name} is new; grade again, or it counts as 0.")
    gradebook.db.commit()
    return said


def _by_hand(cell: Any) -> int:
    """How many marks, extra points and comments stand at a cell."""
    marks = [grade for grade in (getattr(cell, "grades", None) or [])
             if grade.manual_score is not None or grade.extra_credit]  # fmt: skip
    return len(marks) + sum(bool(comment.manual_comment) for comment in (getattr(cell, "comments", None) or []))


def _refuse_losses(gone: list[Any]) -> None:
    for cell in gone:
        if count := _by_hand(cell):
            old = cell.name.removesuffix("-check").replace("-", ".", 1)
            raise WouldLose(
                f"{cell.notebook.name} was not released: {old} is gone from it, and {count} marks or comments given by hand stand there. "
                f'If it has another name now, say so in course.toml under [renamed], "{old}" = "its new name"; if they may go, "{old}" = "".'
            )


def _above(cell: Any, most: float) -> list[str]:
    """A sentence if marks by hand are higher than the points that there are now."""
    high = [grade.student.id for grade in cell.grades if (grade.manual_score or 0) > most]
    return [f"{cell.name}: marks by hand above {most:g} points stay as they are: {', '.join(sorted(high))}."] if high else []
