"""Mutilated notebooks: all are graded, and answers that are still there keep their points."""

from __future__ import annotations

import pytest

from autograder import fuzz


@pytest.mark.parametrize("name", fuzz.NAMES)
@pytest.mark.slow
def test_the_salvage_finds_what_is_still_recognisable(name):
    result = fuzz.salvaged(name, range(25))
    assert 0.5 * result.answers < result.recognisable < result.answers  # it does destroy some
    assert result.rate >= 0.95, fuzz.text(result)


def test_the_same_seed_gives_the_same_notebook():
    assert fuzz.mutilated("01_sampling", 3) == fuzz.mutilated("01_sampling", 3) != fuzz.mutilated("01_sampling", 4)


@pytest.mark.full
@pytest.mark.slow
def test_a_hundred_mutilated_notebooks_are_graded():
    result = fuzz.run()
    print(fuzz.text(result))
    assert result.graded == result.notebooks == 100
    assert result.rate >= 0.95, fuzz.text(result)
