"""Closed forms for data whose law is known: what right answers must give, without training or a guess.

For a Gaussian mixture every noised marginal is a Gaussian mixture again, so score, noise predictor and
denoiser are exact. With a predictor that is affine in x every sampler step is an affine Gaussian law, so the
law of the output follows by composition, and the training losses have exact moments.

Conventions. Everything is float64 and without physical units. Points are rows: x is (n, d). Noising is
x_t = alpha x0 + sigma eps with eps ~ N(0, I); `eps`, `denoiser` and `v` take alpha and sigma as numbers or as
(n,), rows at times of their own. A wrong argument raises ValueError with one sentence.

Sources: [S] Song et al. 2021, arXiv 2011.13456; [H] Ho et al. 2020, arXiv 2006.11239; [D] Song, Meng and
Ermon, arXiv 2010.02502 (its alpha_t is [H]'s alpha_bar_t, the name used here); [V] Salimans and Ho 2022,
arXiv 2202.00512.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, ndtri

Array = NDArray[np.float64]
Affine = tuple[ArrayLike, ArrayLike]  # (M (d,d), m (d,)): the predictor M x + m
Characteristic = Callable[[Array], NDArray[np.complex128]]  # w (k,d) -> E exp(i w.x), (k,)
Network = Callable[[float], Affine]  # one time t -> the predictor at t
Networks = Callable[[Array], tuple[Array, Array]]  # times (n,) -> the predictors at these: M (n,d,d), m (n,d)
Estimate = tuple[float, float]  # value, standard error
Score = Callable[[Array, float], ArrayLike]  # x (n,d), one time t -> (n,d)


def _require(condition: object, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)


def _array(value: ArrayLike, name: str, shape: tuple[int | None, ...]) -> Array:
    """A read-only float64 copy; None in `shape` allows any length."""
    a = np.array(value, dtype=np.float64)
    fits = a.ndim == len(shape) and all(w in (None, have) for have, w in zip(a.shape, shape, strict=True))
    wanted = "(" + ", ".join("any" if want is None else str(want) for want in shape) + ")"
    _require(fits, f"{name} has shape {a.shape}, expected {wanted}.")
    _require(np.isfinite(a).all(), f"{name} holds a value that is not finite.")
    a.setflags(write=False)
    return a


def _check_covariance(covs: Array, name: str) -> None:
    scale = 1e-10 * max(np.abs(covs).max(initial=0.0), np.finfo(float).tiny)
    _require(np.abs(covs - np.swapaxes(covs, -1, -2)).max(initial=0.0) <= scale, f"{name} is not symmetric.")
    _require(np.linalg.eigvalsh(covs).min(initial=0.0) >= -scale, f"{name} has a negative eigenvalue.")


def _root(covs: Array) -> Array:
    """R with R R^T = covs, (..., d, d); unlike Cholesky it takes singular covariances."""
    values, vectors = np.linalg.eigh(covs)
    return vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]


def _trace(a: Array) -> Array:
    return np.trace(a, axis1=-2, axis2=-1)


# ------------------------------------------------------------------------------------------- laws of the data


@dataclass(frozen=True, eq=False)
class Mixture:
    """The Gaussian mixture sum_k weights[k] N(means[k], covs[k]) in R^d.

    weights (K,) may contain zeros and sum to 1; means (K, d); covs (K, d, d), symmetric, singular ones
    allowed (a zero covariance is a point mass): `log_prob` and `score` then raise ValueError, noised laws
    work as usual.
    """

    weights: Array
    means: Array
    covs: Array

    def __post_init__(self) -> None:
        means = _array(self.means, "means", (None, None))
        K, d = means.shape
        weights, covs = _array(self.weights, "weights", (K,)), _array(self.covs, "covs", (K, d, d))
        _require(K > 0 and d > 0, "A mixture needs at least one component and one dimension.")
        _require((weights >= 0).all(), "weights holds a negative value.")
        _require(abs(weights.sum() - 1) < 1e-9, f"weights sum to {weights.sum():.12g}, not to 1.")
        _check_covariance(covs, "covs")
        for name, value in (("weights", weights), ("means", means), ("covs", covs)):
            object.__setattr__(self, name, value)

    @classmethod
    def gaussian(cls, mean: ArrayLike, cov: ArrayLike) -> Mixture:
        """One Gaussian: mean (d,), cov (d, d)."""
        return cls(np.ones(1), np.asarray(mean)[None], np.asarray(cov)[None])

    @property
    def dim(self) -> int:
        """d."""
        return self.means.shape[1]

    @property
    def mean(self) -> Array:
        """E x, (d,)."""
        return self.weights @ self.means

    @property
    def cov(self) -> Array:
        """Cov x, (d, d): the law of total covariance."""
        gap = self.means - self.mean
        return np.einsum("k,kij->ij", self.weights, self.covs + gap[:, :, None] * gap[:, None, :])

    def noised(self, alpha: float, sigma: float) -> Mixture:
        """The law of x_t = alpha x0 + sigma eps."""
        return Mixture(self.weights, alpha * self.means, alpha**2 * self.covs + sigma**2 * np.eye(self.dim))

    def _posterior(self, x: ArrayLike, alpha: ArrayLike = 1.0, sigma: ArrayLike = 0.0):
        """log p(x_t) (n,), P(k | x_t) (n, K), Cov(x_t | k)^-1 (x_t - alpha mu_k) (n, K, d)."""
        x = _array(x, "x", (None, self.dim))
        alpha, sigma = np.asarray(alpha, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
        fits = alpha.shape in ((), x.shape[:1]) and sigma.shape in ((), x.shape[:1])
        _require(fits, f"alpha and sigma must be numbers or have shape ({len(x)},).")
        # Arrays are (groups, K, rows, d): one group if all rows share alpha and sigma, else a group per row.
        (n, K), own_times = (len(x), len(self.weights)), alpha.ndim or sigma.ndim
        a, s = alpha.reshape(-1, 1, 1, 1), sigma.reshape(-1, 1, 1, 1)
        S = a**2 * self.covs + s**2 * np.eye(self.dim)
        try:
            L = np.linalg.cholesky(S)
        except np.linalg.LinAlgError:
            raise ValueError("A component has a singular covariance: no density until noised.") from None
        inverse = np.linalg.inv(L)
        gap = (x[:, None, None] if own_times else x[None, None]) - a * self.means[:, None]
        white = gap @ np.swapaxes(inverse, -1, -2)
        log_det = 2 * np.log(np.diagonal(L, axis1=-2, axis2=-1)).sum(-1)[..., None]
        with np.errstate(divide="ignore"):  # log 0 = -inf is right for a component of weight zero
            log_joint = np.log(self.weights)[:, None] - 0.5 * ((white**2).sum(-1) + log_det)
        log_joint = np.swapaxes(log_joint, 1, 2).reshape(n, K) - 0.5 * self.dim * np.log(2 * np.pi)
        z = np.swapaxes(white @ inverse, 1, 2).reshape(n, K, self.dim)
        log_p = logsumexp(log_joint, axis=1)
        return log_p, np.exp(log_joint - log_p[:, None]), z

    def log_prob(self, x: ArrayLike) -> Array:
        """log p(x), (n, d) -> (n,); finite and right far in the tails."""
        return self._posterior(x)[0]

    def score(self, x: ArrayLike) -> Array:
        """grad log p(x), (n, d) -> (n, d)."""
        _, r, z = self._posterior(x)
        return -np.einsum("nk,nkd->nd", r, z)

    def eps(self, x_t: ArrayLike, alpha: ArrayLike, sigma: ArrayLike) -> Array:
        """E[eps | x_t] = -sigma score(x_t), (n, d), where `self` is the law of x0."""
        _, r, z = self._posterior(x_t, alpha, sigma)
        return np.asarray(sigma).reshape(-1, 1) * np.einsum("nk,nkd->nd", r, z)

    def denoiser(self, x_t: ArrayLike, alpha: ArrayLike, sigma: ArrayLike) -> Array:
        """E[x0 | x_t], (n, d), where `self` is the law of x0; never divides by alpha."""
        _, r, z = self._posterior(x_t, alpha, sigma)
        pull = np.einsum("nkj,kij->ni", r[:, :, None] * z, self.covs)
        return r @ self.means + np.asarray(alpha).reshape(-1, 1) * pull

    def v(self, x_t: ArrayLike, alpha: ArrayLike, sigma: ArrayLike) -> Array:
        """E[alpha eps - sigma x0 | x_t], (n, d) ([V] section 4)."""
        a, s = np.asarray(alpha).reshape(-1, 1), np.asarray(sigma).reshape(-1, 1)
        return a * self.eps(x_t, alpha, sigma) - s * self.denoiser(x_t, alpha, sigma)

    def characteristic(self, w: ArrayLike) -> NDArray[np.complex128]:
        """E exp(i w.x), (k, d) -> (k,)."""
        w = _array(w, "w", (None, self.dim))
        spread = np.einsum("ni,kij,nj->nk", w, self.covs, w)
        return np.exp(1j * w @ self.means.T - 0.5 * spread) @ self.weights

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """n independent rows, (n, d)."""
        k = rng.choice(len(self.weights), size=n, p=self.weights)
        eps = rng.standard_normal((n, self.dim))
        return self.means[k] + np.einsum("nij,nj->ni", _root(self.covs)[k], eps)


@dataclass(frozen=True, eq=False)
class UniformCells:
    """The uniform law on K disjoint axis-aligned boxes of equal volume with corners lows, highs (K, d)."""

    lows: Array
    highs: Array

    def __post_init__(self) -> None:
        lows = _array(self.lows, "lows", (None, None))
        highs = _array(self.highs, "highs", lows.shape)
        width = highs - lows
        _require(lows.size, "At least one box is needed.")
        _require((width > 0).all(), "A box has a low corner that is not below its high corner.")
        _require(np.ptp(np.log(width).sum(1)) < 1e-9, "The boxes differ in volume.")
        overlap = np.minimum(highs[:, None], highs) - np.maximum(lows[:, None], lows)  # (K, K, d)
        _require((overlap > 1e-9 * width).all(-1).sum() == len(lows), "Two boxes overlap.")
        object.__setattr__(self, "lows", lows)
        object.__setattr__(self, "highs", highs)

    @property
    def mean(self) -> Array:
        """E x, (d,)."""
        return ((self.lows + self.highs) / 2).mean(0)

    @property
    def cov(self) -> Array:
        """Cov x, (d, d): between the centres, and width^2 / 12 inside a box."""
        gap = (self.lows + self.highs) / 2 - self.mean
        return gap.T @ gap / len(gap) + np.diag(((self.highs - self.lows) ** 2).mean(0) / 12)

    def characteristic(self, w: ArrayLike) -> NDArray[np.complex128]:
        """E exp(i w.x), (k, d) -> (k,): per box exp(i w.centre) prod_j sin(h_j) / h_j, h = w width / 2."""
        w = _array(w, "w", (None, self.lows.shape[1]))
        h = w[:, None] * (self.highs - self.lows) / 2
        inside = np.sinc(h / np.pi).prod(-1)  # numpy's sinc(y) is sin(pi y) / (pi y)
        return (np.exp(0.5j * w @ (self.lows + self.highs).T) * inside).mean(1)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """n independent rows, (n, d)."""
        k = rng.integers(len(self.lows), size=n)
        return rng.uniform(self.lows[k], self.highs[k])


def chequerboard(side: int = 4, half_width: float = 2.0) -> UniformCells:
    """Uniform on the black squares of a side x side board over [-half_width, half_width]^2: those with i + j
    even, i and j counted from the lower-left corner."""
    _require(side >= 1 and half_width > 0, "A chequerboard needs side >= 1 and half_width > 0.")
    edges = np.linspace(-half_width, half_width, side + 1)
    ij = np.array([(i, j) for i in range(side) for j in range(side) if (i + j) % 2 == 0])
    return UniformCells(edges[ij], edges[ij + 1])


def cosine_moments(characteristic: Characteristic, w: ArrayLike, phase: ArrayLike) -> tuple[Array, Array]:
    """Exact mean and variance, (k,) each, of cos(w.x + phase) for one row x; w (k, d), phase (k,)."""
    w = _array(w, "w", (None, None))
    turn = np.exp(1j * _array(phase, "phase", (len(w),)))
    mean = (turn * characteristic(w)).real
    square = 0.5 + 0.5 * (turn**2 * characteristic(2 * w)).real  # cos^2 y = (1 + cos 2y) / 2
    return mean, np.maximum(square - mean**2, 0.0)


def pair_moments(characteristic: Characteristic, w: ArrayLike, phase: ArrayLike) -> tuple[Array, Array]:
    """`cosine_moments` for two independent rows side by side: w (k, 2d), `characteristic` that of one row."""
    w = _array(w, "w", (None, None))
    _require(w.shape[1] % 2 == 0, f"w has {w.shape[1]} columns, a pair of rows needs an even number.")
    d = w.shape[1] // 2
    return cosine_moments(lambda w: characteristic(w[:, :d]) * characteristic(w[:, d:]), w, phase)


# ------------------------------------------------------------------------------ the noising process and steps


@dataclass(frozen=True)
class VP:
    """The variance-preserving SDE dx = -beta(t)/2 x dt + sqrt(beta(t)) dw ([S] eq. 11), t in [0, 1], with
    beta(t) = beta_min + t (beta_max - beta_min) ([S] eq. 32). t may be a number or an array."""

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        ends = (self.beta_min, self.beta_max)
        fits = np.isfinite(ends).all() and min(ends) >= 0 and max(ends) > 0
        _require(fits, "beta_min and beta_max must be finite, not negative and not both zero.")

    def beta(self, t: ArrayLike) -> Array:
        """beta(t) per unit of t."""
        return self.beta_min + np.asarray(t, dtype=np.float64) * (self.beta_max - self.beta_min)

    def _integral(self, t: ArrayLike) -> Array:
        t = np.asarray(t, dtype=np.float64)
        return self.beta_min * t + 0.5 * t**2 * (self.beta_max - self.beta_min)

    def alpha(self, t: ArrayLike) -> Array:
        """exp(-1/2 int_0^t beta), [S] eq. 33."""
        return np.exp(-0.5 * self._integral(t))

    def sigma(self, t: ArrayLike) -> Array:
        """sqrt(1 - alpha^2), [S] eq. 33; accurate down to t = 0."""
        return np.sqrt(-np.expm1(-self._integral(t)))

    def drift(self, x: ArrayLike, t: ArrayLike) -> Array:
        """f(x, t) = -beta(t)/2 x, (n, d); t is a number or (n,)."""
        return -0.5 * self.beta(t).reshape(-1, 1) * np.asarray(x, dtype=np.float64)

    def diffusion(self, t: ArrayLike) -> Array:
        """g(t) = sqrt(beta(t))."""
        return np.sqrt(self.beta(t))


@dataclass(frozen=True, eq=False)
class AffineGaussian:
    """The random map x -> N(A x + b, C): A (d, d), b (d,), C (d, d), where C = 0 is a deterministic step."""

    A: Array
    b: Array
    C: Array

    def __post_init__(self) -> None:
        b = _array(self.b, "b", (None,))
        A, C = _array(self.A, "A", (len(b), len(b))), _array(self.C, "C", (len(b), len(b)))
        _check_covariance(C, "C")
        for name, value in (("A", A), ("b", b), ("C", C)):
            object.__setattr__(self, name, value)

    @classmethod
    def identity(cls, d: int) -> AffineGaussian:
        """x -> x in R^d: the neutral element of `then`."""
        return cls(np.eye(d), np.zeros(d), np.zeros((d, d)))

    def then(self, other: AffineGaussian) -> AffineGaussian:
        """First `self`, then `other`, with independent noises."""
        return AffineGaussian(other.A @ self.A, *other.of(self.b, self.C))

    def of(self, mean: ArrayLike, cov: ArrayLike) -> tuple[Array, Array]:
        """Mean (d,) and covariance (d, d) of the output for an input with these."""
        spread = self.A @ np.asarray(cov, dtype=np.float64) @ self.A.T + self.C
        return self.A @ np.asarray(mean, dtype=np.float64) + self.b, (spread + spread.T) / 2

    def __call__(self, x: ArrayLike) -> Array:
        """The mean A x + b at points x (n, d) -> (n, d)."""
        return _array(x, "x", (None, len(self.b))) @ self.A.T + self.b


def _affine(predictor: Affine) -> tuple[Array, Array]:
    m = _array(predictor[1], "m", (None,))
    return _array(predictor[0], "M", (len(m), len(m))), m


def gaussian_score(mean: ArrayLike, cov: ArrayLike, alpha: float, sigma: float) -> tuple[Array, Array]:
    """(M, m) with score(x_t) = M x_t + m for x0 ~ N(mean, cov); LinAlgError where x_t has no density."""
    law = Mixture.gaussian(mean, cov).noised(alpha, sigma)
    M = -np.linalg.inv(law.covs[0])
    return M, -M @ law.means[0]


def gaussian_eps(mean: ArrayLike, cov: ArrayLike, alpha: float, sigma: float) -> tuple[Array, Array]:
    """(M, m) with E[eps | x_t] = M x_t + m = -sigma score(x_t) for x0 ~ N(mean, cov)."""
    M, m = gaussian_score(mean, cov, alpha, sigma)
    return -sigma * M, -sigma * m


def euler_ode_step(vp: VP, t: float, t_next: float, score: Affine) -> AffineGaussian:
    """One Euler step of the probability-flow ODE dx = [f - g^2 score / 2] dt ([S] eq. 13)."""
    (M, m), h, eye = _affine(score), vp.beta(t) * (t_next - t), np.eye(len(score[1]))
    return AffineGaussian(eye - 0.5 * h * (eye + M), -0.5 * h * m, 0 * eye)


def euler_maruyama_step(vp: VP, t: float, t_next: float, score: Affine) -> AffineGaussian:
    """One Euler-Maruyama step of the reverse SDE dx = [f - g^2 score] dt + g dw ([S] eq. 6)."""
    (M, m), h, eye = _affine(score), vp.beta(t) * (t_next - t), np.eye(len(score[1]))
    return AffineGaussian(eye - h * (0.5 * eye + M), -h * m, abs(h) * eye)


def _check_alpha_bars(alpha_bar_t: float, alpha_bar_prev: float) -> None:
    fits = 0 < alpha_bar_t <= alpha_bar_prev <= 1 and alpha_bar_t < 1
    _require(fits, "alpha_bar must lie in (0, 1], below 1 at t, and must not be smaller before t than at t.")


def ddpm_step(alpha_bar_t: float, alpha_bar_prev: float, eps: Affine, variance: float) -> AffineGaussian:
    """One step of [H] Algorithm 2 (mean: eq. 11) with beta_t = 1 - alpha_bar_t / alpha_bar_prev and the
    given noise variance: beta_t, beta-tilde_t of eq. 7, or 0 in the last step."""
    _check_alpha_bars(alpha_bar_t, alpha_bar_prev)
    (M, m), eye = _affine(eps), np.eye(len(eps[1]))
    alpha_t = alpha_bar_t / alpha_bar_prev
    pull = (1 - alpha_t) / np.sqrt(1 - alpha_bar_t)
    return AffineGaussian((eye - pull * M) / np.sqrt(alpha_t), -pull * m / np.sqrt(alpha_t), variance * eye)


def ddim_step(alpha_bar_t: float, alpha_bar_prev: float, eps: Affine, eta: float) -> AffineGaussian:
    """One step of [D] eq. 12 with the noise level of eq. 16; eta = 0 is deterministic."""
    _check_alpha_bars(alpha_bar_t, alpha_bar_prev)
    (M, m), eye = _affine(eps), np.eye(len(eps[1]))
    variance = eta**2 * (1 - alpha_bar_prev) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_prev)
    rest = 1 - alpha_bar_prev - variance
    _require(rest > -1e-12, f"eta = {eta} asks for more noise than the earlier x has.")
    scale = np.sqrt(alpha_bar_prev / alpha_bar_t)
    c = np.sqrt(max(rest, 0.0)) - scale * np.sqrt(1 - alpha_bar_t)
    return AffineGaussian(scale * eye + c * M, c * m, variance * eye)


def ddpm_target(kind: str, alpha_bar: float) -> tuple[float, float]:
    """(c_x0, c_eps) of the target c_x0 x0 + c_eps eps of a network that predicts "eps", "x0", "v" ([V] section 4)
    or "score"."""
    a, s = np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar)
    targets = {"eps": (0.0, 1.0), "x0": (1.0, 0.0), "v": (-s, a), "score": (0.0, -1 / s)}
    _require(kind in targets, f"kind is {kind!r}, expected one of {', '.join(targets)}.")
    return targets[kind]


def eps_from(kind: str, alpha_bar: float, predictor: Affine) -> tuple[Array, Array]:
    """The noise (M, m) that belongs to an affine prediction of `kind`: with x_t = a x0 + s eps and the prediction
    c_x0 x0 + c_eps eps, two linear equations for x0 and eps."""
    (M, m), (c_x0, c_eps) = _affine(predictor), ddpm_target(kind, alpha_bar)
    a, s = np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar)
    det = a * c_eps - s * c_x0
    return (a * M - c_x0 * np.eye(len(m))) / det, a * m / det


def normal_kl(gap: ArrayLike, q_variance: ArrayLike, p_variance: ArrayLike) -> Array:
    """KL(N(m, q_variance I) || N(m + gap, p_variance I)) in nats, gap (n, d), variances numbers or (n,) -> (n,)."""
    gap = _array(gap, "gap", (None, None))
    ratio = np.asarray(q_variance, dtype=np.float64) / p_variance
    return (gap**2).sum(1) / (2 * np.asarray(p_variance)) + gap.shape[1] / 2 * (ratio - 1 - np.log(ratio))


def _slope(vp: VP, x: Array, t: float, score: Score) -> Array:
    return vp.drift(x, t) - 0.5 * vp.beta(t) * _array(score(x, t), "score(x, t)", x.shape)


def euler_ode(vp: VP, ts: ArrayLike, x: ArrayLike, score: Score) -> Array:
    """The trajectory (N+1, n, d) of Euler's method for the probability-flow ODE ([S] eq. 13) from x (n, d)
    at ts[0] along ts (N+1,) in their order."""
    ts, path = _array(ts, "ts", (None,)), [_array(x, "x", (None, None))]
    for t, t_next in zip(ts[:-1], ts[1:], strict=True):
        path.append(path[-1] + (t_next - t) * _slope(vp, path[-1], t, score))
    return np.stack(path)


def heun_ode(vp: VP, ts: ArrayLike, x: ArrayLike, score: Score) -> Array:
    """`euler_ode` by Heun's second-order method: averages the slopes at both ends, in every interval."""
    ts, path = _array(ts, "ts", (None,)), [_array(x, "x", (None, None))]
    for t, t_next in zip(ts[:-1], ts[1:], strict=True):
        first = _slope(vp, path[-1], t, score)
        second = _slope(vp, path[-1] + (t_next - t) * first, t_next, score)
        path.append(path[-1] + 0.5 * (t_next - t) * (first + second))
    return np.stack(path)


