"""The student bundle holds no answer, and the command notices when it would."""

from __future__ import annotations

import json
import zipfile

import pytest

from autograder import bundle, course, keys
from helpers import unlocking


@pytest.fixture(scope="module")
def files():
    return bundle.contents()


def test_the_bundle_is_clean_and_complete(files, tmp_path):
    assert bundle.leaks(files) == []
    path = bundle.write(tmp_path / "b.zip")
    names = {name.removeprefix("diffusion-labs/") for name in zipfile.ZipFile(path).namelist()}
    assert {"README.md", "environment.yml", "helpers/__init__.py", "helpers/judge.py"} <= names
    assert {f"notebooks/{name}/{name}.ipynb" for name in course.assignment_names()} <= names
    assert not any(name.startswith(("autograder", "solutions", "tests")) for name in names)


def test_the_bundle_repeats_itself(tmp_path):
    assert bundle.write(tmp_path / "a.zip").read_bytes() == bundle.write(tmp_path / "b.zip").read_bytes()


def opened_key() -> str:
    return unlocking.encode("mlp.init", course.load("02_mlp").answer("mlp.init"))


def reference_statement() -> str:
    region = course.SOLUTION.findall(next(c for c in course.load("01_sampling").cells if c.kind == "answer").source)[0]
    return next(line.strip() for line in region.splitlines() if len(line.strip()) > 30 and "=" in line)


@pytest.mark.parametrize(
    "plant",
    [
        lambda: {"helpers/data.py": f"def f(n, mean, cov, generator):\n    {reference_statement()}\n"},
        lambda: {
            "helpers/data.py": f"def f(n, mean, cov, generator):\n    {reference_statement().replace(' ', '  ')}  # other layout\n"
        },
        lambda: {"helpers/x.py": "### BEGIN SOLUTION\n"},
        lambda: {"notebooks/a.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": [reference_statement()]}]})},
        lambda: {"helpers/x.md": "=== BEGIN MARK SCHEME ==="},
        lambda: {
            "notebooks/a.ipynb": json.dumps(
                {"cells": [{"cell_type": "code", "source": [f'unlock("mlp.init", "{opened_key()}")']}]}
            )
        },
        lambda: {"helpers/x.py": "### BEGIN HIDDEN TESTS\n"},
        lambda: {"helpers/x.py": f"seed = '{course.secret().hex()}'"},
        lambda: {"helpers/hint_texts/x.toml": '["mlp.init"]\nnear = "It is nn.init.zeros_( module.bias )."'},
        lambda: {"helpers/x.py": (bundle.REPOSITORY / "autograder" / "exact.py").read_text()},
        lambda: {"helpers/x.py": (bundle.REPOSITORY / "autograder" / "expected" / "sampling.py").read_text()},
        lambda: {
            "helpers/keys/s.json": json.dumps(
                {"sampling.gaussian": {**keys.secret_item("sampling.gaussian", 3), "wrong": []}}
            )
        },
    ],
)
def test_a_planted_leak_is_found(plant, monkeypatch, tmp_path):
    assert bundle.leaks(plant())
    clean = bundle.contents()
    monkeypatch.setattr(bundle, "contents", lambda: {**clean, **plant()})
    with pytest.raises(RuntimeError, match="must not see"):
        bundle.write(tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()
