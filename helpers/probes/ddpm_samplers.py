"""Probes of notebook 04's second half: losses, training, posterior and samplers on networks whose output is known at every t."""

from __future__ import annotations

from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import nn

from helpers.probes import WrongType, need, probe, turns
from helpers.probes.ddpm import comes_again
from helpers.probes.vpsde import Listener, heard, look_at, mean_squares, sums, tensor


def steps_of(t: torch.Tensor, last: int) -> torch.Tensor:
    """t as indices; a sentence if they are not whole numbers from 0 to `last`."""
    if t.is_floating_point() and not bool((t == t.round()).all()):
        raise ValueError("the network was given a t that is not a whole number")
    t = t.detach().long()
    if bool((t < 0).any()) or bool((t > last).any()):
        raise ValueError(f"the network was given a t far outside 1 ... {last - 1}")
    return t


class Steps(nn.Module):
    """An affine network with a matrix and an offset of its own at each t = 0 ... T + 1: theta (T + 2, d, d + 1), the offset last."""

    def __init__(self, theta: torch.Tensor) -> None:
        super().__init__()
        self.theta = nn.Parameter(theta.clone())

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The output at x (B, d), integer t (B,)."""
        look_at(x, t, self.theta.shape[1])
        t = steps_of(t, len(self.theta) - 1)
        inputs = nn.functional.pad(x, (0, 1), value=1.0)
        if len(t) and bool((t == t[0]).all()):  # one t for all rows, as in a sampler: one matrix
            return inputs @ self.theta[t[0]].T.to(x)
        return torch.einsum("bij,bj->bi", self.theta[t].to(x), inputs)


class Bands:
    """Knows the noise in rows of one number and adds 1 to it where its size is in a band; scale and shift are (T + 2,)."""

    def __init__(self, scale: torch.Tensor, shift: torch.Tensor, low: float, high: float) -> None:
        self.scale, self.shift, self.low, self.high = scale, shift, low, high

    def __call__(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The output at x (B, d), integer t (B,)."""
        look_at(x, t, x.shape[-1])
        t = steps_of(t, len(self.scale) - 1)[:, None]
        known = torch.addcmul(self.shift[t].to(x), x, self.scale[t].to(x))
        return known + ((known.abs() >= self.low) & (known.abs() < self.high))