# -------------------------------------------------------------------------------------------- training losses


def residual_moments(mixture: Mixture, c_x0: Array, c_eps: Array, c_m: Array) -> tuple[Array, Array]:
    """Mean and variance of |r|^2 given the component k of x0, (n, K) each, at n times, where
    r = c_x0 x0 + c_eps eps + c_m with c_x0 and c_eps (n, d, d), c_m (n, d).

    Given k, r is N(mu, V): E|r|^2 = |mu|^2 + tr V and Var|r|^2 = 2 tr V^2 + 4 mu.V mu.
    """
    d = mixture.dim
    c_m = _array(c_m, "c_m", (None, d))[:, None]  # now all arrays are (n, K, ...)
    c_x0, c_eps = (_array(c, name, (len(c_m), d, d))[:, None] for name, c in (("c_x0", c_x0), ("c_eps", c_eps)))
    mu = (c_x0 @ mixture.means[..., None])[..., 0] + c_m
    V = c_x0 @ mixture.covs @ np.swapaxes(c_x0, -1, -2) + c_eps @ np.swapaxes(c_eps, -1, -2)
    mean = (mu**2).sum(-1) + _trace(V)
    return mean, 2 * _trace(V @ V) + 4 * np.einsum("nki,nkij,nkj->nk", mu, V, mu)


