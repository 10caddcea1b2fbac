"""Shared by all tests: one warm worker, and one run of the demo class."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.runner import Runner

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Two processes share the tests one by one; those of the demo class, which use one folder, and of a browser stay together."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return file if file.endswith("test_demo.py") or "/browser/" in file else nodeid

    return Scheduler(config, log)


@pytest.fixture(scope="session")
def runner():
    with Runner() as warm:
        yield warm


@pytest.fixture(scope="session")
def empty_gradebook(tmp_path_factory) -> bytes:
    """The file of an empty gradebook, whose making takes nbgrader seconds."""
    from nbgrader.api import Gradebook

    path, before = tmp_path_factory.mktemp("gradebook") / "gradebook.db", os.environ["PATH"]
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}:{before}"  # nbgrader calls alembic by name
    try:
        Gradebook(f"sqlite:///{path}", "diffusion-labs").close()
    finally:
        os.environ["PATH"] = before
    return path.read_bytes()


@pytest.fixture(scope="session")
def demo() -> tuple[Path, str]:
    """demo-course/ after `python -m autograder demo`, and what it printed. Slow: stock nbgrader grades some 35 notebooks."""
    done = subprocess.run([sys.executable, "-m", "autograder", "demo"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return REPOSITORY / "demo-course", done.stdout
