"""One look for all figures of the course. Importing it loads matplotlib; call `style()` once per notebook.

Colours are those of Okabe and Ito, which stay apart with any colour vision; the backgrounds are transparent, and the ink is a mid
grey, so that figures are legible on light and on dark pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442",
)  # fmt: skip
INK = "#6b7280"
COLOURS = [BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY]


def style() -> None:
    """Set matplotlib's defaults for the course."""
    plt.rcParams.update({
        "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none", "figure.dpi": 90,
        "figure.constrained_layout.use": True, "axes.prop_cycle": plt.cycler(color=COLOURS),
        "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "axes.labelcolor": INK,
        "axes.titlecolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK, "axes.titlesize": 11,
        "axes.grid": True, "grid.color": INK, "grid.alpha": 0.15, "legend.frameon": False, "font.size": 10,
    })  # fmt: skip


def to_numpy(x: Any) -> np.ndarray:
    """A numpy array from a tensor on any device, or from anything array-like."""
    return x.detach().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)


def scatter(points: Any, title: str = "", ax: Any = None, limit: float | None = None, colour: Any = BLUE) -> Any:
    """Scatter 2D points with equal axes, small and translucent; returns the axes.

    Args:
        points: (n, 2) tensor or array.
        title: a short title.
        ax: axes to draw into; a new figure if None.
        limit: half-width of the square window; chosen from the points if None.
        colour: one colour, or a value per point.
    """
    points = to_numpy(points)
    if ax is None:
        _, ax = plt.subplots(figsize=(4, 4))
    ax.scatter(points[:, 0], points[:, 1], s=2.5, alpha=0.35, c=colour, linewidths=0, rasterized=True)
    if limit:
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit))
    ax.set(aspect="equal", title=title, xlabel="$x_1$", ylabel="$x_2$")
    return ax


def scatter_row(panels: Sequence[tuple[str, Any]], limit: float | None = None, colours: Sequence[Any] = COLOURS) -> Any:
    """Several scatter plots side by side; `panels` are (title, (n, 2) points). Returns the figure."""
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.7), squeeze=False)
    for i, (title, points) in enumerate(panels):
        scatter(points, title, axes[0, i], limit, colours[i % len(colours)])
    return figure
