"""What the student notebooks import: checks, hints, toy data, plots, metrics and small tools. It holds no answer."""

from helpers.checks import check
from helpers.handin import submit
from helpers.hints import hint
from helpers.notebook import attach, begin, budget, grading, notation, progress_bar
from helpers.overview import progress
from helpers.unlocking import unlock

__all__ = [
    "attach",
    "begin",
    "budget",
    "check",
    "grading",
    "hint",
    "notation",
    "progress",
    "progress_bar",
    "submit",
    "unlock",
]
__version__ = "0.1.0"
