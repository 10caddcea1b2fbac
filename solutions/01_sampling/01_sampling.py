# %% [markdown]
# # 01 · Sampling 2D distributions
#
# A diffusion model is a machine that draws samples: it starts from pure noise and ends with something that looks like data.
# Before we build one, we need to know what "to look like data" means. In this notebook the data are points in the plane, so
# that everything can be seen, and the distributions are simple enough that everything can be checked.
#
# **You will learn**
# * to turn independent standard normal numbers into samples of any Gaussian, and of any mixture of Gaussians;
# * to compute log-densities that stay right where the density itself is too small for the computer;
# * to write the two toy data sets of this course;
# * to add noise to data, which is the *forward process* of every diffusion model.
#
# **Time**: about 90 minutes. Every cell runs in a second or two on a laptop. Nothing is trained yet.

# %% given=true
# Setup: run this cell first. It finds the course's helpers beside the notebooks; in Colab it unpacks them from their wheel.
import pathlib
import sys
import tempfile
import urllib.request
import zipfile

HELPERS_ADDRESS, HELPERS_VERSION = "", ""
_here = pathlib.Path.cwd()
_found = [str(folder) for folder in (_here, *_here.parents) if (folder / "helpers" / "checks.py").exists()]
_wheel = max(_here.glob("diffusion_labs-*.whl"), key=lambda wheel: wheel.stat().st_mtime, default=None)
try:
    if not _found and (_wheel or HELPERS_ADDRESS):
        with tempfile.TemporaryDirectory(dir=_here) as _new:
            zipfile.ZipFile(_wheel or urllib.request.urlretrieve(HELPERS_ADDRESS)[0]).extractall(_new)
            pathlib.Path(_new, "helpers").rename(_here / "helpers")
    sys.path.insert(0, (_found or [str(_here)])[0])
    from helpers import begin

    begin(HELPERS_VERSION)
except Exception as error:
    raise ImportError(
        f"The course's helpers are not here, or not in order ({error}). In Colab, upload your instructor's diffusion_labs-...whl "
        "(folder icon on the left), wait until all of it is there, and run this cell again; on your computer, keep this notebook "
        "in its folder of the course. Something else here that is called helpers needs another name, and then a new session."
    ) from None

# %% given=true
import math

import torch

from helpers import check

# %%
import matplotlib.pyplot as plt

from helpers import notation, plots

plots.style()
notation()

# %% [markdown]
# The table has the symbols of the whole course. In this notebook you will meet $x_0$, $x_t$, $\varepsilon$, $\alpha$ and $\sigma$.
#
# **How tasks work.** You write code where a cell says TODO. The cell after it calls `check(...)`, which runs your code and
# lists what it observed. Random results are compared with the exact distribution; the thresholds are so wide that a right
# answer fails less than once in a million checks, so if a check fails, look for a mistake, not for bad luck. You may write
# your answers in any style, with loops or without.
#
# **Conventions.** All tensors are float32, and points are rows: n points in d dimensions have the shape (n, d). Functions that draw
# random numbers take a `generator`: hand it on to torch's random functions (`torch.randn(..., generator=generator)`), and a caller
# can repeat a draw exactly. `None`, the default, means torch's global generator. (What cannot take a generator, such as
# `torch.distributions`, may draw without one here.)

# %% [markdown]
# ## 1 · Samples of a Gaussian
#
# All randomness in this course begins with standard normal numbers $z \sim \mathcal{N}(0, I)$. A matrix $A$ and a vector $\mu$ turn
# them into another Gaussian:
#
# $$x = \mu + A z \qquad\Longrightarrow\qquad x \sim \mathcal{N}(\mu, \Sigma) \quad\text{with}\quad \Sigma = A A^\top .$$
#
# Picture first. The matrix $A$ maps the unit circle to an ellipse, and a round cloud of points to a tilted one. Here the points are
# *columns*, as in the formula.

# %%
A = torch.tensor([[1.5, 0.0], [0.9, 0.6]])
angle = torch.linspace(0, 2 * math.pi, 100)
circle = torch.stack([angle.cos(), angle.sin()])
cloud = torch.randn(2, 1000)

figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.8))
for ax, matrix, title in [(axes[0], torch.eye(2), "$z$"), (axes[1], A, "$A z$")]:
    plots.scatter((matrix @ cloud).T, title, ax, limit=5)
    for radius in (1, 2):
        ax.plot(*(radius * matrix @ circle), color=plots.VERMILION)
plt.show()

# %% [markdown]
# *Figure: left, a round cloud of standard normal points with circles of radius 1 and 2. Right, the same cloud and circles after
# multiplication with A: a narrow ellipse that rises to the right.*
#
# Now the other way round. You are given $\Sigma$, and need *some* $A$ with $A A^\top = \Sigma$. There are many (why?), and any will do;
# `torch.linalg` has more than one function that leads to one. $\Sigma$ itself is not one of them, unless it is the identity.
#
# **Task `sampling.gaussian`.** Write the function. Your samples are the rows of the result, so think about what the formula above, which is
# written for a column $z$, looks like for rows.

# %% answer="sampling.gaussian"
def sample_gaussian(n, mean, cov, generator=None):
    """Draw n independent samples of N(mean, cov).

    Args:
        n: number of samples, at least 1.
        mean: tensor of shape (d,).
        cov: symmetric positive definite tensor of shape (d, d).
        generator: optional torch.Generator for the random numbers.

    Returns:
        Tensor of shape (n, d), one sample per row.
    """
    ### BEGIN SOLUTION
    factor = torch.linalg.cholesky(cov)
    z = torch.randn(n, len(mean), generator=generator)
    return mean + z @ factor.T
    ### END SOLUTION

# %% check="sampling.gaussian" points=3
check("sampling.gaussian", sample_gaussian)

# %% [markdown]
# Three covariances with the same variances, 1.5 and 0.5, and different correlations:

# %%
panels = []
for covariance in (-0.7, 0.0, 0.7):
    points = sample_gaussian(2000, torch.zeros(2), torch.tensor([[1.5, covariance], [covariance, 0.5]]))
    panels.append((f"covariance {covariance}, of the samples {torch.cov(points.T)[0, 1]:.2f}", points))
plots.scatter_row(panels, limit=4.5)
plt.show()

# %% [markdown]
# *Figure: three clouds of 2,000 points. With negative covariance the cloud falls to the right, with zero it lies level, with positive
# covariance it rises.*
#
# **Look for** the number in each title: the samples' covariance is close to the one asked for, but never equal. By how much may it
# differ? For means there is an exercise on that at the end.

# %% [markdown]
# ## 2 · Log-density of a Gaussian
#
# A sample says where the points are, a density says how likely a place is. Densities get small very quickly, so everybody works with
# their logarithm. See what becomes of a standard normal density in float32, the number format of almost all deep learning:

# %%
r = torch.linspace(0, 20, 401)
log_p = torch.distributions.Normal(0.0, 1.0).log_prob(r)

figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.2))
axes[0].semilogy(r, log_p.exp(), color=plots.VERMILION)
axes[0].set(title="density $p(r)$ in float32, logarithmic axis", xlabel="$r$", ylim=(1e-50, 10))
axes[1].plot(r, log_p, color=plots.BLUE)
axes[1].set(title=r"log-density $\log\,p(r)$", xlabel="$r$")
plt.show()
print(f"smallest r with p(r) = 0 in float32: {r[log_p.exp() == 0][0]:.2f}")

# %% [markdown]
# *Figure: left, the density falls to 1e-45 just beyond r = 14 and is exactly 0 from 14.4 on, where the curve drops out of the frame.
# Right, the log-density is a parabola all the way down to −200 at r = 20.*
#
# Fourteen standard deviations sounds far, but in training and in sampling points get further than that, and $\log 0$ is $-\infty$.
# So a log-density must be computed *without* computing the density:
#
# $$\log \mathcal{N}(x;\, \mu, \Sigma) = -\tfrac{1}{2}\Big[\, (x - \mu)^\top \Sigma^{-1} (x - \mu) + \log\det\Sigma + d\,\log 2\pi \,\Big]$$
#
# The first term is the squared *Mahalanobis distance*: the squared length of the $z$ that the point $x$ came from.
#
# **Task `sampling.log_prob`.** The formula is for one point; your function takes n of them, and must treat each row on its own.

