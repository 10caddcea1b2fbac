"""The message format between the student's process and the grader's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.arrays import pack, unpack

arrays = hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))


@given(st.dictionaries(st.text(max_size=8), arrays, max_size=4))
def test_what_is_packed_comes_back(values):
    back = unpack(pack({name: {"value": value} for name, value in values.items()}))
    assert list(back) == list(values)
    for name, value in values.items():
        assert back[name]["value"].shape == value.shape
        assert np.array_equal(back[name]["value"], value, equal_nan=True)


def test_failures_come_back_as_texts():
    assert unpack(pack({"a": {"failed": "ValueError", "text": "raised"}})) == {
        "a": {"failed": "ValueError", "text": "raised"}
    }


@given(st.binary(max_size=200))
def test_garbage_is_refused_with_one_kind_of_error(message):
    try:
        unpack(message)
    except ValueError:
        return
    assert json.loads(message.partition(b"\n")[0]) == {}


@pytest.mark.parametrize(
    "header", ['{"a": {"shape": [-1]}}', '{"a": {"shape": [4]}}', '{"a": {"shape": [1e18, 1e18]}}', '{"a": 3}', "[]"]
)
def test_shapes_that_do_not_fit_the_bytes_are_refused(header):
    with pytest.raises(ValueError, match="malformed"):
        unpack(header.encode() + b"\n" + b"\0" * 8)
