"""The class report: one HTML file and one CSV for a notebook or for all, from what grading wrote into the graded notebooks.

It says how the points are spread, which tasks are hard, which mistakes the class makes and who makes them, and which wrong
answers without a name are the same wrong answer (so that one new sentence helps all who gave it).
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder import course, opened
from helpers.checks import public_items
from helpers.judge import distance

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Class report: {{ title }}</title>
<style>
:root { color-scheme: light dark; --line: #8886; --good: #0072B2; --bad: #D55E00; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .6rem .25rem 0; vertical-align: top; }
tr + tr td { border-top: 1px solid var(--line); } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { display: block; height: .8rem; background: linear-gradient(90deg, var(--good) var(--p), #8883 var(--p)); min-width: 8rem; margin-top: .35rem; }
.columns { display: flex; align-items: flex-end; gap: 3px; height: 9rem; margin-top: 2rem; } .columns div { flex: 1; background: var(--good); position: relative; min-height: 1px; }
.columns span { position: absolute; top: -1.35rem; width: 100%; text-align: center; font-size: .8rem; }
.axis { display: flex; gap: 3px; font-size: .8rem; } .axis div { flex: 1; text-align: center; }
.who { opacity: .75; font-size: .9rem; overflow-wrap: anywhere; } code { font-size: .9em; } pre { white-space: pre-wrap; border: 1px solid var(--line); padding: .6rem; }
pre, li { overflow-wrap: anywhere; }
summary { cursor: pointer; }
@media (max-width: 40rem) {
  table { font-size: .85rem; display: block; overflow-x: auto; } th.n { white-space: normal; width: 1px; } code { overflow-wrap: anywhere; }
  td[style], th:empty { display: none; } td:has(+ td[style]) { min-width: 8rem; } .axis { font-size: .55rem; } .axis div { min-width: 0; }
}
</style></head><body>
<h1>Class report: {{ title }}</h1>
<p>{{ students|length }} student{{ "s" if students|length != 1 }} handed in; {{ right }} of {{ answers }} answers are right ({{ "%.0f"|format(100 * right / (answers or 1)) }} %).
Written answers are not counted here.</p>
{% if progress %}<h2>Since the last report</h2><ul>{% for line in progress %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}
<h2>Points</h2>
<div class="columns" role="img" aria-label="Students by share of the points: {% for bin in bins %}{{ bin.label }}: {{ bin.count }}; {% endfor %}">
{% for bin in bins %}<div style="height: {{ "%.1f"|format(100 * bin.count / (top or 1)) }}%"><span>{{ bin.count or "" }}</span></div>{% endfor %}</div>
<div class="axis">{% for bin in bins %}<div>{{ bin.label }}</div>{% endfor %}</div>
<h2>Tasks</h2>
<table><tr><th>task</th><th>right</th><th></th><th class="n">wrong, named</th><th class="n">wrong, no name</th><th class="n">blank</th></tr>
{% for t in tasks %}<tr><td><code>{{ t.task }}</code></td><td style="width: 40%"><span class="bar" style="--p: {{ "%.1f"|format(100 * t.right / (t.all or 1)) }}%"></span></td>
<td class="n">{{ t.right }} / {{ t.all }}</td><td class="n">{{ t.named or "" }}</td><td class="n">{{ t.unnamed or "" }}</td><td class="n">{{ t.blank or "" }}</td></tr>{% endfor %}</table>
<h2>Mistakes that the class makes</h2>
{% if mistakes %}<table><tr><th class="n">students</th><th>mistake</th></tr>
{% for m in mistakes %}<tr><td class="n">{{ m.who|length }}</td><td><code>{{ m.id }}</code><br>{{ m.sentence }}<br><span class="who">{{ m.who|join(", ") }}</span></td></tr>{% endfor %}</table>
{% else %}<p>None that has a name.</p>{% endif %}
<h2>Wrong answers without a name</h2>
{% if clusters %}<p>Answers in one row gave the same numbers. A new sentence for a row (docs/adding-an-assignment.md) reaches everybody in it.</p>
<table><tr><th class="n">students</th><th>what was observed, and one of the answers</th></tr>
{% for c in clusters %}<tr><td class="n">{{ c.who|length }}</td><td><code>{{ c.task }}</code><br>{{ c.sentence }}<br><span class="who">{{ c.who|join(", ") }}</span>
<details><summary>the answer of {{ c.who[0] }}</summary><pre>{{ c.example }}</pre></details></td></tr>{% endfor %}</table>
{% else %}<p>None.</p>{% endif %}
<h2>Notes</h2>
{% if notes %}<ul>{% for student, note in notes %}<li><b>{{ student }}</b>: {{ note }}</li>{% endfor %}</ul>{% else %}<p>{{ "Every notebook came in as it should." if students else "Nothing is graded yet: nbgrader autograde, or python -m autograder grade, comes first." }}</p>{% endif %}
</body></html>
"""


