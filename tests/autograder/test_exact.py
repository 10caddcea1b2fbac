"""Every closed form in `autograder.exact` against Monte Carlo, finite differences or an independent formula.

Monte Carlo: a mean over n draws is compared with its closed form in units of its standard error, and |z| < 5
is demanded. A right comparison fails with probability 6e-7, a few times that in the most skewed columns
(squared losses). There are 439, so fresh seeds would fail about once in 2,000 changes; the seeds are fixed.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from autograder import exact
from autograder.exact import VP, AffineGaussian, Mixture, UniformCells, chequerboard

few = settings(max_examples=15, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
dims = st.integers(1, 4)
times = st.floats(0.01, 1.0)
fast = VP(0.3, 7.0)  # beta_min matters, and alpha(1) = 0.16 still shows the data


def random_cov(rng, d, scale=1.0):
    a = rng.normal(size=(d, d))
    return scale * (a @ a.T / d + 0.1 * np.eye(d))


def random_mixture(rng, K, d, scale=0.3):
    weights = rng.dirichlet(np.full(K, 2.0))
    covs = np.stack([random_cov(rng, d, scale) for _ in range(K)])
    return Mixture(weights, rng.normal(0.5, 1.5, (K, d)), covs)


def random_affine(rng, d):
    return rng.normal(size=(d, d)), rng.normal(size=d)


def assert_means(samples, expected, limit=5.0):
    """Columns of samples (n, k) have the expected means (k,), in units of their standard errors."""
    samples = np.asarray(samples).reshape(len(samples), -1)
    expected = np.ravel(expected)
    assert samples.shape[1] == len(expected)
    error = samples.std(0, ddof=1) / np.sqrt(len(samples))
    assert (error > 0).all(), "a column without spread is no Monte Carlo check"
    z = (samples.mean(0) - expected) / error
    assert np.abs(z).max() < limit, z


def assert_law(x, mean, cov):
    """Rows of x have this mean and covariance."""
    gap = x - mean
    assert_means(x, mean)
    assert_means(gap[:, :, None] * gap[:, None, :], cov)


def assert_characteristic(x, law, rng):
    w = rng.normal(size=(6, x.shape[1])) * 0.8
    phi = law.characteristic(w)
    assert_means(np.cos(x @ w.T), phi.real)
    assert_means(np.sin(x @ w.T), phi.imag)


# ------------------------------------------------------------------------------------------- laws of the data


@pytest.mark.parametrize(("K", "d"), [(1, 1), (3, 2), (4, 3)])
def test_noised_mixture_has_the_law_of_alpha_x0_plus_sigma_eps(K, d):
    rng = np.random.default_rng(10 + d)
    data, n = random_mixture(rng, K, d), 100_000
    x = 0.7 * data.sample(n, rng) + 0.4 * rng.standard_normal((n, d))
    law = data.noised(0.7, 0.4)
    assert_law(x, law.mean, law.cov)
    assert_characteristic(x, law, rng)


@few
@given(seeds, st.integers(1, 4), dims)
def test_log_prob_is_that_of_the_weighted_sum_of_densities(seed, K, d):
    rng = np.random.default_rng(seed)
    law = random_mixture(rng, K, d)
    x = law.sample(20, rng)
    parts = zip(law.weights, law.means, law.covs, strict=True)
    density = sum(w * multivariate_normal.pdf(x, m, C).reshape(-1) for w, m, C in parts)
    np.testing.assert_allclose(law.log_prob(x), np.log(density), rtol=1e-9, atol=1e-9)


def test_log_prob_weighs_points_as_the_law_does():
    """E_q[p/q cos(w.x)] = Re E_p exp(i w.x) for a wide Gaussian q; w = 0 is the normalisation."""
    rng = np.random.default_rng(20)
    law = random_mixture(rng, 3, 2)
    wide = Mixture.gaussian(law.mean, 2.5 * law.cov)
    x = wide.sample(100_000, rng)
    w = np.vstack([np.zeros(2), rng.normal(size=(4, 2))])
    ratio = np.exp(law.log_prob(x) - wide.log_prob(x))
    assert_means(ratio[:, None] * np.cos(x @ w.T), law.characteristic(w).real)


def test_log_prob_and_score_are_right_far_in_the_tails():
    law = Mixture([0.25, 0.75, 0.0], [[0.0], [3.0], [-1e6]], [[[1.0]], [[4.0]], [[1.0]]])
    x = np.array([[-1e6], [1e6]])  # the wider component rules both tails; the component at -1e6 has no weight
    wide = np.log(0.75) - 0.5 * ((x[:, 0] - 3) / 2) ** 2 - np.log(2) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(law.log_prob(x), wide, rtol=1e-13)
    np.testing.assert_allclose(law.score(x), -(x - 3) / 4, rtol=1e-13)


@few
@given(seeds, st.integers(1, 4), dims)
def test_score_is_the_gradient_of_log_prob(seed, K, d):
    rng = np.random.default_rng(seed)
    law, h = random_mixture(rng, K, d), 1e-5
    x = law.sample(8, rng) + rng.normal(size=(8, d))
    slopes = [(law.log_prob(x + h * e) - law.log_prob(x - h * e)) / (2 * h) for e in np.eye(d)]
    np.testing.assert_allclose(law.score(x), np.stack(slopes, 1), rtol=1e-5, atol=1e-5)


def test_score_obeys_steins_identity():
    rng = np.random.default_rng(30)
    law = random_mixture(rng, 3, 3)
    x = law.sample(100_000, rng)
    score = law.score(x)
    assert_means(score, np.zeros(3))
    assert_means(score[:, :, None] * x[:, None, :], -np.eye(3))


@pytest.mark.parametrize(("K", "d"), [(1, 2), (3, 1), (3, 3)])
def test_predictors_are_conditional_expectations(K, d):
    """E[(target - predictor(x_t)) f(x_t)] = 0 for every f makes it E[target | x_t]; rows have own t."""
    rng = np.random.default_rng(40 + d)
    data, n = random_mixture(rng, K, d), 60_000
    t = rng.uniform(0.05, 1, n)
    alpha, sigma = fast.alpha(t), fast.sigma(t)
    x0, eps = data.sample(n, rng), rng.standard_normal((n, d))
    x_t = alpha[:, None] * x0 + sigma[:, None] * eps
    w = rng.normal(size=(d, 6))
    probes = np.hstack([np.ones((n, 1)), x_t, t[:, None], np.cos(x_t @ w + 3 * t[:, None])])
    v = alpha[:, None] * eps - sigma[:, None] * x0
    for target, predictor in ((eps, data.eps), (x0, data.denoiser), (v, data.v)):
        residual = target - predictor(x_t, alpha, sigma)
        products = residual[:, :, None] * probes[:, None, :]
        assert_means(products, np.zeros(products[0].size))


@few
@given(seeds, st.integers(1, 4), dims, times)
def test_predictors_agree_with_each_other_and_with_the_score(seed, K, d, t):
    rng = np.random.default_rng(seed)
    data = random_mixture(rng, K, d)
    alpha, sigma = fast.alpha(t), fast.sigma(t)
    x = data.noised(alpha, sigma).sample(7, rng)
    eps, x0, v = (f(x, alpha, sigma) for f in (data.eps, data.denoiser, data.v))
    near = {"rtol": 1e-8, "atol": 1e-8}
    np.testing.assert_allclose(alpha * x0 + sigma * eps, x, **near)
    np.testing.assert_allclose(eps, -sigma * data.noised(alpha, sigma).score(x), **near)
    np.testing.assert_allclose(alpha * eps - sigma * x0, v, **near)
    np.testing.assert_allclose(alpha * x - sigma * v, x0, **near)  # the way back from v


@few
@given(seeds, st.integers(1, 3), dims)
def test_rows_with_their_own_times_equal_rows_one_by_one(seed, K, d):
    """Both alpha and sigma may differ between rows, or one of them only (sigma alone: variance exploding)."""
    rng = np.random.default_rng(seed)
    data, x, t = random_mixture(rng, K, d), rng.normal(size=(5, d)), rng.uniform(0.05, 1, 5)
    alphas, sigmas = fast.alpha(t), fast.sigma(t)
    for f in (data.eps, data.denoiser, data.v):
        for alpha, sigma in ((alphas, sigmas), (1.0, sigmas), (alphas, 0.5)):
            rows = zip(x[:, None], np.broadcast_to(alpha, 5), np.broadcast_to(sigma, 5), strict=True)
            alone = [f(*row)[0] for row in rows]
            np.testing.assert_allclose(f(x, alpha, sigma), alone, rtol=1e-10, atol=1e-12)


def test_denoiser_of_two_points_is_a_tanh():
    """x0 = +m or -m with equal probability: E[x0 | x_t] = m tanh(alpha m.x_t / sigma^2)."""
    m = np.array([1.0, -2.0])
    data = Mixture([0.5, 0.5], [m, -m], np.zeros((2, 2, 2)))
    x = np.random.default_rng(50).normal(size=(9, 2))
    expected = np.tanh(0.8 * x @ m / 0.6**2)[:, None] * m
    np.testing.assert_allclose(data.denoiser(x, 0.8, 0.6), expected, rtol=1e-10)
    with pytest.raises(ValueError, match="singular"):
        data.log_prob(x)


def test_at_alpha_zero_nothing_is_known_of_x0():
    rng = np.random.default_rng(51)
    data, x = random_mixture(rng, 3, 2), rng.normal(size=(6, 2))
    np.testing.assert_allclose(data.denoiser(x, 0.0, 1.0), np.tile(data.mean, (6, 1)), rtol=1e-12)
    np.testing.assert_allclose(data.eps(x, 0.0, 1.0), x, rtol=1e-12)


def test_no_rows_are_no_error():
    data = random_mixture(np.random.default_rng(52), 3, 2)
    assert data.log_prob(np.zeros((0, 2))).shape == (0,)
    assert data.denoiser(np.zeros((0, 2)), np.zeros(0), np.ones(0)).shape == (0, 2)


one, chance = [[[1.0]]], Mixture.gaussian([0.0], [[1.0]])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Mixture([0.5, 0.4], [[0.0], [1.0]], one * 2), "sum to 0.9"),
        (lambda: Mixture([1.5, -0.5], [[0.0], [1.0]], one * 2), "negative value"),
        (lambda: Mixture([1.0], [0.0], one), "means has shape"),
        (lambda: Mixture([1.0], [[0.0]], [[1.0]]), "covs has shape"),
        (lambda: Mixture([1.0], [[np.nan]], one), "not finite"),
        (lambda: Mixture.gaussian([0.0, 0.0], [[1.0, 0.5], [0.2, 1.0]]), "not symmetric"),
        (lambda: Mixture.gaussian([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), "negative eigenvalue"),
        (lambda: Mixture.gaussian([0.0], [[1.0]]).score(np.zeros((3, 2))), "x has shape"),
        (lambda: Mixture.gaussian([0.0], [[1.0]]).eps(np.zeros((3, 1)), np.ones((3, 1)), 1.0), "have shape"),
        (lambda: Mixture.gaussian([0.0], [[1.0]]).eps(np.zeros((3, 1)), 1.0, np.ones(2)), "have shape"),
        (lambda: UniformCells([[0.0], [0.5]], [[1.0], [1.5]]), "overlap"),
        (lambda: UniformCells([[0.0], [2.0]], [[1.0], [4.0]]), "volume"),
        (lambda: UniformCells([[1.0]], [[0.0]]), "low corner"),
        (lambda: chequerboard(0), "side"),
        (lambda: VP(-0.1, 20.0), "beta_min"),
        (lambda: VP(1.0, np.nan), "beta_min"),
        (lambda: VP(0.0, 0.0), "beta_min"),
        (lambda: AffineGaussian(np.eye(2), np.zeros(3), np.eye(3)), "A has shape"),
        (lambda: exact.ddpm_step(0.9, 0.5, ([[1.0]], [0.0]), 0.1), "alpha_bar"),
        (lambda: exact.ddpm_step(0.5, 0.9, ([[1.0]], [0.0]), -0.1), "negative eigenvalue"),
        (lambda: exact.ddim_step(1.0, 1.0, ([[1.0]], [0.0]), 0.0), "alpha_bar"),
        (lambda: exact.ddim_step(0.5, 0.6, ([[1.0]], [0.0]), 3.0), "more noise"),
        (lambda: exact.pair_moments(chequerboard().characteristic, np.ones((1, 3)), [0.0]), "even number"),
        (lambda: exact.euler_ode(VP(), [1.0, 0.5], np.ones((3, 1)), lambda x, t: x[:, 0]), "score"),
        (lambda: exact.gaussian_score([0.0], [[0.0]], 1.0, 0.0), "[Ss]ingular"),
        (lambda: exact.residual_moments(chance, one, np.ones((2, 1, 1)), [[0.0]]), "c_eps has shape"),
    ],
)
def test_a_wrong_argument_is_named(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.parametrize(
    "law",
    [
        chequerboard(),
        chequerboard(3, 1.5),
        UniformCells([[0, 0, 0], [2, 1, -1.0]], [[1, 2, 1], [6, 2, -0.5]]),
    ],
)
def test_uniform_cells_moments_and_characteristic(law):
    rng = np.random.default_rng(60)
    x = law.sample(100_000, rng)
    inside = ((law.lows <= x[:1000, None]) & (x[:1000, None] <= law.highs)).all(-1)
    assert (inside.sum(1) == 1).all()
    assert_law(x, law.mean, law.cov)
    assert_characteristic(x, law, rng)


@pytest.mark.parametrize(("side", "squares"), [(1, 1), (2, 2), (3, 5), (4, 8)])
def test_chequerboard_starts_black_in_the_lower_left_corner(side, squares):
    board = chequerboard(side, 2.0)
    assert len(board.lows) == squares
    x = board.sample(4000, np.random.default_rng(61))
    ij = np.floor((x + 2.0) * side / 4.0).astype(int)
    assert (ij.sum(1) % 2 == 0).all()
    assert len(np.unique(ij, axis=0)) == squares  # every black square is hit: missed with probability 1e-231


@pytest.mark.parametrize("law", [chequerboard(), random_mixture(np.random.default_rng(70), 3, 2)])
def test_cosine_moments(law):
    rng = np.random.default_rng(71)
    w, phase = rng.normal(size=(6, 2)), rng.uniform(0, 2 * np.pi, 6)
    cosines = np.cos(law.sample(100_000, rng) @ w.T + phase)
    mean, var = exact.cosine_moments(law.characteristic, w, phase)
    assert_means(cosines, mean)
    assert_means((cosines - mean) ** 2, var)


@pytest.mark.parametrize("law", [chequerboard(), random_mixture(np.random.default_rng(72), 3, 2)])
def test_pair_moments(law):
    rng = np.random.default_rng(73)
    w, phase = rng.normal(size=(6, 4)) * 0.7, rng.uniform(0, 2 * np.pi, 6)
    pairs = np.hstack([law.sample(100_000, rng), law.sample(100_000, rng)])
    mean, var = exact.pair_moments(law.characteristic, w, phase)
    cosines = np.cos(pairs @ w.T + phase)
    assert_means(cosines, mean)
    assert_means((cosines - mean) ** 2, var)


def test_cosine_of_nothing_is_a_constant():
    mean, var = exact.cosine_moments(chequerboard().characteristic, np.zeros((3, 2)), [0.0, 1.0, 2.0])
    np.testing.assert_allclose(mean, np.cos([0.0, 1.0, 2.0]), atol=1e-15)
    np.testing.assert_allclose(var, 0.0, atol=1e-15)
    assert (var >= 0).all()


# ------------------------------------------------------------------------------ the noising process and steps


@few
@given(st.floats(0.05, 5), st.floats(0.05, 25), times)
def test_vp_coefficients_solve_their_equations(beta_min, beta_max, t):
    vp, h = VP(beta_min, beta_max), 1e-6
    assert vp.beta(0.0) == pytest.approx(beta_min)
    assert vp.beta(1.0) == pytest.approx(beta_max)
    assert vp.alpha(t) ** 2 + vp.sigma(t) ** 2 == pytest.approx(1.0, abs=1e-14)
    log_slope = (np.log(vp.alpha(t + h)) - np.log(vp.alpha(t - h))) / (2 * h)
    assert log_slope == pytest.approx(-0.5 * vp.beta(t), rel=1e-6)  # d alpha / dt = -beta/2 alpha
    assert vp.alpha(0.0) == 1
    tiny = np.sqrt(beta_min * 1e-14)  # where sqrt(1 - alpha^2) as written is wrong in its first digit
    assert vp.sigma(1e-14) == pytest.approx(tiny, rel=1e-9)


def test_vp_sde_simulated_finely_has_the_marginals_of_alpha_and_sigma():
    """Composed forward Euler-Maruyama steps of drift and diffusion: the error falls as 1/N."""
    x0, vp = np.array([[1.7]]), fast

    def error(N):
        mean, var, h = x0, 0.0, 1 / N
        for t in np.arange(N) * h:
            mean = mean + h * vp.drift(mean, t)
            var = var * (1 + h * vp.drift([[1.0]], t)[0, 0]) ** 2 + h * vp.diffusion(t) ** 2
        return np.array([mean[0, 0] - vp.alpha(1) * 1.7, var - vp.sigma(1) ** 2])

    coarse, fine = error(400), error(800)
    assert np.abs(fine).max() < 0.01
    np.testing.assert_allclose(coarse / fine, 2.0, rtol=0.05)


def test_drift_takes_a_time_for_each_row():
    x, t = np.arange(6.0).reshape(3, 2), np.array([0.1, 0.5, 0.9])
    one_by_one = [-0.5 * fast.beta(s) * row for s, row in zip(t, x, strict=True)]
    np.testing.assert_allclose(fast.drift(x, t), one_by_one)
    np.testing.assert_allclose(fast.diffusion(t) ** 2, fast.beta(t))


def random_step(rng, d):
    return AffineGaussian(*random_affine(rng, d), random_cov(rng, d))


def assert_same(one, other, rtol=1e-9, atol=1e-9):
    for name in ("A", "b", "C"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=atol)


@few
@given(seeds, dims)
def test_composition_is_associative_and_has_a_neutral_element(seed, d):
    rng = np.random.default_rng(seed)
    f, g, h = (random_step(rng, d) for _ in range(3))
    assert_same(f.then(g).then(h), f.then(g.then(h)))
    assert_same(f.then(AffineGaussian.identity(d)), f)
    assert_same(AffineGaussian.identity(d).then(f), f)
    x = rng.normal(size=(4, d))
    np.testing.assert_allclose(f.then(g)(x), g(f(x)), rtol=1e-9, atol=1e-9)
    mean, cov = rng.normal(size=d), random_cov(rng, d)
    for both, in_turn in zip(f.then(g).of(mean, cov), g.of(*f.of(mean, cov)), strict=True):
        np.testing.assert_allclose(both, in_turn, rtol=1e-9, atol=1e-9)


def test_composition_is_the_law_of_drawing_twice():
    rng = np.random.default_rng(80)
    start, f, g, n = (
        Mixture.gaussian(rng.normal(size=2), random_cov(rng, 2)),
        *(random_step(rng, 2) for _ in "fg"),
        100_000,
    )
    x = start.sample(n, rng)
    y = x @ f.A.T + f.b + rng.multivariate_normal(np.zeros(2), f.C, n)
    z = y @ g.A.T + g.b + rng.multivariate_normal(np.zeros(2), g.C, n)
    assert_law(y, *f.of(start.mean, start.cov))
    assert_law(z, *f.then(g).of(start.mean, start.cov))


def simulate(step, x, predictor, rng):
    """One step as its paper prints it, on rows x, and the affine law that should describe it."""
    M, m = predictor
    out, noise = x @ M.T + m, rng.standard_normal(x.shape)  # out: score or eps at x
    if step == "euler_ode":
        t, t_next = 0.7, 0.55
        f, g = fast.drift(x, t), fast.diffusion(t)
        return x + (f - 0.5 * g**2 * out) * (t_next - t), exact.euler_ode_step(fast, t, t_next, predictor)
    if step == "euler_maruyama":
        t, t_next = 0.7, 0.55
        f, g = fast.drift(x, t), fast.diffusion(t)
        moved = x + (f - g**2 * out) * (t_next - t) + g * np.sqrt(t - t_next) * noise
        return moved, exact.euler_maruyama_step(fast, t, t_next, predictor)
    a_bar, prev = 0.45, 0.6
    if step == "ddpm":
        alpha, variance = a_bar / prev, 0.17
        mean = (x - (1 - alpha) / np.sqrt(1 - a_bar) * out) / np.sqrt(alpha)
        return mean + np.sqrt(variance) * noise, exact.ddpm_step(a_bar, prev, predictor, variance)
    eta = {"ddim": 0.0, "ddim, eta 0.6": 0.6}[step]
    s = eta * np.sqrt((1 - prev) / (1 - a_bar)) * np.sqrt(1 - a_bar / prev)  # eq. 16
    x0 = (x - np.sqrt(1 - a_bar) * out) / np.sqrt(a_bar)
    moved = np.sqrt(prev) * x0 + np.sqrt(1 - prev - s**2) * out + s * noise  # eq. 12
    return moved, exact.ddim_step(a_bar, prev, predictor, eta)


@pytest.mark.parametrize("step", ["euler_ode", "euler_maruyama", "ddpm", "ddim", "ddim, eta 0.6"])
def test_one_step_laws_describe_the_steps_as_printed(step):
    rng = np.random.default_rng(90)
    start = Mixture.gaussian(rng.normal(size=2), random_cov(rng, 2))
    x = start.sample(100_000, rng)
    predictor = random_affine(rng, 2)  # neither symmetric nor the right one: every coefficient shows
    moved, law = simulate(step, x, predictor, rng)
    assert_law(moved, *law.of(start.mean, start.cov))
    if step in ("euler_ode", "ddim"):
        assert not law.C.any()
        np.testing.assert_allclose(law(x), moved, rtol=1e-10, atol=1e-10)
    else:  # what is left is noise of its own
        assert_means((moved - law(x))[:, :, None] * x[:, None], np.zeros((2, 2)))


@few
@given(seeds, dims, times)
def test_gaussian_predictors_are_those_of_a_mixture_of_one(seed, d, t):
    rng = np.random.default_rng(seed)
    mean, cov, alpha, sigma = rng.normal(size=d), random_cov(rng, d), fast.alpha(t), fast.sigma(t)
    data, x = Mixture.gaussian(mean, cov), rng.normal(size=(5, d))
    M, m = exact.gaussian_score(mean, cov, alpha, sigma)
    np.testing.assert_allclose(x @ M.T + m, data.noised(alpha, sigma).score(x), rtol=1e-8, atol=1e-8)
    M, m = exact.gaussian_eps(mean, cov, alpha, sigma)
    np.testing.assert_allclose(x @ M.T + m, data.eps(x, alpha, sigma), rtol=1e-8, atol=1e-8)


@few
@given(seeds, dims, st.floats(0.01, 0.98), st.floats(0.01, 1.0))
def test_ddim_with_eta_one_is_ddpm_with_beta_tilde(seed, d, a_bar, share):
    prev = a_bar + share * (1 - a_bar)
    eps = random_affine(np.random.default_rng(seed), d)
    beta_tilde = (1 - prev) / (1 - a_bar) * (1 - a_bar / prev)  # [H] eq. 7
    assert_same(exact.ddim_step(a_bar, prev, eps, 1.0), exact.ddpm_step(a_bar, prev, eps, beta_tilde))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_finds_a_point_mass_exactly(eta):
    """With all data in one point the exact predictor ends there from everywhere, whatever the schedule."""
    point, chain = np.array([1.3, -0.4]), AffineGaussian.identity(2)
    alpha_bars = [1.0, 0.8, 0.5, 0.1]
    for a_bar, prev in zip(alpha_bars[:0:-1], alpha_bars[-2::-1], strict=True):
        eps = exact.gaussian_eps(point, np.zeros((2, 2)), np.sqrt(a_bar), np.sqrt(1 - a_bar))
        chain = chain.then(exact.ddim_step(a_bar, prev, eps, eta))
    assert_same(chain, AffineGaussian(np.zeros((2, 2)), point, np.zeros((2, 2))), atol=1e-12)


def test_ancestral_ddpm_with_the_exact_predictor_brings_the_data_back():
    """Gaussian data: the law after T steps approaches the data's, with an error that falls as 1/T."""
    mean, cov = np.array([1.3, -0.5]), np.array([[0.36, 0.1], [0.1, 0.8]])

    def error(T):
        alpha_bars = np.append(1.0, fast.alpha(np.arange(1, T + 1) / T) ** 2)
        law = Mixture.gaussian(mean, cov).noised(fast.alpha(1), fast.sigma(1))
        m, C = law.mean, law.cov
        for a_bar, prev in zip(alpha_bars[:0:-1], alpha_bars[-2::-1], strict=True):
            eps = exact.gaussian_eps(mean, cov, np.sqrt(a_bar), np.sqrt(1 - a_bar))
            variance = (1 - a_bar / prev) if prev < 1 else 0.0
            m, C = exact.ddpm_step(a_bar, prev, eps, variance).of(m, C)
        return np.abs(C - cov).max(), np.abs(m - mean).max()

    (coarse, mean_error), (fine, _) = error(200), error(400)
    assert mean_error < 1e-9  # the mean is exact at every T
    assert fine < 0.01
    assert coarse / fine == pytest.approx(2.0, rel=0.1)


