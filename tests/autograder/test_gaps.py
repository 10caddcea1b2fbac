"""Wrong answers that still pass. They are in tests/gaps, each with a line on what is wrong; one that is caught moves to the bank of mistakes."""

from __future__ import annotations

import pytest

from helpers.checks import public_items
from helpers.judge import judge
from tests.conftest import REPOSITORY

GAPS = sorted((REPOSITORY / "tests" / "gaps").glob("*.py"))


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="the judge does not see it yet")
@pytest.mark.parametrize("path", GAPS, ids=lambda path: path.stem)
def test_a_wrong_answer_is_caught(runner, path):
    task = path.stem.partition("__")[0]
    item = public_items()[task]
    assert not judge(task, item, runner.observe(task, item, path.read_text(encoding="utf-8"))).passed
