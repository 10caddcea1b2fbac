"""How the worker is started: under bubblewrap, which shows it Python, the helpers and nothing else.

`problem()` tries the whole of it once. Grading refuses to start where it does not work (`require`), unless the instructor
says DIFFUSION_LABS_SANDBOX=off; what runs only our own answers (build, audit, demo, ...) goes on without it and says so once.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from autograder import cage, course

PACKAGES = Path(__file__).resolve().parent.parent
SWITCH = "DIFFUSION_LABS_SANDBOX"
NOBODY = "nobody"
"""A value of the switch: no sandbox, but where the grader is root, answers run as the user nobody (see `autograder.gradescope`)."""
INSIDE = "/grader"
SHOWN = ("__init__.py", "worker.py", "cage.py")
"""All of this package that the worker sees: no key, no closed form, no known mistake."""

SYSTEM = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/nix/store", "/gnu/store",
          "/sys/devices/system/cpu", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime")  # fmt: skip
"""Shared libraries and how they are found, and what kind of processor this is; where they exist."""

VARIABLES = {"NBGRADER_EXECUTION": "autograde", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "MPLBACKEND": "agg"}
"""(Passive: threads that an answer asks for must not burn its time while they wait for each other.)"""


class NoSandbox(RuntimeError):
    """The sandbox does not work here; the text says why and what to do."""


def switched_off() -> bool:
    """Whether the instructor has said that the students' code may run without a sandbox."""
    return os.environ.get(SWITCH, "").lower() in ("off", "0", "no", "false", NOBODY)


@functools.cache
def problem() -> str | None:
    """Why the sandbox does not work here, or None if it does. Found out by running it."""
    if not sys.platform.startswith("linux"):
        return f"it needs Linux, and this is {sys.platform}"
    if shutil.which("bwrap") is None:
        return "bubblewrap (the command bwrap) is not installed"
    try:
        done = subprocess.run(command("autograder.cage"), capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bwrap could not be run ({error})"
    if done.returncode == 0:
        return None
    return f"bwrap is forbidden or fails here ({' '.join(done.stderr.split())[-200:] or f'exit code {done.returncode}'})"


def require() -> None:
    """Refuse to go on where there is no sandbox.

    Raises:
        NoSandbox: with one sentence for the instructor, unless DIFFUSION_LABS_SANDBOX=off is set.
    """
    if not switched_off() and problem() is not None:
        raise NoSandbox(
            f"Nothing is graded, because the sandbox for students' code does not work: {problem()}; install bubblewrap, "
            f"or grade in a container (docs/security.md), or set {SWITCH}=off if you trust everybody who handed in."
        )


@functools.cache
def in_use() -> bool:
    """Whether the worker runs in the sandbox; decided, and said if not, once for each process."""
    if switched_off():
        why = f"{SWITCH}={os.environ[SWITCH]}"
    elif problem() is not None:
        why = problem()
    else:
        return True
    print(f"Answers run in a process of their own, but without the sandbox: {why}.", file=sys.stderr, flush=True)
    return False


def bare_command() -> tuple[list[str], dict[str, str]]:
    """The worker's command and environment without a sandbox."""
    if os.environ.get(SWITCH) == NOBODY and os.geteuid() == 0:
        return nobody_command()
    paths = os.pathsep.join([str(PACKAGES), *(path for path in sys.path if path)])
    return [sys.executable, "-m", "autograder.worker"], {**os.environ, **VARIABLES, "PYTHONPATH": paths}


@functools.cache
def nobody_command() -> tuple[list[str], dict[str, str]]:
    """The same for a worker that runs as nobody, on a copy of what it needs: it can read nothing that is root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="diffusion-labs-answers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "autograder").mkdir()
    for name in SHOWN:
        shutil.copy(PACKAGES / "autograder" / name, folder / "autograder")
    shutil.copytree(PACKAGES / "helpers", folder / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    work = folder / "work"
    work.mkdir(0o700)
    os.chown(work, cage.NOBODY, cage.NOBODY)
    who = [f"--reuid={cage.NOBODY}", f"--regid={cage.NOBODY}", "--clear-groups", "--no-new-privs", "--inh-caps=-all"]
    words = ["setpriv", *who, "env", "-C", str(work), sys.executable, "-s", "-P", "-m", "autograder.worker"]
    variables = {
        **VARIABLES,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(work),
        "TMPDIR": str(work),
    }
    return words, {**variables, "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}


def command(module: str = "autograder.worker") -> list[str]:
    """The command that runs one of our shown modules in the sandbox."""
    interpreter = os.path.realpath(sys.executable)
    words = ["bwrap", "--die-with-parent", "--new-session", "--clearenv", "--unshare-pid", "--unshare-net", "--unshare-ipc",
             "--unshare-uts", "--unshare-cgroup-try", "--hostname", "grader", "--cap-drop", "ALL"]  # fmt: skip
    if os.geteuid() == 0:  # root gives up being root by itself (cage.leave_root): a user namespace would still be root's
        words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        words += ["--unshare-user", "--uid", str(cage.NOBODY), "--gid", str(cage.NOBODY)]
    scratch = ["--perms", "1777", "--size", str(cage.MAX_SCRATCH), "--tmpfs"]
    words += [*scratch, "/tmp", *_mounts(interpreter), "--dir", INSIDE, "--dir", f"{INSIDE}/autograder"]
    for name in SHOWN:
        words += ["--ro-bind", str(PACKAGES / "autograder" / name), f"{INSIDE}/autograder/{name}"]
    words += ["--ro-bind", str(PACKAGES / "helpers"), f"{INSIDE}/helpers"]
    words += ["--proc", "/proc", "--dev", "/dev", "--dev-bind", "/dev/null", "/dev/zero", *scratch, cage.SCRATCH]
    words += ["--remount-ro", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", cage.SCRATCH]
    variables = {
        **VARIABLES,
        "PYTHONPATH": os.pathsep.join([INSIDE, *map(str, _libraries())]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": cage.SCRATCH,
        "TMPDIR": cage.SCRATCH,
        "USER": "nobody",
        "LANG": "C.UTF-8",
        "PATH": os.path.dirname(interpreter),
    }
    for name, value in variables.items():
        words += ["--setenv", name, value]
    return [*words, interpreter, "-s", "-m", module, "--caged"]


def _libraries() -> list[Path]:
    """Where Python finds installed packages: virtual environment, conda or system, and nothing else of sys.path."""
    return [Path(path) for path in sys.path if Path(path).name in ("site-packages", "dist-packages") and Path(path).is_dir()]


def _mounts(interpreter: str) -> list[str]:
    """Read-only views of the Python environment and the system's libraries; whatever of the course lies in them is hidden."""
    prefixes = {sys.base_prefix, sys.base_exec_prefix, str(Path(interpreter).parent.parent)}
    shown = {Path(place) for place in SYSTEM} | {Path(interpreter), *_libraries()}
    shown |= {Path(prefix, name) for prefix in prefixes for name in ("lib", "lib64")}
    steps = {place: ["--ro-bind", str(place), str(place)] for place in shown if place.exists()}
    for place in (PACKAGES / "autograder", course.ROOT.resolve()):
        if any(place.is_relative_to(path.resolve()) for path in steps):
            steps[place] = ["--tmpfs", str(place)]
    places = sorted(steps, key=lambda path: len(path.parts))
    folders = sorted({folder for place in places for folder in place.parents[:-1]}, key=lambda path: len(path.parts))
    words = [word for folder in folders for word in ("--dir", str(folder))]  # else bwrap makes them for its user alone
    return [*words, *(word for place in places for word in steps[place])]