def flow(mean, cov, t, s, x):
    """The exact probability-flow map of Gaussian data from time t to s: m_s + S_s^1/2 S_t^-1/2 (x - m_t)."""
    values, Q = np.linalg.eigh(cov)
    spread = [fast.alpha(u) ** 2 * values + fast.sigma(u) ** 2 for u in (t, s)]
    stretch = Q @ np.diag(np.sqrt(spread[1] / spread[0])) @ Q.T
    return fast.alpha(s) * mean + (x - fast.alpha(t) * mean) @ stretch


@pytest.mark.parametrize(("solver", "order"), [(exact.euler_ode, 1), (exact.heun_ode, 2)])
@pytest.mark.parametrize(("start", "end"), [(1.0, 0.0), (0.0, 1.0)])
def test_ode_solvers_have_their_order(solver, order, start, end):
    rng = np.random.default_rng(100)
    mean, cov = rng.normal(size=2), random_cov(rng, 2)
    data, x = Mixture.gaussian(mean, cov), rng.normal(size=(4, 2))

    def score(x, t):
        return data.noised(fast.alpha(t), fast.sigma(t)).score(x)

    def error(N):
        path = solver(fast, np.linspace(start, end, N + 1), x, score)
        assert path.shape == (N + 1, 4, 2)
        np.testing.assert_array_equal(path[0], x)
        middle = flow(mean, cov, start, (start + end) / 2, x)  # the trajectory counts, not only its end
        return np.abs(path[-1] - flow(mean, cov, start, end, x)).max(), np.abs(path[N // 2] - middle).max()

    coarse, fine = np.array(error(100)), np.array(error(200))
    assert fine.max() < 0.05
    np.testing.assert_allclose(np.log2(coarse / fine), order, atol=0.1)


def test_heun_averages_the_slopes_of_both_ends():
    """One step written out; the last interval is no exception."""

    def score(x, t):
        return np.sin(x) - t

    def slope(x, t):
        return fast.drift(x, t) - 0.5 * fast.beta(t) * score(x, t)

    x, (t, s) = np.array([[0.3, -1.0]]), (0.6, 0.35)
    predicted = x + (s - t) * slope(x, t)
    corrected = x + (s - t) * (slope(x, t) + slope(predicted, s)) / 2
    np.testing.assert_allclose(exact.heun_ode(fast, [t, s], x, score)[1], corrected, rtol=1e-13)
    np.testing.assert_allclose(exact.euler_ode(fast, [t, s], x, score)[1], predicted, rtol=1e-13)


@few
@given(seeds, dims, st.integers(1, 6))
def test_affine_euler_steps_equal_the_point_recursion(seed, d, N):
    rng = np.random.default_rng(seed)
    mean, cov, x = rng.normal(size=d), random_cov(rng, d), rng.normal(size=(3, d))
    ts = np.sort(rng.uniform(0.02, 1, N + 1))[::-1]  # uneven steps

    def at(t):
        return exact.gaussian_score(mean, cov, fast.alpha(t), fast.sigma(t))

    chain, path = (
        AffineGaussian.identity(d),
        exact.euler_ode(fast, ts, x, lambda x, t: x @ at(t)[0].T + at(t)[1]),
    )
    for k in range(N):
        chain = chain.then(exact.euler_ode_step(fast, ts[k], ts[k + 1], at(ts[k])))
        np.testing.assert_allclose(chain(x), path[k + 1], rtol=1e-8, atol=1e-8)


def test_reverse_sde_brings_the_data_back_with_order_one():
    mean, cov = np.array([1.3, -0.5]), np.array([[0.36, 0.1], [0.1, 0.8]])

    def error(N):
        law = Mixture.gaussian(mean, cov).noised(fast.alpha(1), fast.sigma(1))
        m, C, ts = law.mean, law.cov, np.linspace(1, 0, N + 1)
        for t, s in zip(ts[:-1], ts[1:], strict=True):
            score = exact.gaussian_score(mean, cov, fast.alpha(t), fast.sigma(t))
            m, C = exact.euler_maruyama_step(fast, t, s, score).of(m, C)
        return np.array([np.abs(m - mean).max(), np.abs(C - cov).max()])

    coarse, fine = error(200), error(400)
    assert fine.max() < 0.02
    np.testing.assert_allclose(coarse / fine, 2.0, rtol=0.1)


# -------------------------------------------------------------------------------------------- training losses


def draw(vp, data, n, rng):
    """t, alpha (n,1), sigma (n,1), x0, eps, x_t for one batch of training examples."""
    t = rng.uniform(0, 1, n)
    alpha, sigma = vp.alpha(t)[:, None], vp.sigma(t)[:, None]
    x0, eps = data.sample(n, rng), rng.standard_normal((n, data.dim))
    return t, alpha, sigma, x0, eps, alpha * x0 + sigma * eps


def at_each(network):
    """A network that knows one time, at all times: as the losses take it."""
    return lambda ts: tuple(map(np.stack, zip(*map(network, ts), strict=True)))


@pytest.mark.parametrize(("K", "d"), [(1, 1), (3, 2)])
@pytest.mark.parametrize("loss", ["dsm", "v"])
def test_loss_moments(loss, K, d):
    """A network that depends on t, with a matrix that is not symmetric, on data that is not centred."""
    rng = np.random.default_rng(110)
    data = random_mixture(rng, K, d)
    (A, a), (B, b) = random_affine(rng, d), random_affine(rng, d)
    t, alpha, sigma, x0, eps, x_t = draw(fast, data, 200_000, rng)
    out = x_t @ A.T + t[:, None] * (x_t @ B.T) + a + np.cos(t)[:, None] * b
    residual = sigma * out + eps if loss == "dsm" else out - (alpha * eps - sigma * x0)
    losses = (residual**2).sum(1)
    moments = exact.dsm_moments if loss == "dsm" else exact.v_moments
    mean, variance = moments(fast, data, at_each(lambda t: (A + t * B, a + np.cos(t) * b)))
    assert_means(losses, mean)
    assert_means((losses - mean) ** 2, variance)


def test_losses_of_the_zero_network():
    """|eps|^2 is chi-squared, (d, 2d). |alpha eps - sigma x0|^2: mean of alpha^2 d + sigma^2 |x0|^2."""
    data = random_mixture(np.random.default_rng(111), 3, 3)
    zero = at_each(lambda t: (np.zeros((3, 3)), np.zeros(3)))
    np.testing.assert_allclose(exact.dsm_moments(VP(), data, zero), (3.0, 6.0), rtol=1e-12)
    ts = (np.arange(100_000) + 0.5) / 100_000
    square = np.trace(data.cov) + data.mean @ data.mean
    expected = 3 * (VP().alpha(ts) ** 2).mean() + square * (VP().sigma(ts) ** 2).mean()
    assert exact.v_moments(VP(), data, zero)[0] == pytest.approx(expected, rel=1e-8)


def test_moments_are_per_time_and_component():
    rng = np.random.default_rng(112)
    data = random_mixture(rng, 2, 2)
    times = c_x0, c_eps, c_m = rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2))
    means, variances = exact.residual_moments(data, *times)
    for (time, k), mean in np.ndenumerate(means):
        x0 = Mixture.gaussian(data.means[k], data.covs[k]).sample(100_000, rng)
        r = x0 @ c_x0[time].T + rng.standard_normal(x0.shape) @ c_eps[time].T + c_m[time]
        assert_means((r**2).sum(1), mean)
        assert_means(((r**2).sum(1) - mean) ** 2, variances[time, k])


