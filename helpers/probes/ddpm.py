"""Probes of notebook 04, first half: data, schedules, the forward process, the networks and the conversions."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from helpers.probes import WrongType, need, probe, repeated, to_array, turns
from helpers.probes.vpsde import tensor

WIDTH = 128


def changed(before: list[torch.Tensor], after: list[torch.Tensor]) -> float:
    """How many of these tensors are not what they were."""
    return float(sum(not torch.equal(one, two) for one, two in zip(before, after, strict=True)))


def comes_again(what: str, draw: Callable[..., Any]) -> float:
    """The share of its numbers that comes a second time: "again" if both calls are handed one generator, "new" if none."""
    return repeated(draw if what == "again" else lambda generator: draw())


def bytes_each(result: Any) -> float:
    """How many bytes a number of this tensor takes; negative for integers."""
    return float(tensor(result).element_size() * (1 if result.is_floating_point() else -1))


# ------------------------------------------------------------------------------------------------------------ the data


@probe("ddpm.mixture")
def mixture(case: SimpleNamespace, sample_mixture: Any) -> Any:
    """The share of numbers that comes again ("again", "new"), rows of one call ("rows"), how far each is from the nearer centre ("around"), their mean squares ("size"), how many are far from both ("far") and the
    type of the numbers ("type"); or of many calls all rows ("calls"), the mean row of each ("means"), the mean way from the
    nearer centre ("around_means") and how often the part of them on the right is not within limits ("parts")."""
    generator = torch.Generator().manual_seed(torch.initial_seed() + 1)
    if case.view == "type":
        return bytes_each(sample_mixture(case.n, generator=generator))

    if case.view in ("again", "new"):
        return comes_again(case.view, lambda **given: _rows(sample_mixture(case.n, **given), case.n))

    def around(rows: np.ndarray) -> np.ndarray:
        return rows - np.where(rows > 0, case.centre, -case.centre)

    if case.view in ("calls", "means", "around_means", "parts"):
        calls = [
            _rows(sample_mixture(case.n, **given), case.n) for _, given in zip(range(case.calls), turns(), strict=False)
        ]
        if case.view == "parts":
            return float(sum(not case.low < (rows > 0).mean() < case.high for rows in calls))
        if case.view == "calls":
            return np.concatenate(calls)
        return np.stack([around(rows) if case.view == "around_means" else rows for rows in calls]).mean(1)
    rows = _rows(sample_mixture(case.n, generator=generator), case.n)
    if case.view == "rows":
        return rows
    if case.view == "size":
        return (around(rows) ** 2).reshape(-1, 200).mean(1)
    return around(rows) if case.view == "around" else float((np.abs(around(rows)) > case.radius).sum())


def _rows(result: Any, n: int) -> np.ndarray:
    rows = to_array(result)
    if rows.shape != (n, 1):
        raise WrongType(f"returned the shape {list(rows.shape)} for n = {n}")
    return rows


@probe("ddpm.normalize")
def normalize(case: SimpleNamespace, statistics: Any, normalize: Any, denormalize: Any) -> Any:
    """The statistics of some data, numbers in new units, or what a second call gives and whether the inputs are unchanged."""
    if case.what == "statistics":
        if hasattr(case, "before"):
            statistics(case.before)
        mean, std = (tensor(part) for part in need(statistics(case.x), 2, "mean, std"))
        width = case.x.shape[1]
        if not mean.shape == std.shape == (width,):
            raise WrongType(
                f"returned the shapes {list(mean.shape)} and {list(std.shape)} for data of shape {list(case.x.shape)}"
            )
        return torch.stack([mean, std])
    convert = normalize if case.what == "normalize" else denormalize
    if not hasattr(case, "twice"):
        return tensor(convert(case.x, case.mean, case.std))
    inputs = [case.x, case.mean, case.std]
    before = [value.clone() for value in inputs]
    statistics(case.x)
    convert(*inputs)
    return changed(before, inputs)


# ------------------------------------------------------------------------------------------------------------ schedules


@probe("ddpm.betas")
def betas(case: SimpleNamespace, constant_betas: Any, linear_betas: Any, quadratic_betas: Any) -> Any:
    """A schedule with the numbers of the case or, if it has none, with the defaults; or the types of all three."""
    if case.schedule == "types":
        return [bytes_each(schedule(case.T)) for schedule in (constant_betas, linear_betas, quadratic_betas)]
    if case.schedule == "constant":
        return tensor(constant_betas(case.T, case.beta) if hasattr(case, "beta") else constant_betas(case.T))
    schedule = linear_betas if case.schedule == "linear" else quadratic_betas
    return tensor(schedule(case.T, case.first, case.last) if hasattr(case, "first") else schedule(case.T))


@probe("ddpm.cosine_betas")
def cosine_betas(case: SimpleNamespace, cosine_betas: Any) -> Any:
    """The schedule with the numbers that the case has; of a long one the length and both ends; or the type of the numbers."""
    given = {name: getattr(case, name) for name in ("s", "largest") if hasattr(case, name)}
    result = tensor(cosine_betas(case.T, **given))
    if case.what == "type":
        return bytes_each(result)
    if case.what == "ends":
        return torch.cat([torch.tensor([float(len(result))]), result[:4], result[-4:]])
    return result


@probe("ddpm.alpha_bar")
def alpha_bar(case: SimpleNamespace, alpha_bars: Any) -> Any:
    """The table for some betas; or the type of its numbers, for betas of float32 and of float64, and how many inputs have changed."""
    before = case.betas.clone()
    result = tensor(alpha_bars(case.betas))
    if case.what == "type":
        return [bytes_each(result), bytes_each(tensor(alpha_bars(case.betas.double()))), changed([before], [case.betas])]
    return result


# --------------------------------------------------------------------------------- the forward process and conversions

KINDS = ("eps", "x0", "v", "score")


def ask(case: SimpleNamespace, cls: Any, method: str, names: tuple[str, ...], kinds: tuple[str, ...] = ("",)) -> Any:
    """What a method of the student's process says for the inputs of these names, for each of the kinds one below the other.

    With `case.twice` instead: how many rows differ at a second call, and how many inputs and tables have changed by then.
    """
    return torch.cat([_ask(case, cls, method, names, kind) for kind in kinds])


def _ask(case: SimpleNamespace, cls: Any, method: str, names: tuple[str, ...], kind: str) -> torch.Tensor:
    inputs = [case.t.round().long() if name == "t" else getattr(case, name) for name in names]
    # the network is of another kind than the one asked for, so that it matters which of the two the code looks at
    process = cls(None, case.betas, KINDS[KINDS.index(kind) - 1] if kind else "eps")

    def call() -> torch.Tensor:
        result = tensor(getattr(process, method)(*inputs, *([kind] if kind else [])))
        if result.shape != inputs[0].shape:
            raise WrongType(f"returned the shape {list(result.shape)} for inputs of shape {list(inputs[0].shape)}")
        return result

    if not hasattr(case, "twice"):
        return call()
    held = [*inputs, *process.buffers()]
    before = [value.clone() for value in held]
    first = call().clone()
    return torch.tensor([float((first != call()).any(1).sum()), changed(before, held)])


@probe("ddpm.one_step")
def one_step(case: SimpleNamespace, cls: Any) -> Any:
    """x_t from x_{t-1}."""
    return ask(case, cls, "one_step", ("x_prev", "t", "noise"))


@probe("ddpm.q_sample")
def q_sample(case: SimpleNamespace, cls: Any) -> Any:
    """x_t from x_0."""
    return ask(case, cls, "q_sample", ("x0", "t", "noise"))


@probe("ddpm.to_x0")
def to_x0(case: SimpleNamespace, cls: Any) -> Any:
    """x_0 from a prediction of one kind, or of all ("every")."""
    return ask(case, cls, "to_x0", ("out", "x_t", "t"), KINDS if case.kind == "every" else (case.kind,))


@probe("ddpm.from_x0")
def from_x0(case: SimpleNamespace, cls: Any) -> Any:
    """A prediction of one kind, or of all ("every"), from x_0."""
    return ask(case, cls, "from_x0", ("x0", "x_t", "t"), KINDS if case.kind == "every" else (case.kind,))


@probe("ddpm.broadcast")
def broadcast(case: SimpleNamespace, broadcast_loss: Any) -> Any:
    """The value for two given tensors, repeated so often that a square of them fits into no memory if the case says so."""
    repeats = getattr(case, "repeats", 1)
    return broadcast_loss(case.predicted.repeat(repeats), case.noise.repeat(repeats))


# --------------------------------------------------------------------------------------------------------- the networks


def predictor_weights(numbers: np.ndarray) -> dict[str, np.ndarray]:
    """Weights for the network 2 -> 128 -> 128 -> 1, made of a few numbers over and over.

    The middle matrix is symmetric and both hidden layers have the same bias, so that neither the order nor the orientation in
    which somebody keeps the weights matters. The weights for t are so small that t of some hundreds fit.
    """
    names = {"x": (WIDTH,), "t": (WIDTH,), "bias": (WIDTH,), "middle": (WIDTH, WIDTH), "last": (WIDTH,), "last_bias": (1,)}
    values, start = {}, 0
    for name, shape in names.items():
        index = start + np.arange(int(np.prod(shape)))
        values[name] = np.resize(numbers, index[-1] + 1)[index].reshape(shape)
        start = int(index[-1] + 1) % len(numbers)
    values["t"] = values["t"] / 100
    values["middle"] = (values["middle"] + values["middle"].T) / np.sqrt(2 * WIDTH)
    return values


def _parts(model: Any) -> dict[str, list[torch.Tensor]]:
    """The parameters by their role, told by their shapes: the two input columns, the middle, the last matrix, the biases."""
    parameters = [p.data for p in model.parameters()]
    shapes = [tuple(p.shape) for p in parameters]
    columns = [column for p in parameters if p.shape == (WIDTH, 2) for column in p.T]
    columns += [row for p in parameters if p.shape == (2, WIDTH) for row in p]
    single = [p.view(-1) for p in parameters if p.ndim == 2 and sorted(p.shape) == [1, WIDTH]]
    if not columns and len(single) == 3:  # one layer for x and one for t, added: they lie the other way than the last one
        sides = [s for s in shapes if sorted(s) == [1, WIDTH]]
        last = next(i for i, side in enumerate(sides) if sides.count(side) == 1) if len(set(sides)) == 2 else 2
        columns, single = [row for i, row in enumerate(single) if i != last], [single[last]]
    parts = {
        "columns": columns,
        "middle": [p for p in parameters if p.shape == (WIDTH, WIDTH)],
        "last": single,
        "bias": [p for p in parameters if p.shape == (WIDTH,)],
        "last_bias": [p.view(-1) for p in parameters if p.numel() == 1],
    }
    if {name: len(found) for name, found in parts.items()} != {
        "columns": 2, "middle": 1, "last": 1, "bias": 2, "last_bias": 1
    }:  # fmt: skip
        raise WrongType(f"made a network whose parameters have the shapes {[list(s) for s in shapes]}")
    return parts


def _load(model: Any, case: SimpleNamespace) -> None:
    """Put the case's weights into the network; whether x or t comes first is found out by asking it."""
    parts, weights = _parts(model), predictor_weights(case.numbers.double().numpy())
    values = {name: torch.tensor(value, dtype=torch.float32) for name, value in weights.items()}
    for name in ("middle", "last", "bias", "last_bias"):
        for part in parts[name]:
            part.copy_(values[name])
    first, second = parts["columns"]
    first.copy_(values["x"])
    second.zero_()
    with torch.no_grad():
        x = torch.full((2, 1), 0.7)
        sees_t = not torch.equal(*(tensor(model(x, torch.full((2,), t))) for t in (1, 40)))
    for column, name in zip((first, second), ("t", "x") if sees_t else ("x", "t"), strict=True):
        column.copy_(values[name])


