"""The gallery of mistakes for teachers: for each task wrong code, the picture that its numbers make, and the sentence.

`python -m autograder gallery` writes docs/mistakes.md and docs/mistakes/.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
from pathlib import Path
from typing import Any

import numpy as np

from autograder import course, keys
from autograder.runner import Runner
from helpers import plots
from helpers.judge import judge_property

DOCS = Path(__file__).resolve().parent.parent / "docs"

HEAD = """# A gallery of mistakes

One known mistake of every task: the change to the reference answer, what its numbers look like beside the right ones (blue: right; orange: the mistake),
and what the student reads. Instructors only: this page has pieces of answers. Written by `python -m autograder gallery`; all {count} mistakes:
`python -m autograder explain ID`.
"""


def write() -> Path:
    """Write the page and its pictures; returns the page's path."""
    folder = DOCS / "mistakes"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    parts = [HEAD.format(count=sum(len(keys.misconceptions(task)) for task in course.tasks()))]
    with Runner() as runner:
        for name in course.assignment_names():
            parts.append(f"## {name}\n")
            parts += [_entry(task, runner, folder) for task in course.load(name).tasks]
    (DOCS / "mistakes.md").write_text("\n".join(parts), encoding="utf-8")
    return DOCS / "mistakes.md"


def _entry(task: str, runner: Runner, folder: Path) -> str:
    """The text on the first known mistake of a task that makes a picture; the picture goes into the folder."""
    item = keys.public_item(task)
    right = runner.observe(task, item)
    for mistake in keys.misconceptions(task):
        seen = runner.observe(task, item, mistake.cell)
        failing = [p for p in item["properties"] if not judge_property(p["expect"], seen[p["name"]])[0]]
        drawn = [p for p in failing if _drawable(seen[p["name"]], right[p["name"]])]
        if drawn:
            break
    else:
        mistake, drawn = keys.misconceptions(task)[0], []
    lines = [f"### `{mistake.id}`\n", f"*Source: {mistake.source}*\n", "```diff", *_change(task, mistake), "```\n"]
    if drawn:
        prop, path = drawn[0], folder / f"{task}.png"
        draw(prop["expect"]["kind"], right[prop["name"]]["value"], seen[prop["name"]]["value"], path)
        lines.append(
            f"![{prop['title']}: the right numbers and those of this mistake](mistakes/{path.name})\n\n{prop['title']}\n"
        )
    return "\n".join([*lines, f"> {mistake.says}\n"])


def _change(task: str, mistake: keys.Answer) -> list[str]:
    reference = course.load(course.tasks()[task]).answer(task)
    return list(difflib.unified_diff(_bare(reference), _bare(mistake.cell), lineterm="", n=1))[3:]


def _bare(code: str) -> list[str]:
    """The lines without docstrings, which mistakes that are cells of their own do not repeat."""
    lines: list[str | None] = list(code.splitlines())
    with contextlib.suppress(SyntaxError):  # a cell may begin with a magic
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
                first, last = node.body[0].lineno, node.body[0].end_lineno
                lines[first - 1 : last] = [None] * (last - first + 1)
    return [line for line in lines if line is not None]


def _drawable(one: dict[str, Any], two: dict[str, Any]) -> bool:
    if "failed" in one or "failed" in two:
        return False
    a, b = np.asarray(one["value"]), np.asarray(two["value"])
    return a.shape == b.shape and a.size > 3 and bool(np.isfinite(a).all()) and bool(np.ptp(b) > 1e-5)  # no flags, no zeros


def draw(kind: str, right: Any, wrong: Any, path: Path) -> None:
    """Draw right and wrong numbers of one property: clouds or densities of samples, and number against number otherwise."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    plots.style()
    right, wrong = np.asarray(right, dtype=float), np.asarray(wrong, dtype=float)
    figure, axes = plt.subplots(figsize=(3.2, 2.6))
    if kind == "law" and right.shape[1] >= 2:
        for values, colour in ((right, plots.BLUE), (wrong, plots.VERMILION)):
            axes.plot(*values[:1500, :2].T, ".", ms=2, alpha=0.5, color=colour)
        axes.set(xlabel="coordinate 0", ylabel="coordinate 1")
    elif kind == "rows":
        axes.plot(wrong[:-1, 0][:1500], wrong[1:, 0][:1500], ".", ms=2, alpha=0.5, color=plots.VERMILION)
        axes.set(xlabel="a row", ylabel="the next row")
    elif kind in ("law", "draws"):
        right, wrong = right.reshape(len(right), -1)[:, 0], wrong.reshape(len(wrong), -1)[:, 0]
        low, high = np.quantile(np.concatenate([right, wrong]), [0.002, 0.998])
        edges = np.linspace(low, high + 1e-9 * (1 + abs(high)), 50)
        for values, colour in ((right, plots.BLUE), (wrong, plots.VERMILION)):
            axes.hist(values, edges, alpha=0.5, color=colour)
        axes.set(xlabel="number" if kind == "draws" else "sample", yticks=[])
    else:
        axes.plot([right.min(), right.max()], [right.min(), right.max()], color=plots.BLUE, lw=1)
        axes.plot(right.ravel()[:2000], wrong.ravel()[:2000], ".", ms=4, alpha=0.7, color=plots.VERMILION)
        axes.set(xlabel="right number", ylabel="this mistake's")
    figure.savefig(path, dpi=80, bbox_inches="tight")
    plt.close(figure)
