"""Our parts of nbgrader, entered through its own configuration lists (see nbgrader_config.py). Nothing is patched.

Release:  `TaskStub` puts a banner with the task's name, its expected number of lines, a way to its hints and an error in place of an answer;
          `ReviseCells` takes a corrected release after submissions, `KeepRelease` remembers what was released.
Grading:  `TolerantExporter` sees to the sandbox and reads any file that calls itself a notebook, `Salvage` puts the student's answers into the
          pristine notebook, `Judge` writes verdicts into the check cells, and stock nbgrader does the rest.
Feedback: `HideMarkSchemes` keeps mark schemes and hidden tests out of feedback pages.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.api import GradeCell, SolutionCell, SourceCell, TaskCell
from nbgrader.converters.base import NbGraderException
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import CheckCellMetadata, ClearSolutions, NbGraderPreprocessor, SaveCells
from nbgrader.utils import is_grade, is_task

from autograder import course, grading, intake, opened, releases, salvage, sandbox
from autograder.build import MARK_SCHEME
from helpers import panel

HIDDEN_TESTS = re.compile(r"^[^\n]*### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS[^\n]*\n?", re.S | re.M)


class TaskStub(ClearSolutions):
    """ClearSolutions with a stub that names its task: never code that silently runs."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """Give the stock preprocessor the stub for this very cell."""
        regions = course.SOLUTION.findall(cell.source)
        if cell.cell_type == "code" and regions:
            # the grade id holds the task's name with "-" for "."; a task's name has one dot, after its first word
            task = cell.metadata.nbgrader.grade_id.replace("-", ".", 1)
            count = sum(1 for line in "\n".join(regions).splitlines() if line.strip() and not line.strip().startswith("#"))
            lines = "1 line" if count == 1 else f"{count} lines"
            stuck = f'# Stuck? In a new cell: from helpers import hint; hint("{task}")\n' if course.hints_enabled() else ""
            stub = f'# ==== TODO {task}: about {lines} ====\n{stuck}raise NotImplementedError("{task}")\n# ==== end of TODO ===='
            self.code_stub = {"python": stub}
        self.text_stub = "*Your answer here.*"
        return super().preprocess_cell(cell, resources, cell_index)


class ReviseCells(SaveCells):
    """SaveCells for a corrected release: cells may come, go and change their names after submissions (see `autograder.releases`)."""

    def _create_notebook(self, nb: Any) -> None:
        cells = {
            GradeCell: self.new_grade_cells,
            SolutionCell: self.new_solution_cells,
            TaskCell: self.new_task_cells,
            SourceCell: self.new_source_cells,
        }
        try:
            for sentence in releases.revise(self.gradebook, self.assignment_id, self.notebook_id, cells):
                self.log.warning("%s: %s", self.notebook_id, sentence)
        except releases.WouldLose as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from None
        super()._create_notebook(nb)


class KeepRelease(NbGraderPreprocessor):
    """Keep a copy of what is released into the course's gradebook: submissions made from it may come after the next release."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Keep the notebook; a mere build, which has a gradebook of its own, is not a release."""
        if resources["nbgrader"]["db_url"] == course.gradebook_address():
            releases.keep(nb, resources["nbgrader"]["notebook"])
        return nb, resources


class TolerantExporter(NotebookExporter):
    """Reads a submitted notebook; one that cannot be read becomes an empty one with a note, so that it is graded, with 0.

    nbgrader makes one of these before it looks at the first submission: where there is no sandbox, nothing is graded.
    """

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        try:
            sandbox.require()
            opened.record()
            intake.forget_outdated(self.parent.coursedir.assignment_id, self.parent.coursedir.student_id)
        except (sandbox.NoSandbox, ValueError) as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from None
        self.parent.coursedir = intake.OnlyNotebooks.instead_of(self.parent.coursedir)

    def from_filename(self, filename: str, resources: Any = None, **kw: Any) -> tuple[str, Any]:
        """As in nbconvert, but of a submitted file only what `intake` takes. (What we wrote ourselves is read as it is.)"""
        if Path(filename).parent == Path(self.parent.writer.build_directory):
            return super().from_filename(filename, resources=resources, **kw)
        return self.from_notebook_node(intake.read_notebook(Path(filename)), resources=resources, **kw)


