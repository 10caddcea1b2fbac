"""A loss curve that grows while a model trains, in one place on the page."""

from __future__ import annotations

import base64
import io
import time
from typing import Any

from matplotlib.figure import Figure

from helpers.explore import front_end
from helpers.figures import describe, drawn, picture, png


class live:
    """Watch the losses of a training loop that you do not have to change.

    >>> with live(flow, lowest=1.2) as curve:  # doctest: +SKIP
    ...     losses = fit(flow, points, optimizer, steps=1500, batch_size=512)

    Within the block every call of `flow.loss` is noted. The curve is drawn anew at most twice a second, and drawing takes at most a
    tenth of the time. Where nobody watches (nbgrader, nbconvert) there is one figure at the end. An interrupted training leaves its
    curve, too.

    Args:
        owner: the object whose method gives the loss of a batch, or the module that such a function is in.
        method: the name of that method; if it returns several things, the loss is the first.
        lowest: a dashed line, if it is known how low the loss can get.
        window: steps in the running mean.
        title: of the figure.
        keep: whether the figure stays at the end; False where the next cell draws the whole run.
        **axes: what else matplotlib's `ax.set` should set, such as ylim=(0, 2).

    Attributes:
        losses: one number for each step so far. Losses without a gradient, such as those of validation data, are left out.
    """

    def __init__(
        self,
        owner: Any,
        method: str = "loss",
        *,
        lowest: float | None = None,
        window: int = 25,
        title: str = "",
        keep: bool = True,
        **axes: Any,
    ):
        self._owner, self._method, self._lowest, self._window, self._keep = owner, method, lowest, window, keep
        self._axes = {"title": title or "training loss", **axes}
        self._seen: list[Any] = []
        self._handle: Any = None
        self._next = 0.0

    @property
    def losses(self) -> list[float]:
        """One number for each step so far."""
        self._seen = [float(loss) for loss in self._seen]
        return self._seen

    def __enter__(self) -> live:
        original, watched = getattr(self._owner, self._method), front_end()
        self._before = vars(self._owner).get(self._method)
        self._next = time.perf_counter() + 0.5
        self._ax = Figure(
            figsize=(6, 3.2), layout="constrained"
        ).subplots()  # pyplot does not know it: it is shown here only

        def noted(*args: Any, **kwargs: Any) -> Any:
            returned = original(*args, **kwargs)
            loss = returned[0] if isinstance(returned, tuple) else returned
            if getattr(loss, "requires_grad", True):
                self._seen.append(loss.detach() if hasattr(loss, "detach") else loss)
                if watched and time.perf_counter() > self._next:
                    self._show()
            return returned

        setattr(self._owner, self._method, noted)
        return self

    def __exit__(self, *_: Any) -> None:
        if self._before is None:
            delattr(self._owner, self._method)  # the class's own method shows again
        else:
            setattr(self._owner, self._method, self._before)
        if self._seen and self._keep:
            self._show(last=True)
        elif self._handle is not None:
            self._handle.update({"text/plain": f"{len(self._seen):,} steps"}, raw=True)

    def _show(self, last: bool = False) -> None:
        """Draw, in the place of the figure before; the last one as every figure of the course is shown."""
        from IPython.display import display

        from helpers import plots

        start = time.perf_counter()
        self._ax.clear()
        plots.loss_curve(self.losses, self._lowest, self._ax, self._window).set(**self._axes)
        figure = self._ax.figure
        if last:
            data, metadata = picture(png(figure), describe(figure))
        else:
            stream, text = io.BytesIO(), f"{len(self._seen):,} steps so far"
            drawn(figure).save(stream, "png")
            img = f'<img alt="{text}" src="data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}">'
            data, metadata = {"text/plain": text, "text/html": img}, {}
        if self._handle is None:
            self._handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self._handle.update(data, metadata=metadata, raw=True)
        end = time.perf_counter()
        self._next = end + max(0.5, 9 * (end - start))
