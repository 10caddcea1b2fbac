"""What notebook 03's tasks should give: short grids and steep noise rates, on which every mistake is wide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np

from autograder.exact import (
    VP,
    AffineGaussian,
    Mixture,
    dsm_moments,
    euler_maruyama_step,
    euler_ode,
    euler_ode_step,
    heun_ode,
    v_moments,
)
from autograder.expected import (
    RADIUS,
    Property,
    again,
    alone,
    balance,
    draws,
    exact,
    expects,
    law,
    prop,
    rows_law,
    size_and_ends,
    unshared,
    within,
)

Rng = np.random.Generator
Iterates = Iterator[Property]

PROCESS = ("vpsde.alpha", "vpsde.sigma")
SLOPE = ("vpsde.coefficients",)


def steep(rng: Rng) -> VP:
    """A process whose noise rate changes much over [0, 1], without being so fast that all of time is noise."""
    return VP(float(rng.uniform(0.3, 1.0)), float(rng.uniform(4.0, 8.0)))


def rates(vp: VP) -> dict[str, float]:
    """The process as probe inputs."""
    return {"beta_min": vp.beta_min, "beta_max": vp.beta_max}


def spread_times(rng: Rng, n: int, low: float = 0.08, high: float = 0.97) -> np.ndarray:
    """n times in random order, one in each of n equal cells of [low, high]."""
    return rng.permutation(low + (high - low) * (np.arange(n) + rng.uniform(0.1, 0.9, n)) / n)


def small_times(rng: Rng, n: int) -> np.ndarray:
    """n times between 1/3,000 and 1/20 in random order, evenly spread on a logarithmic scale."""
    return rng.permutation(10 ** (-3.5 + 2.2 * (np.arange(n) + rng.uniform(0.1, 0.9, n)) / n))


# ------------------------------------------------------------------------------------------------- the forward process


@expects("vpsde.alpha")
def alpha(rng: Rng) -> Iterates:
    look = "Compare the integral of β from 0 to t with the area of a trapezium, and look at what stands before it."
    for name, title, t in (
        ("times", "α at seven times", spread_times(rng, 7, 0.02, 1.0)),
        ("table", "a (2, 3) table of times gives a (2, 3) table", spread_times(rng, 6).reshape(2, 3)),
        ("one", "a single time, a tensor without dimensions", np.array([rng.uniform(0.2, 0.6)])[0]),
        ("ends", "nothing is lost at t = 0", np.array([0.0, 1.0])),
    ):
        vp = steep(rng)
        yield prop(name, title, {**rates(vp), "t": np.asarray(t)}, exact(vp.alpha(t)), look)
    vp, t = steep(rng), small_times(rng, 6)
    yield prop("small", "α at small times", {**rates(vp), "t": t}, exact(vp.alpha(t)), "Is something done to small times?")


@expects("vpsde.sigma")
def sigma(rng: Rng) -> Iterates:
    look = "Signal and noise share the variance: α² + σ² = 1."
    for name, title, t in (
        ("times", "σ at seven times", spread_times(rng, 7, 0.02, 1.0)),
        ("table", "a (2, 3) table of times gives a (2, 3) table", spread_times(rng, 6).reshape(2, 3)),
        ("one", "a single time, a tensor without dimensions", np.array([rng.uniform(0.2, 0.6)])[0]),
        ("ends", "no noise at t = 0", np.array([0.0, 1.0])),
    ):
        vp = steep(rng)
        yield prop(name, title, {**rates(vp), "t": np.asarray(t)}, exact(vp.sigma(t)), look)
    for name, vp in (("tiny", VP(0.1, 20.0)), ("tiny_own", VP(float(rng.uniform(0.2, 0.4)), float(rng.uniform(8, 12))))):
        t = 10 ** (np.arange(-5, -1.2, 0.4) + rng.uniform(0, 0.3, 10))
        yield prop(name, f"small times, to one part in a thousand{', with other rates' * ('own' in name)}", {**rates(vp), "t": t}, exact(vp.sigma(t), 1e-3, 0.0),
                   "What does float32 keep of the difference of two numbers that agree in six digits? There is a function for it.")  # fmt: skip


@expects("vpsde.coefficients")
def coefficients(rng: Rng) -> Iterates:
    for name, B, d in (("", 6, 2), ("_square", 4, 4), ("_one", 1, 5), ("_line", 3, 1)):
        vp, t, x = steep(rng), spread_times(rng, B), rng.uniform(-2, 2, (B, d)) + 0.3
        inputs = {**rates(vp), "what": "drift", "x": x, "t": t}
        yield prop(f"drift{name}", f"the drift of {B} rows in {d}D, each at its own time", inputs, exact(vp.drift(x, t)),
                   "Read the forward SDE again: what stands before dt, with which sign?")  # fmt: skip
    vp, t = steep(rng), spread_times(rng, 7)
    yield prop("diffusion", "the diffusion at seven times", {**rates(vp), "what": "diffusion", "t": t, "x": t},
               exact(vp.diffusion(t)), "Read the forward SDE again: what stands before dw?")  # fmt: skip


@expects("vpsde.perturb", needs=PROCESS)
def perturb(rng: Rng) -> Iterates:
    for name, B, d in (("rest", 6, 2), ("square", 4, 4), ("one", 1, 5), ("line", 3, 1)):
        vp, t, x0 = steep(rng), spread_times(rng, B), rng.uniform(1.0, 2.5, (B, d)) * rng.choice([-1, 1], (B, d))
        inputs = {
            **rates(vp),
            "what": "rest",
            "x0": x0,
            "t": t,
            "alpha": vp.alpha(t)[:, None],
            "sigma": vp.sigma(t)[:, None],
        }
        yield prop(name, f"nothing is left of x_t ({B} rows in {d}D) without α x₀ and σ ε", inputs, exact(np.zeros((B, d))),
                   "x_t and the returned ε have to fit together, row by row, each row with its own α and σ.")  # fmt: skip
    vp, n, t, point = steep(rng), 20_000, spread_times(rng, 4), rng.uniform(1.0, 2.0, 2) * rng.choice([-1, 1], 2)
    spread = (1 + vp.sigma(t))[:, None, None] ** 2 * np.eye(2)
    sums = Mixture(np.full(4, 0.25), vp.alpha(t)[:, None] * point, spread)
    yield prop("sum", "x_t + ε, for one point at four times, has the right mean, spread and shape",
               {**rates(vp), "what": "sum", "n": n, "t": t, "point": point}, law(rng, sums, n),
               "x_t and the returned ε have to fit together, row by row, each row with its own α and σ.")  # fmt: skip
    vp, normal = steep(rng), Mixture.gaussian(np.zeros(2), np.eye(2))
    yield again({**rates(vp), "what": "again", "n": 50, "dim": 2})
    inputs = {**rates(vp), "what": "noise", "n": n, "dim": 2}
    yield prop("noise", "ε is standard normal", inputs, law(rng, normal, n))
    yield prop("rows", "every row has its own ε", {**inputs, "n": 4000}, rows_law(rng, normal, 4000))
    yield balance({**inputs, "what": "balance", "n": 5, "dim": 20})
    yield prop("alone", "500 calls with one point or four: the sum of each call's ε is that of independent standard normals", {**rates(vp), "what": "alone", "n": 4, "dim": 2, "calls": 500},
               alone(rng, normal), "Is something done to all numbers of ε together?")  # fmt: skip
    yield prop("size", "the variance of ε, and how many of 800,000 numbers are far from 0", {**inputs, "what": "size", "dim": 40, "radius": RADIUS},
               size_and_ends(1.0, 200, 4000),
               "Which distribution does ε have, and is something done to the numbers afterwards?")  # fmt: skip
    vp, t, x0 = steep(rng), spread_times(rng, 3, 0.05, 0.3), rng.uniform(16.0, 24.0, (3, 2)) * rng.choice([-1, 1], (3, 2))
    inputs = {**rates(vp), "what": "large", "x0": x0, "t": t, "alpha": vp.alpha(t)[:, None], "sigma": vp.sigma(t)[:, None]}
    yield prop("large", "nothing is left of x_t without α x₀ and σ ε where the data are large either (1 if something is)", inputs, exact(np.zeros((3, 2))),
               "Is something held back?")  # fmt: skip
    vp, t, x0 = steep(rng), small_times(rng, 6), rng.uniform(1.0, 2.5, (6, 2)) * rng.choice([-1, 1], (6, 2))
    inputs = {**rates(vp), "what": "large", "x0": x0, "t": t, "alpha": vp.alpha(t)[:, None], "sigma": vp.sigma(t)[:, None]}
    yield prop("small", "nothing is left of x_t without α x₀ and σ ε at small times (1 if something is)", inputs, exact(np.zeros((6, 2))),
               "Is something done to small times?")  # fmt: skip


# --------------------------------------------------------------------------------------------------------- the samplers


def coarse_grid(rng: Rng, steps: int) -> np.ndarray:
    """Decreasing times from 1 to about 0.05, clearly uneven."""
    lengths = rng.permutation(np.linspace(0.5, 1.5, steps)) * rng.uniform(0.9, 1.1, steps)
    low = rng.uniform(0.03, 0.08)
    return np.float32(1 - (1 - low) * np.concatenate([[0], np.cumsum(lengths) / lengths.sum()])).astype(float)


def fine_grid(rng: Rng) -> np.ndarray:
    """Five decreasing times from about 0.06 to 0.002, where scores are large."""
    return np.float32(np.array([0.06, 0.03, 0.014, 0.006, 0.002]) * rng.uniform(0.9, 1.1, 5)).astype(float)


def affine_network(rng: Rng, ts: np.ndarray, d: int) -> SimpleNamespace:
    """A score M(t) x + m(t) with coefficients of their own at every time of the grid."""
    M = -rng.uniform(0.5, 1.4, len(ts))[:, None, None] * np.eye(d) + 0.35 * rng.uniform(-1, 1, (len(ts), d, d))
    m = rng.uniform(0.4, 1.2, (len(ts), d)) * rng.choice([-1, 1], (len(ts), d))
    at = {float(t): k for k, t in enumerate(ts)}

    def score(x: np.ndarray, t: float) -> np.ndarray:
        return x @ M[at[float(t)]].T + m[at[float(t)]]

    return SimpleNamespace(M=M, m=m, score=score, inputs={"ts": ts, "M": M, "m": m})


def ode_properties(rng: Rng, solve: Callable[..., np.ndarray], looks: dict[str, str]) -> Iterates:
    """What a deterministic sampler should give: `solve` is euler_ode or heun_ode."""
    for name, title, steps, n, d in (
        ("path", "three trajectories of four uneven steps on a given grid, whatever `steps` says: point by point", 4, 3, 2),
        ("one", "one trajectory in 5D, two steps", 2, 1, 5),
        ("line", "three trajectories on a line, a single step", 1, 3, 1),
    ):
        vp, ts, x_T = steep(rng), coarse_grid(rng, steps), rng.uniform(0.5, 2, (n, d)) * rng.choice([-1, 1], (n, d))
        x_T *= 10 if name == "one" else 1  # far out, nothing may be cut off
        network = affine_network(rng, ts, d)
        inputs = {**rates(vp), **network.inputs, "what": "path", "x_T": x_T, **({"steps": 2} if name == "path" else {})}
        yield prop(name, title, inputs, exact(solve(vp, ts, x_T, network.score)), looks["path"])
    vp, ts, x_T = steep(rng), coarse_grid(rng, 7), 1.5 * rng.standard_normal((11, 2))
    means, sds, weights = rng.uniform(-2, 2, (3, 2)), rng.uniform(0.5, 0.9, (3, 2)), rng.dirichlet([4, 4, 4])
    mixture = Mixture(weights, means, np.stack([np.diag(sd**2) for sd in sds]))
    inputs = {**rates(vp), "what": "mixture", "ts": ts, "x_T": x_T, "weights": weights, "means": means, "sds": sds,
              "alpha": vp.alpha(ts), "sigma": vp.sigma(ts)}  # fmt: skip
    right = solve(vp, ts, x_T, lambda x, t: mixture.noised(vp.alpha(t), vp.sigma(t)).score(x))
    yield prop("mixture", "eleven trajectories with the exact score of a mixture, seven steps", inputs,
               exact(right, 5e-4, 1e-4), looks["path"])  # fmt: skip
    vp, ts, n = steep(rng), coarse_grid(rng, 2), 20_000
    network = affine_network(rng, ts, 2)
    A = np.stack([solve(vp, ts, point[None], network.score)[-1, 0] for point in (np.zeros(2), *np.eye(2))])
    end = Mixture.gaussian(A[0], (A[1:] - A[0]).T @ (A[1:] - A[0]))
    yield prop("start", "without x_T, the start is standard normal (seen at the end of the trajectories)",
               {**rates(vp), **network.inputs, "what": "last", "n": n}, law(rng, end, n), looks["start"])  # fmt: skip
    yield start_size(rng)
    yield again({**rates(vp), **network.inputs, "what": "again", "n": 50})
    yield default_grid(rng)
    vp, ts, x_T = steep(rng), fine_grid(rng), rng.uniform(0.5, 2, (3, 2)) * rng.choice([-1, 1], (3, 2))
    network = affine_network(rng, ts, 2)
    network.M *= 20
    network.m *= 20
    inputs = {**rates(vp), **network.inputs, "what": "path", "x_T": x_T}
    yield prop("near", "three trajectories of four steps between small times, with a large score: point by point", inputs,
               exact(solve(vp, ts, x_T, network.score)), "Is something done differently near the data?")  # fmt: skip


def silent_inputs(vp: VP, ts: np.ndarray, d: int) -> dict[str, np.ndarray | float]:
    """Probe inputs for a network that says 0 and a start at 0."""
    return {**rates(vp), "ts": ts, "x_T": np.zeros(d), "M": np.zeros((len(ts), d, d)), "m": np.zeros((len(ts), d))}


def start_size(rng: Rng) -> Property:
    """The variance of the start."""
    ts = coarse_grid(rng, 2)
    return prop("start_size", "without x_T: the variance of the start, and how many of 800,000 numbers are far from 0",
                {**rates(steep(rng)), "ts": ts, "what": "start_size", "n": 20_000, "dim": 40, "radius": RADIUS},
                size_and_ends(1.0, 200, 4000),
                "Which distribution does the start have, and is something done to its numbers?")  # fmt: skip


def default_grid(rng: Rng) -> Property:
    """n, dim and steps without a grid: the shape of the result."""
    n, dim, steps = 3, 1, int(rng.integers(5, 9))
    return prop("default", f"{n} points in {dim}D, {steps} steps on its own grid: the shape of the trajectories",
                {**rates(VP()), "what": "default", "n": n, "dim": dim, "steps": steps},
                exact([steps + 1, n, dim]))  # fmt: skip


@expects("vpsde.sample_ode", needs=SLOPE)
def sample_ode(rng: Rng) -> Iterates:
    path = "Do one step by hand: which time do β and the network see, how long is the step, and which sign has dt?"
    yield from ode_properties(rng, euler_ode, {"path": path, "start": "Where do trajectories begin at t = 1?"})


@expects("vpsde.sample_heun", needs=SLOPE)
def sample_heun(rng: Rng) -> Iterates:
    path = "Do one step by hand: at which point and at which time is each of the two slopes taken?"
    yield from ode_properties(rng, heun_ode, {"path": path, "start": "Where do trajectories begin at t = 1?"})


def path_law(steps: list[AffineGaussian], mean: np.ndarray, cov: np.ndarray) -> Mixture:
    """The joint law of x at all times of a trajectory, one after the other in a row."""
    means, blocks = [mean], [[cov]]
    for step in steps:
        rows = [step.A @ block for block in blocks[-1]]  # Cov(new x, x at each earlier time)
        new = rows[-1] @ step.A.T + step.C
        means.append(step.A @ means[-1] + step.b)
        for earlier, row in zip(blocks, rows, strict=True):
            earlier.append(row.T)
        blocks.append([*rows, new])
    return Mixture.gaussian(np.concatenate(means), np.block(blocks))


@expects("vpsde.sample_sde", needs=SLOPE)
def sample_sde(rng: Rng) -> Iterates:
    n = 20_000
    look = "Compare each term of the step with the equation: dt is negative, and the noise has a variance of |dt| times g²."

    def case(steps: int, d: int) -> tuple[VP, SimpleNamespace, list[AffineGaussian]]:
        vp, ts = steep(rng), coarse_grid(rng, steps)
        network = affine_network(rng, ts, d)
        pairs = zip(ts[:-1], ts[1:], network.M[:-1], network.m[:-1], strict=True)
        return vp, network, [euler_maruyama_step(vp, t, t_next, (M, m)) for t, t_next, M, m in pairs]

    for name, title, steps, d, what in (
        ("one", "one step from one point: mean, covariance and shape", 1, 2, "last"),
        ("line", "thirty uneven steps from one point on a line: mean, variance and shape", 30, 1, "last"),
    ):
        vp, network, maps = case(steps, d)
        x_T = rng.uniform(0.5, 2, d) * rng.choice([-1, 1], d)
        mean, cov = x_T, np.zeros((d, d))
        for step in maps:
            mean, cov = step.of(mean, cov)
        inputs = {**rates(vp), **network.inputs, "what": what, "n": n, "x_T": x_T}
        yield prop(name, title, inputs, law(rng, Mixture.gaussian(mean, cov), n), look)
    vp, network, maps = case(2, 2)
    yield again({**rates(vp), **network.inputs, "what": "again", "n": 50})
    inputs = {**rates(vp), **network.inputs, "what": "rows", "n": n}
    yield prop("joint", "with a generator: start and both steps of a trajectory together, from its own standard normal start", inputs,
               law(rng, path_law(maps, np.zeros(2), np.eye(2)), n, 48), look)  # fmt: skip
    vp, network, maps = case(2, 2)
    inputs = {**rates(vp), **network.inputs, "what": "first", "x_T": rng.uniform(0.5, 2, (3, 2))}
    yield prop("first", "the first points are those that were given", inputs, exact(inputs["x_T"]))
    d, ts = 40, coarse_grid(rng, 4)[:2]
    variance = vp.beta(ts[0]) * (ts[0] - ts[1])
    inputs = {**silent_inputs(vp, ts, 2), "what": "alone", "calls": 500, "n": 1}
    yield prop("alone", "500 calls with one point or four: the sum of the noise of one step is that of independent normals", inputs,
               alone(rng, Mixture.gaussian(np.zeros(2), variance * np.eye(2))), "Is something done to all numbers of the noise together?")  # fmt: skip
    inputs = {**silent_inputs(vp, ts, d), "what": "size", "n": n, "radius": RADIUS * np.sqrt(variance)}
    yield prop("size", "the variance of one step's noise, and how many of 800,000 numbers are far from 0", inputs,
               size_and_ends(variance, 200, 4000), look)  # fmt: skip
    yield start_size(rng)
    vp, network, maps = case(2, 2)
    mean, cov = np.zeros(2), np.eye(2)
    for step in maps:
        mean, cov = step.of(mean, cov)
    inputs = {**rates(vp), **network.inputs, "what": "last", "n": 4000}
    yield prop("rows", "every trajectory has its own noise", inputs, rows_law(rng, Mixture.gaussian(mean, cov), 4000))
    yield default_grid(rng)
    vp, ts, x_T = steep(rng), fine_grid(rng), rng.uniform(0.5, 2, 1) * rng.choice([-1, 1], 1)
    network = affine_network(rng, ts, 1)
    network.M *= 20
    network.m *= 100
    mean, cov = x_T, np.zeros((1, 1))
    for t, t_next, M, m in zip(ts[:-1], ts[1:], network.M[:-1], network.m[:-1], strict=True):
        mean, cov = euler_maruyama_step(vp, t, t_next, (M, m)).of(mean, cov)
    inputs = {**rates(vp), **network.inputs, "what": "last", "n": n, "x_T": x_T}
    yield prop("near", "four steps between small times, with a large score, from one point on a line: mean, variance and shape", inputs,
               law(rng, Mixture.gaussian(mean, cov), n), "Is something done differently near the data?")  # fmt: skip


# ------------------------------------------------------------------------------------------------- losses and training


def random_theta(rng: Rng, d: int) -> np.ndarray:
    """An affine network whose matrix and offset change a lot with t: (3, d, d + 1) for the powers 1, t and t²."""
    theta = rng.uniform(0.3, 0.8, (3, d, d + 1)) * rng.choice([-1, 1], (3, d, d + 1)) / np.sqrt(d)
    theta[0, :, :d] -= 0.5 * np.eye(d)
    return theta


def polynomial(theta: np.ndarray, early: int = 0, late: int = 0) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The network of the probes, with `theta` (powers, d, d + 1), as exact.py takes it."""

    def network(ts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        both = np.tensordot(ts[:, None] ** np.arange(late, late + len(theta)) * (1 - ts[:, None]) ** early, theta, 1)
        return both[..., :-1], both[..., -1]

    return network


def data(rng: Rng, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and a lower triangular factor of a covariance."""
    factor = np.tril(rng.uniform(0.2, 0.5, (d, d)) * rng.choice([-1, 1], (d, d)) / np.sqrt(d), -1)
    return rng.uniform(0.5, 1.2, d) * rng.choice([-1, 1], d), factor + np.diag(rng.uniform(0.6, 1.2, d))


Moments = Callable[..., tuple[float, float]]
Residual = Callable[..., np.ndarray]


def gradient_moments(
    rng: Rng, vp: VP, theta: np.ndarray, mean: np.ndarray, factor: np.ndarray, moments: Moments, predicts_v: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of one row's gradient.

    The mean is exact: a loss that is quadratic in theta has its derivative as central difference of any width. The standard
    deviation, which only sets the width of the tolerance, is simulated.
    """
    law0 = Mixture.gaussian(mean, factor @ factor.T)
    right = np.zeros_like(theta)
    for index in np.ndindex(theta.shape):
        unit = np.zeros_like(theta)
        unit[index] = 0.5
        right[index] = np.subtract(*(moments(vp, law0, polynomial(theta + s * unit), 48)[0] for s in (1, -1)))
    n, d = 20_000, len(mean)
    t, x0, eps = rng.uniform(0, 1, n), mean + rng.standard_normal((n, d)) @ factor.T, rng.standard_normal((n, d))
    a, s = vp.alpha(t)[:, None], vp.sigma(t)[:, None]
    inputs = np.hstack([a * x0 + s * eps, np.ones((n, 1))])
    powers = t[:, None] ** np.arange(len(theta))
    out = np.einsum("nk,kij,nj->ni", powers, theta, inputs)
    residual = 2 * (out - (a * eps - s * x0)) if predicts_v else 2 * s * (s * out + eps)
    return right, np.einsum("nk,ni,nj->nkij", powers, residual, inputs).std(0)


def loss_properties(rng: Rng, moments: Moments, predicts_v: bool, looks: dict[str, str]) -> Iterates:
    """Expected losses and gradients of networks that are affine in x."""

    def silent(_: Rng, d: int) -> np.ndarray:
        return np.zeros((1, d, d + 1))

    def loud(rng: Rng, d: int) -> np.ndarray:  # so that its share of the loss is large though its time is short
        return (12 if predicts_v else 120) * random_theta(rng, d)[:1]

    yield again({**rates(steep(rng)), "what": "again", "B": 40, "dim": 2, "count": 1})
    early = {"early": 40 if predicts_v else 120}
    for name, what, theta_of, fade, B, d, count in (
        ("affine", "a network that depends on x and on t, batches of 512", random_theta, {}, 512, 2, 40),
        ("early", "a network that speaks only near t = 0", loud, early, 400, 2, 150),
        ("late", "a network that speaks only near t = 1", loud, {"late": 40}, 400, 2, 150),
        ("odd", "the first network in 5D with batches of three", random_theta, {}, 3, 5, 150),
        ("zero", "a network that says 0, one row in 5D", silent, {}, 1, 5, 150),
        ("line", "a network that says 0, three rows on a line", silent, {}, 3, 1, 150),
    ):
        vp, (mean, factor), theta = steep(rng), data(rng, d), theta_of(rng, d)
        right, variance = moments(vp, Mixture.gaussian(mean, factor @ factor.T), polynomial(theta, **fade))
        inputs = {
            **rates(vp),
            "what": "loss",
            "theta": theta,
            "mean": mean,
            "factor": factor,
            "B": B,
            "count": count,
            **fade,
        }
        # few rows are skewed: one more standard error makes up for a skewness of the mean of up to 0.15
        slack = 1e-3 * right + (B < 10) * np.sqrt(variance / B / count)
        yield prop(name, f"the expected loss of {what}", inputs, draws(right, np.sqrt(variance / B), count, slack),
                   looks["zero" if name in ("zero", "line") else "loss"])  # fmt: skip
    vp, (mean, factor), theta, B, count = steep(rng), data(rng, 2), random_theta(rng, 2), 512, 40
    right, sd = gradient_moments(rng, vp, theta, mean, factor, moments, predicts_v)
    inputs = {**rates(vp), "what": "gradient", "theta": theta, "mean": mean, "factor": factor, "B": B, "count": count}
    yield prop("gradient", "the expected gradient for each of its parameters", inputs,
               draws(right, sd / np.sqrt(B), count, 2e-3 * np.abs(right).max()),
               "Does the gradient reach the network through every term of the loss?")  # fmt: skip
    yield prop("eval", "after flow.eval() the loss has its gradient as before (1 if it has)", {**inputs, "what": "eval", "B": 4}, exact(1.0),
               "Eval mode is for layers such as dropout. Does anything in your loss depend on it?")  # fmt: skip
    yield prop("size", "data that are 0: the variance of ε in the points that the network sees, and how many of 800,000 numbers are far from 0",
               {**rates(vp), "what": "size", "B": 50, "dim": 400, "count": 40, "radius": RADIUS}, size_and_ends(1.0, 400, 2000),
               "Which distribution does ε have, and is something done to the numbers afterwards?")  # fmt: skip
    yield prop("alone", "500 batches of one row that is 0: the ε in the point that the network sees is standard normal",
               {**rates(vp), "what": "alone", "B": 1, "dim": 2, "count": 500}, alone(rng, Mixture.gaussian(np.zeros(2), np.eye(2))),
               "Is something done to all numbers of ε together?")  # fmt: skip
    for name, title, B, count in (
        ("times", "40 batches of 500 rows: the means of t and of |2t - 1|, as the network sees t", 500, 40),
        ("one_time", "200 batches of one row: the means of t and of |2t - 1|, as the network sees t", 1, 200),
    ):
        inputs = {**rates(vp), "what": "times", "B": B, "dim": 1, "count": count}
        yield prop(name, title, inputs, draws([0.5, 0.5], np.sqrt(1 / 12 / B) * np.ones(2), count, 1.1e-3),
                   "Is every time between 0 and 1 equally likely, in every call anew?")  # fmt: skip
    yield prop("shared", "data that are 0: every row that the network sees has an ε of its own (1 if neighbours share; 1 if others do)",
               {**rates(vp), "what": "shared", **unshared(16, 20, 40)}, exact([0.0, 0.0]), "How many rows of ε are drawn, and for whom?")  # fmt: skip
    yield prop("same", "40 batches of 500 rows: hardly any two rows have the same t (1 if more)",
               {**rates(vp), "what": "same", "B": 500, "dim": 1, "count": 40, "most": 100}, exact(0.0),
               "Does every row draw a t of its own, and from how many different ones?")  # fmt: skip


@expects("vpsde.loss", needs=(*PROCESS, "vpsde.perturb"))
def loss(rng: Rng) -> Iterates:
    looks = {"loss": "Which time, which noise and which weight does each row have, and what is summed, what averaged?",
             "zero": "A network that says 0 leaves the weighted target alone: what is its expected square in d dimensions?"}  # fmt: skip
    yield from loss_properties(rng, dsm_moments, False, looks)


@expects("vpsde.v_loss", needs=(*PROCESS, "vpsde.perturb", "vpsde.v_target"))
def v_loss(rng: Rng) -> Iterates:
    looks = {"loss": "Which time, which noise and which target does each row have, and what is summed, what averaged?",
             "zero": "A network that says 0 leaves the target alone: what is its expected square in d dimensions?"}  # fmt: skip
    yield from loss_properties(rng, v_moments, True, looks)


@expects("vpsde.train_loop", needs=("vpsde.loss",))
def train_loop(rng: Rng) -> Iterates:
    steps, batch, lr, momentum = 6, int(rng.integers(5, 9)), rng.uniform(0.2, 0.4), rng.uniform(0.4, 0.7)
    start, row = rng.uniform(2, 4, 3), rng.uniform(-2, 0, 3)
    theta, velocity, values = start.copy(), np.zeros(3), []
    for _ in range(steps):
        values.append(0.5 * ((theta - row) ** 2).sum() + 0.01 * batch)
        velocity = momentum * velocity + (theta - row)
        theta = theta - lr * velocity
    inputs = {"what": "iterates", "start": start, "row": row, "lr": lr, "momentum": momentum, "steps": steps, "batch": batch}
    yield prop("iterates", "six steps on a loss that also tells the size of its batch: each loss, then the parameters", inputs,
               exact([*values, *theta]), "In which order do one step's four things happen, and is the last step done?")  # fmt: skip
    rows, batch, steps = 64, 16, 100
    inputs = {"rows": rows, "batch": batch, "steps": steps}
    yield prop("total", "100 batches of 16 rows are seen (without a generator, and with one)", {**inputs, "what": "total"}, exact([batch * steps] * 2),
               "A gradient that adds up the rows it saw is off: are the gradients of earlier steps gone?")  # fmt: skip
    # a row is seen about 27 times: 0 and more than 70 have probabilities of 2e-12 and 5e-13
    yield prop("rows", "every row of the data is seen sometimes, none all the time (rows where it is not so, without a generator, and with one)",
               {**inputs, "what": "rows", "rows": 60, "most": 70}, exact([0.0, 0.0]), "Which rows can come into a batch, and when is the batch chosen?")  # fmt: skip
    batch, steps = 64, 30
    width = 7.0 * np.sqrt(1 / 3 / batch)
    inputs = {"what": "values", "rows": 1024, "batch": batch, "steps": steps, "width": width}
    yield prop("random", "30 losses, and each batch is a fair mixture of sorted data (batches that are not)", inputs, exact([steps, 0.0]),
               "Are the rows of a batch chosen at random?")  # fmt: skip
    vp, mean, sd = steep(rng), rng.uniform(0.8, 1.5, 1), rng.uniform(0.5, 0.8)
    best, curvature, lowest = quadratic(
        lambda theta: dsm_moments(vp, Mixture.gaussian(mean, [[sd**2]]), polynomial(theta))[0]
    )
    inputs = {**rates(vp), "what": "trained", "theta": np.array([[[0.5, 1.5]]]), "mean": mean, "sd": sd, "lr": 0.03, "steps": 200,
              "batch": 128, "best": best, "curvature": curvature / lowest, "share": 0.05}  # fmt: skip
    yield prop("trained", "200 steps of Adam end within 5 % of the lowest loss that this network can have (what is beyond)", inputs,
               exact(0.0))  # fmt: skip


def quadratic(function: Callable[[np.ndarray], float]) -> tuple[np.ndarray, np.ndarray, float]:
    """Minimiser, half the Hessian and minimum of a quadratic function of (1, 1, 2) parameters, from its values."""

    def at(a: float, b: float) -> float:
        return function(np.array([[[a, b]]]))

    middle = at(0, 0)
    slope = np.array([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)]) / 2
    diagonal = [(at(1, 0) + at(-1, 0)) / 2 - middle, (at(0, 1) + at(0, -1)) / 2 - middle]
    mixed = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 8
    half = np.array([[diagonal[0], mixed], [mixed, diagonal[1]]])
    best = -np.linalg.solve(2 * half, slope)
    return best, half, float(at(*best))


@expects("vpsde.flow", needs=("vpsde.loss",))
def flow(rng: Rng) -> Iterates:
    vp, t = VP(), spread_times(rng, 5, 0.02, 1.0)
    x = 1.5 * rng.standard_normal((64, 2))
    yield prop("process", "its noise rate goes from 0.1 to 20", {"what": "process", "t": t},
               exact(np.stack([vp.alpha(t), vp.sigma(t)])))  # fmt: skip
    yield prop("network", "its network gives finite 2D scores for five points", {"what": "network", "x": x[:5], "t": t},
               exact([5, 2, 1]))  # fmt: skip
    yield prop("loss", "the loss of 64 points is a finite number", {"what": "loss", "x": x}, exact(1.0))
    yield prop("times", "what its network says depends on t", {"what": "times", "x": x[:5], "t": t}, exact(1.0),
               "A score is a function of x and t. Where does your network use t?")  # fmt: skip
    yield prop("still", "one step of the optimizer moves everything that is trained in the network", {"what": "still"},
               exact(1.0), "Which parameters does the optimizer hold?")  # fmt: skip
    yield prop("rate", "one step moves them by a useful length, 0.00001 to 0.1", {"what": "rate"}, exact(1.0))
    yield prop("adam", "the steps do not grow with the gradient, and go on for a while when it is 0, as Adam's do", {"what": "adam"},
               exact(1.0), "Which optimizer divides each gradient by its own size, and remembers those before?")  # fmt: skip


@expects("vpsde.traj", needs=(*PROCESS, "vpsde.sample_ode"))
def traj(rng: Rng) -> Iterates:
    n, mean, sd = 1000, rng.uniform(0.8, 1.6, 2) * rng.choice([-1, 1], 2), rng.uniform(0.25, 0.6, 2)
    inputs = {"mean": mean, "sd": sd}
    yield prop("shape", "1000 trajectories of points in 2D, with at least 50 steps", {**inputs, "what": "shape"},
               exact([51, n, 2]))  # fmt: skip
    yield prop("twice", "no two of the trajectories begin at the same point (points that come again)", {**inputs, "what": "twice"}, exact(0.0),
               "Are all 1000 starting points drawn, each for itself?")  # fmt: skip
    yield prop("first", "the first points are standard normal", {**inputs, "what": "first"},
               law(rng, Mixture.gaussian(np.zeros(2), np.eye(2)), n))  # fmt: skip
    yield prop("last", "with the exact score of some data, the last points are distributed as these data",
               {**inputs, "what": "last"}, law(rng, Mixture.gaussian(mean, np.diag(sd**2)), n))  # fmt: skip
    right = bend(rng, mean, sd)
    yield prop("bend", "on their way they leave the straight line between their ends at least as far as the exact ones, on average (less 25 %)",
               {**inputs, "what": "bend"}, within(0.75 * right, 100.0), "Do all the steps that were computed stand between the first and the last points?")  # fmt: skip


def bend(rng: Rng, mean: np.ndarray, sd: np.ndarray, n: int = 4_000) -> float:
    """Mean of the largest distance from the line through both ends, over trajectories of the exact ODE to N(mean, diag(sd²)).

    They are x_t = α m + s (x_1 - α_1 m) / s_1 with s² = α² sd² + σ², from the standard normals x_1 of the samplers. The mean of 1000 of
    them varies by 2 to 3 %, and a sampler of 50 steps bends them by a few per cent less; that of the SDE, which is right too, far more.
    """
    vp, t = VP(), np.linspace(1, 0.001**0.5, 80)[:, None] ** 2
    a, s = vp.alpha(t), np.sqrt(vp.alpha(t) ** 2 * sd**2 + vp.sigma(t) ** 2)  # (times, 2)
    start = rng.standard_normal((n, 2)) - a[0] * mean
    way = (a - a[0]) * mean + (s / s[0] - 1) * start[:, None]  # (n, times, 2)
    ahead = way[:, -1:] / np.linalg.norm(way[:, -1:], axis=2, keepdims=True)
    return float(np.abs(way[..., 0] * ahead[..., 1] - way[..., 1] * ahead[..., 0]).max(1).mean())


# --------------------------------------------------------------------------------------------------------- v-prediction


@expects("vpsde.v_target", needs=PROCESS)
def v_target(rng: Rng) -> Iterates:
    for name, B, d in (("rows", 6, 2), ("square", 4, 4), ("one", 1, 5), ("line", 3, 1)):
        vp, t, x0, eps = steep(rng), spread_times(rng, B), rng.uniform(0.5, 2, (B, d)), rng.uniform(-2, -0.5, (B, d))
        right = vp.alpha(t)[:, None] * eps - vp.sigma(t)[:, None] * x0
        yield prop(name, f"the velocity of {B} rows in {d}D, each at its own time", {**rates(vp), "x0": x0, "eps": eps, "t": t},
                   exact(right))  # fmt: skip
    vp, t, x0, eps = VP(0.1, 20.0), ends(rng), rng.uniform(0.5, 2, (6, 2)), rng.uniform(-2, -0.5, (6, 2))
    right = vp.alpha(t)[:, None] * eps - vp.sigma(t)[:, None] * x0
    yield prop("ends", "the velocity near t = 0 and near t = 1", {**rates(vp), "x0": x0, "eps": eps, "t": t}, exact(right, 2e-4, 1e-4),
               "Is something held back from 0 there that may come close to it?")  # fmt: skip


def ends(rng: Rng) -> np.ndarray:
    """Three times near 0 and three near 1, among them 1 itself."""
    return np.concatenate(
        [10 ** rng.uniform([-3.3, -2.9, -2.5], [-3.0, -2.6, -2.2]), rng.uniform([0.9, 0.97, 1], [0.93, 0.99, 1])]
    )


@expects("vpsde.score_from_v", needs=PROCESS)
def score_from_v(rng: Rng) -> Iterates:
    for name, B, d in (("rows", 6, 2), ("square", 4, 4), ("one", 1, 5), ("line", 3, 1)):
        vp, t, x_t, v = steep(rng), spread_times(rng, B), rng.uniform(0.5, 2, (B, d)), rng.uniform(-2, -0.5, (B, d))
        a, s = vp.alpha(t)[:, None], vp.sigma(t)[:, None]
        yield prop(name, f"the score of {B} rows in {d}D, each at its own time", {**rates(vp), "x_t": x_t, "v": v, "t": t},
                   exact(-(a * v + s * x_t) / s))  # fmt: skip
    vp, t, x_t, v = VP(0.1, 20.0), ends(rng), rng.uniform(0.5, 2, (6, 2)), rng.uniform(-2, -0.5, (6, 2))
    a, s = vp.alpha(t)[:, None], vp.sigma(t)[:, None]
    yield prop("ends", "the score near t = 0 and near t = 1", {**rates(vp), "x_t": x_t, "v": v, "t": t}, exact(-(a * v + s * x_t) / s, 2e-3),
               "Is something held back from 0 there that may come close to it?")  # fmt: skip


# used by the tests: one step of each sampler is the affine map that exact.py states on its own
STEPS = {"vpsde.sample_ode": euler_ode_step, "vpsde.sample_sde": euler_maruyama_step}
