"""Probes of notebook 01."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from helpers.probes import WrongType, balanced, need, probe, repeated, to_array, turns


def _collect(case: SimpleNamespace, draw: Callable[..., Any]) -> Any:
    """What `draw(n)` gives, viewed as `case.view` says: all rows of one call, or one line for each of many calls.

    "rows" is the one call itself, "calls" the rows of many calls one below the other, "means" the mean row of each call,
    "near" the first `case.keep` rows within `case.radius` of `case.centre`, "again" the share of numbers that two calls with one
    generator have in common, "twice" whether some of the rows of many calls are not the only ones of their kind.
    """
    if case.view == "rows":
        return draw(case.n)
    if case.view == "near":
        rows = to_array(draw(case.n))
        centre = case.centre.double().numpy()
        if rows.shape != (case.n, len(centre)):
            raise WrongType(f"returned the shape {list(rows.shape)} for n = {case.n} and d = {len(centre)}")
        near = rows[((rows - centre) ** 2).sum(1) < case.radius**2][: case.keep]
        if len(near) < case.keep:
            raise WrongType(f"returned far too few of {case.n:,} rows near the component looked at")
        return near
    if case.view == "again":
        return repeated(lambda generator: draw(case.n, generator=generator))
    calls = [to_array(draw(case.n, **given)) for _, given in zip(range(case.calls), turns(), strict=False)]
    shapes = {rows.shape for rows in calls}
    if shapes != {(case.n, case.d)}:
        odd = sorted(shapes - {(case.n, case.d)})[0]
        raise WrongType(f"returned the shape {list(odd)} for n = {case.n} and d = {case.d}")
    if case.view == "twice":
        return float(len(np.unique(np.concatenate(calls), axis=0)) < case.n * case.calls)
    return np.concatenate(calls) if case.view == "calls" else np.stack(calls).mean(1)


@probe("sampling.gaussian")
def gaussian(case: SimpleNamespace, sample_gaussian: Any) -> Any:
    """Samples for one mean and covariance; or of independent numbers how many of each row are far from the mean, the row's mean
    square in units of their variances, or whether 4 rows, and 5, are on average exactly at the mean."""
    if case.view == "balance":
        cov = (case.sd**2).diag()
        return [balanced(to_array(sample_gaussian(n, case.mean, cov)) - case.mean.double().numpy()) for n in (4, 5)]
    if case.view in ("far", "size"):
        rows = to_array(sample_gaussian(case.n, case.mean, (case.sd**2).diag()))
        if rows.shape != (case.n, len(case.mean)):
            raise WrongType(f"returned the shape {list(rows.shape)} for n = {case.n} and d = {len(case.mean)}")
        rows = (rows - case.mean.double().numpy()) / case.sd.double().numpy()
        return (rows**2).mean(1) if case.view == "size" else (np.abs(rows) > case.radius).sum(1)
    return _collect(case, lambda n, **given: sample_gaussian(n, case.mean, case.cov, **given))


@probe("sampling.mixture")
def mixture(case: SimpleNamespace, sample_mixture: Any) -> Any:
    """Samples for one mixture, how many of them are near a given point, or how wide they lie around the nearer of two centres."""
    if case.view == "size":
        rows = to_array(sample_mixture(case.n, case.weights, case.means, case.covs))
        means, sd = case.means.double().numpy(), case.sd.double().numpy()
        if rows.shape != (case.n, means.shape[1]):
            raise WrongType(f"returned the shape {list(rows.shape)} for n = {case.n} and d = {means.shape[1]}")
        ways = (rows[:, None] - means) / sd
        return (ways**2).mean(2).min(1)
    if case.view == "count":
        rows = to_array(sample_mixture(case.n, case.weights, case.means, case.covs))
        if rows.shape != (case.n, case.means.shape[1]):
            raise WrongType(f"returned the shape {list(rows.shape)} for n = {case.n} and d = {case.means.shape[1]}")
        return int((np.linalg.norm(rows - case.point.double().numpy(), axis=1) < case.radius).sum())
    return _collect(case, lambda n, **given: sample_mixture(n, case.weights, case.means, case.covs, **given))


@probe("sampling.log_prob")
def log_prob(case: SimpleNamespace, gaussian_log_prob: Any) -> Any:
    """Log-densities at given points."""
    return gaussian_log_prob(case.x, case.mean, case.cov)


@probe("sampling.mixture_log_prob")
def mixture_log_prob(case: SimpleNamespace, mixture_log_prob: Any) -> Any:
    """Log-densities at given points."""
    return mixture_log_prob(case.x, case.weights, case.means, case.covs)


@probe("sampling.two_gaussians")
def two_gaussians(case: SimpleNamespace, two_gaussians: Any) -> Any:
    """Samples of the toy data, or mean squares of their ways from the nearer centre."""
    if case.view == "size":
        rows = to_array(two_gaussians(case.n))
        if rows.shape != (case.n, 2):
            raise WrongType(f"returned the shape {list(rows.shape)} for n = {case.n}")
        ways = rows - np.where(rows.sum(1, keepdims=True) > 0, 1.0, -1.0)
        return (ways**2).reshape(-1, case.width).mean(1)
    return _collect(case, two_gaussians)


@probe("sampling.chequerboard")
def chequerboard(case: SimpleNamespace, chequerboard: Any) -> Any:
    """Samples of the toy data; how far each is outside of the nearest of the given boxes; its place in its unit square; or whether
    that is near the square's edge."""
    if case.view not in ("outside", "place", "edges"):
        return _collect(case, chequerboard)
    rows = to_array(chequerboard(case.n))
    if rows.shape != (case.n, 2):
        raise WrongType(f"returned the shape {list(rows.shape)} for n = {case.n}")
    if case.view == "place":
        return rows - np.floor(rows)
    if case.view == "edges":
        return (np.abs(rows - np.round(rows)) < case.width).any(1)
    lows, highs = case.lows.double().numpy(), case.highs.double().numpy()
    gap = np.maximum(np.maximum(lows - rows[:, None], rows[:, None] - highs), 0.0)
    return gap.max(2).min(1)


