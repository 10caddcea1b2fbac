"""`make site`: the course's site in dist/site/, made by Sphinx of docs/, the students' notebooks and the docstrings.

The pages are put together in a scratch folder that mirrors the repository, so that links between them work as they are.
A link to a file that is not on the site becomes plain text; one to a file that does not exist stops the build.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from autograder import build, course, keys, pictures
from autograder.grading import shared_runner
from helpers import panel
from helpers.checks import public_items
from helpers.judge import judge

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "docs"
EVIDENCE = ("mistakes", "audit", "performance", "coverage")
GUIDE = ("grading", "collecting", "marking", "export", "cluster", "colab", "adding-an-assignment")
LAST = ("security",)
FOR_STUDENTS = ("students", "tasks")
"""The pages of docs/ without pieces of answers: all that `--students` takes."""
PICTURES = (".png", ".webp", ".jpg", ".svg", ".gif")
NO_API = ("keys", "misconceptions", "alternatives", "__main__")
LINK = re.compile(r"(`+[^`].*?`+)|(!?)\[([^\]]*)\]\(([^)\s]+)\)", re.S)
NOTE = """```{{note}}
This is the notebook as students get it: {tasks} graded tasks, {points:g} points. The cells with an orange edge are theirs to write. The pictures are what the reference solution draws; sliders and films are still here.
```"""


class SiteError(Exception):
    """Why there is no site, in a sentence."""


def write(out: Path | None = None, students: bool = False) -> Path:
    """Build the site and put it in the place of the last one; returns the page to open.

    Args:
        out: the folder to write; dist/site or dist/site-students in the course if None.
        students: leave out what has pieces of answers: the instructors' pages, the gallery and the grader's own modules.

    Raises:
        SiteError: without Sphinx, with a link to nowhere, or with anything that Sphinx warns of. The last site then stays.
    """
    if missing := [
        name for name in ("sphinx", "myst_nb", "furo", "sphinx-mathjax-offline") if importlib.util.find_spec(name) is None
    ]:
        raise SiteError(f"The site needs {', '.join(missing)}, not installed here: pip install -e '.[site]'")
    out = out or course.ROOT / "dist" / ("site-students" if students else "site")
    with tempfile.TemporaryDirectory() as scratch:
        source, built = Path(scratch, "source"), Path(scratch, "site")
        for place, text in pages(students).items():
            (source / place).parent.mkdir(parents=True, exist_ok=True)
            (source / place).write_text(text, encoding="utf-8")
        for picture in [path for path in DOCS.rglob("*") if path.suffix in PICTURES]:
            place = source / picture.relative_to(REPOSITORY)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, place)  # Sphinx takes those that a page shows
        command = [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-q",
            "-c",
            f"{DOCS}/site",
            "-d",
            f"{scratch}/trees",
            str(source),
            str(built),
        ]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        if done.returncode:
            raise SiteError(f"Sphinx found something wrong, and the site was not changed.\n{done.stderr.strip()}")
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(built, out)
    return out / "index.html"


def text(index: Path) -> str:
    """What was made, and how to look at it."""
    files = [path for path in index.parent.rglob("*") if path.is_file()]
    count, size = sum(path.suffix == ".html" for path in files), sum(path.stat().st_size for path in files) / 1e6
    return f"{count} pages, {size:.0f} MB, nothing loaded from elsewhere. Open {index.as_uri()} in a browser."


def pages(students: bool = False) -> dict[str, str]:
    """The texts of the site by their places: Markdown and notebooks.

    Raises:
        SiteError: if one of them links to a file that does not exist.
    """
    docs = {path.stem: path for path in sorted(DOCS.glob("*.md")) if not students or path.stem in FOR_STUDENTS}
    texts = {f"docs/{name}.md": path.read_text(encoding="utf-8") for name, path in docs.items()}
    texts["docs/students.md"] = texts["docs/students.md"].replace("# diffusion-labs\n", "# For students\n", 1)
    data = (REPOSITORY / "helpers" / "assets" / "README.md").read_text(encoding="utf-8")
    texts["docs/data.md"] = "# Data and their licences\n\n" + re.sub("^# ", "## ", data, flags=re.M)
    texts["CHANGELOG.md"] = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    notebooks = {f"notebooks/{name}/{name}.ipynb": _notebook(name) for name in course.assignment_names()}
    for package in ["helpers"] if students else ["helpers", "autograder"]:
        texts |= _api(package)
    guide = [n for n in GUIDE if n in docs] + sorted(set(docs) - {*GUIDE, *EVIDENCE, *LAST, *FOR_STUDENTS})
    trees = {
        "Course": ["docs/students", *(place.removesuffix(".ipynb") for place in notebooks), "docs/tasks"],
        "Instructors": [f"docs/{name}" for name in [*guide, *(n for n in LAST if n in docs)]],
        "Evidence": [f"docs/{name}" for name in EVIDENCE if name in docs],
        "Reference": [place.removesuffix(".md") for place in texts if place.count(".") == 1 and place.startswith("api/")]
        + ["docs/data", "CHANGELOG"],
    }
    trees = [
        f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{chr(10).join(names)}\n```\n"
        for caption, names in trees.items()
        if names
    ]
    texts["index.md"] = "\n".join([_front(students), *trees])
    places = {*texts, *notebooks}
    return {place: _linked(text, place, places) for place, text in texts.items()} | notebooks


def _front(students: bool) -> str:
    """The front page: docs/site/index.md, with its figures counted and its example run."""
    mistake = pictures.example()
    item = public_items()[mistake.task]
    verdict = judge(mistake.task, item, shared_runner().observe(mistake.task, item, mistake.cell), reveal=True)
    code = "" if students else re.sub(r'\n *""".*?"""', "", mistake.cell, flags=re.S) + "\n\n"
    check = course.load(course.tasks()[mistake.task]).check_cell(mistake.task).source
    parts = {
        "tasks": f"{len(course.tasks())}",
        "mistakes": f"{sum(len(keys.misconceptions(task)) for task in course.tasks()):,}",
        "example": f"```python\n{code}{check}\n```\n\n```{{raw}} html\n{panel.html(verdict)}\n```",
    }
    text = (DOCS / "site" / "index.md").read_text(encoding="utf-8")
    text = re.sub(r"<!-- instructors -->\n(.*?)<!-- end -->\n", "" if students else r"\1", text, flags=re.S)
    return re.sub(r"\{\{ (\w+) \}\}", lambda match: parts[match[1]], text)


def _linked(text: str, place: str, places: set[str]) -> str:
    """A page whose links to files that are not on the site are plain text. Code, in fences or not, is left alone."""

    def replace(match: re.Match) -> str:
        code, picture, label, target = match.groups()
        if code or picture or re.match(r"[a-z]+:|#", target):
            return match[0]
        path = (REPOSITORY / place).parent.joinpath(target.partition("#")[0]).resolve()
        if path.is_relative_to(REPOSITORY) and path.relative_to(REPOSITORY).as_posix() in places:
            return match[0]
        if not path.exists():
            raise SiteError(f"{place} has a link to {target}, which does not exist.")
        return label

    parts = re.split(r"(^ *```.*?^ *```)", text, flags=re.M | re.S)
    return "".join(part if i % 2 else LINK.sub(replace, part) for i, part in enumerate(parts))


def _notebook(name: str) -> str:
    """A student's notebook for the site: a note on top, the setup folded, and below every cell the pictures that it draws in the solution."""
    path = course.ROOT / "notebooks" / name / f"{name}.ipynb"
    notebook, assignment = nbformat.read(path, 4), course.load(name)
    texts = pictures.alternatives()
    note = NOTE.format(tasks=len(assignment.tasks), points=sum(assignment.tasks.values()))
    if notebook.cells[0].id == "colab":
        note += f"\n\n[Open this notebook in Colab]({build.colab_link(name)})\n"
        del notebook.cells[0]
    head, _, rest = notebook.cells[0].source.partition("\n")
    notebook.cells[0].source = f"{head}\n\n{note}\n{rest}"
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("# Setup"):
            cell.metadata["tags"] = ["hide-input"]
        if cell.cell_type == "code" and "# ==== TODO" in cell.source:
            cell.metadata["tags"] = ["todo"]
        cells.append(cell)
        for number, path in enumerate(pictures.of(cell)):
            alt = re.sub(r"[\[\]\\]", "", texts.get(path.name, "")) or "a figure"
            picture = f"![{alt}](../../docs/pictures/{path.name})"
            cells.append(nbformat.v4.new_markdown_cell(picture, id=f"picture-{number}-{cell.id}"))
    notebook.cells = cells
    notebook.metadata.language_info["pygments_lexer"] = "ipython3"
    return nbformat.writes(notebook)