def ddpm_residual(alpha_bars: ArrayLike, mixture: Mixture, network: Network, kind: str) -> Mixture:
    """The law of r = network(x_t, t) - target for t uniform on 1 ... T and x0 ~ mixture: a mixture again.

    alpha_bars (T + 1,) starts with 1; network(t) gives the affine predictor at the integer t; `kind` as in `ddpm_target`.
    """
    bars, eye, parts = _array(alpha_bars, "alpha_bars", (None,)), np.eye(mixture.dim), []
    for t in range(1, len(bars)):
        (M, m), (c_x0, c_eps) = _affine(network(t)), ddpm_target(kind, bars[t])
        A, C = np.sqrt(bars[t]) * M - c_x0 * eye, np.sqrt(1 - bars[t]) * M - c_eps * eye
        covs = A @ mixture.covs @ A.T + C @ C.T
        parts.append((mixture.weights / (len(bars) - 1), mixture.means @ A.T + m, (covs + np.swapaxes(covs, 1, 2)) / 2))
    return Mixture(*(np.concatenate(part) for part in zip(*parts, strict=True)))


@dataclass(frozen=True, eq=False)
class SquaredLength:
    """The law of |r|^2, one number, for r from a Gaussian mixture."""

    of: Mixture

    @property
    def mean(self) -> Array:
        """E |r|^2, (1,)."""
        return np.array([self.of.weights @ self._moments()[0]])

    @property
    def cov(self) -> Array:
        """Var |r|^2, (1, 1)."""
        means, variances = self._moments()
        return np.array([[self.of.weights @ (variances + (means - self.mean) ** 2)]])

    def _moments(self) -> tuple[Array, Array]:
        eye = np.eye(self.of.dim)[None]
        means, variances = residual_moments(self.of, eye, 0 * eye, np.zeros((1, self.of.dim)))
        return means[0], variances[0]

    def characteristic(self, w: ArrayLike) -> NDArray[np.complex128]:
        """E exp(i w |r|^2), (k, 1) -> (k,): along each axis of a component, with variance v and mean b,
        exp(i w b^2 / (1 - 2 i w v)) / sqrt(1 - 2 i w v)."""
        values, vectors = np.linalg.eigh(self.of.covs)
        b = np.einsum("kij,ki->kj", vectors, self.of.means)
        w = _array(w, "w", (None, 1))[:, :, None]
        spread = 1 - 2j * w * np.maximum(values, 0.0)
        return (np.exp(1j * w * b**2 / spread) / np.sqrt(spread)).prod(-1) @ self.of.weights