class Salvage(NbGraderPreprocessor):
    """Rebuild the submission: the pristine notebook with the student's answers in it."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Replace the notebook by the salvaged one."""
        ids = resources["nbgrader"]
        coursedir = self.parent.parent.coursedir
        folder = Path(coursedir.format_path(coursedir.release_directory, ".", ids["assignment"]))
        pristine = nbformat.read(folder / f"{ids['notebook']}.ipynb", as_version=4)
        result = salvage.salvage(releases.update(nb, ids["notebook"], pristine), pristine)
        coursedir.keep_timestamp(ids["assignment"], ids["student"])
        for note in result.metadata.diffusion_labs.notes:
            self.log.warning("%s, %s: %s", ids["student"], ids["notebook"], note)
        return result, resources


class CheckEachMetadataOnce(CheckCellMetadata):
    """CheckCellMetadata, which looks at nothing but cells' types and metadata: those that were found good are not looked at again.

    Salvaged notebooks of one release have them in common.
    """

    good: ClassVar[set[str]] = set()

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Check a notebook whose metadata are new."""
        name = grading.digest([(cell.cell_type, cell.metadata.get("nbgrader")) for cell in nb.cells])
        if name not in self.good:
            super().preprocess(nb, resources)
            self.good.add(name)
        return nb, resources


class Judge(NbGraderPreprocessor):
    """Write the verdict on each task into its check cell. No cell of the notebook is executed in a kernel."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Judge all check cells of a salvaged notebook."""
        ids = resources["nbgrader"]
        verdicts = grading.judge_notebook(nb, ids["notebook"], ids["student"])
        answers = {cell.metadata.nbgrader.grade_id: cell.source for cell in nb.cells if "nbgrader" in cell.metadata}
        notes = [
            *nb.metadata.get("diffusion_labs", {}).get("notes", []),
            *opened.notes(answers, ids["notebook"], ids["student"]),
        ]
        for cell in nb.cells:
            if not is_grade(cell) or cell.cell_type != "code":
                continue
            verdict = verdicts.get(cell.metadata.nbgrader.grade_id)
            if verdict is None:
                continue
            shown = {"text/plain": panel.text(verdict), "text/html": panel.html(verdict)}
            cell.outputs = [nbformat.v4.new_output("display_data", data=shown)]
            if not verdict.passed:
                cell.outputs.append(nbformat.v4.new_output(
                    "error", ename="CheckFailed", evalue=verdict.sentence, traceback=["No points for this task: see the panel above."]
                ))  # fmt: skip
            cell.execution_count = 1
        nb.metadata["diffusion_labs"] = {
            "notes": notes,
            "submitted": intake.digest(ids["notebook"], ids["student"]),
            "verdicts": {
                v.task: {"passed": v.passed, "misconception": v.misconception, "sentence": v.sentence, "prints": v.prints}
                for v in verdicts.values()
            },
        }
        return nb, resources


class HideMarkSchemes(NbGraderPreprocessor):
    """Take mark schemes and hidden tests out of a notebook on its way to a feedback page."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """Cut the marked regions."""
        if is_task(cell) or is_grade(cell):
            cell.source = HIDDEN_TESTS.sub("", MARK_SCHEME.sub("", cell.source))
        return cell, resources


class LatePolicy(LateSubmissionPlugin):
    """The late policy of course.toml: a share of the score for every day begun, up to a limit; later than that is 0."""

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float | None:
        """Points to take off."""
        late = course.settings().get("late", {})
        share, days = float(late.get("share_per_day", 0.0)), float(late.get("days", float("inf")))
        begun = -(-total_seconds_late // timedelta(days=1).total_seconds())
        if begun > days:
            return score
        return min(score, score * share * begun)