def _api(package: str) -> dict[str, str]:
    """A page for every module of a package, and one that lists them."""
    from autograder.__main__ import main

    texts, rows = {}, []
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        parts = [*path.relative_to(REPOSITORY).parent.parts, *([] if path.stem == "__init__" else [path.stem])]
        inner = parts[1] in ("probes", "expected") if len(parts) > 2 else False
        if inner or any(part in NO_API or part.startswith("_") for part in parts):
            continue
        name, summary = (
            ".".join(parts),
            (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0],
        )
        if name != package:
            texts[f"api/{name}.md"] = f"# {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n```\n"
            rows.append(f"| [{name}]({name}.md) | {summary} |")
    lines = [
        f"# API: {package}",
        "",
        f"```{{eval-rst}}\n.. automodule:: {package}\n```",
        "",
        "| module | what it is |",
        "| --- | --- |",
        *rows,
    ]
    if package == "autograder":
        texts["api/commands.md"] = _commands(main)
    tree = "\n".join(sorted(place.removeprefix("api/").removesuffix(".md") for place in texts if package in place))
    return {f"api/{package}.md": "\n".join([*lines, "", f"```{{toctree}}\n:hidden:\n\n{tree}\n```\n"])} | texts


def _commands(main) -> str:
    """Every command with its own help, as it prints it."""

    def shown(*arguments: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as stream, contextlib.suppress(SystemExit):
            main([*arguments, "--help"])
        return stream.getvalue()

    names = re.findall(r"^    (\w+) ", shown(), re.M)
    parts = ["# Commands", "What `python -m autograder COMMAND --help` prints."]
    return "\n\n".join([*parts, *(f"## {name}\n\n```text\n{shown(name)}```" for name in names)]) + "\n"
