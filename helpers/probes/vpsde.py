"""Probes of notebook 03: the process, the losses and the samplers on networks whose output is known at every (x, t)."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from helpers.data import ExactScore, normal_mixture
from helpers.probes import WrongType, balanced, need, probe, repeated, turns, unchanged


def look_at(x: Any, t: Any, dim: int) -> None:
    """Refuse x and t that a network made for x (B, dim) and t (B,) could not take."""
    for name, value in (("x", x), ("t", t)):
        if not isinstance(value, torch.Tensor):
            raise TypeError(
                f"the network was given a {type(value).__name__} as {name}, it takes tensors x (B, d) and t (B,)"
            )
    if x.ndim != 2 or x.shape[1] != dim:
        raise ValueError(f"the network was given x of shape {tuple(x.shape)}, it takes (B, {dim}) here")
    if t.shape != x.shape[:1]:
        raise ValueError(f"the network was given t of shape {tuple(t.shape)}, with these x it takes ({len(x)},)")


class Table:
    """An affine network M(t) x + m(t) that is known at some times and linear in between."""

    def __init__(self, times: torch.Tensor, matrices: torch.Tensor, offsets: torch.Tensor) -> None:
        order = times.argsort()
        self.times, self.matrices, self.offsets = times[order], matrices[order], offsets[order]

    def __call__(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The output at x (B, d), t (B,)."""
        look_at(x, t, self.offsets.shape[1])
        if len(t) and bool((t == t[0]).all()):  # one time for all rows, as in a sampler: one matrix
            return x @ between(self.times, self.matrices, t[:1])[0].T.to(x) + between(self.times, self.offsets, t[:1]).to(x)
        matrices, offsets = between(self.times, self.matrices, t), between(self.times, self.offsets, t)
        return torch.einsum("bij,bj->bi", matrices.to(x), x) + offsets.to(x)