def test_quadrature_over_time_has_converged():
    """v_moments has sqrt(t) at 0, where 200 plain Gauss-Legendre nodes in t stop at 1e-8."""
    data, network = (
        random_mixture(np.random.default_rng(113), 3, 2),
        at_each(lambda t: (np.array([[1.0, t], [0.5, 2.0]]), np.ones(2))),
    )
    for moments in (exact.dsm_moments, exact.v_moments):
        finer = moments(VP(), data, network, nodes=263)
        np.testing.assert_allclose(moments(VP(), data, network), finer, rtol=1e-12)


@settings(few, max_examples=6)
@given(seeds, dims)
def test_optimum_of_a_gaussian_is_the_loss_of_its_exact_network(seed, d):
    rng = np.random.default_rng(seed)
    mean, cov = rng.normal(size=d), random_cov(rng, d)
    data = Mixture.gaussian(mean, cov)

    def score(t):
        return exact.gaussian_score(mean, cov, fast.alpha(t), fast.sigma(t))

    def v(t):
        """v = (alpha x_t - x0) / sigma = alpha eps - sigma x0, with x0 = (x_t - sigma eps) / alpha."""
        (M, m), alpha, sigma = (
            exact.gaussian_eps(mean, cov, fast.alpha(t), fast.sigma(t)),
            fast.alpha(t),
            fast.sigma(t),
        )
        return (M - sigma * np.eye(d)) / alpha, m / alpha

    for optimum, moments, network in (
        (exact.dsm_optimum, exact.dsm_moments, score),
        (exact.v_optimum, exact.v_moments, v),
    ):
        value, error = optimum(fast, data)
        assert error == 0
        assert value == pytest.approx(moments(fast, data, at_each(network), nodes=64)[0], rel=1e-6)
        assert value < moments(fast, data, at_each(lambda t, f=network: (f(t)[0] + 0.05, f(t)[1])), nodes=64)[0]