# %% answer="sampling.log_prob"
def gaussian_log_prob(x, mean, cov):
    """Log-density of N(mean, cov) at each row of x, right also where the density itself underflows.

    Args:
        x: points, tensor of shape (n, d).
        mean: tensor of shape (d,).
        cov: symmetric positive definite tensor of shape (d, d).

    Returns:
        Tensor of shape (n,), natural logarithms; no sum or mean over the points.
    """
    ### BEGIN SOLUTION
    factor = torch.linalg.cholesky(cov)
    z = torch.linalg.solve_triangular(factor, (x - mean).T, upper=False)
    log_det = 2 * factor.diagonal().log().sum()
    return -0.5 * ((z**2).sum(dim=0) + log_det + len(mean) * math.log(2 * math.pi))
    ### END SOLUTION

# %% check="sampling.log_prob" points=3
check("sampling.log_prob", gaussian_log_prob)

# %% [markdown]
# A density must integrate to 1. We add up yours over a fine grid, and draw it over samples; the contours are at 1, 2 and 3 standard
# deviations.

# %%
mean, cov = torch.tensor([0.5, -0.5]), torch.tensor([[1.5, 0.7], [0.7, 0.5]])
grid, area = plots.grid(limit=6.0, size=300)
print(f"total probability on the grid: {gaussian_log_prob(grid, mean, cov).exp().sum() * area:.4f}")

ax = plots.scatter(sample_gaussian(2000, mean, cov), "samples and density", limit=4.5)
plots.contours(lambda x: gaussian_log_prob(x, mean, cov), ax, limit=4.5)
plt.show()

# %% [markdown]
# *Figure: 2,000 samples of a tilted Gaussian with three elliptic contours; almost all points are inside the outermost.*
#
# **Look for** how many points lie inside the innermost contour. It is not 68 %, as in one dimension, but $1 - e^{-1/2} \approx 39\,\%$; in high dimension
# there is almost nothing left near the mean. This will matter when the data are images.

# %% [markdown]
# ## 3 · Samples of a mixture
#
# One Gaussian is one blob. A *mixture* of K Gaussians has K of them, with weights $w_k \ge 0$ that sum to 1:
#
# $$p(x) = \sum_{k=1}^{K} w_k\, \mathcal{N}(x;\, \mu_k, \Sigma_k)$$
#
# A sum of densities means a *choice*, not a sum of samples. To draw one row, first choose a component $k$ with probability $w_k$,
# then draw from that component alone:
#
# $$k \sim \mathrm{Categorical}(w), \qquad x \sim \mathcal{N}(\mu_k, \Sigma_k) .$$
#
# Here is a mixture of three. Each component is drawn on its own, with its weight beside it.

# %%
weights = torch.tensor([0.5, 0.3, 0.2])
means = torch.tensor([[-1.5, -1.5], [2.0, 0.0], [-0.5, 2.0]])
covs = torch.tensor([[[0.9, 0.5], [0.5, 0.5]], [[0.2, 0.0], [0.0, 1.2]], [[0.6, -0.3], [-0.3, 0.3]]])

figure, ax = plt.subplots(figsize=(4.2, 4.2))
for k, (colour, place) in enumerate([(plots.BLUE, (-4.2, -0.7)), (plots.ORANGE, (2.8, 3.2)), (plots.GREEN, (-1.4, 3.8))]):
    component = torch.distributions.MultivariateNormal(means[k], covs[k])
    plots.contours(component.log_prob, ax, limit=4.5, colour=colour)
    ax.text(*place, f"$w = {weights[k]:.1f}$", color=colour, fontsize=12)
ax.set(title="three components", xlabel="$x_1$", ylabel="$x_2$")
plt.show()

# %% [markdown]
# *Figure: contours of three Gaussians of different shape, with weights 0.5 (lower left), 0.3 (right, upright) and 0.2 (top).*
#
# **Task `sampling.mixture`.** Every row makes its own choice, independently of the others. So the *number* of rows from a component is
# random, and the rows are in random order. (To split n rows in fixed shares is a useful trick, *stratified* sampling, but its rows are
# not independent.) You may use your `sample_gaussian`.

