"""One look for all figures of the course. Importing it loads matplotlib; call `style()` once per notebook.

Colours are those of Okabe and Ito, which stay apart with any colour vision. Figures are white cards with dark ink, on light and on
dark pages: shades and pictures mean the same everywhere. Each carries a text alternative (`helpers.figures`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from helpers.figures import alt as alt
from helpers.figures import register

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442",
)  # fmt: skip
INK = "#4b5563"
COLOURS = [BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY]


def style() -> None:
    """Set matplotlib's defaults for the course, and let figures be shown with a text alternative."""
    plt.rcParams.update({
        "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white", "figure.dpi": 90,
        "figure.constrained_layout.use": True, "axes.prop_cycle": plt.cycler(color=COLOURS),
        "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "axes.labelcolor": INK,
        "axes.titlecolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK, "axes.titlesize": 11,
        "axes.grid": True, "grid.color": INK, "grid.alpha": 0.15, "legend.frameon": False, "font.size": 10,
    })  # fmt: skip
    register()


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


def show(x: Any, title: str = "", ax: Any = None, columns: int = 8) -> None:
    """Draw images as one grid.

    Args:
        x: tensor (N, channels, height, width) with black at -1 and white (or full brightness) at 1; what is beyond is cut off.
        title: a short title.
        ax: axes to draw into; a new figure if None.
        columns: images in a row.
    """
    from torchvision.utils import make_grid

    if ax is None:
        rows = -(-len(x) // columns)
        _, ax = plt.subplots(figsize=(0.75 * columns, 0.75 * rows + 0.3))
    grid = make_grid((x.clamp(-1, 1) + 1) / 2, nrow=columns, padding=1, pad_value=0.5)
    ax.imshow(to_numpy(grid.permute(1, 2, 0)), interpolation="nearest")
    ax.set_title(title)
    ax.axis("off")


def show_row(panels: Sequence[tuple[str, Any]], columns: int = 6, size: float = 3.2) -> None:
    """Several grids of images side by side; `panels` are (title, images) as in `show`, `size` is the width of each in inches."""
    _, axes = plt.subplots(1, len(panels), figsize=(size * len(panels), size * 1.08), squeeze=False)
    for ax, (title, x) in zip(axes[0], panels, strict=True):
        show(x, title, ax, columns)


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


def shortened(arrows: Any) -> np.ndarray:
    """Arrows (n, 2) with their directions and lengths below 1, so that long ones do not hide the others."""
    arrows = to_numpy(arrows)
    length = np.linalg.norm(arrows, axis=1, keepdims=True)
    return arrows / np.maximum(length, 1e-9) * np.tanh(length / 4)


def field(score: Any, log_prob: Any, ax: Any, limit: float = 3.0, size: int = 19) -> Any:
    """Draw a score as arrows over its density; long arrows are shortened, so that the direction shows everywhere.

    Args:
        score: a function that takes points (n, 2) as a float32 tensor and gives (n, 2).
        log_prob: the same for log-densities (n,), drawn as shades; None for no shades.
        ax: axes to draw into.
        limit: half-width of the square window.
        size: arrows per side.
    """
    if log_prob is not None:
        points, _ = grid(limit)
        heights = np.exp(to_numpy(log_prob(points)))
        side = int(len(heights) ** 0.5)
        window = (-limit, limit, -limit, limit)
        ax.imshow(heights.reshape(side, side).T, origin="lower", extent=window, cmap="Blues", alpha=0.75, aspect="equal")
    points, _ = grid(0.95 * limit, size)
    x, y = to_numpy(points).T
    ax.quiver(x, y, *shortened(score(points)).T, color=VERMILION, width=0.005, scale=size, headwidth=4)
    ax.grid(False)
    ax.set(aspect="equal", xlim=(-limit, limit), ylim=(-limit, limit), xlabel="$x_1$", ylabel="$x_2$")
    return ax


def paths(trajectories: Any, title: str = "", ax: Any = None, count: int = 60, limit: float = 3.0) -> Any:
    """Draw trajectories in the plane with their starts and ends.

    Args:
        trajectories: (steps + 1, n, 2) tensor or array; the first `count` of the n are drawn.
        title: a short title.
        ax: axes to draw into; a new figure if None.
        count: number of trajectories.
        limit: half-width of the square window.
    """
    lines = to_numpy(trajectories)[:, :count]
    if ax is None:
        _, ax = plt.subplots(figsize=(4, 4))
    for k in range(lines.shape[1]):
        ax.plot(lines[:, k, 0], lines[:, k, 1], color=INK, lw=0.6, alpha=0.45)
    ax.scatter(*lines[0].T, s=9, color=ORANGE, label="start", zorder=3)
    ax.scatter(*lines[-1].T, s=9, color=BLUE, label="end", zorder=3)
    ax.set(aspect="equal", xlim=(-limit, limit), ylim=(-limit, limit), title=title, xlabel="$x_1$", ylabel="$x_2$")
    ax.legend(loc="upper right", fontsize=8, handletextpad=0.1, borderpad=0.1)
    return ax


def loss_curve(losses: Sequence[float], lowest: float | None = None, ax: Any = None, window: int = 25) -> Any:
    """Draw the loss of every step and a running mean over `window` steps; `lowest` is a dashed line."""
    if ax is None:
        _, ax = plt.subplots(figsize=(6, 3.2))
    values = np.asarray(losses, dtype=float)
    ax.plot(values, color=SKY, lw=0.6, alpha=0.7, label="each batch")
    if len(values) > window:
        means = np.convolve(values, np.ones(window) / window, mode="valid")
        ax.plot(np.arange(len(means)) + window - 1, means, color=BLUE, lw=1.8, label=f"mean of {window} steps")
    if lowest is not None:
        ax.axhline(lowest, color=VERMILION, lw=1.5, ls="--", label="exact score")
    ax.set(xlabel="step", ylabel="loss")
    ax.legend(loc="upper right")
    return ax
