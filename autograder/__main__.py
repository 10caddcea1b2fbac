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
    options = parser.parse_args(argv)
    return globals()[f"_{options.command}"](options)


def _build(_: argparse.Namespace) -> int:
    from autograder.build import build

    print(*build(), sep="\n")
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
