"""Probes of notebook 06: samplers on networks with coefficients of their own for each t and number, some of which count their calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from helpers.probes import WrongType, probe
from helpers.probes.ddpm import changed
from helpers.probes.ddpm_samplers import tails
from helpers.probes.mnist import like, row_of
from helpers.probes.vpsde import tensor


class Table:
    """An affine model with a factor and an offset for each t = -1 ... T and number: theta (T + 2, 2, ...), the offsets last.

    No right answer asks for t = -1 or T. With `counts` (K,) the k-th call since the start also adds counts[k], the last one if
    there are more calls.
    """

    def __init__(self, case: SimpleNamespace) -> None:
        self.theta, self.alpha_bar = case.theta, case.bars
        self.counts, self.calls = getattr(case, "counts", torch.zeros(1)), 0

    def __call__(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The output at x (B, ...), integer t (B,)."""
        for name, value in (("x", x), ("t", t)):
            if not isinstance(value, torch.Tensor):
                raise TypeError(f"the model was given a {type(value).__name__} as {name}, it takes tensors")
        if t.is_floating_point() and bool((t != t.round()).any()):
            raise ValueError("the model was given times between the whole numbers")
        if t.is_floating_point() or t.dtype == torch.bool:
            raise TypeError(f"the model was given times of type {t.dtype}, it takes whole numbers (int64)")
        if x.ndim < 2 or x.shape[-1] != self.theta.shape[-1] or x.ndim != self.theta.ndim - 1:
            raise ValueError(
                f"the model was given x of shape {tuple(x.shape)}, here the last number is {self.theta.shape[-1]}"
            )
        if t.shape != x.shape[:1]:
            raise ValueError(f"the model was given t of shape {tuple(t.shape)}, with these x it takes ({len(x)},)")
        index = row_of(t, len(self.theta))
        if len(t) and bool((t == t[0]).all()):
            index = index[:1]
        factor, offset = self.theta[index].to(x).unbind(1)
        extra = self.counts[min(self.calls, len(self.counts) - 1)].to(x)
        self.calls += 1
        return torch.addcmul(offset + extra, factor, x)


COUNTS = {
    "size": lambda case, x: x.square().flatten(1).mean(1),
    "far": tails,
    "distinct": lambda case, x: float(len(x.abs().unique())),
    "signs": lambda case, x: [float((x < 0).any()), float((x > 0).any())],
}
"""What can be counted in random numbers; rows of x are draws."""


def refused(function: Any, *arguments: int) -> float:
    """1 if the call raises a ValueError."""
    try:
        function(*arguments)
    except ValueError:
        return 1.0
    return 0.0


@probe("ddim.timesteps")
def timesteps(case: SimpleNamespace, ddim_timesteps: Any) -> Any:
    """The chosen times, or for pairs (T, n) whether they are refused."""
    if case.what == "refuse":
        return [refused(ddim_timesteps, int(T), int(n)) for T, n in case.pairs]
    if case.what == "each":
        each = [tensor(ddim_timesteps(case.T, int(n))).flatten() for n in case.counts]
        if not all(map(len, each)):
            raise WrongType("returned no times at all")
        return [[float(value) for value in (len(times), times[0], times[-1], times.sum())] for times in each]
    times = tensor(ddim_timesteps(case.T, case.n))
    if times.is_floating_point():
        raise WrongType(
            f"returned times of type {str(times.dtype).removeprefix('torch.')}, they have to be whole numbers (int64)"
        )
    return times


@probe("ddim.sigma")
def sigma(case: SimpleNamespace, ddim_sigma: Any) -> Any:
    """The standard deviations, or how many inputs have changed afterwards."""
    held = [torch.as_tensor(case.here), torch.as_tensor(case.there)]
    before = [value.clone() for value in held]
    result = like(ddim_sigma(case.eta, *held), held[0])
    return changed(before, held) if case.what == "kept" else result


def wide(x: torch.Tensor, case: SimpleNamespace) -> torch.Tensor:
    """x (1, d) as a batch of equal rows (n, inner, d), or (n, d)."""
    return x.expand(case.n, case.inner, -1).contiguous() if hasattr(case, "inner") else x.repeat(case.n, 1)


