"""The audit as a page in docs: figures, the matrix of what each wrong answer was called, and the false-alarm bound."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from autograder import audit, course
from helpers.judge import FALSE_ALARM

DOCS = Path(__file__).resolve().parent.parent / "docs"

PAGE = """# How often the grader errs

Written by `python -m autograder audit --seeds {seeds} --write`. Every answer was judged with key items made from {from_seeds}, in the way that grading
runs it; an answer counts as caught or named only if it was with every one of them.

{table}

* *caught*: a known mistake got no points. *named*: it was called by its own name, or by that of the same mistake in other code, with the same sentence.
* *left out*: the mistake's entry was taken out of the bank. Then it must be caught and called unknown; the column counts those that got the name
  of another mistake.
* *pairs*: two known mistakes in one answer. They must be caught, and never be called by the name of a third.
* *right answers*: the reference and answers in other styles. None may be rejected.

![One row for each wrong answer, one column for each name that it could be called](audit.png)

Each row of the picture is a known mistake, each column a name; the first column is "passed", the second "no name". A dot off the diagonal would be
a wrong name.

## False alarms

A deterministic output is compared up to rounding and cannot fail by chance. Each statistical comparison has its own bound on the probability of failing a
right answer, at most {alarm:g} (`helpers/judge.py` says how it is reached). A whole course has {comparisons:,} of them, so the probability that a student whose
answers are all right loses a point anywhere in the course is at most {bound:.1e}. These bounds know of chance, not of rounding or of inputs that happen to be
special: for that `make test-full` judges the references with 1,000 sets of items (`python -m autograder audit --right-only --seeds 1000`: all right answers).

| task | frequencies of laws | of pairs of rows | means of draws | other bounds | at most |
| --- | --- | --- | --- | --- | --- |
{bounds}

`audit.json` has, for every statistical comparison, its threshold and its false-alarm probability ("comparisons"), and the power of every property against
every known mistake, the share of the key items in which it failed ("power").

No mistake costs points in another task: each task is run with reference answers to all others (`autograder/runner.py`).
"""


def write(results: list[audit.Result]) -> list[Path]:
    """Write docs/audit.md, audit.json and audit.png; returns the paths."""
    names = sorted({course.tasks()[r.task] for r in results})
    tasks = [task for task, name in course.tasks().items() if name in names]
    counts = {task: audit.comparisons(task) for task in tasks}
    kinds = ("law", "rows", "draws", "within")
    bounds = [
        f"| `{task}` | {' | '.join(str(counts[task][kind] or '') for kind in kinds)} | {audit.false_alarm_bound([task]):.1e} |"
        for task in tasks
        if any(counts[task][kind] for kind in kinds)
    ]
    page = PAGE.format(
        seeds=(seeds := len({r.seed for r in results})),
        from_seeds="1 seed" if seeds == 1 else f"{seeds} seeds",
        table=_table(results, names),
        alarm=FALSE_ALARM,
        comparisons=sum(counts[task][kind] for task in tasks for kind in kinds),
        bound=audit.false_alarm_bound(tasks),
        bounds="\n".join(bounds),
    )
    (DOCS / "audit.md").write_text(page, encoding="utf-8")
    object = {
        "figures": audit.figures(results),
        "comparisons": {task: found for task in tasks if (found := audit.thresholds(task))},
        "power": audit.power(results),
    }
    (DOCS / "audit.json").write_text(json.dumps(object, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _picture(results, DOCS / "audit.png")
    return [DOCS / "audit.md", DOCS / "audit.json", DOCS / "audit.png"]


def _table(results: list[audit.Result], names: list[str]) -> str:
    head = "| notebook | mistakes | caught | named | misnamed | left out: misnamed | pairs | passed or misnamed | right answers | rejected |"
    rows = [head, "|" + " --- |" * 10]
    for name in [*names, "all"]:
        f = audit.figures([r for r in results if name in ("all", course.tasks()[r.task])])
        pairs = f["pairs_passed"] + f["pairs_misnamed"]
        cells = (
            f["wrong"],
            f["caught"],
            f["named"],
            f["misnamed"],
            f["loo_misnamed"],
            f["pairs"],
            pairs,
            f["right"],
            f["rejected"],
        )
        rows.append(f"| {name} | {' | '.join(f'{cell:,}' for cell in cells)} |")
    return "\n".join(rows)


def _picture(results: list[audit.Result], path: Path) -> None:
    """The matrix: rows are known mistakes in the order of the course, columns what they were called, shade the share of items."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    from helpers import plots

    mistakes = [r for r in results if r.kind == "mistake"]
    order = {task: k for k, task in enumerate(course.tasks())}
    rows = {id: k for k, id in enumerate(sorted({r.id for r in mistakes}, key=lambda id: (order[id.partition(":")[0]], id)))}
    matrix = np.zeros((len(rows), len(rows) + 2))
    for r in mistakes:
        called = r.verdict.misconception
        matrix[rows[r.id], 0 if r.verdict.passed else 1 if called is None else rows[called] + 2] += 1
    y, x = matrix.nonzero()
    good = x == y + 2
    plots.style()
    figure, axes = plt.subplots(figsize=(6.4, 6.4))
    axes.plot(x[good], y[good], ".", ms=3, label=f"its own name ({len(set(y[good]))} of {len(rows)})")
    axes.plot(x[~good], y[~good], "x", ms=6, label=f"anything else ({len(set(y[~good]))})")
    edges = [min(k for id, k in rows.items() if course.tasks()[id.partition(":")[0]] == name) for name in course.assignment_names()
             if any(course.tasks()[id.partition(":")[0]] == name for id in rows)]  # fmt: skip
    names = sorted({course.tasks()[id.partition(":")[0]] for id in rows})
    axes.set(yticks=edges, yticklabels=names, xticks=[], xlabel="what it was called", ylabel="the mistake that was made")
    for edge in edges:
        axes.axhline(edge - 0.5, lw=0.5, color="0.8")
        axes.axvline(edge + 1.5, lw=0.5, color="0.8")
    axes.invert_yaxis()
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