def between(times: torch.Tensor, values: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Piecewise linear interpolation of `values`, known at increasing `times`; constant outside."""
    t = t.detach().to(times).clamp(times[0], times[-1])
    right = torch.searchsorted(times, t).clamp(1, len(times) - 1)
    share = ((t - times[right - 1]) / (times[right] - times[right - 1])).reshape(-1, *[1] * (values.ndim - 1))
    return torch.lerp(values[right - 1], values[right], share)


class Polynomial(nn.Module):
    """An affine network whose matrix and offset are polynomials in t; `theta` is (powers, d, d + 1), the offset last.

    With `early` it fades as (1 - t)^early, with `late` as t^late.
    """

    def __init__(self, theta: torch.Tensor, early: int = 0, late: int = 0) -> None:
        super().__init__()
        self.theta, self.early, self.late = nn.Parameter(theta.clone()), early, late

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The output at x (B, d), t (B,)."""
        look_at(x, t, self.theta.shape[1])
        powers = t[:, None] ** torch.arange(self.late, self.late + len(self.theta)) * (1 - t[:, None]) ** self.early
        inputs = nn.functional.pad(x, (0, 1), value=1.0)
        return torch.einsum("bk,kij,bj->bi", powers.to(x), self.theta.to(x), inputs)


def tensor(value: Any) -> torch.Tensor:
    """The value itself if it is a tensor."""
    if not isinstance(value, torch.Tensor):
        raise WrongType(f"returned a {type(value).__name__}, a tensor was expected")
    return value


def process(case: SimpleNamespace, cls: Any, network: Any = None) -> Any:
    """The student's process with the noise rates of the case."""
    return cls(network, case.beta_min, case.beta_max)


def by_turns(made: nn.Module, method: str) -> Callable[..., Any]:
    """The method of this name, for many calls: ten in train mode, ten in eval mode, and so on."""
    modes = itertools.cycle([True] * 10 + [False] * 10)

    def call(*inputs: Any, **given: Any) -> Any:
        mode = next(modes)
        if made.training != mode:
            made.train(mode)
        return getattr(made, method)(*inputs, **given)

    return call


class Listener(nn.Module):
    """A network that says 0 and notes which x and t it is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(1))
        self.asked: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Zeros of the shape of x."""
        self.asked.append((x.detach().clone(), t.detach().clone()))
        return self.theta * torch.zeros_like(x)


def heard(case: SimpleNamespace, network: Listener, call: Callable[[], Any], scale: Callable[[torch.Tensor], Any]) -> Any:
    """The noise that a loss gives its network when all data are 0, as x / scale(t), from `case.count` calls of it.

    Args:
        case: B rows of `dim` numbers in each batch; `what` is "size", "alone", "again", "shared", "times" or "same".
        call: computes the loss of a batch of zeros with this network.
        scale: the standard deviation of the noise at times (B,).

    Returns:
        For "size" the mean square of each row (count B,), with a `radius` as in `mean_squares`. For "alone" and "again" all rows. For "shared"
        whether neighbouring rows have noise in common, and whether other rows have, by the limits of the case. For "times" the
        means of t and of |2t - 1| in each batch (count, 2). For "same" 1 if more than `most` rows have the t of another row of their batch.
    """
    found, times = [], []
    for _ in range(case.count):
        network.asked.clear()
        call()
        rows = sum(len(x) for x, _ in network.asked)
        if rows < case.B:
            raise WrongType(f"asked the network about {rows} rows of a batch of {case.B}")
        x, t = (torch.cat(parts)[: case.B] for parts in zip(*network.asked, strict=True))
        found.append(x.flatten(1) / scale(t).reshape(-1, 1).clamp(min=1e-6))  # a t of 0 may come up, where there is no noise
        times.append(t.double())
    noise = torch.stack(found).double()
    if case.what == "times":
        t = torch.stack(times)
        return torch.stack([t, (2 * t - 1).abs()], dim=2).mean(1)
    if case.what == "same":
        return float(sum(len(t) - len(t.unique()) for t in times) > case.most)
    if case.what in ("alone", "again"):
        return noise.flatten(0, 1)
    if case.what == "size":
        return mean_squares(noise, case.dim, getattr(case, "radius", None))
    products = torch.einsum("cik,cjk->ij", noise, noise) / (case.count * case.dim)
    rows, columns = torch.triu_indices(case.B, case.B, 2)
    others = products[rows, columns]
    return [
        float((products.diagonal(1) > case.pair).any()),
        float((others > case.pair).any() or others.mean() > case.average),
    ]


def sums(calls: int, call: Callable[[int], Any]) -> torch.Tensor:
    """What the rows of a call add up to, over the root of their number: (calls, d) for `calls` calls of `call(rows)`.

    The calls ask for one row and for four rows in turn. Normal rows of mean 0 that are independent give sums of the law of one
    row; rows that have noise in common give others, whether of the same or of opposite signs, and in whatever order.
    """
    parts = []
    for rows in (1 + 3 * (k % 2) for k in range(calls)):
        part = tensor(call(rows)).detach()
        if part.ndim < 2 or len(part) != rows:
            raise WrongType(
                f"returned the shape {list(part.shape)} when {rows} row{'s were' * (rows > 1) or ' was'} asked for"
            )
        parts.append(part.flatten(1).sum(0) / rows**0.5)
    return torch.stack(parts)


def mean_squares(numbers: torch.Tensor, width: int = 200, radius: float | None = None) -> torch.Tensor:
    """Mean squares of so many numbers at a time, whatever shape they have; with a radius also the share of them beyond it."""
    rows = tensor(numbers).detach().double().reshape(-1, width)
    squares = rows.square().mean(1)
    return squares if radius is None else torch.stack([squares, (rows.abs() > radius).double().mean(1)], dim=1)


# ------------------------------------------------------------------------------------------------- the forward process


@probe("vpsde.alpha")
def alpha(case: SimpleNamespace, cls: Any) -> Any:
    """alpha at some times."""
    return process(case, cls).alpha(torch.as_tensor(case.t))


@probe("vpsde.sigma")
def sigma(case: SimpleNamespace, cls: Any) -> Any:
    """sigma at some times."""
    return process(case, cls).sigma(torch.as_tensor(case.t))


@probe("vpsde.coefficients")
def coefficients(case: SimpleNamespace, cls: Any) -> Any:
    """Drift or diffusion, each row at its own time."""
    flow = process(case, cls)
    return flow.drift(case.x, case.t) if case.what == "drift" else flow.diffusion(case.t)


@probe("vpsde.perturb")
def perturb(case: SimpleNamespace, cls: Any) -> Any:
    """The noise, or what is left of x_t when data and noise are taken out."""
    if case.what == "sum":
        x0, t = case.point.repeat(case.n, 1), case.t.repeat(case.n // len(case.t))
    elif case.what in ("rest", "large"):
        x0, t = case.x0, case.t
    else:
        x0, t = torch.ones(case.n, case.dim), torch.linspace(0.1, 0.9, case.n)
    flow = process(case, cls)
    if case.what == "again":
        return repeated(lambda generator: tensor(need(flow.perturb(x0, t, generator=generator), 2, "x_t, eps")[1]))
    if case.what == "balance":
        return [balanced(tensor(need(flow.perturb(x0[:n], t[:n]), 2, "x_t, eps")[1])) for n in (4, 5)]
    if case.what == "alone":
        call, turn = by_turns(flow, "perturb"), turns()
        return sums(case.calls, lambda rows: need(call(x0[:rows], t[:rows], **next(turn)), 2, "x_t, eps")[1])
    x_t, eps = need(flow.perturb(x0, t), 2, "x_t, eps")
    if case.what in ("noise", "size"):
        return mean_squares(eps, radius=case.radius) if case.what == "size" else eps
    for name, value in (("x_t", x_t), ("eps", eps)):
        if value.shape != x0.shape:
            raise WrongType(f"returned {name} of shape {list(value.shape)} for x0 of shape {list(x0.shape)}")
    if case.what == "sum":
        return x_t + eps
    rest = torch.addcmul(torch.addcmul(x_t, eps, -case.sigma), x0, -case.alpha)
    return (rest.abs() > 1e-4).float() if case.what == "large" else rest


# --------------------------------------------------------------------------------------------------------- the samplers


def sampled(case: SimpleNamespace, cls: Any, method: str) -> Any:
    """What a sampler returns on a network that is known at the times of the case's grid."""
    if case.what == "start_size":  # a network that says 0
        flow = process(case, cls, lambda x, t: torch.zeros_like(x))
        return mean_squares(tensor(getattr(flow, method)(case.n, case.dim, ts=case.ts))[0], radius=case.radius)
    if case.what == "default":  # own grid, own start
        flow = process(case, cls, lambda x, t: -x)
        return list(tensor(getattr(flow, method)(case.n, case.dim, case.steps)).shape)
    if case.what == "mixture":
        order = case.ts.argsort()
        known = SimpleNamespace(
            alpha=lambda t: between(case.ts[order], case.alpha[order], t),
            sigma=lambda t: between(case.ts[order], case.sigma[order], t),
        )
        score = ExactScore(normal_mixture(case.weights, case.means, case.sds), known)

        def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            look_at(x, t, case.means.shape[1])
            return score(x, t)
    else:
        network = Table(case.ts, case.M, case.m)
    sample, turn = getattr(process(case, cls, network), method), turns()
    if case.what == "again":
        return repeated(lambda generator: tensor(sample(case.n, case.M.shape[2], ts=case.ts, generator=generator))[-1])
    if case.what == "alone":  # many calls for one point each
        return sums(case.calls, lambda rows: tensor(sample(ts=case.ts, x_T=case.x_T.repeat(rows, 1), **next(turn)))[-1])
    if case.what == "rows":  # with a generator, of other numbers than torch's own, since an answer may draw from both
        generator = torch.Generator().manual_seed(torch.initial_seed() + 1)
        path = sample(case.n, case.M.shape[2], ts=case.ts, generator=generator)
    elif not hasattr(case, "x_T"):
        path = sample(case.n, case.M.shape[2], ts=case.ts)
    elif case.x_T.ndim == 1:  # one point, many times over
        path = sample(ts=case.ts, x_T=case.x_T.repeat(case.n, 1))
    else:
        path = sample(ts=case.ts, x_T=case.x_T, **({"steps": case.steps} if hasattr(case, "steps") else {}))
    path = tensor(path)
    if case.what in ("path", "mixture"):
        return path
    if case.what == "first":
        return path[0]
    shape = [len(case.ts), case.n, case.M.shape[2]]
    if list(path.shape) != shape:
        raise WrongType(
            f"returned the shape {list(path.shape)}, expected {shape} for {shape[0]} times and {shape[1]:,} points in {shape[2]}D"
        )
    if case.what == "size":
        return mean_squares(path[-1], radius=case.radius)
    return path[-1] if case.what == "last" else path.transpose(0, 1).flatten(1)  # rows with all of one trajectory


@probe("vpsde.sample_ode")
def sample_ode(case: SimpleNamespace, cls: Any) -> Any:
    """Trajectories of the ODE sampler."""
    return sampled(case, cls, "sample_ode")


@probe("vpsde.sample_sde")
def sample_sde(case: SimpleNamespace, cls: Any) -> Any:
    """Trajectories of the SDE sampler."""
    return sampled(case, cls, "sample_sde")


@probe("vpsde.sample_heun")
def sample_heun(case: SimpleNamespace, cls: Any) -> Any:
    """Trajectories of Heun's method."""
    return sampled(case, cls, "sample_heun")


@probe("vpsde.traj")
def trajectories(case: SimpleNamespace, cls: Any, draw_trajectories: Any) -> Any:
    """Trajectories through the exact score of one normal: their number, first and last points, how many are another one again, or
    how far they get from the straight way, on average."""
    if case.what in ("last", "bend"):
        path = with_exact_score(cls, draw_trajectories, tuple(case.mean.tolist()), tuple(case.sd.tolist()))
    else:
        path = tensor(draw_trajectories(cls(lambda x, t: -x)))
    if case.what == "shape":  # how many steps there are beyond 50 does not matter
        return [min(len(path), 51), *path.shape[1:]] if path.ndim else []
    if case.what == "twice":
        return float((path[0].unique(dim=0, return_counts=True)[1] > 1).sum())
    if case.what == "bend":
        return bend(path.double())
    return path[0 if case.what == "first" else -1]


@functools.lru_cache(maxsize=1)
def with_exact_score(cls: Any, draw_trajectories: Any, mean: tuple[float, ...], sd: tuple[float, ...]) -> torch.Tensor:
    """Trajectories through the exact score of N(mean, diag(sd²)), drawn once for the properties that look at them."""
    flow = cls(None)
    flow.network = ExactScore(normal_mixture([1.0], torch.tensor([mean]), torch.tensor(sd)), flow)
    return tensor(draw_trajectories(flow))


def bend(path: torch.Tensor) -> torch.Tensor:
    """Mean over trajectories (steps, n, 2) of the largest distance from the line through both ends."""
    way = path - path[0]
    ahead = nn.functional.normalize(way[-1], dim=1)
    return (way[..., 0] * ahead[:, 1] - way[..., 1] * ahead[:, 0]).abs().amax(0).mean()


# ------------------------------------------------------------------------------------------------- losses and training


def losses(case: SimpleNamespace, cls: Any, method: str) -> Any:
    """Repeated losses of fresh normal batches, or their gradients."""
    if case.what in ("size", "alone", "shared", "times", "again", "same"):
        network = Listener()
        flow = process(case, cls, network)
        x0 = torch.zeros(case.B, case.dim)
        if case.what == "again":
            return repeated(
                lambda generator: heard(case, network, lambda: getattr(flow, method)(x0, generator=generator), flow.sigma)
            )
        call, turn = by_turns(flow, method), turns() if case.what == "alone" else itertools.repeat({})
        return heard(case, network, lambda: call(x0.clone(), **next(turn)), flow.sigma)
    network = Polynomial(case.theta, getattr(case, "early", 0), getattr(case, "late", 0))
    flow = process(case, cls, network)
    factor, call = case.factor, getattr(flow, method) if case.what == "gradient" else by_turns(flow, method)
    if case.what == "eval":
        flow.eval()
        return float(tensor(getattr(flow, method)(case.mean.repeat(case.B, 1))).requires_grad)
    found = []
    for _ in range(case.count):
        again = False
        while True:
            network.theta.grad = None
            value = call(case.mean + torch.randn(case.B, len(factor)) @ factor.T)
            value = value if isinstance(value, torch.Tensor) else torch.as_tensor(value)
            # t = 0 comes up once in 16 million draws of torch.rand; a division by sigma there is forgiven once
            if again or bool(torch.isfinite(value).all()):
                break
            again = True
        if case.what == "gradient":
            value.backward()
            value = torch.zeros_like(case.theta) if network.theta.grad is None else network.theta.grad
        found.append(value.detach().clone())
    return torch.stack(found)


@probe("vpsde.loss")
def loss(case: SimpleNamespace, cls: Any) -> Any:
    """The score-matching loss."""
    return losses(case, cls, "loss")


@probe("vpsde.v_loss")
def v_loss(case: SimpleNamespace, cls: Any) -> Any:
    """The loss of a network that predicts v."""
    return losses(case, cls, "v_loss")


class Pull(nn.Module):
    """Half the squared distance of a parameter to the batch mean; the value also tells the size of the batch."""

    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        self.theta = nn.Parameter(start.clone())

    def loss(self, x0: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        """The loss of a batch."""
        return 0.5 * torch.dist(self.theta, x0.mean(0)).pow(2) + 0.01 * len(x0)


class Count(nn.Module):
    """A loss that is linear in its parameter: its gradient adds up the rows of the batch."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(dim))

    def loss(self, x0: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        """The loss of a batch."""
        return torch.mv(x0, self.theta).sum()


class Mean(Count):
    """The mean of the batch's rows, whatever the parameter is."""

    def loss(self, x0: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        """The loss of a batch."""
        return x0.mean() + 0.0 * self.theta.sum()


@probe("vpsde.train_loop")
def train_loop(case: SimpleNamespace, fit: Any, cls: Any) -> Any:
    """The training loop on losses with a known course."""
    if case.what == "iterates":
        flow = Pull(case.start)
        optimizer = torch.optim.SGD(flow.parameters(), lr=case.lr, momentum=case.momentum)
        found = plain(fit(flow, case.row.repeat(40, 1), optimizer, case.steps, case.batch))
        return [*found, *flow.theta.tolist()]
    if case.what == "values":
        flow = Mean(1)
        data = torch.linspace(-1, 1, case.rows)[:, None]
        with unchanged(data=data):
            means = torch.tensor(plain(fit(flow, data, torch.optim.SGD(flow.parameters(), lr=0.1), case.steps, case.batch)))
        return [len(means), (means.abs() > case.width).sum().item()]
    if case.what in ("rows", "total"):
        found = []
        for given in ({}, {"generator": torch.Generator().manual_seed(torch.initial_seed())}):
            flow = Count(case.rows)
            fit(flow, torch.eye(case.rows), torch.optim.SGD(flow.parameters(), lr=1.0), case.steps, case.batch, **given)
            seen = -flow.theta.detach()
            found.append(seen.sum() if case.what == "total" else ((seen < 1) | (seen > case.most)).sum())
        return torch.stack(found)
    network = Polynomial(case.theta)
    data = case.mean + torch.randn(4096, 1) * case.sd
    fit(process(case, cls, network), data, torch.optim.Adam(network.parameters(), lr=case.lr), case.steps, case.batch)
    gap = network.theta.detach().flatten() - case.best
    return (gap @ case.curvature @ gap - case.share).clamp(min=0)


def plain(values: Any) -> list[float]:
    """The losses that a training loop returned, as floats."""
    if isinstance(values, torch.Tensor):
        values = list(values)
    if not isinstance(values, (list, tuple)):
        raise WrongType(f"returned a {type(values).__name__}, expected the list of losses")
    if any(isinstance(value, torch.Tensor) and value.requires_grad for value in values):
        raise WrongType("returned losses that still hold the graph of their step (and its memory): make them plain floats")
    return [float(value) for value in values]


@probe("vpsde.flow")
def flow(case: SimpleNamespace, flow: Any, optimizer: Any) -> Any:
    """The student's flow and optimizer; copies of them, so that nothing of theirs moves."""
    flow, optimizer = copy.deepcopy((flow, optimizer))
    if case.what == "process":
        return torch.stack([flow.alpha(case.t), flow.sigma(case.t)])
    if case.what == "network":
        out = tensor(flow.network(case.x, case.t))
        return [*out.shape, torch.isfinite(out).all().item()]
    if case.what == "loss":
        return torch.isfinite(tensor(flow.loss(case.x)))
    if case.what == "times":
        with torch.no_grad():
            for parameter in flow.network.parameters():  # a last layer that begins at zero hides everything
                parameter += 0.3 * torch.randn(parameter.shape)
            out = tensor(flow.network(case.x[:1].repeat(len(case.t), 1), case.t))
        if (out == out[0]).all():
            raise WrongType("has a network that says the same at all times")
        return 1.0
    one, again = first_steps(flow, optimizer, 1.0)
    if case.what == "still":
        if (one == 0).any():
            raise WrongType("leaves all of them as they are" if (one == 0).all() else "leaves some of them as they are")
    elif case.what == "rate":
        if not 1e-5 <= one.max() <= 0.1:
            raise WrongType("moves them much too far" if one.max() > 0.1 else "hardly moves them")
    else:
        ratio = first_steps(flow, optimizer, 100.0)[0] / one
        if not ((ratio > 0.7) & (ratio < 1.5)).all():
            raise WrongType("takes longer steps for a longer gradient")
        if (again < 0.01 * one).any():  # 0.67 for Adam, 0.06 for its Nesterov form, 0 without memory
            raise WrongType("stands still as soon as a gradient is 0, without any memory of those before")
    return 1.0


def first_steps(flow: Any, optimizer: Any, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """How far each trainable parameter moves in a step with given gradients of this scale, and then in one with gradients 0."""
    flow, optimizer = copy.deepcopy((flow, optimizer))
    parameters = [parameter for parameter in flow.network.parameters() if parameter.requires_grad]
    if not parameters:
        raise WrongType("has a network without parameters that are trained")
    moved = []
    for size in (scale, 0.0):
        before = [parameter.detach().clone() for parameter in parameters]
        for parameter in parameters:
            parameter.grad = size * (1 + torch.rand(parameter.shape))
        optimizer.step()
        pairs = zip(parameters, before, strict=True)
        moved.append(torch.stack([(new.detach() - old).abs().max() for new, old in pairs]))
    return moved[0], moved[1]


# --------------------------------------------------------------------------------------------------------- v-prediction


@probe("vpsde.v_target")
def v_target(case: SimpleNamespace, cls: Any) -> Any:
    """The velocity of given rows."""
    return process(case, cls).v_target(case.x0, case.eps, case.t)


@probe("vpsde.score_from_v")
def score_from_v(case: SimpleNamespace, cls: Any) -> Any:
    """The score that belongs to a velocity."""
    return process(case, cls).score_from_v(case.x_t, case.v, case.t)
