"""How stock nbgrader works in this course. Our parts enter through nbgrader's own lists; see docs/grading.md."""

import os
import sys
from pathlib import Path

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader import preprocessors as stock

from autograder import course, feedback, intake, nbgrader_parts

c = get_config()  # noqa: F821  provided by nbgrader

# nbgrader calls `alembic` by name: find the one of this environment even when the environment is not activated
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

c.CourseDirectory.root = str(course.ROOT)
c.CourseDirectory.course_id = course.settings()["course"]["id"]
c.CourseDirectory.release_directory = "notebooks"
c.CourseDirectory.db_url = f"sqlite:///{Path(course.ROOT, 'gradebook.db')}"
c.Exchange.root = str(Path(course.ROOT, "exchange"))

# release: the stock list, with a stub that names its task, and cells that may come and go after submissions
c.GenerateAssignment.preprocessors = [
    stock.LockCells,
    nbgrader_parts.TaskStub,
    stock.ClearOutput,
    stock.CheckCellMetadata,
    stock.ComputeChecksums,
    nbgrader_parts.ReviseCells,
    stock.ClearHiddenTests,
    stock.ClearMarkScheme,
    stock.ComputeChecksums,
    stock.CheckCellMetadata,
    nbgrader_parts.KeepRelease,
]

# grading: answers into the pristine notebook, verdicts from the judge, scores and late penalties as ever
c.Autograde.pre_convert_hook = intake.adopt_misnamed
c.Autograde.exporter_class = nbgrader_parts.TolerantExporter
c.Autograde.sanitize_preprocessors = [
    nbgrader_parts.Salvage,
    stock.OverwriteKernelspec,
    stock.OverwriteCells,
    nbgrader_parts.CheckEachMetadataOnce,
]
c.Autograde.autograde_preprocessors = [
    nbgrader_parts.Judge,
    stock.SaveAutoGrades,
    stock.AssignLatePenalties,
]
c.Exporter.optimistic_validation = True  # a notebook is validated after all of a list's steps, not after each
c.AssignLatePenalties.plugin_class = nbgrader_parts.LatePolicy

# feedback: pages in which nothing of a student's is live
c.GenerateFeedback.exporter_class = feedback.FeedbackExporter
c.GenerateFeedback.preprocessors = [
    stock.GetGrades,
    nbgrader_parts.HideMarkSchemes,
    CSSHTMLHeaderPreprocessor,
]