@probe("ddpm.noise_predictor")
def noise_predictor(case: SimpleNamespace, cls: Any) -> Any:
    """The network's answers with given weights ("out"), how many numbers it learns ("count"), whether its answers repeat
    themselves ("again"), whether all weights get gradients ("grad"), whether fresh weights differ ("fresh"), and whether x gets none or
    two networks share some ("own")."""
    model = cls()
    x, t = case.x, case.t.round().long()
    model(x, t)
    if case.what == "count":
        return float(sum(p.numel() for p in model.parameters() if p.requires_grad))
    if case.what == "fresh":
        parts = _parts(model)
        units = torch.stack([*parts["columns"], parts["bias"][0]], dim=1)
        full = torch.linalg.matrix_rank(parts["middle"][0]) > WIDTH // 2
        return [float(len(units.unique(dim=0)) == WIDTH), float(full)]
    if case.what == "own":
        _load(model, case)
        x.requires_grad_()
        tensor(model(x, t)).sum().backward()
        mine, others = ({id(parameter) for parameter in network.parameters()} for network in (model, cls()))
        return [float(x.grad is None or not bool(x.grad.any())), float(bool(mine & others))]
    _load(model, case)
    out = tensor(model(x, t))
    if case.what == "again":
        before = [value.clone() for value in (x, t)]
        return [float(torch.equal(out, tensor(model(x, t)))), changed(before, [x, t])]
    if case.what == "grad":
        if not out.requires_grad:
            raise WrongType("returned a tensor that is cut off from the network's parameters, so that no gradient can flow")
        out.sum().backward()
        return float(all(p.grad is not None and bool(p.grad.any()) for p in model.parameters()))
    return out


@probe("ddpm.time_features")
def time_features(case: SimpleNamespace, time_features: Any) -> Any:
    """The features of some t, or the type of the numbers and whether t has changed."""
    t = case.t.round().long()
    before = t.clone()
    result = tensor(
        time_features(t, case.T, tuple(case.rates.tolist())) if hasattr(case, "rates") else time_features(t, case.T)
    )
    return [bytes_each(result), changed([before], [t])] if case.what == "type" else result
