"""Animations of processes on the line, in the plane and on pictures, as one small picture and a player of a few lines.

The player has a button and a slider that answer to the keyboard, plays once when it comes into view unless the reader asked for less motion,
and loads nothing. Where HTML is dropped (nbgrader's pages, PDF), five frames side by side stay.
"""

from __future__ import annotations

import base64
import io
import math
import uuid
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np
from PIL import Image, features

from helpers import plots
from helpers.figures import drawn, small_png

Law = Callable[[Any], Any]
"""Called with one time, gives something with log_prob(x): the density at that time."""


class Animation:
    """Frames of equal size with a label each; a notebook shows the last expression of a cell, or call `show`.

    Attributes:
        frames: pictures (PIL images).
        labels: what is written beside the slider, one for each frame.
        alt: the text alternative.
    """

    def __init__(
        self, frames: Sequence[Any], labels: Sequence[str], alt: str, still: bytes, zoom: int = 1, seconds: float = 5.0
    ):
        self.frames, self.labels, self.alt, self.still = list(frames), list(labels), alt, still
        self._zoom, self._seconds = zoom, seconds

    def __repr__(self) -> str:
        return self.alt

    def show(self) -> None:
        """Display it, in the middle of a cell too."""
        from IPython.display import display

        display(self)

    def html(self) -> str:
        """The player: all frames in one picture of which one is seen, a button, a slider, and the label of the frame."""
        width, height = self.frames[0].size
        columns = math.ceil(math.sqrt(len(self.frames)))
        rows = math.ceil(len(self.frames) / columns)
        sheet = Image.new("RGB", (columns * width, rows * height), "white")
        for i, frame in enumerate(self.frames):
            sheet.paste(frame, (i % columns * width, i // columns * height))
        name = f"player-{uuid.uuid4().hex[:12]}"
        return _PLAYER.format(
            name=name, alt=escape(self.alt), data=_encoded(sheet), last=len(self.frames) - 1,
            width=width * self._zoom, ratio=f"{width}/{height}", across=100 * columns, down=100 * rows, first=escape(self.labels[0]),
            rendering="pixelated" if self._zoom > 1 else "auto",
            labels=escape("|".join(self.labels)), columns=columns, delay=round(1000 * self._seconds / len(self.frames)),
        )  # fmt: skip

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        data = {"text/plain": self.alt, "text/html": self.html(), "image/png": base64.b64encode(self.still).decode()}
        return data, {"image/png": {"alt": self.alt}}


class Recorder:
    """Stands in for a network and keeps every x that a sampler asks it about: `animate([*recorder.states, samples])`.

    Args:
        network: called as network(x, t).

    Attributes:
        states: what it was asked about, in order.
    """

    def __init__(self, network: Callable[[Any, Any], Any]) -> None:
        self.network, self.states = network, []

    def __call__(self, x: Any, t: Any) -> Any:
        """What the network says of x at t."""
        self.states.append(x.detach().clone())
        return self.network(x, t)


def animate(
    trajectories: Any,
    times: Any = None,
    *,
    density: Law | None = None,
    score: Callable[[Any, Any], Any] | None = None,
    limit: float = 3.0,
    frames: int = 20,
    title: str = "",
    label: str = "t",
    alt: str = "",
) -> Animation:
    """Animate a process that was recorded step by step: points on the line, points in the plane, or pictures.

    Args:
        trajectories: (steps + 1, n) or (steps + 1, n, 1) on the line: a histogram, and below it 20 paths up to now;
            (steps + 1, n, 2) in the plane: the first 1,500 points; (steps + 1, n, channels, height, width), black at -1 and
            white at 1: a grid of the first 24 pictures. A list of tensors (n, ...) will do as well.
        times: (steps + 1,), the time of each entry; the numbers 0, 1, 2, ... if None.
        density: called with one of `times`, gives a distribution whose log_prob takes points (m, d): drawn with the points.
        score: in the plane: called with points (m, 2) and times (m,), gives arrows (m, 2): drawn over the density.
        limit: half-width of the window, for points.
        frames: how many entries are shown, evenly spaced, the first and the last included.
        title: a few words, for the figure and its text alternative.
        label: what the times are called.
        alt: a text alternative of your own.

    Returns:
        An `Animation`; as the last expression of a cell it is shown.

    Raises:
        ValueError: for another shape.
    """
    import torch

    if not isinstance(trajectories, torch.Tensor):
        trajectories = torch.stack([torch.as_tensor(x) for x in trajectories])
    x = trajectories.detach().cpu()
    if x.ndim == 2:
        x = x.unsqueeze(2)
    drawn = x.ndim == 5 or (x.ndim == 3 and x.shape[2] in (1, 2))
    if not drawn or 0 in x.shape:
        raise ValueError(
            "animate takes (steps + 1, n), (steps + 1, n, 1), (steps + 1, n, 2) or (steps + 1, n, channels, height, width), "
            f"and got {tuple(trajectories.shape)}"
        )
    times = torch.arange(len(x)) if times is None else torch.as_tensor(times).detach().cpu()
    if len(times) != len(x):
        raise ValueError(f"there are {len(x)} entries along the first dimension, but {len(times)} times")
    chosen = sorted({round(i) for i in np.linspace(0, len(x) - 1, min(frames, len(x)))})
    labels = [f"{label} = {round(times[i].item(), 3):g}" for i in chosen]
    what = {1: "numbers on the line", 2: "points in the plane"}.get(x.shape[-1], "") if x.ndim == 3 else "pictures"
    alt = alt or f"Animation{f' “{title}”' if title else ''} of {x.shape[1]:,} {what}, from {labels[0]} to {labels[-1]}."
    if x.ndim == 5:
        return _pictures(x[chosen], labels, title, alt)
    draw = _line if x.shape[2] == 1 else _plane
    images = draw(x, times, chosen, labels, density, score, limit, title)
    return Animation(images, labels, alt, small_png(_beside(_five(images))))


def _five(items: Sequence[Any]) -> list[Any]:
    """Five of them, or all if there are fewer, the first and the last included."""
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, min(5, len(items)))]