@pytest.mark.parametrize(("K", "d", "scale"), [(3, 1, 0.3), (3, 2, 0.05), (2, 3, 0.0)])
def test_optimum_of_a_mixture_is_the_loss_of_its_exact_predictors(K, d, scale):
    rng = np.random.default_rng(120 + d)
    data = random_mixture(rng, K, d, scale)
    _, alpha, sigma, x0, eps, x_t = draw(fast, data, 60_000, rng)
    losses = {
        exact.dsm_optimum: eps - data.eps(x_t, alpha[:, 0], sigma[:, 0]),
        exact.v_optimum: alpha * eps - sigma * x0 - data.v(x_t, alpha[:, 0], sigma[:, 0]),
    }
    for optimum, residual in losses.items():
        value, error = optimum(fast, data)
        assert_means((residual**2).sum(1), value)
        assert 0 < error < 5e-3 * value
        again, other_error = optimum(fast, data, seed=1, nodes=90)
        limit = 6 * np.hypot(error, other_error)  # t with 15 degrees of freedom or more: 2e-5 beyond it
        assert abs(value - again) < limit + 2e-5 * value
        assert optimum(fast, data, n=8) == optimum(fast, data, n=8)


def test_components_that_coincide_are_one_gaussian():
    rng = np.random.default_rng(130)
    mean, cov = rng.normal(size=2), random_cov(rng, 2)
    one = Mixture.gaussian(mean, cov)
    same = Mixture([0.3, 0.7], [mean, mean], [cov, cov])
    absent = Mixture([1.0, 0.0], [mean, mean + 1], [cov, cov])
    for optimum in (exact.dsm_optimum, exact.v_optimum):
        for data in (same, absent):
            assert optimum(fast, data, n=16)[0] == pytest.approx(optimum(fast, one)[0], rel=1e-12)