@dataclass(frozen=True)
class Judged:
    """One answer as it was graded. `outcome` is "right", "named", "unnamed", "blank" or "opened"."""

    student: str
    assignment: str
    task: str
    points: float
    outcome: str
    misconception: str = ""
    sentence: str = ""
    prints: dict[str, Any] = field(default_factory=dict, compare=False)
    source: str = field(default="", compare=False)


def collect(names: list[str]) -> tuple[list[Judged], list[tuple[str, str]]]:
    """All graded answers of these assignments, and the notes on notebooks as pairs of student and note."""
    found, notes = [], []
    for name in names:
        tasks = course.load(name).tasks
        for path in sorted((course.ROOT / "autograded").glob(f"*/{name}/{name}.ipynb")):
            student = path.parent.parent.name
            try:
                notebook = json.loads(path.read_text(encoding="utf-8"))
                ours = notebook["metadata"]["diffusion_labs"]
                sources = {
                    cell["metadata"].get("nbgrader", {}).get("grade_id"): cell["source"] for cell in notebook["cells"]
                }
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                notes.append((student, f"{name}: the graded notebook cannot be read; grade it again"))
                continue
            notes += [(student, f"{name}: {note}") for note in ours.get("notes", [])]
            for task, verdict in ours.get("verdicts", {}).items():
                if task in tasks:
                    source = sources.get(course.grade_id(task), "")
                    found.append(_judged(student, name, task, tasks[task], verdict, "".join(source)))
                    if "did not finish" in verdict["sentence"]:
                        notes.append((student, f"{task}: {verdict['sentence']}"))
    return found, notes


def _judged(student: str, name: str, task: str, points: float, verdict: dict[str, Any], source: str) -> Judged:
    if verdict["passed"]:
        return Judged(student, name, task, points, "right")
    blank = verdict["sentence"].startswith("Nothing is filled in")
    outcome = (
        "opened"
        if verdict["sentence"] == opened.WORTH
        else "blank"
        if blank
        else "named"
        if verdict["misconception"]
        else "unnamed"
    )
    return Judged(
        student,
        name,
        task,
        0.0,
        outcome,
        verdict["misconception"] or "",
        verdict["sentence"],
        verdict.get("prints", {}),
        source,
    )


def clusters(answers: list[Judged]) -> list[list[Judged]]:
    """Wrong answers without a name, those with the same numbers together; large groups first."""
    groups: dict[str, list[list[Judged]]] = defaultdict(list)
    equal: dict[str, list[Judged]] = {}  # most that are alike are equal, and need no comparison of numbers
    for answer in (one for one in answers if one.outcome == "unnamed"):
        key = json.dumps([answer.task, answer.prints or answer.sentence], sort_keys=True)
        if key not in equal:
            alike = (group for group in groups[answer.task] if _alike(group[0], answer))
            equal[key] = next(alike, None) or []
            if not equal[key]:
                groups[answer.task].append(equal[key])
        equal[key].append(answer)
    return sorted((group for found in groups.values() for group in found), key=lambda group: -len(group))


def _alike(one: Judged, two: Judged) -> bool:
    """Whether two answers gave the same numbers, or, where there are none, the same sentence."""
    if not one.prints or not two.prints:
        return not one.prints and not two.prints and one.sentence == two.sentence
    expects = {prop["name"]: prop["expect"] for prop in public_items()[one.task]["properties"]}
    names = one.prints.keys() & two.prints.keys() & expects.keys()
    return bool(names) and all(distance(expects[name], one.prints[name], two.prints[name]) <= 1 for name in names)


