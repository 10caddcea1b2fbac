"""`python -m autograder pictures`: the pictures of the README and of the site, all drawn by the course's own code.

hero: noise that becomes data, from closed forms. NN: figures of that notebook's solution, which is executed; what is shown is
the picture alone, not the code of an answer. (`docs/screenshots.py` photographs JupyterLab, formgrader and the class report.)
"""

from __future__ import annotations

import base64
import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autograder import course, keys

DOCS = Path(__file__).resolve().parent.parent / "docs"
FOLDER = DOCS / "pictures"
LARGEST = 100_000
"""Bytes that a picture may have."""
MISTAKE = "vpsde.sample_ode:no-half"


@dataclass(frozen=True)
class Figure:
    """A figure of a notebook: its file's name, words that stand in the cell that draws it and in no other, and a description."""

    name: str
    words: str
    alt: str

    @property
    def path(self) -> Path:
        """Where its picture is, once made."""
        return FOLDER / f"{self.name}.png"

    def cell(self, cells: list[Any]) -> Any:
        """The cell of a notebook that draws it.

        Raises:
            LookupError: if the words do not stand in exactly one code cell.
        """
        found = [cell for cell in cells if cell.cell_type == "code" and self.words in cell.source]
        if len(found) != 1:
            raise LookupError(
                f"The figure {self.name} is found by the words {self.words!r}, and {len(found)} cells have them (autograder/pictures.py)."
            )
        return found[0]


FIGURES = (
    Figure(
        "01-mixture",
        "a mixture of three",
        "10,000 samples of a Gaussian and of a mixture of three, with contours of their densities",
    ),
    Figure(
        "01-noise", "subplots(2, 5", "Two Gaussians and a chequerboard dissolve in five steps into the same cloud of noise"
    ),
    Figure(
        "02-time",
        'sines and cosines": Sinus',
        "Three networks fit a wave: told the step or a number from 0 to 1 they miss it, told sines and cosines they draw it",
    ),
    Figure("02-field", "ax.quiver(", "Three fields of arrows that one network has learnt, each for another time"),
    Figure(
        "03-score",
        "t=t: exact(x, t.expand",
        "Arrows of the score over the density at three times: from eight spots to one cloud",
    ),
    Figure(
        "03-trajectories",
        "ODE: 60 trajectories",
        "Sixty smooth trajectories from noise to eight spots, and a thousand end points",
    ),
    Figure("03-recipe", "ring: model", "Data and samples side by side: a ring of eight spots, and a chequerboard"),
    Figure(
        "04-forward",
        "data on the left",
        "Ten histories wander from two bands of data into noise, over the density of every step",
    ),
    Figure(
        "04-recipe",
        "our recipe, 50 histories",
        "Samples fill the true density of two modes, and fifty histories part into its two bands",
    ),
    Figure(
        "05-schedules",
        "columns=len(times)",
        "A digit dissolves in ten steps, in three schedules: soon in one, late in another",
    ),
    Figure(
        "06-paths",
        "perfect = data.ExactNoise(truth",
        "Paths from noise to two clusters: smooth without fresh noise, rough with it",
    ),
    Figure(
        "07-photographs",
        "64 training images",
        "Two grids of small colour photographs: fur, leaves, a roof, a space suit, dark sky",
    ),
)


def write(names: list[str]) -> Iterator[Path]:
    """Make pictures, one after the other; yields their paths.

    Args:
        names: "hero", and notebooks, each of which is executed as far as its last figure here.

    Raises:
        LookupError: if the cell of a figure is not there or has drawn nothing.
    """
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        if name == "hero":
            yield hero(FOLDER / "hero.png")
        else:
            yield from _figures(name)


def of(name: str) -> list[Figure]:
    """The figures of a notebook."""
    return [figure for figure in FIGURES if figure.name[:2] == name[:2]]


def example() -> keys.Answer:
    """The known mistake that README and site show."""
    return next(one for one in keys.misconceptions(MISTAKE.partition(":")[0]) if one.id == MISTAKE)


def _figures(name: str) -> Iterator[Path]:
    """Execute the solution of a notebook as far as its last figure, and keep them."""
    from nbclient import NotebookClient

    from autograder import build

    notebook = build.source_notebook(course.load(name))
    cells = {figure: figure.cell(notebook.cells) for figure in of(name)}
    last = max((notebook.cells.index(cell) for cell in cells.values()), default=-1)
    del notebook.cells[last + 1 :]
    shipped = {**os.environ, "DIFFUSION_LABS_DATA": os.devnull}  # only data that come with the course, with their licences
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=1800, kernel_name="python3").execute(cwd=folder, env=shipped)
    for figure, cell in cells.items():
        drawn = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
        if not drawn:
            raise LookupError(f"The cell of the figure {figure.name} has drawn nothing.")
        figure.path.write_bytes(_small(base64.b64decode(drawn[-1])))
        yield figure.path


def _small(png: bytes) -> bytes:
    """The picture in as few bytes as LARGEST: with fewer colours if need be, then with fewer pixels."""
    from PIL import Image

    picture, scale = Image.open(io.BytesIO(png)).convert("RGBA"), 1.0
    while len(png) > LARGEST:
        size = [round(side * scale) for side in picture.size]
        stream = io.BytesIO()
        picture.resize(size, Image.Resampling.LANCZOS).quantize(256, Image.Quantize.FASTOCTREE).save(
            stream, "PNG", optimize=True
        )
        png, scale = stream.getvalue(), 0.9 * scale
    return png


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
    figure.savefig(path, dpi=120, transparent=True, bbox_inches="tight", pad_inches=0.02)
    plt.close(figure)
    path.write_bytes(_small(path.read_bytes()))
    return path