# %% answer="sampling.mixture"
def sample_mixture(n, weights, means, covs, generator=None):
    """Draw n independent samples of the mixture sum_k weights[k] N(means[k], covs[k]).

    Each row chooses its own component at random, independently of all other rows.

    Args:
        n: number of samples, at least 1.
        weights: tensor of shape (K,), not negative, sums to 1; some may be zero.
        means: tensor of shape (K, d).
        covs: tensor of shape (K, d, d), each symmetric positive definite.
        generator: optional torch.Generator for the random numbers.

    Returns:
        Tensor of shape (n, d), one sample per row, in no particular order.
    """
    ### BEGIN SOLUTION
    chosen = torch.multinomial(weights, n, replacement=True, generator=generator)
    factors = torch.linalg.cholesky(covs)[chosen]
    z = torch.randn(n, means.shape[1], generator=generator)
    return means[chosen] + torch.einsum("nij,nj->ni", factors, z)
    ### END SOLUTION

# %% check="sampling.mixture" points=3
check("sampling.mixture", sample_mixture)

# %% [markdown]
# ## 4 · Log-density of a mixture
#
# From log-densities $\ell_k(x) = \log \mathcal{N}(x;\, \mu_k, \Sigma_k)$ we want
#
# $$\log p(x) = \log \sum_{k=1}^{K} w_k\, e^{\ell_k(x)} = \log \sum_{k=1}^{K} e^{\,\log w_k + \ell_k(x)} .$$
#
# Far out every $e^{\ell_k}$ is 0 in floating point. The way out is to take the largest exponent $m$ out of the sum first, for
# $\log \sum_k e^{a_k} = m + \log \sum_k e^{a_k - m}$ with $m = \max_k a_k$: now one term is exactly 1. This is so common that torch has a function
# for it; its name says what it does.
#
# **Task `sampling.mixture_log_prob`.** You may use your `gaussian_log_prob`. A component of weight zero must neither count nor make the result NaN.

# %% answer="sampling.mixture_log_prob"
def mixture_log_prob(x, weights, means, covs):
    """Log-density of sum_k weights[k] N(means[k], covs[k]) at each row of x, right also where all densities underflow.

    Args:
        x: points, tensor of shape (n, d).
        weights: tensor of shape (K,), not negative, sums to 1; some may be zero.
        means: tensor of shape (K, d).
        covs: tensor of shape (K, d, d), each symmetric positive definite.

    Returns:
        Tensor of shape (n,), natural logarithms; no sum or mean over the points.
    """
    ### BEGIN SOLUTION
    logs = [gaussian_log_prob(x, mean, cov) for mean, cov in zip(means, covs, strict=True)]
    return torch.logsumexp(torch.stack(logs, dim=1) + weights.log(), dim=1)
    ### END SOLUTION

# %% check="sampling.mixture_log_prob" points=3
check("sampling.mixture_log_prob", mixture_log_prob)

# %% [markdown]
# Now you have all four functions. Draw 10,000 points of a Gaussian and 10,000 of the mixture, with contours of your own densities over them.

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.6, 4.4))
plots.scatter(sample_gaussian(10_000, mean, cov), "10,000 points of a Gaussian", axes[0], limit=4.5)
plots.contours(lambda x: gaussian_log_prob(x, mean, cov), axes[0], limit=4.5)
plots.scatter(sample_mixture(10_000, weights, means, covs), "10,000 points of a mixture of three", axes[1], limit=4.5)
plots.contours(lambda x: mixture_log_prob(x, weights, means, covs), axes[1], limit=4.5)
plt.show()

# %% [markdown]
# *Figure: two scatter plots side by side. Left, one tilted elliptic cloud with elliptic contours. Right, three clouds of different
# size and shape, with contours that follow them.*
#
# **Look for** places where contours and points disagree: there should be none. On the right, the component with weight 0.2 has fewer points
# than that with 0.5, and the contours know it. In the notebooks to come a network has to learn such a density from the points alone.

