"""The student bundle: notebooks, helpers, an environment and a README, in one zip; the wheel for Colab; the proof that no answer is in them."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import helpers
from autograder import course, expected, keys
from helpers import unlocking

REPOSITORY = Path(__file__).resolve().parent.parent
MARKERS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "BEGIN MARK SCHEME", "END MARK SCHEME")
LENGTH = 25
"""Statements longer than this (in normalised form) count as pasteable."""
HINT_LENGTH = 15
"""In a hint, already expressions longer than this, without spaces, count as code of the answer."""

ENVIRONMENT = """# conda env create -f environment.yml && conda activate diffusion-labs
# or, with any Python from 3.11: pip install {plain}
name: diffusion-labs
channels: [conda-forge]
dependencies:
  - python=3.12
  - pip
  - pip:
{lines}
"""


WHEEL = """[build-system]
requires = ["setuptools>=70.1"]
build-backend = "setuptools.build_meta"
[project]
name = "diffusion-labs"
version = "{version}"
description = "The helpers that the notebooks of diffusion-labs import"
requires-python = ">=3.11"
[tool.setuptools.packages.find]
include = ["helpers*"]
[tool.setuptools.package-data]
"*" = ["*"]
"""
"""How the students' wheel is built. It asks for no other package: torch and numpy are there in Colab, and are never replaced."""