def rows(x: torch.Tensor) -> torch.Tensor:
    """(n, inner, d) as rows of d numbers."""
    return x.reshape(-1, x.shape[-1])


def step_inputs(case: SimpleNamespace) -> tuple[list[torch.Tensor], dict[str, Any]]:
    """The four tensors and the options of a step."""
    x_t, eps = (wide(x, case) if hasattr(case, "n") else x.clone() for x in (case.x_t, case.eps))
    given = {name: getattr(case, name) for name in ("eta", "noise") if hasattr(case, name)}
    return [x_t, eps, torch.tensor(case.here), torch.tensor(case.there)], given


@probe("ddim.step")
def step(case: SimpleNamespace, ddim_step: Any) -> Any:
    """One step: its numbers, its rows, the size of its noise, how many numbers are far out, or what it changes."""
    inputs, given = step_inputs(case)
    held = [*inputs, *(value for value in given.values() if isinstance(value, torch.Tensor))]
    before = [value.clone() for value in held]
    result = like(ddim_step(*inputs, **given), inputs[0])
    if case.what == "kept":
        return changed(before, held)
    if case.what == "again":
        return float((ddim_step(*inputs, **given) == result).flatten(1).all(1).sum())
    if case.what == "more":
        x_t, eps, *levels = inputs
        longer = like(
            ddim_step(torch.cat([x_t, x_t[:8]]), torch.cat([eps, eps[:8]]), *levels, **given), torch.cat([x_t, x_t[:8]])
        )
        return float((longer[: len(x_t)] == result).double().mean())
    if case.what in COUNTS:
        return COUNTS[case.what](case, result)
    return rows(result) if case.what == "rows" else result


def drawn(case: SimpleNamespace, ddim_sample: Any, **more: Any) -> torch.Tensor:
    """Samples of the case's shape, or with path=True the whole way."""
    given = {"eta": case.eta} if hasattr(case, "eta") else {}
    shape = tuple(case.shape.int().tolist())
    if hasattr(case, "x_T"):
        given["x_T"] = case.x_T.expand(shape).contiguous()
    before = [given["x_T"].clone()] if "x_T" in given else []
    result = tensor(ddim_sample(Table(case), shape, case.steps, **given, **more))
    expected = (case.steps + 1, *shape) if more.get("path") else shape
    if result.shape != expected:
        raise WrongType(f"returned the shape {list(result.shape)}, expected {list(expected)}")
    if case.what == "kept":
        return torch.tensor(changed(before, [given["x_T"]]))
    return result


@probe("ddim.sample")
def sample(case: SimpleNamespace, ddim_sample: Any) -> Any:
    """Samples, ways, rows of either, the size of their numbers, how many are far out, or what changes."""
    if case.what == "again":
        return float((drawn(case, ddim_sample) == drawn(case, ddim_sample)).flatten(1).all(1).sum())
    if case.what == "path":
        return drawn(case, ddim_sample, path=True)
    if case.what == "joint":  # all x of a way but the last, which follows from the one before
        return drawn(case, ddim_sample, path=True)[:-1].flatten(1).T
    result = drawn(case, ddim_sample)
    if case.what in COUNTS:
        return COUNTS[case.what](case, result)
    return rows(result) if case.what == "rows" else result


@probe("ddim.invert")
def invert(case: SimpleNamespace, ddim_invert: Any) -> Any:
    """The noise of data, or what has changed afterwards."""
    model, x = Table(case), case.x.clone()
    given = {"rounds": case.rounds} if hasattr(case, "rounds") else {}
    held = [x, model.alpha_bar]
    before = [value.clone() for value in held]
    result = like(ddim_invert(model, x, case.steps, **given), x)
    if case.what == "again":
        model.calls = 0
        again = like(ddim_invert(model, x, case.steps, **given), x)
        return float(((again - result).abs() > 1e-5).flatten(1).any(1).sum())
    return changed(before, held) if case.what == "kept" else result
