"""The bench's own parts: where rows go, who is in the class, and what stock nbgrader gets. (What it measures is for `make bench`.)"""

from __future__ import annotations

import ast
import json
from collections import Counter

from autograder import bench, bench_class, bench_scale, course
from autograder.__main__ import main
from autograder.bench_rows import Rows


def test_every_row_is_printed_and_its_figures_are_recorded(tmp_path, capsys):
    file = tmp_path / "bench.json"
    Rows(file).seconds("one thing", 1.25, "one_s")
    assert json.loads(file.read_text()) == {"one_s": 1.25} and "one thing" in capsys.readouterr().out
    Rows(file, keep=True)("another", other_mb=1 / 3)
    assert json.loads(file.read_text()) == {"one_s": 1.25, "other_mb": 0.333333}
    Rows(file)("a new run", fresh_n=1)
    assert json.loads(file.read_text()) == {"fresh_n": 1.0}


def test_a_part_that_does_not_exist_is_a_sentence(capsys):
    assert main(["bench", "--only", "everything"]) == 2
    assert ", ".join(bench.PARTS) in capsys.readouterr().err


def test_the_class_is_the_same_every_time_and_its_sample_has_every_kind():
    kinds = [bench_class.KINDS[number % len(bench_class.KINDS)] for number in range(60)]
    assert Counter(kinds) == {"right": 24, "wrong": 18, "blank": 6, "crashing": 6, "slow": 6}
    sample = bench_class.stratified(60, 8)
    assert Counter(kinds[number] for number in sample) == {"right": 3, "wrong": 2, "blank": 1, "crashing": 1, "slow": 1}
    assert sorted(bench_class.stratified(60, 60)) == list(range(60))
    reference = {task: course.load(bench_class.NAME).answer(task) for task in course.load(bench_class.NAME).tasks}
    for number, kind in enumerate(kinds[:20]):
        found = bench_class.answers(number)
        assert found == bench_class.answers(number)
        changed = [task for task in found if found[task] != reference[task]]
        assert kind != "wrong" or len(changed) == bench_class.MISTAKES
        assert kind not in ("crashing", "slow") or len(changed) == 1
        assert (kind == "blank") == (not found)


def test_stock_nbgrader_gets_every_task_and_no_training():
    cells = course.load(bench_class.NAME).cells
    kept = bench_class.without_training(cells)
    assert not any("budget(" in cell.source for cell in kept if cell.kind == "show")
    assert [cell for cell in cells if cell.kind != "show"] == [cell for cell in kept if cell.kind != "show"]
    assert sum(cell.kind == "show" and cell.type == "code" for cell in kept) >= 5


def test_the_cheap_class_has_right_known_and_new_answers():
    names = {
        node.name for node in ast.parse(bench_scale.answer(3)[bench_scale.OWN]).body if isinstance(node, ast.FunctionDef)
    }
    assert names == {"gaussian_log_prob"}
    assert all(len(bench_scale.answer(number)) == 1 for number in range(40))
    assert len({str(bench_scale.answer(number)) for number in range(3, 400, 4)}) == 100