# %% [markdown]
# ## 5 · Two toy data sets
#
# Two data sets will accompany us. They are easy to see and, as you will find, not equally easy to learn.
#
# **Two Gaussians**: an equal mixture of two round blobs,
#
# $$p(x) = \tfrac{1}{2}\, \mathcal{N}\big(x;\, (-1, -1),\, 0.3^2 I\big) + \tfrac{1}{2}\, \mathcal{N}\big(x;\, (1, 1),\, 0.3^2 I\big) .$$
#
# **Task `sampling.two_gaussians`.** As before, each row chooses its own blob.

# %% answer="sampling.two_gaussians"
def two_gaussians(n, generator=None):
    """Draw n independent points of the equal mixture of N((-1, -1), 0.3^2 I) and N((1, 1), 0.3^2 I).

    Args:
        n: number of points, at least 1, even or odd.
        generator: optional torch.Generator for the random numbers.

    Returns:
        Tensor of shape (n, 2), one point per row, in no particular order.
    """
    ### BEGIN SOLUTION
    side = 2 * torch.randint(2, (n, 1), generator=generator) - 1
    return side + 0.3 * torch.randn(n, 2, generator=generator)
    ### END SOLUTION

# %% check="sampling.two_gaussians" points=2
check("sampling.two_gaussians", two_gaussians)

# %% [markdown]
# **Chequerboard**: uniform on the black squares of a board of 4 × 4 squares over $[-2, 2]^2$. Count the columns $i = 0, 1, 2, 3$ from the left and the
# rows $j = 0, 1, 2, 3$ from below. Square $(i, j)$ is black when $i + j$ is even:

# %%
figure, ax = plt.subplots(figsize=(4, 4))
for i in range(4):
    for j in range(4):
        black = (i + j) % 2 == 0
        ax.add_patch(plt.Rectangle((i - 2, j - 2), 1, 1, color="black" if black else "white", linewidth=0))
        ax.text(i - 1.5, j - 1.5, f"({i}, {j})", ha="center", va="center", color="white" if black else "black")
ax.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal", title="squares $(i, j)$", axisbelow=True, xlabel="$x_1$", ylabel="$x_2$")
plt.show()

# %% [markdown]
# *Figure: a board of 4 × 4 squares with their numbers. (0, 0) at the lower left is black, (1, 0) to the right of it is white, and so on.*
#
# **Task `sampling.chequerboard`.** There are several good ways. One is to choose a black square and then a place in it. Another is to try points of the whole board
# and to keep those on black; if you like that better, mind that exactly n must be left.

# %% answer="sampling.chequerboard"
def chequerboard(n, generator=None):
    """Draw n independent points, uniform on the black squares of a 4 x 4 board over [-2, 2] x [-2, 2].

    Square (i, j), counted from 0 at the lower left, i to the right and j upwards, is black when i + j is even.

    Args:
        n: number of points, at least 1, even or odd.
        generator: optional torch.Generator for the random numbers.

    Returns:
        Float tensor of shape (n, 2), one point per row, in no particular order.
    """
    ### BEGIN SOLUTION
    i = torch.randint(4, (n,), generator=generator)
    j = 2 * torch.randint(2, (n,), generator=generator) + i % 2
    lower_left = torch.stack([i, j], dim=1) - 2
    return lower_left + torch.rand(n, 2, generator=generator)
    ### END SOLUTION

# %% check="sampling.chequerboard" points=3
check("sampling.chequerboard", chequerboard)

# %%
plots.scatter_row([("two Gaussians", two_gaussians(5000)), ("chequerboard", chequerboard(5000))], limit=2.4)
plt.show()

# %% [markdown]
# *Figure: left, two round blobs at lower left and upper right. Right, eight filled squares that touch at their corners.*
#
# **Look for** what makes the second one hard: sharp edges, and corners at which two squares just touch. Its density jumps, so its logarithm has no gradient there. A
# network, which is smooth, can only come close.

# %% [markdown]
# ## 6 · Adding noise: a first look at the forward process
#
# A diffusion model learns to undo the addition of noise. With data $x_0$, standard normal noise $\varepsilon$ and two numbers $\alpha$ and $\sigma$,
#
# $$x_t = \alpha\, x_0 + \sigma\, \varepsilon, \qquad \varepsilon \sim \mathcal{N}(0, I) .$$
#
# For one given $x_0$ this is a Gaussian around $\alpha x_0$ with standard deviation $\sigma$. Below, $x_0 = (2, 1)$, and $\alpha = \sqrt{1 - \sigma^2}$:

