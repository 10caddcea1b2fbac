"""Workers on other machines: a Dask scheduler's, as an executor like any other. See docs/cluster.md.

`dask.distributed` is optional: `pip install 'diffusion-labs[cluster]'`.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor

from autograder import grading, sandbox

PATIENCE = 30
"""Seconds in which a scheduler must answer."""

ROOM = 128
"""So many submissions are with a scheduler at a time: work for as many workers, and not a whole class in its memory."""


class Problem(RuntimeError):
    """Why the cluster cannot be used; the text says it in one sentence."""


@contextlib.contextmanager
def workers(address: str, assignment: str) -> Iterator[Executor]:
    """The workers of the scheduler at `address`, once those that are there are known to be graders like this one.

    Args:
        address: such as "tcp://10.0.0.1:8786" or "tls://...".
        assignment: name of the assignment that they will grade.

    Raises:
        Problem: if distributed is not installed, the scheduler does not answer, or a worker cannot grade; also if the body of
            the `with` statement meets a submission whose connection was lost.
    """
    try:
        import dask
        from distributed import Client
    except ImportError:
        raise Problem(
            "Grading on a cluster needs dask.distributed, which is not installed: pip install 'diffusion-labs[cluster]'."
        ) from None
    warnings.filterwarnings("ignore", message="Sending large graph")  # a notebook with figures is what we mean to send
    for name in ("distributed", "distributed.client", "distributed.comm.tcp", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what happens is said in sentences of ours
    dask.config.set({"distributed.comm.timeouts.connect": PATIENCE})
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise Problem(f"There is no scheduler that answers at {address} ({_first_line(error)}).") from None
    try:
        _look_at(client, assignment)
        yield client.get_executor(pure=False)
    except CancelledError:  # nobody but a lost connection cancels what was sent
        raise Problem(f"The scheduler at {address} went away; what was judged is kept: give the command again.") from None
    finally:
        with contextlib.suppress(Exception):  # a connection that is broken cannot be closed in order
            client.close(timeout=5)


def _look_at(client: object, assignment: str) -> None:
    """Refuse a cluster with a worker that would judge differently, or not at all."""
    try:
        found = client.run(standing, assignment, on_error="return")
    except (OSError, CancelledError) as error:
        raise Problem(f"The scheduler's workers cannot be asked what they are ({_first_line(error)}).") from None
    if not found:
        print("The scheduler has no worker yet; grading begins when the first one joins.", flush=True)
    ours = standing(assignment)
    for worker, theirs in found.items():
        if isinstance(theirs, Exception):
            raise Problem(
                f"The worker at {worker} cannot load this course ({type(theirs).__name__}: {_first_line(theirs)})."
            )
        if theirs != ours:
            raise Problem(f"The worker at {worker} {difference(ours, theirs)}.")


def standing(assignment: str) -> dict[str, str]:
    """What must be the same on every machine that grades: `grading.identity`, and a sandbox that works."""
    ready = sandbox.switched_off() or sandbox.problem() is None
    return {**grading.identity(assignment), "sandbox": "" if ready else sandbox.problem()}


def difference(ours: dict[str, str], theirs: dict[str, str]) -> str:
    """How another machine differs from this one, as the end of a sentence."""
    if theirs["sandbox"]:
        return f"has no sandbox for students' code: {theirs['sandbox']}; see docs/cluster.md"
    unlike = [what for what in ours if ours[what] != theirs.get(what)]
    return f"is not a grader like this machine; what differs: {', '.join(unlike)}"


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