def _plane(
    x: Any, times: Any, chosen: list[int], labels: list[str], density: Any, score: Any, limit: float, title: str
) -> list:
    import torch

    figure, ax = _figure(3.7, 3.7)
    ax.set(aspect="equal", xlim=(-limit, limit), ylim=(-limit, limit), xlabel="$x_1$", ylabel="$x_2$")
    ax.grid(density is None)
    points, _ = plots.grid(limit, 80)
    places, _ = plots.grid(0.95 * limit, 17)
    shade = arrows = None
    if density is not None:
        window = (-limit, limit, -limit, limit)
        shade = ax.imshow(np.zeros((80, 80)), origin="lower", extent=window, cmap="Blues", alpha=0.75, aspect="equal")
    if score is not None:
        arrows = ax.quiver(*places.T, *np.zeros((2, len(places))), color=plots.VERMILION, width=0.005, scale=17, headwidth=4)
    dots = ax.scatter(*x[0, :1500].T, s=3.5, color=plots.INK, alpha=0.6, linewidths=0, zorder=3)
    images = []
    with torch.no_grad():
        for i, text in zip(chosen, labels, strict=True):
            dots.set_offsets(x[i, :1500])
            if shade is not None:
                heights = np.exp(plots.to_numpy(density(times[i]).log_prob(points)).reshape(80, 80).T)
                shade.set(data=heights, clim=(0, heights.max()))
            if arrows is not None:
                arrows.set_UVC(*plots.shortened(score(places, times[i].expand(len(places)))).T)
            ax.set_title(f"{title}, {text}" if title else text)
            images.append(drawn(figure))
    return images


def _line(x: Any, times: Any, chosen: list[int], labels: list[str], density: Any, _: Any, limit: float, title: str) -> list:
    import torch
    from matplotlib.collections import LineCollection

    figure, (above, below) = _figure(4.4, 4.0, rows=2)
    x, moments = x[..., 0], plots.to_numpy(times).astype(float)
    edges, line = np.linspace(-limit, limit, 61), torch.linspace(-limit, limit, 240)[:, None]
    counts = [np.histogram(x[i], edges)[0] / (x.shape[1] * (edges[1] - edges[0])) for i in chosen]
    with torch.no_grad():
        curves = [plots.to_numpy(density(times[i]).log_prob(line).exp()) for i in chosen] if density is not None else []
    bars = above.stairs(counts[0], edges, fill=True, color=plots.SKY, alpha=0.7)
    (curve,) = above.plot(line, np.full(len(line), np.nan), color=plots.VERMILION, lw=1.6)
    highest = [max(c.max() for c in group) for group in zip(counts, *([curves] if curves else []), strict=True)]
    above.set(xlim=(-limit, limit), ylim=(0, 1.1 * max(highest)), ylabel="density", xticklabels=[])
    paths = LineCollection([], colors=plots.BLUE, linewidths=0.7, alpha=0.7)
    below.add_collection(paths)
    (ends,) = below.plot([], [], ".", color=plots.ORANGE, ms=5)
    below.set(xlim=(-limit, limit), ylim=(moments[-1], moments[0]), xlabel="x", ylabel=labels[0].split(" = ")[0])
    images = []
    for number, (i, text) in enumerate(zip(chosen, labels, strict=True)):
        bars.set_data(counts[number])
        if curves:
            curve.set_ydata(curves[number])
        paths.set_segments([np.column_stack([x[: i + 1, k], moments[: i + 1]]) for k in range(min(20, x.shape[1]))])
        ends.set_data(x[i, :20], np.full(min(20, x.shape[1]), moments[i]))
        above.set_title(f"{title}, {text}" if title else text)
        images.append(drawn(figure))
    return images


