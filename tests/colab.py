"""What Colab is like, as far as it can be had without it: its packages, and the form in which it writes notebooks."""

from __future__ import annotations

import ast
import itertools
import os
import re
import subprocess
import sys
import uuid
from importlib import metadata
from pathlib import Path

import nbformat
from packaging.requirements import Requirement

from autograder import course
from autograder.salvage import statements
from tests.conftest import REPOSITORY

PACKAGES = Path(__file__).with_name("colab_packages.txt")
BLOCK = """import sys
from importlib.machinery import PathFinder

class Colab(PathFinder):
    '''What Colab does not have is not found where torch is; a notebook's own folder may hold it.'''
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if path is None and name in {names!r}:
            path = [place for place in sys.path if place not in {places!r}]
        return super().find_spec(name, path, target)

sys.meta_path[:] = [Colab if finder is PathFinder else finder for finder in sys.meta_path]
"""


def plain(name: str) -> str:
    """The name of a package as all ways to write it have it in common."""
    return re.sub("[-_.]+", "-", name).lower()


def packages() -> set[str]:
    """The names of Colab's packages."""
    lines = PACKAGES.read_text(encoding="utf-8").splitlines()
    return {plain(line.partition("==")[0]) for line in lines if not line.startswith("#")}


def imports(sources: list[str]) -> set[str]:
    """The packages, by the names under which they are imported, of all imports anywhere in some sources."""
    nodes = [node for source in sources for one in statements(source) for node in ast.walk(one)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in names}


def missing() -> set[str]:
    """What can be imported here and not in Colab, but for what this environment's kernel needs to run at all."""
    here, todo = packages(), ["ipykernel"]
    while todo:
        name = plain(todo.pop())
        here.add(name)
        wanted = [Requirement(text) for text in metadata.requires(name) or []]
        wanted = [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
        todo += [one for one in wanted if plain(one) not in here and _installed(one)]
    found = metadata.packages_distributions()
    return {"helpers", "autograder"} | {top for top, owners in found.items() if not here & set(map(plain, owners))}


def _installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def environment(folder: Path) -> Path:
    """Make a virtual environment that sees torch and the rest of what Colab has, and not this project; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    places = sorted({str(Path(metadata.distribution(name).locate_file("")).resolve()) for name in ("torch", "ipykernel")})
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "colab.pth").write_text("\n".join([*places, "import colab_only"]), encoding="utf-8")
    (site / "colab_only.py").write_text(BLOCK.format(names=missing(), places=[*places, str(REPOSITORY)]), encoding="utf-8")
    return folder / "bin" / "python"


def clean() -> dict[str, str]:
    """The environment variables of a session that knows nothing of this project."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NBGRADER", "DIFFUSION"))}


def first_cells(name: str) -> list[str]:
    """The code of a notebook up to its first text after the title: Setup and the imports."""
    notebook = nbformat.read(REPOSITORY / "notebooks" / name / f"{name}.ipynb", as_version=4)
    after = itertools.dropwhile(lambda cell: cell.cell_type != "code", notebook.cells)
    return [cell.source for cell in itertools.takewhile(lambda cell: cell.cell_type == "code", after)]


def setup(name: str = "01_sampling", address: str = "", version: str = "") -> str:
    """The first cell of a notebook, with what an instructor sets."""
    source = next(cell.source for cell in course.load(name).cells if cell.kind == "given")
    return source.replace(
        'HELPERS_ADDRESS, HELPERS_VERSION = "", ""', f"HELPERS_ADDRESS, HELPERS_VERSION = {address!r}, {version!r}"
    )


def as_written(notebook: nbformat.NotebookNode, keeps_metadata: bool) -> dict:
    """A notebook as Colab writes it to a file: format 4.0, ids and ids of outputs in the metadata, times, users, widgets.

    Args:
        notebook: ours, filled in.
        keeps_metadata: whether nbgrader's metadata and our ids are still there.
    """
    badge = '<a href="https://colab.research.google.com/x" target="_parent"><img src="https://x" alt="Open In Colab"/></a>'
    cells = [{"cell_type": "markdown", "metadata": {"id": "view-in-github", "colab_type": "text"}, "source": [badge]}]
    for number, cell in enumerate(notebook.cells):
        meta = dict(cell.metadata) if keeps_metadata else {}
        meta |= {"id": cell.id if keeps_metadata else uuid.uuid5(uuid.NAMESPACE_OID, str(number)).hex[:12]}
        written = {"cell_type": cell.cell_type, "source": cell.source.splitlines(keepends=True), "metadata": meta}
        if cell.cell_type == "code":
            user = {"displayName": "A Student", "userId": "01234567890123456789"}
            times = {"status": "ok", "timestamp": 1760000000000 + number, "user_tz": -60, "user": user, "elapsed": 300}
            meta |= {"colab": {"base_uri": "https://localhost:8080/", "height": 35}, "executionInfo": times}
            meta |= {"outputId": str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))} | (
                {"cellView": "form"} if number % 3 else {}
            )
            written |= {"execution_count": number + 1 if number % 2 else None, "outputs": OUTPUTS}
        cells.append(written)
    state = {"model_module": "@jupyter-widgets/controls", "model_name": "HBoxModel", "state": {"children": ["IPY_MODEL_1"]}}
    meta = {
        "colab": {"provenance": [], "gpuType": "T4", "toc_visible": True},
        "accelerator": "GPU",
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
        "widgets": {"application/vnd.jupyter.widget-state+json": {"0123456789abcdef": state, "version_major": 2}},
    }
    return {"nbformat": 4, "nbformat_minor": 0, "metadata": meta, "cells": cells}


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9\nawAAAABJRU5ErkJggg==\n"
OUTPUTS = [
    {"output_type": "stream", "name": "stdout", "text": ["a line\n", "and one more\n"]},
    {
        "output_type": "execute_result",
        "data": {"text/plain": ["'a string'"], "application/vnd.google.colaboratory.intrinsic+json": {"type": "string"}},
        "metadata": {},
        "execution_count": 7,
    },
    {
        "output_type": "display_data",
        "data": {"text/plain": ["<Figure size 640x480 with 1 Axes>"], "image/png": PIXEL},
        "metadata": {},
    },
    {
        "output_type": "display_data",
        "data": {"application/vnd.colab-display-data+json": {"pip_warning": {"packages": ["numpy"]}, "id": "0f"}},
        "metadata": {},
    },
    {
        "output_type": "display_data",
        "data": {
            "text/plain": ["  0%|          | 0/10 [00:00<?, ?it/s]"],
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": "0123456789abcdef",
            },
        },
        "metadata": {},
    },
    {
        "output_type": "display_data",
        "data": {"text/plain": ["✓ a.task: right"], "text/html": ["<div>a.task: right</div>"]},
        "metadata": {},
    },
]