def silent(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """A network that says 0."""
    look_at(x, t, x.shape[-1])
    return torch.zeros_like(x)


def process(case: SimpleNamespace, cls: Any, network: Any) -> Any:
    """The student's process with the schedule and the kind of prediction of the case."""
    return cls(network, case.betas, predicts=getattr(case, "kind", "eps"))


# --------------------------------------------------------------------------------------------------------------- losses


def losses(case: SimpleNamespace, cls: Any, method: str) -> Any:
    """Losses of rows that are all alike (x0), listed (rows) or fresh normals (mean, factor); or their gradients.

    Where there are many calls, every other one is in eval mode; of those that listen to the noise of a few numbers ("alone"), two get no
    generator and two the same one.
    """
    if case.what in ("bands", "far"):
        return banded(case, cls, method)
    if case.what in ("size", "alone", "shared"):
        network, last = Listener(), len(case.scale) - 1
        call, given = getattr(process(case, cls, network), method), turns() if case.what == "alone" else repeat({})
        x0 = torch.zeros(case.B, case.dim)
        return heard(case, network, lambda: call(x0.clone(), **next(given)), lambda t: case.scale[steps_of(t, last)])
    if case.what == "times":
        found = []
        for theta in case.thetas:  # one network for each t, wrong at that t only
            call = getattr(process(case, cls, Steps(theta)), method)
            found.append(torch.stack([tensor(call(case.x0.repeat(case.B, 1))).detach().mean() for _ in range(case.count)]))
        return torch.stack(found, dim=1)
    network = Steps(case.theta)
    made = process(case, cls, network)
    call = getattr(made, method)
    if case.what == "mode":
        found = []
        for training in (False, True):
            made.train(training)
            call(case.rows)
            found.append(float(made.training != training or network.training != training))
        return found
    if case.what in ("again", "new"):
        return comes_again(
            case.what, lambda **given: torch.stack([tensor(call(case.rows, **given)) for _ in range(case.count)])
        )
    if case.what == "column":
        value = tensor(call(case.x0.repeat(case.n, 1)))
        return value[:, None] if value.ndim == 1 else value
    found = []
    for number in range(case.count):
        made.train(number % 2 == 0 and not hasattr(case, "eval"))
        network.theta.grad = None
        x0 = case.rows if hasattr(case, "rows") else case.mean + torch.randn(case.B, len(case.factor)) @ case.factor.T
        value = tensor(call(x0))
        if case.what == "gradient":
            value.mean().backward()
            value = torch.zeros_like(case.theta) if network.theta.grad is None else network.theta.grad
        elif case.what == "mean":
            if value.shape != x0.shape[:1]:
                raise WrongType(f"returned the shape {list(value.shape)} for {len(x0)} rows")
            value = value.mean()
        found.append(value.detach().clone())
    return torch.stack(found)


def banded(case: SimpleNamespace, cls: Any, method: str) -> Any:
    """Losses of networks that are wrong by 1 wherever the noise's size is in a band."""
    found = []
    for low, high in case.bands:
        network = Bands(case.scale, case.shift, float(low), float(high))
        x0 = torch.full((case.B, case.dim), float(case.value))
        call = getattr(process(case, cls, network), method)
        found.append(torch.stack([tensor(call(x0)).mean() for _ in range(case.count)]))
    table = torch.stack(found, dim=1)
    return 1.0 * (abs(table * case.B - case.middle) <= case.width) if case.what == "far" else table


@probe("ddpm.negative_elbo")
def negative_elbo(case: SimpleNamespace, cls: Any) -> Any:
    """The simplified objective of each row."""
    return losses(case, cls, "negative_elbo")


@probe("ddpm.loss")
def loss(case: SimpleNamespace, cls: Any) -> Any:
    """The loss of a batch, for each kind of prediction."""
    return losses(case, cls, "loss")


# ------------------------------------------------------------------------------------------------------------- training


class Course(nn.Module):
    """A loss with a known course, which tells the size of the batch and whether gradients are on; it notes the rows it saw.

    Attributes:
        seen: the first number of every row, for each call.
        silenced: calls with gradients on and the network in eval mode.
    """

    def __init__(self, start: torch.Tensor, per_row: float = 0.0, watched: float = 0.0) -> None:
        super().__init__()
        self.theta, self.per_row, self.watched = nn.Parameter(start.clone()), per_row, watched
        self.network = nn.Identity()
        self.seen: list[list[float]] = []
        self.silenced = 0

    def loss(self, x0: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        """The loss of a batch."""
        if x0.ndim != 2 or x0.shape[1] != len(self.theta):
            raise ValueError(f"ddpm.loss was given x0 of shape {tuple(x0.shape)}, it takes (B, {len(self.theta)}) here")
        self.seen.append(x0[:, 0].tolist())
        self.silenced += torch.is_grad_enabled() and not self.network.training
        extra = self.per_row * len(x0) + self.watched * torch.is_grad_enabled()
        return 0.5 * torch.dist(self.theta, x0.mean(0)).pow(2) + extra


@probe("ddpm.train_epochs")
@mock.patch("helpers.notebook.grading", lambda: True)  # no progress bars while checking
def train_epochs(case: SimpleNamespace, train: Any, cls: Any) -> Any:
    """The epochs of training on a loss with a known course."""
    if case.what == "course":
        course = Course(case.start, case.per_row, case.watched)
        optimizer = torch.optim.SGD(course.parameters(), lr=case.lr, momentum=case.momentum)
        pairs = train(course, case.row.repeat(case.n, 1), case.valid.repeat(case.m, 1), optimizer, case.epochs, case.batch)
        return [*np.ravel(plain_pairs(pairs)), *course.theta.tolist()]

    def batches(**given: Any) -> list[list[int]]:
        """The rows of each batch that was trained on."""
        course, rows = Course(torch.zeros(1)), torch.arange(case.n, dtype=torch.float32)[:, None]
        optimizer = torch.optim.SGD(course.parameters(), lr=0.01)
        train(course, rows, torch.full((3, 1), -1.0), optimizer, case.epochs, case.batch, **given)
        if case.what == "modes":
            return [[course.silenced]]
        found = [[int(row) for row in batch if row >= 0] for batch in course.seen]
        return [batch for batch in found if batch]

    if case.what in ("again", "new"):
        return comes_again(case.what, lambda **given: [row for batch in batches(**given) for row in batch])
    seen = batches(**({"generator": torch.Generator().manual_seed(torch.initial_seed() % 2**31)} if case.given else {}))
    if case.what == "modes":
        return min(seen[0][0], 1)
    if case.what == "sizes":
        return [len(batch) for batch in seen]
    if case.what == "once":
        return [sum(map(len, seen)), max(seen_wrongly(seen, case.n, case.epochs))]
    return mixing(seen, case)


def seen_wrongly(batches: list[list[int]], n: int, epochs: int) -> list[bool]:
    """For each epoch, whether its batches (a share of all of them) do not hold each of the n rows exactly once."""
    share = max(len(batches) // epochs, 1)
    return [sorted(chain(*batches[k * share : (k + 1) * share])) != list(range(n)) for k in range(epochs)]


def mixing(batches: list[list[int]], case: SimpleNamespace) -> list[bool]:
    """Whether numbers that tell how well rows are mixed are too far from what chance gives.

    They are: pairs of rows in one batch that are in one batch again in the next epoch, and neighbours in the data in one batch.
    Both are right if rows do not come exactly once: another property sees that.
    """
    if len(batches) < case.epochs or any(seen_wrongly(batches, case.n, case.epochs)):
        return [False] * 2
    share = len(batches) // case.epochs
    place = np.zeros((case.epochs, case.n), dtype=int)
    for number, batch in enumerate(batches):
        place[number // share, batch] = number % share
    together = place[:, :, None] == place[:, None, :]
    again = ((together[1:] & together[:-1]).sum() - case.n * (case.epochs - 1)) / 2
    neighbours = (place[:, 1:] == place[:, :-1]).sum()
    return list(abs(np.array([again, neighbours]) - case.middle.numpy()) > case.width.numpy())


def plain_pairs(history: Any) -> list[list[float]]:
    """The pairs that train_epochs returned, as floats."""
    if not isinstance(history, (list, tuple, np.ndarray)):
        raise WrongType(f"returned a {type(history).__name__}, expected a list of pairs of floats")
    for pair in history:
        if not isinstance(pair, (list, tuple, np.ndarray)) or len(pair) != 2:
            raise WrongType(f"returned a list with an entry {type(pair).__name__}, expected pairs of floats")
        for value in pair:
            if isinstance(value, torch.Tensor):
                graph = " that still hold the graph of their step (and its memory)" if value.requires_grad else ""
                raise WrongType(f"returned pairs with tensors{graph}: make them plain floats")
    return [[float(value) for value in pair] for pair in history]


# ------------------------------------------------------------------------------------------------ posterior and samplers


@probe("ddpm.posterior_mean")
def posterior_mean(case: SimpleNamespace, cls: Any) -> Any:
    """The posterior mean of rows, each with its own t."""
    return process(case, cls, silent).posterior_mean(case.x_t, case.x0, case.t.long())


@probe("ddpm.sample")
def sample(case: SimpleNamespace, cls: Any) -> Any:
    """Algorithm 2's samples."""
    return sampled(case, cls, "sample", {})


@probe("ddpm.sample_posterior")
def sample_posterior(case: SimpleNamespace, cls: Any) -> Any:
    """Samples through the posterior."""
    return sampled(case, cls, "sample_posterior", {} if case.stochastic == 2 else {"stochastic": bool(case.stochastic)})


def tails(case: SimpleNamespace, x: torch.Tensor) -> bool:
    """Whether about as many numbers as expected are more than 4.02 standard deviations from 0: of a start or of one step's noise."""
    return abs(int((x.abs() > 4.02 * x.std()).sum()) - case.middle) <= case.width


def sampled(case: SimpleNamespace, cls: Any, method: str, how: dict[str, Any]) -> Any:
    """What a sampler returns on a network that is known at every t; in many calls two get no generator and two the same one."""
    if hasattr(case, "given"):
        how = {**how, "generator": torch.Generator().manual_seed(torch.initial_seed() % 2**31 + 1)}
    if case.what in ("far", "size"):
        shape = (case.n, case.dim)
        one = tensor(getattr(cls(silent, case.betas[:1]), method)(shape, **how))
        two = tensor(getattr(cls(silent, case.betas), method)(shape, **how, x_T=torch.zeros(shape)))
        if case.what == "size":
            return torch.stack([mean_squares(one), mean_squares(two)], dim=1)
        return [tails(case, one), tails(case, two)]
    if case.what == "alone":  # many calls for one point each
        call, turn = getattr(cls(silent, case.betas), method), turns()
        return sums(case.calls, lambda rows: call((rows, case.dim), **how, x_T=torch.zeros(rows, case.dim), **next(turn)))
    call = getattr(process(case, cls, Steps(case.theta)), method)
    dim = case.theta.shape[1]
    if case.what in ("again", "new"):
        return comes_again(case.what, lambda **given: call((case.n, dim), **how, **given))
    if not hasattr(case, "x_T"):
        return call((case.n, dim), **how)
    x_T = case.x_T.repeat(case.n, 1) if case.x_T.ndim == 1 else case.x_T
    return call(tuple(x_T.shape), **how, x_T=x_T)


@probe("ddpm.sample_and_track")
def sample_and_track(case: SimpleNamespace, function: Any) -> Any:
    """The samples, and the history of sample 0."""
    units = {name: getattr(case, name) for name in ("mean", "std") if hasattr(case, name)}
    if case.what in ("far", "size"):
        one, _ = two_parts(function(silent, case.n, betas=case.betas[:1]))
        two, _ = two_parts(function(silent, case.n, betas=case.betas, x_T=torch.zeros(case.n, 1)))
        if case.what == "size":
            return torch.stack([mean_squares(one), mean_squares(two)], dim=1)
        return [tails(case, one), tails(case, two)]
    network = Steps(case.theta)
    if case.what == "default":
        samples, history = two_parts(function(network, case.n, **units))
        return torch.cat([samples.flatten(), torch.tensor([*history.shape, *samples.shape])])
    if hasattr(case, "x_T"):
        units["x_T"] = case.x_T.repeat(case.n // len(case.x_T), 1)
    if case.what in ("again", "new"):
        return comes_again(case.what, lambda **given: two_parts(function(network, case.n, betas=case.betas, **given))[0])
    if hasattr(case, "given"):
        units["generator"] = torch.Generator().manual_seed(torch.initial_seed() % 2**31 + 1)
    if case.what == "history":
        runs = [history_of(case, function(network, case.n, betas=case.betas, **units))[1] for _ in range(case.times)]
        return torch.cat([added(case, history)[:-1] / case.spread[:-1] for history in runs])[:, None]
    result = function(network, case.n, betas=case.betas, **units)
    if case.what == "both":
        return torch.cat([part.flatten() for part in two_parts(result)])
    samples, history = history_of(case, result)
    if samples.shape[:1] != (case.n,):
        raise WrongType(f"returned samples of shape {list(samples.shape)} for count = {case.n}")
    if case.what == "samples":
        return samples[:, None] if samples.ndim == 1 else samples
    return torch.stack([history[0], added(case, history)[-1], history[-1] - samples.flatten()[0]])


def history_of(case: SimpleNamespace, result: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples and history; a sentence if the history has another length than T + 1."""
    samples, history = two_parts(result)
    if history.shape != (len(case.betas) + 1,):
        raise WrongType(f"returned a history of shape {list(history.shape)} for T = {len(case.betas)}")
    return samples, history


def added(case: SimpleNamespace, history: torch.Tensor) -> torch.Tensor:
    """What each step of the history adds to its mean."""
    return history[1:] - torch.addcmul(case.offset.double(), case.slope.double(), history[:-1])


def two_parts(result: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples and history as tensors; lists of numbers are fine."""
    parts = []
    for name, part in zip(("samples", "history"), need(result, 2, "samples, history"), strict=True):
        if isinstance(part, (list, tuple)) and part and all(isinstance(entry, torch.Tensor) for entry in part):
            part = torch.stack([entry.detach() for entry in part])
        try:
            parts.append(torch.as_tensor(part).detach().to(torch.float64))
        except (TypeError, ValueError, RuntimeError):
            raise WrongType(f"returned {name} as a {type(part).__name__}, numbers were expected") from None
    return parts[0], parts[1]


# ------------------------------------------------------------------------------------------------------------ the bound


@probe("ddpm.kl_term")
def kl_term(case: SimpleNamespace, cls: Any) -> Any:
    """Terms of the bound for rows, or what a second network adds to those of the first."""
    t = case.t.long()
    terms = tensor(process(case, cls, Steps(case.theta)).kl_term(case.x0, case.x_t, t))
    if case.what == "terms":
        return terms
    return terms - tensor(process(case, cls, Steps(case.other)).kl_term(case.x0, case.x_t, t))
