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


@pytest.mark.slow  # writes the bundle twice
def test_the_bundle_repeats_itself(tmp_path):
    assert bundle.write(tmp_path / "a.zip").read_bytes() == bundle.write(tmp_path / "b.zip").read_bytes()


def opened_key() -> str:
    return unlocking.encode("mlp.init", course.load("02_mlp").answer("mlp.init"))


@pytest.mark.slow
def test_the_wheel_is_clean_and_is_not_written_with_a_leak(tmp_path, monkeypatch, capsys):
    from autograder.__main__ import main

    files = {name: content for name, content in bundle.contents().items() if not name.startswith("helpers/keys")}
    monkeypatch.setattr(bundle, "contents", lambda: files)  # the keys are looked at with the bundle
    assert main(["wheel", "--out", str(tmp_path)]) == 0
    written = next(tmp_path.glob("diffusion_labs-*-py3-none-any.whl"))
    assert f"{written} ({written.stat().st_size / 1e6:.1f} MB)" in capsys.readouterr().out
    written.unlink()
    monkeypatch.setattr(bundle, "contents", lambda: {**files, "helpers/x.py": "### BEGIN SOLUTION\n"})
    assert main(["wheel", "--out", str(tmp_path)]) == 1
    assert "The student wheel would hold what students must not see:\n  helpers/x.py contains" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


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
@pytest.mark.slow
def test_a_planted_leak_is_found(plant, monkeypatch, tmp_path):
    assert bundle.leaks(plant())
    clean = bundle.contents()
    monkeypatch.setattr(bundle, "contents", lambda: {**clean, **plant()})
    with pytest.raises(RuntimeError, match="must not see"):
        bundle.write(tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()
