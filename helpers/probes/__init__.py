"""Probes: call a student's function or class on given inputs and hand back plain float arrays.

A probe knows no expected value. There is one per task, found by the task's name; `case` holds the inputs of one property as
attributes (lists arrive as float32 tensors, other values as they are), the rest are the objects named in the test cell.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import pkgutil
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from helpers.arrays import Observation

PROBES: dict[str, Callable[..., Any]] = {}
MAX_NUMBERS = 4_000_000


class WrongType(Exception):
    """The student's code returned something that is not an array of numbers."""


class TimeLimit(BaseException):
    """Raised inside student code that runs too long; a BaseException so that `except Exception` does not eat it."""


def probe(task: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as the probe of `task`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        PROBES[task] = function
        return function

    return register


def load() -> dict[str, Callable[..., Any]]:
    """All probes, by task."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return PROBES


def observe(task: str, item: dict[str, Any], objects: tuple[Any, ...], seconds: float = 10.0) -> dict[str, Observation]:
    """Run the probe of `task` on every property of the key item, quietly; `seconds` is the limit for all of them.

    Whatever the student's code does (an exception, a wrong type, chatter on stdout or stderr) becomes an observation.
    """
    import torch

    function = load()[task]
    observations: dict[str, Observation] = {}
    with quiet(), one_thread(), time_limit(seconds) as clock:
        for number, prop in enumerate(item["properties"]):
            if clock.over:
                observations[prop["name"]] = {"failed": "skipped", "text": "not tried, since the time was already used up"}
                continue
            seed = int(item["seed"]) + number
            np.random.seed(seed % 2**32)
            torch.default_generator.manual_seed(seed)  # torch.manual_seed does the same, in a hundred times as long
            if torch.cuda.is_initialized():
                torch.cuda.manual_seed_all(seed)
            case = SimpleNamespace(**{name: _tensor(value) for name, value in prop["inputs"].items()})
            given = {name: value for name, value in vars(case).items() if isinstance(value, torch.Tensor)}
            try:
                with unchanged(**given), settings_kept():
                    value = to_array(function(case, *objects))
                observations[prop["name"]] = {"value": value}
            except TimeLimit:
                clock.over = True
                text = f"did not finish within {seconds:g} s (an endless loop?)"
                observations[prop["name"]] = {"failed": "TimeLimit", "text": text}
            except WrongType as error:
                observations[prop["name"]] = {"failed": "WrongType", "text": str(error)}
            except (Exception, SystemExit) as error:
                observations[prop["name"]] = failure(error)
    return observations


def failure(error: BaseException) -> Observation:
    """An exception as an observation: its type, its message and the line of the student's cell that raised it."""
    text = " ".join(str(error).split())[:200]
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if _is_cell(frame.filename)]
    if isinstance(error, SyntaxError) and error.lineno and _is_cell(error.filename or ""):
        lines.append(error.lineno)
    where = f" (line {lines[-1]} of the cell)" if lines else ""
    return {"failed": type(error).__name__, "text": f"raised {type(error).__name__}{': ' if text else ''}{text}{where}"}


def _is_cell(filename: str) -> bool:
    return filename.startswith("<") or "ipykernel" in filename


def to_array(result: Any) -> np.ndarray:
    """A float64 array from whatever a right answer may return; WrongType says what is wrong with anything else."""
    if result is None:
        raise WrongType("returned None (is there a `return`?)")
    if hasattr(result, "detach"):
        result = result.detach().cpu().double().numpy()
    if not isinstance(result, (np.ndarray, np.generic, int, float, list, tuple)):
        raise WrongType(f"returned a {type(result).__name__}, a tensor was expected")
    try:
        array = np.asarray(result, dtype=np.float64)
    except (TypeError, ValueError):
        raise WrongType(f"returned a {type(result).__name__} that is not an array of real numbers") from None
    if array.size > MAX_NUMBERS:
        raise WrongType(f"returned {array.size:,} numbers, far more than asked for (shape {list(array.shape)})")
    return array


