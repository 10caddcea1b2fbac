"""The command line: python -m autograder COMMAND."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m autograder", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", help="make source notebooks, public keys and the students' notebooks from solutions/")
    audit = commands.add_parser("audit", help="judge right and wrong answers over several key items")
    audit.add_argument("assignments", nargs="*", help="such as 03_vpsde; default all")
    audit.add_argument("--seeds", type=int, default=3, help="number of key items (default 3)")
    audit.add_argument("--right-only", action="store_true", help="leave the known mistakes out")
    commands.add_parser("demo", help="a small class hands in, stock nbgrader grades it (make demo)")
    commands.add_parser("bench", help="print what judging and grading cost (make bench)")
    commands.add_parser(
        "ablation", help="measure the table of notebook 03 that takes pieces of the recipe away (ten minutes)"
    )
    bundle = commands.add_parser("bundle", help="write the student bundle; fails if an answer would be in it")
    bundle.add_argument("--out", default="dist/diffusion-labs-students.zip", help="the zip to write")
    solutions = commands.add_parser("solutions", help="write the solutions as notebooks into built-solutions/")
    solutions.add_argument("assignments", nargs="*", help="such as 03_vpsde; default all")
    solutions.add_argument("--execute", action="store_true", help="run them, with all their figures")
    commands.add_parser(
        "release", help="build, release with nbgrader into the gradebook, and set due dates from course.toml"
    )
    commands.add_parser("table", help="print the class as a table of points with the first mistake")
    options = parser.parse_args(argv)
    return globals()[f"_{options.command}"](options)


def _build(_: argparse.Namespace) -> int:
    from autograder.build import build

    print(*build(), sep="\n")
    return 0


def _demo(_: argparse.Namespace) -> int:
    from autograder import demo

    return demo.main()


def _bench(_: argparse.Namespace) -> int:
    from autograder import bench

    return bench.main()


def _ablation(_: argparse.Namespace) -> int:
    from autograder import ablation

    return ablation.main()


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
    from autograder import build, course

    for name in options.assignments or course.assignment_names():
        print(build.write_solution(name, options.execute))
    return 0


def _release(_: argparse.Namespace) -> int:
    from autograder import build

    print(*build.release(), sep="\n")
    return 0


def _table(_: argparse.Namespace) -> int:
    from autograder import table

    print(table.text(table.rows()))
    return 0


def _audit(options: argparse.Namespace) -> int:
    from autograder import course
    from autograder.audit import audit, report
    from autograder.runner import Runner

    bad = 0
    with Runner() as runner:
        for name in options.assignments or course.assignment_names():
            results = list(audit(name, range(options.seeds), runner, wrong=not options.right_only))
            bad += sum(result.outcome != "ok" for result in results)
            print(f"{name}: {report(results)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