@cache
def _times(nodes: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights for t in [0, 1], after t = u^2: sigma ~ sqrt(t) is smooth in u."""
    u, w = np.polynomial.legendre.leggauss(nodes)
    u = (u + 1) / 2
    return u**2, w * u  # dt = 2 u du, and the interval of u has half the length


def _moments(mixture: Mixture, weights: Array, residual: tuple[Array, Array, Array]) -> tuple[float, float]:
    means, variances = residual_moments(mixture, *residual)
    w = weights[:, None] * mixture.weights
    mean = (w * means).sum()
    return float(mean), float((w * (variances + (means - mean) ** 2)).sum())


def _at_times(vp: VP, network: Networks, nodes: int) -> tuple[Array, ...]:
    """What both losses need at the nodes: weights (n,), M (n, d, d), m (n, d), alpha and sigma (n, 1, 1)."""
    ts, w = _times(nodes)
    return w, *network(ts), *(rate(ts)[:, None, None] for rate in (vp.alpha, vp.sigma))


def dsm_moments(vp: VP, mixture: Mixture, network: Networks, nodes: int = 200) -> tuple[float, float]:
    """Mean and variance of the per-example loss |sigma s(x_t, t) + eps|^2 (a sum over dimensions), over
    t ~ U[0, 1], x0 ~ mixture and eps jointly: [S] eq. 7. The mean of B examples has variance / B.

    network(ts) gives the affine scores s(x, t) = M x + m at all times ts: M (n, d, d), m (n, d). Exact but for the
    quadrature over t, which is at rounding error when M and m are smooth in sqrt(t).
    """
    w, M, m, alpha, sigma = _at_times(vp, network, nodes)
    return _moments(mixture, w, (sigma * alpha * M, sigma**2 * M + np.eye(mixture.dim), sigma[..., 0] * m))


def v_moments(vp: VP, mixture: Mixture, network: Networks, nodes: int = 200) -> tuple[float, float]:
    """As `dsm_moments` for the loss |v(x_t, t) - (alpha eps - sigma x0)|^2 of affine v(x, t) = M x + m."""
    w, M, m, alpha, sigma = _at_times(vp, network, nodes)
    eye = np.eye(mixture.dim)
    return _moments(mixture, w, (alpha * M + sigma * eye, sigma * M - alpha * eye, m))


def _optimum(vp: VP, mixture: Mixture, target: Callable, n: int, seed: int, nodes: int) -> Estimate:
    """E|y - E[y | x_t]|^2 and its standard error for y = c_x0 x0 + c_eps eps;
    target(alpha, sigma) gives (c_x0, c_eps).

    By the law of total variance this is the variance within components, exact, plus that between them, the
    mean over x_t of sum_k P(k | x_t) |E[y | x_t, k] - E[y | x_t]|^2, by 16 scrambled Sobol sets of n points
    for each component.
    """
    K, d, replicates = len(mixture.weights), mixture.dim, 16
    noise = np.zeros((0, d))
    if K > 1:  # one Gaussian has nothing between components
        from scipy.stats import qmc  # here, because it takes most of a second to import

        _require(n >= 1, "n must be at least 1.")
        seeds = np.random.default_rng(seed).spawn(replicates)
        points = [qmc.Sobol(d, rng=rng).random_base2(int(np.ceil(np.log2(n)))) for rng in seeds]
        noise = ndtri(np.clip(np.concatenate(points), 2.0**-31, 1 - 2.0**-31))  # Sobol may return 0
    total = np.zeros(replicates)
    for t, weight in zip(*_times(nodes), strict=True):
        alpha, sigma = vp.alpha(t), vp.sigma(t)
        c_x0, c_eps = target(alpha, sigma)
        law = mixture.noised(alpha, sigma)
        cross = c_x0 * alpha * mixture.covs + c_eps * sigma * np.eye(d)  # Cov(y, x_t | k)
        known = _trace(cross @ np.linalg.solve(law.covs, cross))
        total += weight * (mixture.weights @ (c_x0**2 * _trace(mixture.covs) + c_eps**2 * d - known))
        if K > 1:
            x = law.means[:, None] + np.einsum("kij,nj->kni", _root(law.covs), noise)
            _, r, z = law._posterior(x.reshape(-1, d))
            y = c_x0 * mixture.means + (z[:, :, None] @ np.swapaxes(cross, 1, 2))[:, :, 0]
            gap = y - (r[:, None] @ y)
            between = (r * (gap**2).sum(2)).sum(1).reshape(K, replicates, -1).mean(2)
            total += weight * (mixture.weights @ between)
    return float(total.mean()), float(total.std(ddof=1) / np.sqrt(replicates)) if K > 1 else 0.0


def dsm_optimum(vp: VP, mixture: Mixture, n: int = 128, seed: int = 0, nodes: int = 64) -> Estimate:
    """The least possible mean of the loss of `dsm_moments`, that of the exact score, and its standard error.

    One Gaussian: exact, error 0. More components: estimated from 16 randomised Sobol sets of n points, so the
    error has 15 degrees of freedom; it was below 5e-4 of the value for K <= 8, d <= 5, and 4e-3 for two point
    masses. The quadrature over t is not in it: at most 2e-5 of the value in these cases.
    """
    return _optimum(vp, mixture, lambda alpha, sigma: (0.0, 1.0), n, seed, nodes)


def v_optimum(vp: VP, mixture: Mixture, n: int = 128, seed: int = 0, nodes: int = 64) -> Estimate:
    """As `dsm_optimum` for the loss of `v_moments`."""
    return _optimum(vp, mixture, lambda alpha, sigma: (-sigma, alpha), n, seed, nodes)