def _pictures(x: Any, labels: list[str], title: str, alt: str) -> Animation:
    from matplotlib.figure import Figure
    from torchvision.utils import make_grid

    columns = min(8, x.shape[1])
    grids = [make_grid((step[:24].clamp(-1, 1) + 1) / 2, nrow=columns, padding=1, pad_value=0.5) for step in x]
    images = [Image.fromarray((plots.to_numpy(g.permute(1, 2, 0)) * 255).round().astype(np.uint8)) for g in grids]
    figure = Figure(figsize=(13, 13 / 5 * images[0].height / images[0].width + 0.5), dpi=90, layout="constrained")
    panels = _five(list(zip(images, labels, strict=True)))
    for ax, (image, text) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        ax.imshow(image, interpolation="nearest")
        ax.set_title(text)
        ax.axis("off")
    figure.suptitle(title)
    return Animation(images, labels, alt, small_png(drawn(figure)), zoom=max(1, round(480 / images[0].width)))


def _figure(width: float, height: float, rows: int = 1) -> tuple[Any, Any]:
    """A figure that pyplot does not know of, so that no frame is shown by itself, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=90, layout="constrained")
    return figure, figure.subplots(rows)


def _beside(images: Sequence[Any]) -> Any:
    strip = Image.new("RGB", (sum(image.width for image in images), images[0].height), "white")
    for i, image in enumerate(images):
        strip.paste(image, (i * images[0].width, 0))
    return strip


def _encoded(sheet: Any) -> str:
    """The address of a sheet of frames; lossy, the still picture is exact."""
    stream, kind = io.BytesIO(), "webp" if features.check("webp") else "jpeg"
    sheet.save(stream, kind, quality=70, method=2)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"


_PLAYER = """<div class="{name}" role="group" aria-label="Animation" style="width:{width}px;max-width:100%;background:#fff;color:#374151;font:13px sans-serif">
<div style="position:relative;overflow:hidden;width:100%;aspect-ratio:{ratio}">
<img src="{data}" alt="{alt}" style="position:absolute;left:0;top:0;width:{across}%;height:{down}%;max-width:none;margin:0;image-rendering:{rendering}">
</div>
<div style="display:flex;align-items:center;gap:8px;padding:4px 8px">
<button type="button" aria-label="Play" style="width:34px;height:26px;padding:0;background:#fff;color:#374151;border:1px solid #6b7280;border-radius:4px">&#9654;</button>
<input type="range" min="0" max="{last}" value="0" aria-label="Frame" aria-valuetext="{first}" data-labels="{labels}" style="flex:1;min-width:60px;accent-color:#0072B2">
<span aria-hidden="true" style="min-width:6.5em;text-align:right">{first}</span>
</div>
</div>
<script>
document.querySelectorAll(".{name}:not([data-ready])").forEach(function (box) {{
  box.dataset.ready = "1";
  var img = box.querySelector("img"), button = box.querySelector("button"), slider = box.querySelector("input"), text = box.querySelector("span");
  var labels = slider.dataset.labels.split("|"), timer = null;
  function go(k) {{
    slider.value = k; text.textContent = labels[k]; slider.setAttribute("aria-valuetext", labels[k]);
    img.style.left = -100 * (k % {columns}) + "%"; img.style.top = -100 * Math.floor(k / {columns}) + "%";
  }}
  function pause() {{ clearInterval(timer); timer = null; button.textContent = "\\u25b6"; button.setAttribute("aria-label", "Play"); }}
  function play() {{
    if (+slider.value == {last}) go(0);
    button.textContent = "\\u275a\\u275a"; button.setAttribute("aria-label", "Pause");
    timer = setInterval(function () {{ if (!box.isConnected || +slider.value == {last}) pause(); else go(+slider.value + 1); }}, {delay});
  }}
  button.onclick = function () {{ if (timer) pause(); else play(); }};
  slider.oninput = function () {{ pause(); go(+slider.value); }};
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches)
    new IntersectionObserver(function (seen, watch) {{
      if (seen[0].isIntersecting) {{ watch.disconnect(); if (!timer && slider.value == "0") play(); }}
    }}, {{threshold: 0.6}}).observe(box);
}});
</script>"""