# ------------------------------------------------------------------------------------ DDPM: targets, losses, bound

KINDS = ["eps", "x0", "v", "score"]


@pytest.mark.parametrize("kind", KINDS)
def test_targets_lead_back_to_the_noise(kind):
    """The true target is an affine function of x_t once x0 is known: `eps_from` gives the noise inside x_t."""
    rng = np.random.default_rng(130)
    a_bar, x0, eps = 0.35, rng.normal(size=3), rng.normal(size=(5, 3))
    x_t = np.sqrt(a_bar) * x0 + np.sqrt(1 - a_bar) * eps
    c_x0, c_eps = exact.ddpm_target(kind, a_bar)
    target = c_x0 * x0 + c_eps * eps
    for i in range(5):  # any affine map through this one pair (x_t, target)
        M = rng.normal(size=(3, 3))
        M_eps, m_eps = exact.eps_from(kind, a_bar, (M, target[i] - M @ x_t[i]))
        np.testing.assert_allclose(M_eps @ x_t[i] + m_eps, eps[i], rtol=1e-10)


def test_targets_agree_with_the_predictors_of_a_mixture():
    """The best predictors E[target | x_t] of a Gaussian are the same through `eps_from` as through the score."""
    rng = np.random.default_rng(131)
    mean, cov, a_bar = rng.normal(size=2), random_cov(rng, 2), 0.4
    a, s = np.sqrt(a_bar), np.sqrt(1 - a_bar)
    right = exact.gaussian_eps(mean, cov, a, s)
    for found in (
        exact.eps_from("score", a_bar, exact.gaussian_score(mean, cov, a, s)),
        exact.eps_from("x0", a_bar, ((np.eye(2) - s * right[0]) / a, -s * right[1] / a)),
    ):
        np.testing.assert_allclose(found[0], right[0], rtol=1e-10)
        np.testing.assert_allclose(found[1], right[1], rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_ddpm_residuals_against_simulation(kind):
    rng = np.random.default_rng(132)
    bars, data, n = np.array([1.0, 0.7, 0.45, 0.12]), random_mixture(rng, 2, 2), 100_000
    network = {t: random_affine(rng, 2) for t in (1, 2, 3)}
    x0, eps, t = data.sample(n, rng), rng.standard_normal((n, 2)), rng.integers(1, 4, n)
    a, s = np.sqrt(bars[t])[:, None], np.sqrt(1 - bars[t])[:, None]
    M, m = (np.stack([network[k][i] for k in (1, 2, 3)])[t - 1] for i in (0, 1))
    target = {"eps": eps, "x0": x0, "v": a * eps - s * x0, "score": -eps / s}[kind]
    residual = np.einsum("nij,nj->ni", M, a * x0 + s * eps) + m - target
    law = exact.ddpm_residual(bars, data, network.__getitem__, kind)
    assert_law(residual, law.mean, law.cov)
    squares = exact.SquaredLength(law)
    assert_law((residual**2).sum(1, keepdims=True), squares.mean, squares.cov)
    w = np.array([[0.05], [0.3], [1.0], [-2.0]])
    waves = np.exp(1j * (residual**2).sum(1, keepdims=True) @ w.T)
    assert_means(waves.real, squares.characteristic(w).real)
    assert_means(waves.imag, squares.characteristic(w).imag)


def test_squared_length_of_a_standard_normal_is_chi_squared():
    from scipy.stats import chi2

    squares = exact.SquaredLength(Mixture.gaussian(np.zeros(3), np.eye(3)))
    assert squares.mean[0] == pytest.approx(chi2.mean(3))
    assert squares.cov[0, 0] == pytest.approx(chi2.var(3))
    assert squares.characteristic([[0.7]])[0] == pytest.approx((1 - 1.4j) ** -1.5)


def test_kl_of_normals_against_simulation():
    rng = np.random.default_rng(133)
    gap, q, p = rng.normal(size=(3, 2)), np.array([0.2, 0.5, 1.4]), np.array([0.3, 0.5, 0.9])
    z = np.sqrt(q)[:, None] * rng.standard_normal((100_000, 3, 2))
    log_q = multivariate_normal(np.zeros(2)).logpdf(z / np.sqrt(q)[:, None]) - np.log(q)
    log_p = multivariate_normal(np.zeros(2)).logpdf((z - gap) / np.sqrt(p)[:, None]) - np.log(p)
    assert_means(log_q - log_p, exact.normal_kl(gap, q, p))


def test_unknown_kind_of_prediction():
    with pytest.raises(ValueError, match="kind"):
        exact.ddpm_target("noise", 0.5)