def as_csv(answers: list[Judged]) -> str:
    """One line for each answer."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["student", "assignment", "task", "points", "outcome", "misconception", "sentence"])
    for one in answers:
        table.writerow(
            [one.student, one.assignment, one.task, f"{one.points:g}", one.outcome, one.misconception, one.sentence]
        )
    return text.getvalue()


def progress(before: str, answers: list[Judged]) -> list[str]:
    """What is different from an earlier CSV, in sentences."""
    try:
        old = {(row["student"], row["task"]): row["outcome"] for row in csv.DictReader(io.StringIO(before))}
    except (csv.Error, KeyError):
        return []
    if not old:
        return []
    new = {(one.student, one.task): one.outcome for one in answers}
    both = old.keys() & new.keys()
    gained = sorted(key for key in both if new[key] == "right" != old[key])
    lost = sorted(key for key in both if old[key] == "right" != new[key])
    fresh = sorted({student for student, _ in new} - {student for student, _ in old})
    lines = [f"{len(gained)} answers became right, {len(lost)} are no longer right."]
    lines += [f"New: {', '.join(fresh)}."] if fresh else []
    for word, changed in (("right now", gained), ("no longer right", lost)):
        by_task: dict[str, list[str]] = defaultdict(list)
        for student, task in changed:
            by_task[task].append(student)
        lines += [f"{task}, {word}: {', '.join(who)}" for task, who in sorted(by_task.items())]
    return lines


def html(title: str, names: list[str], answers: list[Judged], notes: list[tuple[str, str]], changes: list[str]) -> str:
    """The page. It loads nothing and runs nothing."""
    from jinja2 import Environment

    tasks = [task for name in names for task in course.load(name).tasks]
    by_task: dict[str, list[Judged]] = defaultdict(list)
    by_mistake: dict[str, list[Judged]] = defaultdict(list)
    points: dict[str, float] = defaultdict(float)
    for one in answers:
        by_task[one.task].append(one)
        points[one.student] += one.points
        if one.outcome == "named":
            by_mistake[one.misconception].append(one)
    extra = course.settings().get("extra_credit", {}).get("assignments", [])
    counted = [name for name in names if name not in extra] or names  # extra credit is on top
    most = sum(course.load(name).tasks[task] for name in counted for task in course.load(name).tasks)
    bins = [0] * 10
    for got in points.values():
        bins[min(9, int(10 * got / most))] += 1
    return Environment(autoescape=True).from_string(PAGE).render(
        title=title,
        students=sorted(points),
        answers=len(answers),
        right=sum(one.outcome == "right" for one in answers),
        progress=changes,
        bins=[{"label": f"{10 * k}–{10 * k + 10} %", "count": count} for k, count in enumerate(bins)],
        top=max(bins),
        tasks=[{"task": task, "all": len(by_task[task]),
                **{kind: sum(one.outcome == kind for one in by_task[task]) for kind in ("right", "named", "unnamed", "blank")}}
               for task in tasks],
        mistakes=[{"id": id, "sentence": found[0].sentence, "who": [one.student for one in found]}
                  for id, found in sorted(by_mistake.items(), key=lambda pair: (-len(pair[1]), pair[0]))],
        clusters=[{"task": group[0].task, "sentence": group[0].sentence, "who": [one.student for one in group], "example": group[0].source}
                  for group in clusters(answers)],
        notes=notes,
    )  # fmt: skip


def write(names: list[str], title: str) -> list[Path]:
    """Write reports/<title>.html and .csv into the course folder; what the last CSV said is compared with. Returns the paths."""
    answers, notes = collect(names)
    folder = course.ROOT / "reports"
    folder.mkdir(exist_ok=True)
    page, table = folder / f"{title}.html", folder / f"{title}.csv"
    changes = progress(table.read_text(encoding="utf-8"), answers) if table.exists() else []
    page.write_text(html(title, names, answers, notes, changes), encoding="utf-8")
    table.write_text(as_csv(answers), encoding="utf-8")
    return [page, table]
