"""The command line: python -m autograder COMMAND."""

from __future__ import annotations

import argparse
import sys

# nbformat imports jsonschema, which would compile 38 grammars for a kind of address that no notebook has: a second of computing
sys.modules.setdefault("rfc3987_syntax", None)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m autograder", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", help="make source notebooks, public keys and the students' notebooks from solutions/")
    audit = commands.add_parser("audit", help="grade the grader: right answers, known mistakes and pairs of them")
    audit.add_argument("assignments", nargs="*", help="such as 03_vpsde, or 03; default all")
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
        "file", help="percent format: a line '# %%%% vpsde.loss', then the answer cell; the rest is the reference's"
    )
    attempt.add_argument("--json", action="store_true", help="print one object, task by task")
    explain = commands.add_parser("explain", help="print a known mistake: sentence, source, code, and what the student sees")
    explain.add_argument("id", help="such as vpsde.loss:no-half")
    commands.add_parser("gallery", help="write docs/mistakes.md, a gallery of mistakes with pictures")
    pictures = commands.add_parser("pictures", help="make the pictures of the site, which takes all trainings")
    pictures.add_argument("names", nargs="*", help="hero, badge, or notebooks such as 03; default all")
    site = commands.add_parser("site", help="write the course's site into dist/site/ (make site)")
    site.add_argument("--students", action="store_true", help="without what has pieces of answers, into dist/site-students/")
    commands.add_parser("demo", help="a small class hands in, stock nbgrader grades it (make demo)")
    bench = commands.add_parser("bench", help="print what judging, grading and training cost (make bench)")
    bench.add_argument("--minutes", type=float, default=3.0, help="CPU minutes for each training on images (default 3)")
    bench.add_argument(
        "--only", default="", metavar="PART", help="judge, autograde, profile, class, recipes, images or scale"
    )
    bench.add_argument(
        "--stock", type=int, default=20, help="submissions of the class that stock nbgrader grades (default 20)"
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
    wheel = commands.add_parser(
        "wheel", help="write the wheel from which Colab gets the helpers; fails if an answer would be in it"
    )
    wheel.add_argument("--out", default="dist", help="the folder to write it to")
    solutions = commands.add_parser("solutions", help="write the solutions as notebooks into built-solutions/")
    solutions.add_argument("assignments", nargs="*", help="such as 03_vpsde, or 03; default all")
    solutions.add_argument("--execute", action="store_true", help="run them, with all their figures")
    commands.add_parser(
        "release", help="build, release with nbgrader into the gradebook, and set due dates from course.toml"
    )
    collect = commands.add_parser(
        "collect", help="a zip from Canvas, Moodle or Gradescope, or receipts of submit(), into submitted/"
    )
    collect.add_argument("archives", nargs="+", metavar="ARCHIVE", help="the zip as it was downloaded")
    collect.add_argument("--assignment", help="what it is about, such as 03; default: what each notebook is")
    collect.add_argument("--roster", help="a CSV with the students' ids, names, email addresses, ids in the LMS")
    collect.add_argument("--timezone", help="of times that name none, such as Europe/Berlin; default this machine's")
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
    scope = commands.add_parser(
        "gradescope", help="the autograder zip for Gradescope; it holds the answers: for the instructor's Gradescope only"
    )
    scope.add_argument("assignment", help="such as 03_vpsde; or 03")
    scope.add_argument("--out", default="", help="the zip to write (default dist/gradescope-03.zip)")
    scope.add_argument(
        "--without-sandbox",
        action="store_true",
        help="grade on where bubblewrap does not work: answers then run as the user nobody, beside the grader (docs/export.md)",
    )
    commands.add_parser("gradescope-run", help="what run_autograder calls on Gradescope: grade submission/, write results/")
    marks = commands.add_parser(
        "marks",
        help="written answers as a spreadsheet, with mark schemes and comments; --import puts the marks into the gradebook",
    )
    marks.add_argument("assignment", help="such as 03_vpsde; or 03")
    marks.add_argument("--out", default="", help="the CSV to write (default marks/03_vpsde.csv)")
    marks.add_argument(
        "--import", dest="file", default="", metavar="FILE", help="put the marks of this file into the gradebook"
    )
    marks.add_argument("--overwrite", action="store_true", help="with --import: also where somebody gave a mark by hand")
    commands.add_parser("table", help="print the class as a table of points with the first mistake")
    opening = commands.add_parser(
        "open", help="open a task for students who are stuck: a key to its answer, and no points for it"
    )
    opening.add_argument("task", help="such as vpsde.loss")
    opening.add_argument("--student", action="append", default=[], metavar="ID", help="for this one (can be repeated)")
    opening.add_argument("--everybody", action="store_true", help="for all, also for those who have solved it")
    options = parser.parse_args(argv)
    try:
        from autograder import course

        return globals()["_" + options.command.replace("-", "_")](options)
    except ModuleNotFoundError as error:
        if error.name not in ("nbformat", "nbgrader", "numpy", "torch", "jupytext", "scipy", "tqdm"):
            raise
        print(
            f"{error.name} is not installed in {sys.executable}: `make setup`, then `source .venv/bin/activate`.",
            file=sys.stderr,
        )
    except course.BadSettings as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted. The same command can be given again.", file=sys.stderr)
        return 130
    return 2


def _build(_: argparse.Namespace) -> int:
    from autograder.build import build

    print(*build(), sep="\n")
    return 0


def _gallery(_: argparse.Namespace) -> int:
    from autograder import gallery

    print(gallery.write())
    return 0


def _pictures(options: argparse.Namespace) -> int:
    from autograder import course, pictures

    names = options.names or ["hero", "badge", *course.assignment_names()]
    names = [name if name in ("hero", "badge") else _assignment(name) for name in names]
    if None in names:
        return 2
    try:
        for path in pictures.write(names):
            print(path, flush=True)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _site(options: argparse.Namespace) -> int:
    from autograder import site

    try:
        print(
            "Sphinx builds the site of docs/, the students' notebooks and the docstrings. This takes about a minute.",
            flush=True,
        )
        print(site.text(site.write(students=options.students)))
    except (site.SiteError, LookupError) as error:
        print(error, file=sys.stderr)
        return 1
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


def _wheel(options: argparse.Namespace) -> int:
    from pathlib import Path

    from autograder import bundle

    try:
        path = bundle.write_wheel(Path(options.out))
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def _solutions(options: argparse.Namespace) -> int:
    import time

    from autograder import build

    names = _assignments(options.assignments)
    if names is None:
        return 2
    for name in names:
        start = time.perf_counter()
        path = build.write_solution(name, options.execute)
        print(path, f"({(time.perf_counter() - start) / 60:.1f} minutes)" if options.execute else "", flush=True)
    return 0


def _release(_: argparse.Namespace) -> int:
    from autograder import build

    try:
        print(*build.release(), sep="\n")
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _assignment(word: str) -> str | None:
    """The one assignment whose name begins so; None, and a sentence, if there is not exactly one."""
    from autograder import course

    names = [name for name in course.assignment_names() if name.startswith(word)]
    if len(names) == 1:
        return names[0]
    print(f"There is no one assignment {word!r}; they are {', '.join(course.assignment_names())}.")
    return None


def _assignments(words: list[str]) -> list[str] | None:
    """The assignments whose names begin so; all if no word is given; None, and a sentence, if a word does not say which one."""
    from autograder import course

    names = [_assignment(word) for word in words] or course.assignment_names()
    return None if None in names else names


def _collect(options: argparse.Namespace) -> int:
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from autograder import collect, lms

    name = _assignment(options.assignment) if options.assignment else None
    if options.assignment and name is None:
        return 2
    try:
        zone = ZoneInfo(options.timezone) if options.timezone else None
    except (ValueError, OSError, KeyError):
        print(f"There is no time zone {options.timezone!r}; they are called such as Europe/Berlin or UTC.")
        return 2
    try:
        roster = lms.read_roster(Path(options.roster), zone) if options.roster else None
    except ValueError as error:
        print(error)
        return 2
    if roster:
        print(f"{roster.source}: {len(roster.students)} students; {roster.about}.", *roster.problems, sep="\n")
    code = 0
    for archive in map(Path, options.archives):
        try:
            said = collect.text(collect.collect(archive, name, roster, zone))
        except (collect.Unreadable, OSError) as error:
            said, code = f"{archive} cannot be collected: {error}.", 2
        print(said)
    return code


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
    except (sandbox.NoSandbox, cluster.Problem, ValueError) as error:
        print(error)
        return 1


def _report(options: argparse.Namespace) -> int:
    from autograder import course, report

    name = "all" if options.assignment == "all" else _assignment(options.assignment)
    if name is None:
        return 2
    print(*report.write(course.assignment_names() if name == "all" else [name], name), sep="\n")
    return 0


def _gradescope(options: argparse.Namespace) -> int:
    from pathlib import Path

    from autograder import gradescope

    name = _assignment(options.assignment)
    if name is None:
        return 2
    path = Path(options.out or f"dist/gradescope-{name[:2]}.zip")
    try:
        print(gradescope.write(name, path, options.without_sandbox))
    except OSError as error:
        print(f"The zip could not be written: {error} (the notebooks have to be built: make build).", file=sys.stderr)
        return 2
    print("It holds the grader with all answers: upload it to your own Gradescope assignment, and give it to nobody.")
    return 0


def _gradescope_run(_: argparse.Namespace) -> int:
    from autograder import gradescope

    gradescope.run()
    return 0


def _marks(options: argparse.Namespace) -> int:
    from pathlib import Path

    from autograder import course, marks

    name = _assignment(options.assignment)
    if name is None:
        return 2
    try:
        if not options.file:
            path = Path(options.out) if options.out else course.ROOT / "marks" / f"{name}.csv"
            answers, waiting = marks.write(name, path)
            print(f"{path}: {answers} written answers, of which {waiting} wait for a mark.")
            if list(path.parent.glob(f"{path.stem}-before-*")):
                print("What stood there before is kept beside it; marks written into that one come in with --import.")
            return 0
        done, said = marks.take(name, Path(options.file), options.overwrite)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(*said, f"{done} answers have the marks of {options.file}.", sep="\n")
    return 1 if said else 0


def _table(_: argparse.Namespace) -> int:
    from autograder import table

    print(table.text(table.rows()))
    return 0


def _open(options: argparse.Namespace) -> int:
    from autograder import course, opened

    if bool(options.student) == options.everybody:
        print(
            "Say for whom: --student ID (can be repeated), or --everybody, which takes the points from all.", file=sys.stderr
        )
        return 2
    try:
        path, key = opened.open_task(options.task, options.student)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    who = ", ".join(options.student) or "everybody, also for those who have solved it"
    print(f"{options.task} is open for {who}: from the next grading on it is worth no points for them.")
    print("(To take that back, take the name out of opened.json.)")
    strangers = [one for one in options.student if not (course.ROOT / "submitted" / one).is_dir()]
    if strangers:
        print(f"Nothing of {', '.join(strangers)} is in submitted/ so far: is the name right?")
    print(f"Give them the file {path}, to be put beside the notebook, and this line, to be run below the task's cell:")
    print(f'from helpers import unlock; unlock("{options.task}")')
    print("Or this line alone, which needs no file:")
    print(f'from helpers import unlock; unlock("{options.task}", "{key}")')
    return 0


def _audit(options: argparse.Namespace) -> int:
    import json

    from autograder import audit

    names = _assignments(options.assignments)
    if names is None:
        return 2
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
