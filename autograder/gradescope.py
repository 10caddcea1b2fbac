"""An autograder for Gradescope: `python -m autograder gradescope NN` makes the zip that an instructor uploads there.

The zip holds the grader itself, with the reference answers and with secret items of its own, which nothing else in the course uses. So
it goes to the instructor's Gradescope and to nobody else. There, `run_autograder` calls `run`, which grades the one notebook in
submission/ and writes results/results.json. See docs/export.md.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from autograder import course, grading, intake, releases, salvage, sandbox
from autograder.runner import Runner
from helpers import panel
from helpers.judge import Verdict

REPOSITORY = Path(__file__).resolve().parent.parent
ROOT = "GRADESCOPE_ROOT"
"""The environment variable that says where Gradescope's folder is, if not at /autograder."""

SETUP = """#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image.
set -e
root="${{GRADESCOPE_ROOT:-/autograder}}"
apt-get update
apt-get install -y bubblewrap util-linux
apt-get install -y python3.12 python3.12-venv || apt-get install -y python3.11 python3.11-venv
python=$(command -v python3.12 || command -v python3.11)
"$python" -m venv "$root/venv"
PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu "$root/venv/bin/pip" install --no-cache-dir {packages}
chmod 755 "$root" && chmod 700 "$root/source"  # students' code runs as another user, who must not read the grader
"""

RUN = """#!/usr/bin/env bash
# Gradescope runs this for every submission.
root="${GRADESCOPE_ROOT:-/autograder}"
python="$root/venv/bin/python"
mkdir -p "$root/results" && chmod 700 "$root/source"
cd "$root/source" && PYTHONPATH="$root/source" OMP_NUM_THREADS=1 "${GRADESCOPE_PYTHON:-$python}" -m autograder gradescope-run
if [ ! -s "$root/results/results.json" ]; then
  echo '{"score": 0, "output": "Nothing was graded: the grader itself did not run. The 0 is no grade; tell your instructor.", "stdout_visibility": "hidden"}' > "$root/results/results.json"
fi
"""


# ------------------------------------------------------------------------------------------------------------- the zip


def write(name: str, path: Path, without_sandbox: bool = False) -> Path:
    """Write the autograder of one assignment.

    Args:
        name: such as "03_vpsde".
        path: the zip.
        without_sandbox: whether to grade on where bubblewrap does not work; students' code then runs as the user nobody, who cannot
            read the grader, but beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, content in contents(name, without_sandbox):
            info = zipfile.ZipInfo(place, (1980, 1, 1, 0, 0, 0))
            info.external_attr = (0o755 if place in ("setup.sh", "run_autograder") else 0o644) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    part.chmod(0o600)
    part.replace(path)
    return path


def contents(name: str, without_sandbox: bool = False) -> Iterator[tuple[str, str | bytes]]:
    """The files of the zip, by name."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    packages = [p for p in (*extras["student"], *extras["instructor"]) if not p.startswith("diffusion-labs")]
    yield "setup.sh", SETUP.format(packages=" ".join(f"'{p}'" for p in packages))
    yield "run_autograder", RUN
    yield "gradescope.json", json.dumps({"assignment": name, "without_sandbox": without_sandbox}) + "\n"
    yield "course.toml", (course.ROOT / "course.toml").read_text(encoding="utf-8")
    yield "course.secret", hmac.new(course.secret(), f"gradescope {name}".encode(), hashlib.sha256).hexdigest() + "\n"
    for place in (f"solutions/{name}/{name}.py", f"notebooks/{name}/{name}.ipynb"):
        yield place, (course.ROOT / place).read_text(encoding="utf-8")
    for file in sorted((course.ROOT / "releases" / name).glob("*.ipynb")):
        yield f"releases/{name}/{file.name}", file.read_text(encoding="utf-8")
    own = [*(REPOSITORY / "autograder").glob("*.py"), *(REPOSITORY / "autograder" / "expected").glob("*.py"),
           *(REPOSITORY / "helpers").rglob("*")]  # fmt: skip
    for file in sorted(own):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file.relative_to(REPOSITORY).as_posix(), file.read_bytes()


# ------------------------------------------------------------------------------------------------------ on Gradescope


def run(root: Path | None = None, runner: Runner | None = None) -> dict[str, Any]:
    """Grade the notebook in submission/ and write results/results.json; returns what was written. Raises nothing."""
    root = root or Path(os.environ.get(ROOT, "/autograder"))
    start = time.monotonic()
    try:
        result = _grade(root, json.loads((course.ROOT / "gradescope.json").read_text(encoding="utf-8")), runner)
    except sandbox.NoSandbox as error:
        result = _nothing(str(error).split("; ")[0] + "; the instructor can make the zip again with --without-sandbox")
    except Exception as error:  # a file is written in any case, and the student's work is not to blame
        result = _nothing(f"Nothing was graded: the grader itself failed ({type(error).__name__})")
        print(f"{type(error).__name__}: {error}", flush=True)  # Gradescope shows this to the instructor
    result |= {"execution_time": round(time.monotonic() - start), "stdout_visibility": "hidden"}
    target = root / "results" / "results.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(json.dumps(result, ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(target)
    return result


def _nothing(why: str) -> dict[str, Any]:
    return {"score": 0, "output": f"{why}. The 0 is no grade; tell your instructor.", "output_format": "text"}


def _grade(root: Path, settings: dict[str, Any], runner: Runner | None) -> dict[str, Any]:
    name = settings["assignment"]
    if settings["without_sandbox"] and sandbox.problem() is not None:
        os.environ[sandbox.SWITCH] = sandbox.NOBODY
    sandbox.require()
    pristine = nbformat.read(course.ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)
    submitted = intake.read_notebook(find(root / "submission", name))
    notebook = salvage.salvage(releases.update(submitted, name, pristine), pristine)
    verdicts = grading.judge_notebook(notebook, name, _who(root), runner)
    points = course.load(name).tasks
    tests = [_test(verdict, points[verdict.task], str(number)) for number, verdict in enumerate(verdicts.values(), 1)]
    notes = list(notebook.metadata.diffusion_labs.notes)
    written = sum(cell.points for cell in course.load(name).cells if cell.kind == "written")
    if written:
        notes.append(f"{written:g} more points are for written answers, which are marked by hand.")
    return {"output": "\n".join(notes), "output_format": "text", "tests": tests, "extra_data": {"assignment": name}}


def _test(verdict: Verdict, points: float, number: str) -> dict[str, Any]:
    """One task as Gradescope shows it."""
    return {
        "name": verdict.task,
        "number": number,
        "score": points if verdict.passed else 0,
        "max_score": points,
        "status": "passed" if verdict.passed else "failed",
        "output": panel.text(verdict),
        "output_format": "text",
        "visibility": "visible",
        "tags": [verdict.misconception] if verdict.misconception else [],
    }


def find(folder: Path, name: str) -> Path:
    """The notebook that was meant: by its name, else one with the name in its own, else the only one."""
    found = sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    for kind in ([p for p in found if p.name == f"{name}.ipynb"], [p for p in found if name in p.stem], found):
        if len(kind) == 1:
            return kind[0]
    return folder / f"{name}.ipynb"


def _who(root: Path) -> str:
    """What decides on the secret item: the student's address, so that a regrade repeats exactly."""
    try:
        user = json.loads((root / "submission_metadata.json").read_text(encoding="utf-8"))["users"][0]
        return str(user.get("email") or user["id"])
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return "gradescope"
