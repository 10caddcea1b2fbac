"""Shared by the browser tests: what a student has, JupyterLab on it, and a browser."""

from __future__ import annotations

import pytest

from tests.browser import drive


def pytest_collection_modifyitems(items):
    reason = drive.missing()
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.full)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """The student bundle, unpacked."""
    return drive.unpack(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def lab(student):
    """JupyterLab on a student's folder, in a browser."""
    with drive.jupyter_lab(student) as address, drive.chromium() as driver:
        yield drive.Lab(driver, address)