def write(path: Path) -> Path:
    """Write the bundle as a zip.

    Raises:
        RuntimeError: naming every leak, if a solution, hidden test, mark scheme, closed form or secret item is in it.
    """
    files = contents()
    _refuse("bundle", leaks(files))
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(f"diffusion-labs/{name}", (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return path


def write_wheel(folder: Path) -> Path:
    """Write the wheel from which Colab gets the helpers: the helpers of the bundle, and nothing else.

    Raises:
        RuntimeError: naming every leak, as for `write`; or if pip cannot build it, with what pip says.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        for name, content in contents().items():
            if name.startswith("helpers/"):
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_bytes(content if isinstance(content, bytes) else content.encode())
                (place / name).chmod(0o644)
        (place / "pyproject.toml").write_text(WHEEL.format(version=helpers.__version__), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
        epoch = {"SOURCE_DATE_EPOCH": "315532800"}  # 1980, as in the bundle: the same helpers give the same wheel
        done = subprocess.run([*command, "--wheel-dir", str(place / "made"), str(place)], env={**os.environ, **epoch},
                              capture_output=True, text=True, umask=0o022)  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"pip could not build the wheel:\n{done.stderr.strip()}")
        made = next((place / "made").iterdir())
        with zipfile.ZipFile(made) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        _refuse("wheel", leaks({name: _as_text(name, content) for name, content in files.items()}))
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(made, folder / made.name))


def _refuse(what: str, found: list[str]) -> None:
    if found:
        raise RuntimeError(f"The student {what} would hold what students must not see:\n  " + "\n  ".join(found))


def _as_text(name: str, content: bytes) -> str | bytes:
    """Weights and images are bytes, everything else is text."""
    return content if name.endswith((".safetensors", ".npz")) else content.decode("utf-8")


def contents() -> dict[str, str | bytes]:
    """The files of the bundle, by name; weights and images are bytes."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = project["optional-dependencies"]["student"]
    files = {
        "README.md": (REPOSITORY / "docs" / "students.md").read_text(encoding="utf-8"),
        "environment.yml": ENVIRONMENT.format(plain=" ".join(packages), lines="\n".join(f"      - {p}" for p in packages)),
    }
    for name in course.assignment_names():
        place = f"notebooks/{name}/{name}.ipynb"
        files[place] = (course.ROOT / place).read_text(encoding="utf-8")
    for path in sorted((REPOSITORY / "helpers").rglob("*")):
        name = path.relative_to(REPOSITORY).as_posix()
        if path.suffix == ".toml" and not course.hints_enabled():
            continue
        if path.suffix in (".py", ".md", ".json", ".toml") and "__pycache__" not in path.parts:
            files[name] = path.read_text(encoding="utf-8")
        elif path.suffix in (".safetensors", ".npz"):
            files[name] = path.read_bytes()
    return files


def leaks(contents: dict[str, str | bytes]) -> list[str]:
    """One sentence for everything in the bundle's contents that a student must not have."""
    found, files = [], {name: text for name, text in contents.items() if isinstance(text, str)}
    for name, text in files.items():
        found += [f"{name} contains {marker!r}" for marker in MARKERS if marker in text]
        if course.secret().hex() in text:
            found.append(f"{name} contains the course's secret")
        found += [f"{name} contains the key of the opened task {task}" for task in _opened_tasks(text)]
    given = {s for name in course.assignment_names() for cell in course.load(name).cells if cell.kind == "given"
             and cell.type == "code" for s in statements(cell.source)}  # fmt: skip
    protected = {statement: origin for origin, source in _protected() for statement in statements(source)}
    for name, text in files.items():
        for source in _code(name, text):
            for statement in set(statements(source)) - given:
                if statement in protected:
                    found.append(f"{name} contains a statement of {protected[statement]}: {statement}")
    for name, text in files.items():
        if name.startswith("helpers/hint_texts/"):
            found += [f"{name} has code of {task} in a hint: {code}" for task, code in code_in_hints(text)]
        if name.startswith("helpers/keys/"):
            found += _foreign_items(name, json.loads(text))
    return found


def _opened_tasks(text: str) -> list[str]:
    """The tasks whose keys (see autograder/opened.py) stand in a text."""
    found = []
    for key in re.findall(r"eN[\w=-]{60,}", text):  # as all that zlib packs begins
        with contextlib.suppress(ValueError):
            found.append(unlocking.decode(key)[0])
    return found


def _protected() -> Iterator[tuple[str, str]]:
    """(origin, source) of all code that students must not see: reference answers, known mistakes aside, and closed forms."""
    for task, regions in _reference_answers().items():
        for region in regions:
            yield f"the reference answer of {task}", region
    for path in [
        REPOSITORY / "autograder" / "exact.py",
        *sorted((REPOSITORY / "autograder" / "expected").glob("[a-z]*.py")),
    ]:
        yield f"the closed forms in {path.name}", path.read_text(encoding="utf-8")


def code_in_hints(text: str) -> list[tuple[str, str]]:
    """(task, code) of every statement or expression of a reference answer, of any task, that stands in a hint, spaces aside."""
    parts = {part for source in _reference_answers().values() for region in source for part in expressions(region)}
    hints = {task: ["".join(hint.split()) for hint in hints.values()] for task, hints in tomllib.loads(text).items()}
    return [(task, part) for task, of_it in hints.items() for part in sorted(parts) if any(part in hint for hint in of_it)]


def expressions(source: str) -> set[str]:
    """The statements and expressions of a piece of code, without spaces, if longer than HINT_LENGTH; plain dotted names aside."""
    nodes = [node for node in ast.walk(_parsed(source)) if isinstance(node, (ast.expr, ast.stmt))]
    texts = {"".join(ast.unparse(node).split()) for node in nodes if not isinstance(node, ast.Constant)}
    return {text for text in texts if len(text) > HINT_LENGTH and not text.replace(".", "").isidentifier()}


def _reference_answers() -> dict[str, list[str]]:
    """The solution regions of every task."""
    cells = [cell for name in course.assignment_names() for cell in course.load(name).cells]
    return {
        cell.task: [textwrap.dedent(region) for region in course.SOLUTION.findall(cell.source)]
        for cell in cells
        if cell.kind == "answer" and cell.type == "code"
    }


def _code(name: str, text: str) -> list[str]:
    if name.endswith(".py"):
        return [text]
    if name.endswith(".ipynb"):
        return ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return []


def statements(source: str) -> list[str]:
    """The simple statements of a piece of code in normalised form, if longer than LENGTH; imports and docstrings aside."""
    simple = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)
    texts = [ast.unparse(node) for node in ast.walk(_parsed(source)) if isinstance(node, simple)
             and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]  # fmt: skip
    return [text for text in texts if len(text) > LENGTH]


def _parsed(source: str) -> ast.Module:
    """The tree of a cell or of a part of a function."""
    body = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
    try:
        return ast.parse(body)
    except SyntaxError:
        return ast.parse("def _():\n" + textwrap.indent(body, "    "))  # a part of a function, with its `return`


def _foreign_items(name: str, items: dict[str, dict]) -> list[str]:
    """What in a key file is not the public item of one of our tasks."""
    found = []
    for task, item in items.items():
        if task not in expected.forms():
            found.append(f"{name} has an item for {task}, which is no task")
        elif not keys.same({**item, "wrong": []}, {**keys.public_item(task), "wrong": []}):
            found.append(f"{name} has an item for {task} that is not the public one; run `python -m autograder build`")
    return found
