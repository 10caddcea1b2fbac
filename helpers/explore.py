"""Figures with sliders: in JupyterLab and Colab they answer at once; where nobody can move a slider there is the figure, standing still."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from helpers.figures import describe, picture, png
from helpers.notebook import grading

_VIEW = "application/vnd.jupyter.widget-view+json"


def front_end() -> bool:
    """Whether somebody looks at this session who can move a slider: not while nbgrader or nbconvert executes the notebook."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    kernel = getattr(get_ipython(), "kernel", None)
    if grading() or kernel is None:
        return False
    return "google.colab" in sys.modules or bool(getattr(kernel, "_allow_stdin", False))  # who can be asked can also answer


class Explorer:
    """What `explore` makes: the figure for every choice, drawn when it is first asked for.

    Attributes:
        values: the present choice of each name.
    """

    def __init__(self, draw: Callable[..., Any], choices: dict[str, Sequence[Any]], start: dict[str, Any]) -> None:
        for name, options in choices.items():
            if not len(options):
                raise ValueError(f"there is nothing to choose from for {name}")
            if name in start and start[name] not in options:
                raise ValueError(f"{name} starts at {start[name]!r}, which is not one of its choices")
        self._draw, self._choices = draw, choices
        self.values = {name: start.get(name, options[0]) for name, options in choices.items()}
        self._drawn: dict[tuple[Any, ...], tuple[dict[str, str], dict[str, Any]]] = {}

    def picture(self) -> tuple[dict[str, str], dict[str, Any]]:
        """The figure for the present values as (data, metadata) for Jupyter."""
        import matplotlib.pyplot as plt

        key = tuple(self.values.values())
        if key not in self._drawn:
            before = set(plt.get_fignums())
            with plt.ioff():  # or the figure would be shown once more, below the sliders
                try:
                    self._draw(**self.values)
                    figure = plt.gcf()
                    self._drawn[key] = picture(png(figure), describe(figure))
                finally:
                    for number in set(plt.get_fignums()) - before:
                        plt.close(number)
        return self._drawn[key]

    def widget(self) -> Any:
        """Sliders (numbers) and buttons (words) above the figure, as an ipywidgets box."""
        import ipywidgets

        view = ipywidgets.HTML(self.picture()[0]["text/html"])
        controls = []
        for name, options in self._choices.items():
            words = any(isinstance(option, str) for option in options)
            kind = ipywidgets.ToggleButtons if words else ipywidgets.SelectionSlider
            shown = [(str(option) if isinstance(option, str) else f"{option:g}", option) for option in options]
            control = kind(options=shown, value=self.values[name], description=name)
            control.observe(lambda change, name=name: self._moved(name, change["new"], view), names="value")
            controls.append(control)
        return ipywidgets.VBox([*controls, view])

    def _moved(self, name: str, value: Any, view: Any) -> None:
        self.values[name] = value
        try:
            view.value = self.picture()[0]["text/html"]
        except Exception as error:  # it would end in a log that nobody reads
            now = ", ".join(f"{name} = {value}" for name, value in self.values.items())
            view.value = (
                f"<p>With {escape(now)} the figure could not be drawn: {escape(f'{type(error).__name__}: {error}')}</p>"
            )


def explore(draw: Callable[..., Any], *, start: dict[str, Any] | None = None, **choices: Sequence[Any]) -> Explorer:
    """Show the figure that `draw` makes, with a slider for each of its arguments.

    Without ipywidgets, and while nbgrader or nbconvert executes the notebook, the figure of the start is shown alone. Pictures are
    not kept in the notebook, but for that of the start.

    Args:
        draw: called with one value for each name; makes one matplotlib figure. It should take well below a second.
        start: the value that a name begins with; the first of its choices if it is not there.
        choices: for each argument of `draw` the values to choose from, numbers (a slider) or words (buttons).

    Returns:
        The `Explorer`, whose `values` are the present choices.

    Raises:
        ValueError: if a name has no choices, or starts with something else.
    """
    from IPython.display import display

    made = Explorer(draw, choices, start or {})
    data, metadata = made.picture()
    box = None
    if front_end():
        try:
            box = made.widget()
        except ImportError:
            print("With the package ipywidgets there are sliders here: pip install ipywidgets, and restart the kernel.")
    if box is None:
        display(data, metadata=metadata, raw=True)
    elif "google.colab" in sys.modules:
        display(box)
    else:  # the picture of the start stays in the notebook for whoever reads it without a kernel
        view = {_VIEW: {"version_major": 2, "version_minor": 0, "model_id": box.model_id}}
        kept = {kind: data[kind] for kind in ("text/plain", "image/png")}
        display(kept | view, metadata=metadata, raw=True)
    return made
