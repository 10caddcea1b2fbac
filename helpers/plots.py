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


def chain(
    labels: Sequence[str], skip: tuple[int, int] | None = None, feed: tuple[Sequence[str], Sequence[int]] | None = None
) -> Any:
    """Draw a network as a chain of boxes from left to right; returns the figure.

    Args:
        labels: names in order; one character means an operation (a circle) or, at the ends, a variable.
        skip: positions (from, to) of an arrow that jumps over the boxes between them.
        feed: a second chain below, whose last box has arrows to these positions of the first.
    """
    height = 1.0 + 0.9 * bool(skip) + 1.1 * bool(feed)
    figure, ax = plt.subplots(figsize=(0.92 * len(labels), 0.8 * height + 0.1))
    shift = min(feed[1]) - len(feed[0]) + 0.2 if feed else 0.0  # the second chain ends left of where it goes up
    left, low, high = min(shift, 0.0) - 0.6, -0.5 - 1.2 * bool(feed), 0.5 + 0.75 * bool(skip)
    ax.set(xlim=(left, len(labels) - 0.4), ylim=(low, high), aspect="equal")
    ax.axis("off")
    arrow = {"arrowstyle": "-|>", "color": INK, "lw": 1.3, "shrinkA": 0, "shrinkB": 0}

    def row(names: Sequence[str], y: float, shift: float = 0.0) -> list[float]:
        half = []
        for number, name in enumerate(names):
            i = number + shift
            end, circle = number in (0, len(names) - 1) and len(name) == 1, len(name) == 1
            half.append(0.17 if end else 0.2 if circle else 0.37)
            if not end:
                box = "circle,pad=0.0" if circle else "round,pad=0.0,rounding_size=0.08"
                edge = {"φ": ORANGE, "norm": GREEN}.get(name, INK if circle else BLUE)
                size = (0.4, 0.4) if circle else (0.74, 0.46)
                patch = plt.matplotlib.patches.FancyBboxPatch(
                    (i - size[0] / 2, y - size[1] / 2), *size, boxstyle=box, fc="none", ec=edge, lw=1.8
                )
                ax.add_patch(patch)
            text = f"${name}$" if end else name
            ax.text(i, y, text, ha="center", va="center_baseline", fontsize=11 if circle else 9)
            if number:
                ax.annotate("", (i - half[-1], y), (i - 1 + half[-2], y), arrowprops=arrow)
        return half

    row(labels, 0.0)
    if skip:
        start, stop = skip
        ax.plot([start, start, stop], [0.0, 0.62, 0.62], color=VERMILION, lw=1.6)
        ax.annotate("", (stop, 0.2), (stop, 0.625), arrowprops={**arrow, "color": VERMILION, "lw": 1.6})
    if feed:
        names, targets = feed
        half = row(names, -1.1, shift)
        last = len(names) - 1 + shift
        ax.plot([last + half[-1], max(targets)], [-1.1, -1.1], color=PURPLE, lw=1.6)
        for target in targets:
            ax.annotate("", (target, -0.2), (target, -1.1), arrowprops={**arrow, "color": PURPLE, "lw": 1.6})
    return figure


def grid(limit: float, size: int = 120) -> tuple[Any, float]:
    """A square grid over [-limit, limit]^2: points as a (size * size, 2) tensor, and the area of one cell."""
    import torch

    line = torch.linspace(-limit, limit, size)
    return torch.cartesian_prod(line, line), (2 * limit / (size - 1)) ** 2


def contours(log_prob: Any, ax: Any, limit: float, colour: Any = VERMILION, radii: Sequence[float] = (1, 2, 3)) -> Any:
    """Draw contours of a 2D density; for a Gaussian they are at `radii` standard deviations.

    Args:
        log_prob: a function that takes points (n, 2) as a float32 tensor and gives log-densities (n,).
        ax: axes to draw into.
        limit: half-width of the square window.
        colour: colour of the lines.
        radii: at each r the density is exp(-r^2 / 2) times its maximum on the grid.
    """
    points, _ = grid(limit)
    heights = to_numpy(log_prob(points))
    size = int(len(heights) ** 0.5)
    lines = to_numpy(points).reshape(size, size, 2)
    levels = sorted(heights.max() - r**2 / 2 for r in radii)
    ax.contour(
        lines[..., 0],
        lines[..., 1],
        heights.reshape(size, size),
        levels,
        colors=[colour],
        linewidths=1.2,
        linestyles="solid",
    )
    ax.set(aspect="equal", xlim=(-limit, limit), ylim=(-limit, limit))
    return ax