@probe("sampling.perturb")
def perturb(case: SimpleNamespace, perturb: Any) -> Any:
    """x_t and eps of one call, seen in the way that `case.view` names; the inputs' rows are repeated `case.copies` times."""
    x0 = case.x0.repeat(case.copies, 1)
    alpha, sigma = case.alpha, case.sigma
    if not isinstance(alpha, (int, float)):
        alpha, sigma = alpha.repeat(case.copies), sigma.repeat(case.copies)
    held = [value.clone() if hasattr(value, "clone") else value for value in (x0, alpha, sigma)]

    turn = turns()

    def call(**given: Any) -> tuple[np.ndarray, np.ndarray]:
        return tuple(to_array(part) for part in need(perturb(x0, alpha, sigma, **given), 2, "x_t, eps"))

    before = to_array(held[0])
    a, s = (np.reshape(to_array(value), (-1, 1)) for value in held[1:])
    if case.view == "inputs":
        call()
        return [float(np.any(to_array(now) != to_array(old))) for now, old in zip((x0, alpha, sigma), held, strict=True)]
    if case.view == "again":
        return repeated(lambda generator: call(generator=generator)[1])
    if case.view == "calls":
        return np.concatenate([_same_shape(before, *call(**next(turn)))[1] for _ in range(case.calls)])
    if case.view == "means":
        return np.stack([_same_shape(before, *call(**next(turn)))[1].mean(0) for _ in range(case.calls)])
    x_t, eps = call()
    if case.view == "eps":
        return eps
    if case.view == "size":
        eps = _same_shape(before, x_t, eps)[1]
        return np.stack([(eps**2).mean(1), (np.abs(eps) > case.radius).mean(1)], axis=1)
    if case.view == "x_t":
        return x_t if x_t.shape != before.shape else (x_t - a * before) / s
    x_t, eps = _same_shape(before, x_t, eps)
    residual = x_t - a * before - s * eps
    return residual**2 if case.view == "squares" else residual


def _same_shape(x0: np.ndarray, x_t: np.ndarray, eps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    for name, value in (("x_t", x_t), ("eps", eps)):
        if value.shape != x0.shape:
            raise WrongType(f"returned {name} of shape {list(value.shape)} for x0 of shape {list(x0.shape)}")
    return x_t, eps