def need(result: Any, count: int, names: str) -> tuple[Any, ...]:
    """The parts of a returned tuple; WrongType when there are not `count` of them."""
    if not isinstance(result, (tuple, list)) or len(result) != count:
        got = f"{len(result)} values" if isinstance(result, (tuple, list)) else f"one {type(result).__name__}"
        raise WrongType(f"returned {got}, expected {count}: {names}")
    return tuple(result)


@contextlib.contextmanager
def unchanged(**tensors: Any) -> Iterator[None]:
    """WrongType if the code of the `with` block changes one of these tensors, which the caller still needs."""
    before = {name: value.detach().clone() for name, value in tensors.items()}
    yield
    for name, value in tensors.items():
        if value.shape != before[name].shape or bool((value.detach() != before[name]).any()):
            raise WrongType(
                f"changed a tensor that it was given ({name}), and whoever called it still needs the old numbers"
            )


@contextlib.contextmanager
def settings_kept() -> Iterator[None]:
    """WrongType if the code of the `with` block leaves torch with gradients switched off or on, or with another default type."""
    import torch

    before = torch.is_grad_enabled(), torch.get_default_dtype()
    try:
        yield
    finally:
        after = torch.is_grad_enabled(), torch.get_default_dtype()
        torch.set_grad_enabled(before[0])
        torch.set_default_dtype(before[1])
    if after[0] != before[0]:
        raise WrongType(f"left gradients switched {'on' if after[0] else 'off'} for everything that runs after it")
    if after[1] != before[1]:
        raise WrongType(f"left torch with {after[1]} as its default type for everything that runs after it")


def turns() -> Iterator[dict[str, Any]]:
    """Keyword arguments for many calls of something that draws: two calls get none, then two the generator, always the same one."""
    import torch

    given = {"generator": torch.Generator().manual_seed(torch.initial_seed() % 2**31 + 1)}
    return itertools.cycle([{}, {}, given, given])


def repeated(draw: Callable[..., Any]) -> float:
    """The share of its numbers that `draw(generator=...)` says again when it is handed the same generator a second time."""
    import torch

    generator = torch.Generator().manual_seed(torch.initial_seed() % 2**31 + 1)
    first, second = (to_array(draw(generator=generator)).copy() for _ in range(2))
    if first.shape != second.shape:
        raise WrongType(f"returned the shape {list(first.shape)} in one call and {list(second.shape)} in the next")
    return float((first == second).mean()) if first.size else 1.0


def balanced(rows: Any) -> float:
    """Whether rows add up to 0 in every column."""
    total = to_array(rows).sum(0)
    return float((np.abs(total) < 1e-3).all())


def _tensor(value: Any) -> Any:
    import torch

    if isinstance(value, (list, np.ndarray)):
        return torch.tensor(np.asarray(value, dtype=np.float64), dtype=torch.float32)
    return value


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what is written or displayed: nbgrader gives 0 to a test cell with anything on stderr."""
    from IPython.utils.capture import capture_output

    with open(os.devnull, "w") as null:
        saved = os.dup(2)
        os.dup2(null.fileno(), 2)
        try:
            with capture_output(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work with one thread: the inputs are small, and on a busy machine threads that wait for each other cost seconds."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


PATIENCE = 3
"""How many seconds may pass on the clock for each second of computing that a time limit allows."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[SimpleNamespace]:
    """Raise TimeLimit in the code of the `with` block after `seconds` of computing, or `PATIENCE` times as many of waiting.

    Computing counts, so that a right answer passes on a busy machine too. (Only where the system has interval timers.)
    """
    clock = SimpleNamespace(over=False)
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield clock
        return

    def ring(_signal: int, _frame: Any) -> None:
        raise TimeLimit

    clocks = ((signal.ITIMER_PROF, signal.SIGPROF, seconds), (signal.ITIMER_REAL, signal.SIGALRM, PATIENCE * seconds))
    before = [signal.signal(number, ring) for _, number, _ in clocks]
    for timer, _, limit in clocks:
        signal.setitimer(timer, limit, 1.0)  # again each second, in case a bare `except` caught the first
    try:
        yield clock
    finally:
        for (timer, number, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)