# %%
x0 = torch.tensor([2.0, 1.0])
figure, axes = plt.subplots(1, 3, figsize=(10.2, 3.6))
for ax, sigma in zip(axes, (0.2, 0.6, 0.95), strict=True):
    alpha = math.sqrt(1 - sigma**2)
    kernel = torch.distributions.Independent(torch.distributions.Normal(alpha * x0, sigma), 1)
    plots.scatter(kernel.sample((500,)), rf"$\alpha = {alpha:.2f},\ \sigma = {sigma}$", ax, limit=3.5)
    ax.plot(*x0, "x", color=plots.VERMILION, markersize=9, markeredgewidth=2, label="$x_0$")
    ax.plot(*(alpha * x0), "o", color=plots.ORANGE, label=r"$\alpha\,x_0$")
axes[0].legend(loc="lower left")
plt.show()

# %% [markdown]
# *Figure: three clouds of $x_t$ for one point $x_0$. With growing σ the cloud widens, and its centre moves from $x_0$ towards the origin.*
#
# In training, every row of a batch gets its own noise level, and the network must learn to guess $\varepsilon$ from $x_t$. So a function
# that adds noise takes one $\alpha$ and one $\sigma$ *per row*, and hands back the noise too.
#
# **Task `sampling.perturb`.** Mind the shapes: alpha is (n,), and x0 is (n, d). Write the two shapes one above the other, right-aligned: which axis would
# torch match with which? For n = d a mistake here raises no error.

# %% answer="sampling.perturb"
def perturb(x0, alpha, sigma, generator=None):
    """Add Gaussian noise: x_t = alpha x0 + sigma eps, with eps ~ N(0, I) drawn independently for every number of x0.

    Args:
        x0: data, tensor of shape (n, d). It is not changed.
        alpha: coefficient of the data; tensor of shape (n,), one for each row, or a plain number for all rows.
        sigma: standard deviation of the noise; tensor of shape (n,) or a plain number.
        generator: optional torch.Generator for the random numbers.

    Returns:
        The pair (x_t, eps), tensors of shape (n, d) each.
    """
    ### BEGIN SOLUTION
    alpha = torch.as_tensor(alpha).reshape(-1, 1)
    sigma = torch.as_tensor(sigma).reshape(-1, 1)
    eps = torch.randn(x0.shape, generator=generator)
    return alpha * x0 + sigma * eps, eps
    ### END SOLUTION

# %% check="sampling.perturb" points=3
check("sampling.perturb", perturb)

# %% [markdown]
# The same data at five noise levels, with $\alpha = \sqrt{1 - \sigma^2}$:

# %%
levels = [0.0, 0.2, 0.5, 0.8, 1.0]
figure, axes = plt.subplots(2, 5, figsize=(12.5, 5.4), sharex=True, sharey=True)
for row, data, colour in [(0, two_gaussians(2000), plots.BLUE), (1, chequerboard(2000), plots.GREEN)]:
    for column, sigma in enumerate(levels):
        x_t, eps = perturb(data, math.sqrt(1 - sigma**2), sigma)
        plots.scatter(x_t, rf"$\sigma = {sigma}$" if row == 0 else "", axes[row, column], limit=3.4, colour=colour)
for ax in axes.flat:
    ax.label_outer()
plt.show()

# %% [markdown]
# *Figure: five columns with growing noise. Two blobs (above) and a chequerboard (below) blur, and in the last column both are the same
# round cloud.*
#
# **Look for** two things. At σ = 0.5 the squares of the chequerboard are gone, while the two blobs are still apart: fine structure is lost first.
# And at σ = 1 nothing is left of the data: both rows end in $\mathcal{N}(0, I)$. That is why a diffusion model can *start* there.
#
# Now move σ yourself: the same 1,000 points with the same noise at every σ, over contours of the exact density, which is a mixture
# of two Gaussians at every σ.

# %%
from helpers.explore import explore

two_blobs = two_gaussians(1000)
centres = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])


