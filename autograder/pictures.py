"""`python -m autograder pictures`: the pictures of the site, all drawn by the course's own code.

hero: noise that becomes data, from closed forms. badge: the link to Colab. NN: every figure of that notebook's solution, which is executed with all its
training; what is shown is the picture alone, not the code of an answer. A picture bears the digest of the cell that draws it, so
that one whose cell has changed since is not shown. (`docs/screenshots.py` photographs JupyterLab, formgrader and the class report.)
"""

from __future__ import annotations

import base64
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autograder import course, keys
from helpers import records

DOCS = Path(__file__).resolve().parent.parent / "docs"
FOLDER = DOCS / "pictures"
ALT = FOLDER / "alt.json"
"""What is to be seen in a picture, by the name of its file: the text alternative that the figure came with."""
BADGE = FOLDER / "badge.png"
LARGEST = 60_000
"""Bytes that a picture may have."""
MISTAKE = "vpsde.sample_ode:no-half"


def of(cell: Any) -> list[Path]:
    """The pictures of a notebook's cell as it is now, in the order in which it draws them."""
    return sorted(FOLDER.glob(f"*-{records.digest(cell.source)}-*.webp")) if cell.source.strip() else []


def alternatives() -> dict[str, str]:
    """The text alternatives of all pictures, by file name."""
    return json.loads(ALT.read_text(encoding="utf-8")) if ALT.exists() else {}


def write(names: list[str]) -> Iterator[Path]:
    """Make pictures, one after the other; yields their paths.

    Args:
        names: "hero", "badge", and notebooks, each of which is executed as a whole.
    """
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        if name == "hero":
            yield hero(FOLDER / "hero.webp")
        elif name == "badge":
            yield badge(BADGE)
        else:
            yield from _figures(name)


def example() -> keys.Answer:
    """The known mistake that README and site show."""
    return next(one for one in keys.misconceptions(MISTAKE.partition(":")[0]) if one.id == MISTAKE)


def _figures(name: str) -> Iterator[Path]:
    """Execute the solution of a notebook, and keep the figures of its own cells, in place of those of before."""
    from nbclient import NotebookClient

    from autograder import build

    notebook = build.source_notebook(course.load(name))
    shipped = {**os.environ, "DIFFUSION_LABS_DATA": os.devnull}  # only data that come with the course, with their licences
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=1800, kernel_name="python3").execute(cwd=folder, env=shipped)
    alternatives_now = {place: text for place, text in alternatives().items() if not place.startswith(name[:2])}
    drawn = {}
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        outputs = [output for output in cell.outputs if "image/png" in output.get("data", {})]
        for number, output in enumerate(outputs):
            path = FOLDER / f"{name[:2]}-{records.digest(cell.source)}-{number}.webp"
            drawn[path] = _small(base64.b64decode(output.data["image/png"]))
            alternatives_now[path.name] = " ".join(output.data["text/plain"].split())
    for path in set(FOLDER.glob(f"{name[:2]}-*")) - set(drawn):
        path.unlink()
    for path, content in drawn.items():
        path.write_bytes(content)
        yield path
    ALT.write_text(json.dumps(dict(sorted(alternatives_now.items())), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _small(png: bytes) -> bytes:
    """The picture as WebP in as few bytes as LARGEST, with fewer pixels if need be."""
    from PIL import Image

    picture, scale = Image.open(io.BytesIO(png)).convert("RGBA"), 1.0
    while True:
        stream = io.BytesIO()
        size = [round(side * scale) for side in picture.size]
        picture.resize(size, Image.Resampling.LANCZOS).save(stream, "webp", quality=80, method=6)
        if stream.tell() <= LARGEST:
            return stream.getvalue()
        scale *= 0.9


def hero(path: Path) -> Path:
    """Draw the probability flow of a mixture in one dimension, noise on the left and data on the right.

    Along the flow every point keeps its quantile, so that each line is a quantile of the exact marginals, found by bisection.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt
    from scipy.optimize import brentq
    from scipy.stats import norm

    from autograder.exact import VP
    from helpers import plots

    means, sds, weights = np.array([-2.1, -0.1, 1.9]), np.array([0.16, 0.3, 0.16]), np.array([0.35, 0.3, 0.35])
    process, times, levels = VP(), np.linspace(1, 0, 140) ** 1.5, (np.arange(72) + 0.5) / 72
    lines = np.empty((len(times), len(levels)))
    for i, t in enumerate(times):
        centres, widths = process.alpha(t) * means, np.hypot(process.alpha(t) * sds, process.sigma(t))
        for j, level in enumerate(levels):
            lines[i, j] = brentq(lambda x: weights @ norm.cdf((x - centres) / widths) - level, -9, 9)  # noqa: B023
    figure, ax = plt.subplots(figsize=(12, 3.6))
    ends = np.searchsorted(np.cumsum(weights), levels)
    x = np.linspace(0, 1, len(times))
    for j, mode in enumerate(ends):
        ax.plot(x, lines[:, j], color=(plots.BLUE, plots.GREEN, plots.ORANGE)[mode], lw=1.3, alpha=0.55)
    ax.scatter(
        np.ones(len(levels)), lines[-1], s=9, c=[(plots.BLUE, plots.GREEN, plots.ORANGE)[mode] for mode in ends], zorder=3
    )
    ax.scatter(np.zeros(len(levels)), lines[0], s=9, color=plots.INK, zorder=3)
    ax.set(xlim=(-0.01, 1.01))
    ax.axis("off")
    stream = io.BytesIO()
    figure.savefig(stream, dpi=120, transparent=True, bbox_inches="tight", pad_inches=0.02)
    plt.close(figure)
    path.write_bytes(_small(stream.getvalue()))
    return path


def badge(path: Path) -> Path:
    """Draw the badge that opens a notebook in Colab. It comes with the notebook, since one from a server is broken where there is no network."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import patches
    from matplotlib import pyplot as plt

    from helpers import plots

    width, height = 146, 28
    figure = plt.figure(figsize=(width / 100, height / 100))
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    ax.add_patch(patches.FancyBboxPatch((5, 5), width - 10, height - 10, boxstyle="round,pad=4", fc=plots.BLUE, ec="none"))
    ax.add_patch(patches.Polygon([(13, 8), (13, 20), (23, 14)], fc="white", ec="none"))
    ax.text(33, height / 2, "Open in Colab", color="white", size=9.5, weight="bold", va="center_baseline")
    figure.savefig(path, dpi=100, transparent=True)
    plt.close(figure)
    return path
