"""The command line: python -m autograder COMMAND."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m autograder", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", help="make source notebooks, public keys and the students' notebooks from solutions/")
    audit = commands.add_parser("audit", help="grade the grader: right answers, known mistakes and pairs of them")
    audit.add_argument("assignments", nargs="*", help="such as 03_vpsde; default all")
    audit.add_argument("--seeds", type=int, default=1, help="number of key items (default 1)")
    audit.add_argument("--first", type=int, default=0, help="the first of them")
    audit.add_argument("--right-only", action="store_true", help="leave the known mistakes out")
    audit.add_argument("--jobs", type=int, default=0, help="processes (default one for each core)")
    audit.add_argument("--json", action="store_true", help="print one object with the figures")
    audit.add_argument(
        "--write", action="store_true", help="write docs/audit.md, docs/audit.json and the matrix as a picture"
    )
    attempt = commands.add_parser("try", help="grade a file of answers, and print the verdicts")
    attempt.add_argument("assignment", help="such as 03_vpsde; or 03")
    attempt.add_argument(
        "file", help="percent format: a line '# %% vpsde.loss', then the answer cell; the rest is the reference's"
    )
    attempt.add_argument("--json", action="store_true", help="print one object, task by task")
    explain = commands.add_parser("explain", help="print a known mistake: sentence, source, code, and what the student sees")
    explain.add_argument("id", help="such as vpsde.loss:no-half")
    commands.add_parser("gallery", help="write docs/mistakes.md, a gallery of mistakes with pictures")
    commands.add_parser("demo", help="a small class hands in, stock nbgrader grades it (make demo)")
    bench = commands.add_parser("bench", help="print what judging, grading and training cost (make bench)")
    bench.add_argument("--minutes", type=float, default=3.0, help="CPU minutes for each training on images (default 3)")
    bench.add_argument(
        "--only", default="", metavar="PART", help="judge, autograde, profile, class, recipes, images or scale"
    )
    bench.add_argument(
        "--stock", type=int, default=8, help="submissions of the class that stock nbgrader grades (default 8)"
    )
    bench.add_argument("--count", type=int, default=0, help="submissions in the class (default 60) or the scale (2,000)")
    commands.add_parser(
        "ablation", help="measure the table of notebook 03 that takes pieces of the recipe away (ten minutes)"
    )
    attack = commands.add_parser(
        "attack", help="grade a class of attackers and honest noise-makers, and count what came of it"
    )
    attack.add_argument("--json", action="store_true", help="print one object with the figures")
    attack.add_argument("--only", default="", metavar="PATTERN", help="only submissions whose names match")
    attack.add_argument(
        "--without-sandbox",
        action="store_true",
        help="the harmless ones without the sandbox: do the canaries see them escape?",
    )
    fuzz = commands.add_parser(
        "fuzz", help="mutilate right notebooks, grade them, and print how many answers keep their points"
    )
    fuzz.add_argument("--count", type=int, default=100, help="number of notebooks (default 100)")
    fuzz.add_argument("--seed", type=int, default=0, help="the first seed")
    bundle = commands.add_parser("bundle", help="write the student bundle; fails if an answer would be in it")
    bundle.add_argument("--out", default="dist/diffusion-labs-students.zip", help="the zip to write")
    solutions = commands.add_parser("solutions", help="write the solutions as notebooks into built-solutions/")
    solutions.add_argument("assignments", nargs="*", help="such as 03_vpsde; default all")
    solutions.add_argument("--execute", action="store_true", help="run them, with all their figures")
    commands.add_parser(
        "release", help="build, release with nbgrader into the gradebook, and set due dates from course.toml"
    )
    grade = commands.add_parser(
        "grade", help="nbgrader autograde, judged by several processes; what follows -- goes to nbgrader"
    )
    grade.add_argument("assignment", help="such as 03_vpsde; or 03")
    grade.add_argument("arguments", nargs="*", help="for nbgrader autograde, such as -- --force")
    grade.add_argument("--jobs", type=int, default=0, help="processes (default one for each core)")
    grade.add_argument(
        "--scheduler", default="", metavar="ADDRESS", help="a Dask scheduler whose workers judge (docs/cluster.md)"
    )
    grade.add_argument("--diff", action="store_true", help="write nothing; show who would gain or lose what by a regrade")
    report = commands.add_parser(
        "report", help="write a page and a CSV on how a class did: points, tasks, mistakes, unknown answers"
    )
    report.add_argument("assignment", help="such as 03_vpsde; 03; or all")
    commands.add_parser("table", help="print the class as a table of points with the first mistake")
    options = parser.parse_args(argv)
    return globals()[f"_{options.command}"](options)


def _build(_: argparse.Namespace) -> int:
    from autograder.build import build

    print(*build(), sep="\n")
    return 0


def _gallery(_: argparse.Namespace) -> int:
    from autograder import gallery

    print(gallery.write())
    return 0


def _demo(_: argparse.Namespace) -> int:
    from autograder import demo

    return demo.main()


def _bench(options: argparse.Namespace) -> int:
    from autograder import bench

    if options.only not in ("", *bench.PARTS) or options.stock < 1 or options.count < 0:
        print(f"--only is one of {', '.join(bench.PARTS)}; --stock is at least 1, --count no less than 0.", file=sys.stderr)
        return 2
    return bench.main(options.minutes, options.only, options.stock, options.count)


def _ablation(_: argparse.Namespace) -> int:
    from autograder import ablation

    return ablation.main()


def _attack(options: argparse.Namespace) -> int:
    import json

    from autograder import attack, sandbox

    if not options.without_sandbox and sandbox.problem() is not None:
        print(f"There is no sandbox here to be attacked: {sandbox.problem()}.", file=sys.stderr)
        return 2
    result = attack.run(not options.without_sandbox, options.only)
    print(json.dumps(result.figures()) if options.json else attack.text(result))
    return 0 if result.good() else 1


def _fuzz(options: argparse.Namespace) -> int:
    from autograder import fuzz

    result = fuzz.run(options.count, options.seed)
    print(fuzz.text(result))
    return 0 if result.graded == result.notebooks and result.rate >= 0.95 else 1


def _bundle(options: argparse.Namespace) -> int:
    from pathlib import Path

    from autograder import bundle

    try:
        print(bundle.write(Path(options.out)))
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _solutions(options: argparse.Namespace) -> int:
    import time

    from autograder import build, course

    for name in options.assignments or course.assignment_names():
        start = time.perf_counter()
        path = build.write_solution(name, options.execute)
        print(path, f"({(time.perf_counter() - start) / 60:.1f} minutes)" if options.execute else "", flush=True)
    return 0


def _release(_: argparse.Namespace) -> int:
    from autograder import build

    print(*build.release(), sep="\n")
    return 0


def _assignment(word: str) -> str | None:
    """The one assignment whose name begins so; None, and a sentence, if there is not exactly one."""
    from autograder import course

    names = [name for name in course.assignment_names() if name.startswith(word)]
    if len(names) == 1:
        return names[0]
    print(f"There is no one assignment {word!r}; they are {', '.join(course.assignment_names())}.")
    return None


def _grade(options: argparse.Namespace) -> int:
    from autograder import cluster, parallel, sandbox

    name = _assignment(options.assignment)
    if name is None:
        return 2
    try:
        if options.diff:
            changes = parallel.differences(name, options.jobs, options.scheduler)
            print(*(f"{student:20} {task:28} {points:+g}" for student, task, points in changes), sep="\n")
            print(f"{len(changes)} answers would be graded otherwise; nothing was written.")
            return 0
        return parallel.grade(name, options.jobs, tuple(options.arguments), options.scheduler)
    except (sandbox.NoSandbox, cluster.Problem) as error:
        print(error)
        return 1


def _report(options: argparse.Namespace) -> int:
    from autograder import course, report

    name = "all" if options.assignment == "all" else _assignment(options.assignment)
    if name is None:
        return 2
    print(*report.write(course.assignment_names() if name == "all" else [name], name), sep="\n")
    return 0


def _table(_: argparse.Namespace) -> int:
    from autograder import table

    print(table.text(table.rows()))
    return 0


def _audit(options: argparse.Namespace) -> int:
    import json

    from autograder import audit, course

    names = options.assignments or course.assignment_names()
    seeds = range(options.first, options.first + options.seeds)
    wrong = not options.right_only
    results = list(audit.audit_all(names, seeds, wrong=wrong, every=options.write, jobs=options.jobs))
    print(json.dumps(audit.figures(results)) if options.json else audit.report(results))
    if options.write:
        from autograder import audit_page

        print(*audit_page.write(results), sep="\n")
    return 1 if any(result.outcome != "ok" for result in results) else 0


def _try(options: argparse.Namespace) -> int:
    import json
    from pathlib import Path

    from autograder import trial

    name = _assignment(options.assignment)
    if name is None:
        return 2
    try:
        rows = trial.grade(name, Path(options.file))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(rows, indent=1) if options.json else trial.text(rows))
    return 0


def _explain(options: argparse.Namespace) -> int:
    from autograder import trial

    try:
        print(trial.explain(options.id))
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