def at_noise(sigma):
    """The two Gaussians with noise of this size, and their density."""
    alpha = math.sqrt(1 - sigma**2)
    x_t, _ = perturb(two_blobs, alpha, sigma, torch.Generator().manual_seed(0))
    cov = ((0.3 * alpha) ** 2 + sigma**2) * torch.eye(2)
    ax = plots.scatter(x_t, rf"$\alpha = {alpha:.2f},\ \sigma = {sigma:g}$", limit=3.4)
    plots.contours(lambda x: mixture_log_prob(x, torch.tensor([0.5, 0.5]), alpha * centres, torch.stack([cov, cov])), ax, 3.4)


_ = explore(at_noise, sigma=[k / 20 for k in range(21)], start={"sigma": 0.5})

# %% [markdown]
# *Figure with a slider for σ: two blobs with contours; as σ grows they widen and move to the centre, until one round hill is left.*
#
# **Look for** the σ at which one hill is left of two, with no dip between them. And the board as a film, every point with a noise of its own that grows:

# %%
from helpers.animate import animate

board, levels = chequerboard(1500), torch.linspace(0, 1, 20)
film = [perturb(board, math.sqrt(1 - s**2), s, torch.Generator().manual_seed(0))[0] for s in levels.tolist()]
animate(film, levels, label="σ", limit=3.4, title="chequerboard")

# %% [markdown]
# *Animation: the eight squares blur, cannot be told apart any more at σ = 0.5, and end as a round cloud.* The button plays, the slider goes to any σ; with the keyboard, tab to the slider and use the arrows.
#
# Why $\alpha = \sqrt{1 - \sigma^2}$? If the data have variance 1, then $\alpha^2 \cdot 1 + \sigma^2 = 1$: the cloud neither explodes nor shrinks. This choice is called *variance
# preserving*.

# %% [markdown]
# ## Exercise without points: how wrong may a mean be?
#
# The mean of n independent samples is itself random, with standard deviation $\sqrt{\Sigma_{ii} / n}$ in coordinate $i$, its *standard error*. The cell
# below measures it: 200 means for each n.
#
# 1. Before you run it: how many times more samples does it take to halve the error?
# 2. Replace `sample_gaussian(n, mean, cov)` by `two_gaussians(n)`. Where do the dots lie now, and which variance would bring the line back to
#    them? (What is the variance of $x_1$ in that mixture?)
# 3. What would the dots do if all rows of a call shared one $z$? And if your mixture split n in fixed shares? Try it.

# %%
sizes = [10, 30, 100, 300, 1000, 3000]
measured = []
for n in sizes:
    many = torch.stack([sample_gaussian(n, mean, cov).mean(dim=0) for _ in range(200)])
    measured.append(many.std(dim=0)[0])

figure, ax = plt.subplots(figsize=(5, 3.4))
ax.loglog(sizes, [(cov[0, 0] / n).sqrt() for n in sizes], color=plots.BLUE, label=r"predicted, $\sqrt{\Sigma_{11}/n}$")
ax.loglog(sizes, measured, "o", color=plots.VERMILION, label="measured in 200 calls")
ax.set(title="error of the mean", xlabel="number of samples $n$", ylabel="standard deviation of the mean")
ax.legend()
plt.show()

# %% [markdown]
# *Figure: on logarithmic axes the measured errors lie on a straight falling line, ten times lower for a hundred times more samples.*
#
# This is how `check` judges random answers: it knows the standard error of what it measures, and complains only about differences that chance
# cannot explain.

# %% [markdown]
# ## What comes next
#
# You can draw data, add noise to it, and say what its density is. What is missing is a network that looks at a noisy point $x_t$ and guesses what was added.
# In **02 · MLP** you build one, and a way to tell it the time $t$. In **03 · VP-SDE** the noise level becomes a function of time, the network is trained, and
# you walk through the figure of five noise levels backwards: from the round cloud on the right to the data on the left.

# %% [markdown]
# ## Hand in
#
# The first cell shows what your own checks have found so far, in all notebooks. **Save this notebook** (Ctrl+S) before you run the second one: it says what is
# still missing here, and writes one zip with a receipt. Hand in that zip. It is written whatever is missing, as often as you like; the last one counts.

# %%
from helpers import progress, submit

progress()

# %%
submit(student="")  # between the quotation marks: your id, as your instructor knows it
