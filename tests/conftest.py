"""Shared by all tests: one warm worker, and one run of the demo class."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autograder.runner import Runner

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.hookimpl(tryfirst=True)  # before the plugin that reads the groups
def pytest_collection_modifyitems(items):
    """Tests that share a costly fixture run in one of the two processes, so that it is made once."""
    for item in items:
        for name in ("demo", "plain", "built"):
            if name in item.fixturenames:
                item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(scope="session")
def runner():
    with Runner() as warm:
        yield warm


@pytest.fixture(scope="session")
def demo() -> tuple[Path, str]:
    """demo-course/ after `python -m autograder demo`, and what it printed. Slow: stock nbgrader grades some 25 notebooks."""
    done = subprocess.run([sys.executable, "-m", "autograder", "demo"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return REPOSITORY / "demo-course", done.stdout
