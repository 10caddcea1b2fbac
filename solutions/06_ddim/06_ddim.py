# %% [markdown]
# # 06 · DDIM: fewer steps, and a way back
#
# The sampler of notebooks 04 and 05 asks the network a thousand times for one batch of digits. DDIM uses **the same trained network** with another update. It may skip most of the steps; it can leave out all randomness, so that each noise belongs to exactly one digit; and then it can be
# run backwards, from a digit to its noise.
#
# **You will learn**
# * why one trained network serves a whole family of samplers, from DDPM (random) to DDIM (deterministic);
# * to choose a subset of the noise levels and to pair each one with the right neighbour;
# * what is gained and lost in quality and in seconds when steps are left out;
# * what DDIM has to do with the probability-flow ODE of notebook 03;
# * to encode pictures as noise, to decode them again, and how exact that is.
#
# **Time**: about two hours and a half of yours; the computer needs three minutes for the whole notebook. The longest cell, which draws with 5 to 1,000 steps, takes about half of that.
#
# Sources: Song, Meng and Ermon 2021 ([arXiv 2010.02502](https://arxiv.org/abs/2010.02502)); "eq. 12" without a name is an equation of theirs, and **their $\alpha_t$ is our $\bar\alpha_t$**. Ho et al. 2020
# ([arXiv 2006.11239](https://arxiv.org/abs/2006.11239)), Lin et al. 2023 ([arXiv 2305.08891](https://arxiv.org/abs/2305.08891)), Pan et al. 2023 ([arXiv 2309.04907](https://arxiv.org/abs/2309.04907)).

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
import sys
from pathlib import Path

import torch
from torch.nn import functional as F

from helpers import budget, check, checkpoints, models, notation, progress_bar

# %%
import time

import matplotlib.pyplot as plt

from helpers import data, images, pictures, plots
from helpers.models.digits import has_bfloat16
from helpers.plots import show, show_row

plots.style()
notation()

# %% [markdown]
# This notebook uses the right column, with the index of notebook 05: **$t = 0, \dots, T-1$, and $\bar\alpha_t$ is an entry of a table of $T$ numbers. Below $t = 0$ come the data themselves, with $\bar\alpha = 1$.** Pictures have the shape (B, 1, 28, 28), black is −1 and white is 1.
#
# `show` and `show_row` draw grids of pictures, as in notebook 05; `fast` computes in 16 bits where the processor can.

# %%
def fast(wanted=True):
    """A context in which layers compute in bfloat16, if that is wanted and this processor has instructions for it."""
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted and has_bfloat16(), cache_enabled=False)

# %% [markdown]
# ## 1 · A network to sample from
#
# Nothing is trained in this notebook. All samplers below take a `model` with two things:
#
# * `model(x_t, t)` is the predicted noise, of the shape of `x_t`, for **integer** `t` of shape (B,);
# * `model.alpha_bar` is the table of $\bar\alpha_0, \dots, \bar\alpha_{T-1}$, of shape ($T$,).
#
# The next cell makes such a model of the network that the course ships (`helpers/models/digits.py`: ten minutes of training on two cores), on the linear schedule of Ho et al., $T = 1000$. It also has the adapter for **your own** network from notebook 05.

# %% given=true
class NoiseModel:
    """A noise predictor with its schedule: model(x_t, t) and model.alpha_bar.

    Args:
        noise: called as noise(x_t, t), x_t (B, channels, H, W) and int64 t (B,) with 0 <= t <= T - 1; gives the noise in x_t.
        alpha_bar: (T,), falling.
    """

    def __init__(self, noise, alpha_bar):
        self.noise, self.alpha_bar = noise, alpha_bar

    def __call__(self, x, t):
        return self.noise(x, t).to(x.dtype)


def shipped_model(T=1000):
    """The network of the course, on the linear schedule of T steps."""
    network = models.load("digits").to(memory_format=torch.channels_last)
    alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T), 0)
    return NoiseModel(lambda x, t: network.noise(x, alpha_bar[t]), alpha_bar)


def own_model(folder="../05_mnist", run="runs/digits", schedule="cosine", predicts="v"):
    """Your averaged network of notebook 05, from the checkpoint of its training cell; schedule and target as you trained it.

    Raises:
        FileNotFoundError: if there is no checkpoint.
    """
    sys.path.insert(0, str(folder))
    from diffusion import EMA, DiffusionProcess

    process = DiffusionProcess(28, 1, schedule=schedule, predicts=predicts, clip=False)
    ema = EMA(process.network)
    if not checkpoints.load(Path(folder) / run, process, ema):
        raise FileNotFoundError(f"There is no checkpoint in {Path(folder) / run}: run the training cell of notebook 05.")
    process.network = ema.network.eval()

    def noise(x, t):
        signal = process.alpha_bar[t].sqrt().view(-1, 1, 1, 1)
        return (x - signal * process.predict_x0(x, t)) / (1 - signal**2).sqrt()

    return NoiseModel(noise, process.alpha_bar)

# %%
model = shipped_model()  # or own_model(): everything below works with your network of notebook 05, too
print(f"T = {len(model.alpha_bar)}, alpha_bar from {model.alpha_bar[0]:.4f} to {model.alpha_bar[-1]:.6f}")

# %% [markdown]
# ## 2 · Which times?
#
# DDIM visits only $n$ of the $T$ noise levels. Which ones? It starts from pure noise, so the noisiest level, $t = T - 1$, **must** be among them; and from the lowest one it jumps to the data. In between we take them as evenly as whole numbers allow. With $k = n, n-1, \dots, 1$ in the order of sampling,
#
# $$t = \operatorname{round}\Bigl(\frac{k\,T}{n}\Bigr) - 1 .$$
#
# So $T = 10$ and $n = 5$ give 9, 7, 5, 3, 1, and $n = T$ gives all times. (Where $kT/n$ lies in the middle between two whole numbers, both are fine.)
#
# The code of the DDIM paper used $0, \tfrac Tn, \tfrac{2T}n, \dots$ instead, and so do many others: then $T - 1$ is never visited, the first step takes pure noise for something less noisy, and samples come out with a wrong overall brightness (Lin et al. 2023 call our choice "trailing" and theirs "leading").
#
# **Task.** Write `ddim_timesteps`.

# %% answer="ddim.timesteps"
def ddim_timesteps(T, n):
    """n of the times 0 ... T - 1 in the order of sampling: strictly decreasing, the first one is T - 1.

    Args:
        T: number of noise levels.
        n: how many of them to visit.

    Returns:
        int64 tensor (n,): for k = n, ..., 1 the whole number nearest to k T / n, minus 1.

    Raises:
        ValueError: unless 1 <= n <= T.
    """
    ### BEGIN SOLUTION
    if not 1 <= n <= T:
        raise ValueError(f"{n} of {T} times cannot be chosen")
    return torch.tensor([round(k * T / n) - 1 for k in range(n, 0, -1)])
    ### END SOLUTION

# %% check="ddim.timesteps" points=2
check("ddim.timesteps", ddim_timesteps)

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 3), sharex=True)
for height, n in enumerate((5, 10, 20, 50)):
    chosen = ddim_timesteps(1000, n)
    axes[0].plot(chosen, torch.full((n,), height), "|", ms=14, mew=1.6, color=plots.BLUE)
axes[0].set(yticks=range(4), yticklabels=["n = 5", "n = 10", "n = 20", "n = 50"], xlabel="t", title="the chosen times", ylim=(-0.6, 3.6))
axes[1].plot(model.alpha_bar, color=plots.INK, lw=0.8)
for n, marker, colour in ((5, "D", plots.ORANGE), (20, "o", plots.BLUE)):
    chosen = ddim_timesteps(1000, n)
    axes[1].plot(chosen, model.alpha_bar[chosen], marker, ms=8 if n == 5 else 4, color=colour, label=f"n = {n}")
axes[1].set(xlabel="t", title=r"$\bar\alpha_t$ at these times")
axes[1].legend(fontsize=8)
_ = axes[0].invert_yaxis()

# %% [markdown]
# *Left: four rows of evenly spaced marks; all of them end at t = 999, and the lowest mark moves towards 0 as n grows. Right: 20 blue dots and 5 orange diamonds on the falling curve of ᾱ: three of the five lie where ᾱ is nearly 0.* Even in $t$ is not even in what happens to a picture.
#
# ## 3 · A family of samplers
#
# ### The same marginals
#
# In training, the network only ever saw $x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \varepsilon$ at single times $t$. How $x_t$ and $x_{t-1}$ belong together never entered the loss. So we are free to **choose** how, as long as each single $x_t$ keeps its law, its *marginal*. Let $s$ be any earlier level, $\bar\alpha_s > \bar\alpha_t$. Song et al. choose (eq. 7)
#
# $$q_\sigma(x_s \mid x_t, x_0) = \mathcal{N}\Bigl(\sqrt{\bar\alpha_s}\, x_0 + \sqrt{1 - \bar\alpha_s - \sigma^2}\; \frac{x_t - \sqrt{\bar\alpha_t}\, x_0}{\sqrt{1 - \bar\alpha_t}},\; \sigma^2 I\Bigr) .$$
#
# Read it from left to right: the picture at its new size; the **same** noise that $x_t$ holds, at a new size; and fresh noise of variance $\sigma^2$. Old and fresh noise together have the variance $1 - \bar\alpha_s$, for every $\sigma$ from 0 to $\sqrt{1 - \bar\alpha_s}$. So $x_s$ has just the law it should have (their Lemma 1), the training loss is the same up to weights (Theorem 1), and one trained network serves every $\sigma$. Nothing here asks $s$ to be $t - 1$.
#
# For $\sigma = 0$ the way from $x_t$ to $x_s$ is not random at all once $x_0$ is known. The process that this belongs to, read forwards, is no Markov chain any more: $x_t$ depends on $x_s$ *and* on $x_0$ (eq. 8).
#
# ### How random? η
#
# One number $\eta$ sets all the $\sigma$'s (eq. 16):
#
# $$\sigma(\eta) = \eta\, \sqrt{\frac{1 - \bar\alpha_s}{1 - \bar\alpha_t}}\; \sqrt{1 - \frac{\bar\alpha_t}{\bar\alpha_s}} .$$
#
# $\eta = 0$ is DDIM. With $\eta = 1$ and neighbouring levels, $\bar\alpha_t / \bar\alpha_s = 1 - \beta_t$ and $\sigma^2$ is the $\tilde\beta_t$ of notebooks 04 and 05: DDPM with the posterior's variance. And if $s$ stands for the data, $\bar\alpha_s = 1$, then $\sigma = 0$ whatever $\eta$ is: **the last step adds no noise**.
#
# **Task.** Write `ddim_sigma`.

# %% answer="ddim.sigma"
def ddim_sigma(eta, alpha_bar_t, alpha_bar_prev):
    """Standard deviation of the fresh noise in a step from the level alpha_bar_t to the level alpha_bar_prev (eq. 16).

    Args:
        eta: a number, from 0 (no noise) to 1 (that of DDPM).
        alpha_bar_t, alpha_bar_prev: tensors of one shape, 0 < alpha_bar_t < alpha_bar_prev <= 1.

    Returns:
        A tensor of that shape.
    """
    ### BEGIN SOLUTION
    return eta * torch.sqrt((1 - alpha_bar_prev) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_prev))
    ### END SOLUTION

# %% check="ddim.sigma" points=2
check("ddim.sigma", ddim_sigma)

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 3.2))
alpha_bar, all_times = model.alpha_bar, torch.arange(1, 1000)
betas = 1 - alpha_bar[1:] / alpha_bar[:-1]
for eta, colour in ((1.0, plots.BLUE), (0.5, plots.GREEN), (0.0, plots.VERMILION)):
    axes[0].plot(all_times, ddim_sigma(eta, alpha_bar[1:], alpha_bar[:-1]), color=colour, label=rf"$\eta$ = {eta:g}")
    for n, line in ((20, "o-"), (5, "s:")):
        few = ddim_timesteps(1000, n)
        axes[1].plot(few[:-1], ddim_sigma(eta, alpha_bar[few[:-1]], alpha_bar[few[1:]]), line, ms=3.5, color=colour, label=rf"$\eta$ = {eta:g}, {n} steps")
axes[0].plot(all_times, betas.sqrt(), "--", color=plots.INK, lw=1, label=r"$\sqrt{\beta_t}$")
axes[0].set(xlabel="t", ylabel=r"$\sigma$", title="1,000 steps")
axes[1].set(xlabel="t", title="few steps", ylim=(-0.02, 1.4))
axes[0].legend(fontsize=8)
_ = axes[1].legend(fontsize=7, ncols=3, loc="upper center")

# %% [markdown]
# *Left: with all 1,000 steps, σ rises from near 0 to 0.14 for η = 1, on top of the dashed root of β (they differ only at the lowest t); half as high for η = 0.5; zero for η = 0. Right: a step over 50 or 200 levels adds far more noise than a step over one, up to 0.8 and 0.99.* With few steps and η = 1 nearly everything in $x_t$ is fresh noise, and what was known before is thrown away in each step. Keep that in mind for section 6.

# %% [markdown] written="ddim.marginals" points=4
# ### Question: one network, many samplers
#
# (a) Let $x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \varepsilon$ for a given $x_0$, and draw $x_s$ from $q_\sigma(x_s \mid x_t, x_0)$ as above. Show that $x_s$ given $x_0$ has the mean $\sqrt{\bar\alpha_s}\, x_0$ and the variance $1 - \bar\alpha_s$ in every coordinate, for every $\sigma$.
#
# (b) What *does* depend on $\sigma$? Compute the covariance of $x_s$ and $x_t$ given $x_0$.
#
# (c) Why does the network need no new training when $\sigma$ or the choice of levels changes?
#
# (d) If the marginals are the same for all $\eta$, why do the pictures of a trained network get better or worse with $\eta$?
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) Insert: (x_t − √ᾱ_t x_0)/√(1−ᾱ_t) = ε, so x_s = √ᾱ_s x_0 + √(1−ᾱ_s−σ²) ε + σ z with z independent of ε. Mean √ᾱ_s x_0; variance (1−ᾱ_s−σ²) + σ² = 1−ᾱ_s. One half if the independence of z is not used or mentioned.
#
# 2. (1) The joint law: Cov(x_s, x_t | x_0) = √(1−ᾱ_s−σ²) √(1−ᾱ_t): largest for σ = 0 (the same noise), smaller with more fresh noise. One half for "the correlation" without the computation.
#
# 3. (1) The loss of training asks for E[ε | x_t] at single t: only the law of (x_0, x_t) enters, and that is the same. (Theorem 1: the bound is a weighted sum of the same terms.) So also for any subset of levels, which the network all knows.
#
# 4. (1) The proof has the true x_0; the sampler puts the prediction in its place, which is a mean over many possible x_0 and in error besides. With finite steps that changes the law, differently for each η: fresh noise forgets earlier errors (and its size has to be right), the deterministic way carries them on; large steps with much fresh noise discard what was decided. One of the two (mean instead of x_0, network's error) with a consequence is enough; one half for "the network is not perfect" alone.
#
# **Anchor, full (4):** two lines of algebra with z independent of ε; covariance; "the loss contains pairs (x_0, x_t) only"; "x̂_0 ≠ x_0, so errors pile up without noise and are washed out with it".
#
#
#
# **Anchor, half (2):** variance added correctly, "correlations change", "it was trained on all t anyway"; nothing for (d).
#
#
#
# **Anchor, zero:** quotes Lemma 1.
#
# === END MARK SCHEME ===

# %% [markdown]
# ## 4 · One step
#
# A sampler does not know $x_0$. It puts the prediction in its place (eq. 9): the network gives $\hat\varepsilon$, and with it
#
# $$\hat x_0 = \frac{x_t - \sqrt{1 - \bar\alpha_t}\; \hat\varepsilon}{\sqrt{\bar\alpha_t}}, \qquad
# x_s = \underbrace{\sqrt{\bar\alpha_s}\; \hat x_0}_{\text{the picture}} + \underbrace{\sqrt{1 - \bar\alpha_s - \sigma^2}\; \hat\varepsilon}_{\text{direction to } x_t} + \underbrace{\sigma z}_{\text{fresh noise}} \qquad \text{(eq. 12)} .$$
#
# Here $\hat x_0$ is **not** cut to $[-1, 1]$, unlike in notebook 05. A cut picture and $\hat\varepsilon$ would no longer add up to $x_t$, and the way back of section 8 needs that they do.
#
# For $\eta = 0$ nothing in this update cares which of the two levels is the noisier one. So it must also work **upwards**, towards more noise, even from the data themselves, where $\bar\alpha_t = 1$. Look at what your $\sigma$ does there: zero times something that is not a number is not a number.
#
# **Task.** Write `ddim_step`.

# %% answer="ddim.step"
def ddim_step(x_t, eps, alpha_bar_t, alpha_bar_prev, eta=0.0, noise=None):
    """One step of DDIM (eq. 12) for a whole batch, from the level alpha_bar_t to the level alpha_bar_prev.

    Args:
        x_t: at the level alpha_bar_t, (B, ...).
        eps: the noise in x_t as the network predicts it, of the same shape. The x_0 that follows from it is not cut to [-1, 1].
        alpha_bar_t, alpha_bar_prev: tensors without dimensions; alpha_bar_prev = 1 leads to the data. With eta = 0
            alpha_bar_prev may also be the smaller one, and alpha_bar_t may be 1: then the step leads towards noise.
        eta: how much of DDPM's fresh noise there is, 0 ... 1.
        noise: the standard normal numbers of the fresh noise, of the shape of x_t; drawn if None.

    Returns:
        x at the level alpha_bar_prev, of the shape of x_t.
    """
    ### BEGIN SOLUTION
    sigma = ddim_sigma(eta, alpha_bar_t, alpha_bar_prev) if eta > 0 else torch.zeros(())
    x0 = (x_t - (1 - alpha_bar_t).sqrt() * eps) / alpha_bar_t.sqrt()
    noise = torch.randn_like(x_t) if noise is None else noise
    return alpha_bar_prev.sqrt() * x0 + (1 - alpha_bar_prev - sigma**2).sqrt() * eps + sigma * noise
    ### END SOLUTION

# %% check="ddim.step" points=4
check("ddim.step", ddim_step)

# %% [markdown]
# The three parts of a step, for a digit with noise of $t = 500$ and a long step to $s = 250$:

# %%
torch.manual_seed(3)
test_digits = images.mnist("test")
print(test_digits.source)
real = images.scaled(test_digits.images)
here, there = model.alpha_bar[500], model.alpha_bar[250]
x0 = real[:1]
x_t = here.sqrt() * x0 + (1 - here).sqrt() * torch.randn_like(x0)
with torch.no_grad():
    eps = model(x_t, torch.tensor([500]))
guess = ddim_step(x_t, eps, here, torch.ones(()))
moved = {eta: ddim_step(x_t, eps, here, there, eta) for eta in (0.0, 1.0)}
panels = {
    "digit": x0, "$x_t$, t = 500": x_t, "network's noise": eps, r"$\hat x_0$": guess,
    r"$x_s$, $\eta$ = 0": moved[0.0], r"$x_s$, $\eta$ = 1": moved[1.0], "difference": moved[1.0] - moved[0.0],
}  # fmt: skip
show_row(panels.items(), columns=1, size=1.7)

# %% [markdown]
# *Seven small pictures. A digit; the digit drowned in noise; the noise that the network sees in it; the picture that is left, smooth and a little uncertain; the same step without and with fresh noise; and the difference of these two, which is nothing but noise.* The step without noise keeps the old grain at a smaller size; the step with noise exchanges most of it.
#
# ## 5 · The sampler
#
# Put together: choose times, begin with noise at $t = T - 1$, and in each step ask the network **at this $t$**, then go to the **next chosen** time, not to $t - 1$. After the lowest time comes the data level, $\bar\alpha = 1$.
#
# **Task.** Write `ddim_sample`. Use your functions from above.

# %% answer="ddim.sample"
@torch.no_grad()
def ddim_sample(model, shape, n_steps, eta=0.0, *, x_T=None, path=False):
    """Samples from noise in n_steps steps, at the times of ddim_timesteps, the last step to the data (alpha_bar = 1).

    Args:
        model: model(x_t, t) with int64 t (B,) gives the noise in x_t; model.alpha_bar is the table (T,). It is asked once in each
            step, about the whole batch, which shares one t.
        shape: of the result, (B, ...).
        n_steps: number of steps, 1 ... T.
        eta: of every step.
        x_T: where to start, of that shape; standard normal if None.
        path: whether to return all x instead of the last.

    Returns:
        The samples, of that shape; with path the tensor (n_steps + 1, *shape) from the start to the samples.
    """
    ### BEGIN SOLUTION
    x = torch.randn(shape) if x_T is None else x_T
    times = ddim_timesteps(len(model.alpha_bar), n_steps)
    levels = F.pad(model.alpha_bar[times], (0, 1), value=1.0)
    visited = [x]
    for t, here, there in zip(times, levels[:-1], levels[1:], strict=True):
        x = ddim_step(x, model(x, t.expand(len(x))), here, there, eta)
        visited.append(x)
    return torch.stack(visited) if path else x
    ### END SOLUTION

# %% check="ddim.sample" points=5
check("ddim.sample", ddim_sample)

# %% [markdown]
# **See it work where the network is perfect.** On the line, for a mixture of two normals, the best possible noise predictor is known (notebook 04). Follow 20 starts, with and without fresh noise, and with few steps. (A few seconds.)

# %%
truth = data.normal_mixture([1, 2], [[-1.2], [1.0]], 0.3)
perfect = data.ExactNoise(truth, model.alpha_bar)
torch.manual_seed(4)
starts = torch.randn(2000, 1)
settings = [(0.0, 1000), (0.5, 1000), (1.0, 1000), (0.0, 10), (1.0, 10)]
figure, axes = plt.subplots(2, 5, figsize=(14, 4.6), height_ratios=[2, 1], sharey="row")
line = torch.linspace(-2.6, 2.6, 200)
for column, (eta, n) in zip(axes.T, settings, strict=True):
    ways = ddim_sample(perfect, starts.shape, budget(n, 5), eta, x_T=starts, path=True)
    column[0].plot(torch.linspace(0, 1, len(ways)), ways[:, :20, 0], color=plots.BLUE, lw=0.7, alpha=0.7)
    column[0].set(title=rf"$\eta$ = {eta:g}, {n:,} steps", xlabel="share of the steps", ylim=(-3.2, 3.2))
    column[1].hist(ways[-1, :, 0], bins=50, range=(-2.6, 2.6), density=True, color=plots.SKY, alpha=0.7)
    column[1].plot(line, truth.log_prob(line[:, None]).exp(), color=plots.INK, lw=1.2)
    column[1].set(xlabel="$x_0$")
_ = axes[0, 0].set(ylabel="x")

# %% [markdown]
# *Above: 20 ways from noise on the left to one of two clusters on the right; for η = 0 they are smooth and never cross, for η = 0.5 and 1 they are rough and cross often; with ten steps and η = 1 they jump. Below: histograms of 2,000 end points and the exact density: all three with 1,000 steps fit; with ten steps both are too narrow and too high, with η = 1 a little more so.*
#
# Ways that do not cross: for η = 0 each noise belongs to one picture and each picture to one noise. That is what sections 7 and 8 use.
#
# How few steps will do? The same 2,000 starts in every setting:

# %%
from helpers.explore import explore


def in_steps(steps, eta):
    """The ways of 20 starts in so many steps, and a histogram of all ends."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        starts = torch.randn(2000, 1)
        ways = ddim_sample(perfect, starts.shape, steps, eta, x_T=starts, path=True)[..., 0]
    _, axes = plt.subplots(1, 2, figsize=(9, 3), width_ratios=[2, 1], sharey=True)
    axes[0].plot(torch.linspace(0, 1, len(ways)), ways[:, :20], ".-" if steps <= 20 else "-", color=plots.BLUE, lw=0.8, ms=4, alpha=0.7)
    axes[1].hist(ways[-1], bins=50, range=(-2.6, 2.6), density=True, color=plots.SKY, alpha=0.7, orientation="horizontal")
    axes[1].plot(truth.log_prob(line[:, None]).exp(), line, color=plots.INK, lw=1.2)
    axes[0].set(title=rf"$\eta$ = {eta:g}, {steps} steps", xlabel="share of the steps", ylabel="x", ylim=(-3.2, 3.2))
    axes[1].set(title="2,000 ends, exact density", xlim=(0, 1.6))


_ = explore(in_steps, steps=[1, 2, 3, 5, 10, 20, 50, 100], eta=[0.0, 0.5, 1.0], start={"steps": 5})

# %% [markdown]
# *Figure with sliders for the number of steps and for η. Left: 20 ways from noise to data. Right: a histogram of the ends, lying on its side, with the exact density. One step puts everything into one place, the mean of the data; with five there are two narrow peaks with a bridge between them; with 50 all fits.*
#
# **How large is the error of few steps?** For *one* normal everything is exact: with data $\mathcal{N}(m, c^2)$ the limit of infinitely many steps takes $x_T$ to $m + c\,(x_T - \sqrt{\bar\alpha}\, m) / \sqrt{\bar\alpha c^2 + 1 - \bar\alpha}$, where $\bar\alpha$ is that of $T - 1$.

# %%
class KnowsANormal:
    """The exact noise predictor for data from N(mean, sd^2)."""

    def __init__(self, mean, sd, alpha_bar):
        self.mean, self.sd, self.alpha_bar = mean, sd, alpha_bar

    def noise(self, x, a):
        return (1 - a).sqrt() * (x - a.sqrt() * self.mean) / (a * self.sd**2 + 1 - a)

    def __call__(self, x, t):
        return self.noise(x, self.alpha_bar[t].view(-1, 1))


def heun(normal, x, steps):
    """Heun's method for notebook 05's velocity along the angle, from T - 1 to the data; two calls in each step."""
    angles = normal.alpha_bar[-1].double().sqrt().acos() * torch.linspace(1, 0, steps + 1, dtype=torch.float64)

    def velocity(x, angle):
        return (normal.noise(x, angle.cos() ** 2) - angle.sin() * x) / angle.cos()

    for here, there in zip(angles[:-1], angles[1:], strict=True):
        first = velocity(x, here)
        second = velocity(x + (there - here) * first, there)
        x = x + (there - here) * (first + second) / 2
    return x


normal = KnowsANormal(0.5, 0.3, model.alpha_bar)
last = model.alpha_bar[-1]
torch.manual_seed(5)
starts = torch.randn(20_000, 1)
ends = normal.mean + normal.sd * (starts - last.sqrt() * normal.mean) / (last * normal.sd**2 + 1 - last).sqrt()
counts = [5, 10, 20, 50, 100, 200, 500, 1000][: budget(8, 3)]
off = [(ddim_sample(normal, starts.shape, n, x_T=starts) - ends).square().mean().sqrt() for n in counts]
off_heun = [(heun(normal, starts.double(), n // 2) - ends).square().mean().sqrt() for n in counts[1:-1]]
spread = {eta: [ddim_sample(normal, starts.shape, n, eta).std() for n in counts] for eta in (0.0, 0.5, 1.0)}

figure, axes = plt.subplots(1, 2, figsize=(11, 3.3))
axes[0].loglog(counts, off, "o-", color=plots.BLUE, label="DDIM, against the exact end points")
axes[0].loglog(counts, [off[0] * counts[0] / n for n in counts], ":", color=plots.INK, label="proportional to 1/n")
axes[0].loglog(counts[1:-1], off_heun, "s-", ms=4, color=plots.ORANGE, label="Heun's method")
axes[0].set(xlabel="network calls", ylabel="root mean squared error", title=r"$\eta$ = 0, point by point")
for (eta, values), colour in zip(spread.items(), (plots.VERMILION, plots.GREEN, plots.BLUE), strict=True):
    axes[1].semilogx(counts, values, "o-", ms=4, color=colour, label=rf"$\eta$ = {eta:g}")
axes[1].axhline(normal.sd, color=plots.INK, ls=":", label="right")
axes[1].set(xlabel="steps", ylabel="standard deviation of the samples", title="what randomness costs", ylim=(0, 0.35))
for ax in axes:
    ax.legend(fontsize=8)

# %% [markdown]
# *Left, both axes logarithmic: DDIM's error falls nearly along the dotted line, ten times the calls for about a tenth of the error; that of Heun's method falls twice as steeply. Right: with few steps the samples are far too narrow for every η; η = 0 comes near the right 0.3 first, η = 1 last.* With a perfect network, randomness only costs. Remember that when you see the next figures, where the network is not perfect.
#
# ### DDIM is Euler's method
#
# Why 1/n? Divide eq. 12 with $\sigma = 0$ by $\sqrt{\bar\alpha_s}$, and write $\bar x = x / \sqrt{\bar\alpha}$ and $r = \sqrt{(1 - \bar\alpha) / \bar\alpha}$, the noise for a signal of size 1 (their section 4.3 calls it σ):
#
# $$\bar x_s = \bar x_t + (r_s - r_t)\, \hat\varepsilon(x_t, t), \qquad\text{one Euler step of}\qquad \frac{\mathrm{d} \bar x}{\mathrm{d} r} = \hat\varepsilon \qquad \text{(eq. 13, 14)} .$$
#
# This is the probability-flow ODE of notebook 03 in other coordinates. With $\hat\varepsilon = -\sqrt{1 - \bar\alpha_t} \cdot \text{score}$ it is $\mathrm{d}x = \bigl[-\tfrac12 \beta x - \tfrac12 \beta\, \text{score}\bigr] \mathrm{d}t$ again, where $\mathrm{d}\bar\alpha / \mathrm{d}t = -\beta \bar\alpha$. Two differences matter. In these coordinates the linear part, the shrinking of the signal, is solved exactly; and where $\hat\varepsilon$ does not change along the way, **a single step is exact**, however long. Euler in $t$, as in notebook 03, makes an error
# in both. What is left is an error of first order, as the left panel shows. Heun's method for the same ODE, in a third coordinate, the angle of notebook 05, asks twice in each step and still needs far fewer calls for the same accuracy.
#
# ## 6 · Speed and quality
#
# Now digits. Two hundred pictures from the **same** 200 noises, in 5 to 1,000 steps, with η = 0 (DDIM) and η = 1 (DDPM on the chosen times). This is the long cell: about a minute and a half.

# %%
N = budget(200, 12)
STEPS = (5, 10, 20, 50, 100, 1000)[: budget(6, 2)]
torch.manual_seed(6)
start_noise = torch.randn(N, 1, 28, 28)
drawn, seconds = {}, {}
with fast():
    for n in progress_bar(STEPS, "steps"):
        for eta in (0.0, 1.0):
            begun = time.perf_counter()
            drawn[eta, n] = ddim_sample(model, start_noise.shape, n, eta, x_T=start_noise)
            seconds[eta, n] = time.perf_counter() - begun

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4.6))
for ax, (eta, name) in zip(axes, ((0.0, "DDIM"), (1.0, "DDPM")), strict=True):
    rows = torch.stack([drawn[eta, n][:10] for n in STEPS])
    show(rows.flatten(0, 1), f"{name}, η = {eta:g}: {', '.join(f'{n:,}' for n in STEPS)} steps, from above", ax, columns=10)

# %% [markdown]
# *Two grids; every column begins with the same noise, every row has another number of steps, from 5 at the top to 1,000 at the bottom. Left, DDIM: each column shows one and the same figure, grey and soft with 5 steps, and from 20 on nothing changes that one could see; some of the figures are not digits. Right, DDPM: each row has other digits, with 5 steps soft and blurred, further down more often a digit.*
#
# The way of 24 of these noises, with DDIM in 20 steps:

# %%
from helpers.animate import animate

with fast():
    way = ddim_sample(model, start_noise[:24].shape, budget(20, 5), x_T=start_noise[:24], path=True)
animate(way, label="step")

# %% [markdown]
# *Animation: 24 pictures of noise. The grain gets weaker from step to step while bright strokes come through it where they will stay.*
#
# With DDIM the noise is a name for the picture: a cheap preview in ten steps shows what 1,000 will give.

# %%
floor = pictures.floors(N).frechet
quality = {key: pictures.score(x) for key, x in drawn.items()}
print(f"{N} samples each; as many real images have FD {floor:.1f}")
print("steps   DDIM: FD   sure  seconds   DDPM: FD   sure  seconds")
for n in STEPS:
    row = [f"{quality[eta, n].frechet:10.1f} {quality[eta, n].confidence:6.1%} {seconds[eta, n]:8.1f}" for eta in (0.0, 1.0)]
    print(f"{n:5,}", *row)

# %%
figure, ax = plt.subplots(figsize=(8, 4))
right = ax.twinx()
for eta, name, colour in ((0.0, "DDIM", plots.VERMILION), (1.0, "DDPM", plots.BLUE)):
    ax.semilogx(STEPS, [quality[eta, n].frechet for n in STEPS], "o-", color=colour, label=f"{name}: FD")
    right.loglog(STEPS, [seconds[eta, n] for n in STEPS], "s:", ms=4, color=colour, alpha=0.6, label=f"{name}: seconds")
ax.axhline(floor, color=plots.INK, lw=1, ls="--", label=f"FD of {N} real images")
ax.set(xlabel="steps (network calls for each picture)", ylabel=f"FD of {N} samples", ylim=(0, None), title="quality (solid, left axis) and time (dotted, right axis)")
right.set(ylabel=f"seconds for {N} pictures")
right.grid(False)
_ = ax.legend(handles=[*ax.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]], fontsize=8, loc="upper center", ncols=2)

# %% [markdown]
# *Falling solid curves of FD and rising dotted lines of seconds. DDIM's FD falls from 75 to about 36 with 50 steps and hardly any further; DDPM's begins higher, at 94, is below it from 10 steps on and reaches 25 to 31 with 20 steps or more. The dashed line of real images, 17, is far below both. The dotted lines of both samplers lie on each other, ten times as high for ten times the steps.* (200 samples; the numbers are those of our run. Another seed moves each FD by several units, so 37 and 39 are the same.)

# %% [markdown] written="ddim.tradeoff" points=6
# ### Question: speed and quality
#
# Use your table and your figures.
#
# (a) How does the time depend on the number of steps and on η, and what is it that takes the time?
#
# (b) Describe FD against steps for DDIM and for DDPM, with the number of samples and the floor: where do the curves cross, where do they level off, and which differences are large enough to mean something?
#
# (c) Explain the *left* end: what goes wrong with 5 steps, with and without fresh noise? Use section 5's figure of the normal and what the grids look like.
#
# (d) Explain the *right* end: why does DDIM stop getting better while it still stands far from the floor, and why may DDPM get nearer?
#
# (e) Which sampler with how many steps do you take for a preview while somebody waits, for 50,000 pictures to be judged by their FD, and for editing a real picture? One reason each.
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) Time is proportional to the number of steps (a slope of 1 in the log-log curves; read off, e.g. factor 10 from 10 to 100), the same for both η: nearly all of it is the network's calls, one for each step and batch; drawing noise costs next to nothing.
#
# 2. (1) Both curves from the student's own output with n and floor. Usually: at 5 steps DDIM is as good as or better than DDPM; DDPM passes it near 10 steps and goes on falling; DDIM is flat from about 20 to 50 steps on. A difference of some units of FD at n = 200 means nothing (another seed moves it by as much). One half without n, floor or a word on uncertainty.
#
# 3. (1) Left end: every step replaces x_0 by a mean over all pictures that are possible there; with 5 steps most of the way is one jump towards a mean, so blurred. Euler's error, 1/n. Fresh noise makes it worse: it has to be removed again by very few later steps, the samples are too narrow (section 5) or, in pictures, faint. One half for "too few steps" with a description only.
#
# 4. (1) Right end: the discretisation is no longer what is wrong, the network is. The deterministic way carries every error of the network along; fresh noise brings x back to where the network was trained and lets later steps correct earlier errors. Steps cannot mend the network. One half for "limit reached" without naming the network's error.
#
# 5. (1) Preview: DDIM with 10 to 20 steps (fast, and the same noise gives the same picture later). FD: whatever has the lowest FD in the student's table, with its cost named (usually DDPM with 50 to 1,000). Editing: DDIM, since only η = 0 has a way back. One half for two of the three.
#
# 6. (1) The answer as a whole refers to the student's own figures and numbers, at least one of them read off for each of (a) to (d).
#
# **Anchor, full (6):** "Seconds: 0.4, 0.7, 1.6 … for both, about 0.08 s for each call with 200 pictures. FD (n = 200, floor 17): DDIM 75, 50, 40, 36, 35, 34; DDPM 94, 40, 31, 30, 25, 30; crossing between 5 and 10; 25 and 30 need another seed. […] DDIM's plateau is the network's error: the paths of section 5 with a perfect network had none."
#
#
#
# **Anchor, half (3):** time linear in steps; crossing described from the figure with n; left end by "bigger steps, bigger errors"; right end not explained; preview DDIM.
#
#
#
# **Anchor, zero:** "DDIM is faster and better", without own numbers.
#
# === END MARK SCHEME ===

# %% [markdown]
# ## 7 · Between two noises
#
# If each noise has its picture, what lies between two noises? Twenty steps of DDIM, along two ways, with the angle $\Omega$ between $z_0$ and $z_1$:
#
# $$\text{straight: } (1 - u)\, z_0 + u\, z_1, \qquad \text{spherical: } \frac{\sin((1 - u)\, \Omega)}{\sin \Omega}\, z_0 + \frac{\sin(u\, \Omega)}{\sin \Omega}\, z_1, \qquad 0 \le u \le 1 .$$

# %%
def straight(z0, z1, u):
    return (1 - u) * z0 + u * z1


def spherical(z0, z1, u):
    angle = F.cosine_similarity(z0.flatten(1), z1.flatten(1)).acos().view(-1, 1, 1, 1)
    return (((1 - u) * angle).sin() * z0 + (u * angle).sin() * z1) / angle.sin()


torch.manual_seed(7)
z0, z1 = torch.randn(2, 5, 1, 28, 28)
places = torch.linspace(0, 1, 11)
figure, axes = plt.subplots(1, 4, figsize=(15, 3.3), width_ratios=[2, 2, 1, 1])
for ax, way, colour in zip(axes, (straight, spherical), (plots.ORANGE, plots.BLUE), strict=False):
    noises = torch.stack([way(z0, z1, u) for u in places], dim=1)  # (5, 11, 1, 28, 28)
    with fast():
        between = ddim_sample(model, (55, 1, 28, 28), budget(20), x_T=noises.flatten(0, 1))
    show(between, way.__name__, ax, columns=11)
    axes[2].plot(places, noises.flatten(2).norm(dim=2).mean(0), "o-", ms=3, color=colour, label=way.__name__)
    ink = (between.clamp(-1, 1).view(5, 11, -1) + 1).sum(2).mean(0) / 2
    axes[3].plot(places, ink, "o-", ms=3, color=colour, label=way.__name__)
axes[2].axhline(math.sqrt(784), color=plots.INK, ls=":", label=r"$\sqrt{784}$")
axes[2].set(xlabel="u", title="length of the noise", ylim=(15, 31))
axes[3].axhline(((real + 1) / 2).flatten(1).sum(1).mean(), color=plots.INK, ls=":", label="real digits")
axes[3].set(xlabel="u", title="white in the picture, in pixels", ylim=(0, None))
for ax in axes[2:]:
    ax.legend(fontsize=7, loc="lower center")

# %% [markdown]
# *Left and middle: five rows of digits that change from one to another in eleven pictures. On the straight way the strokes of the middle columns are thinner; on the spherical way they keep their strength. Third: the length of the noise dips from 28 to below 20 on the straight way and stays near 28 on the spherical one. Right: the amount of white follows: in the middle of the straight way it is below both ends, on the spherical way it is between them.*
#
# Why does the straight way fail? The squared length of a standard normal vector in $d = 784$ dimensions is $\chi^2$ with $d$ degrees of freedom: its length is $28 \pm 0.7$. Nearly all noise lies in a thin shell, and the network has never been asked about anything else at $t = T - 1$. In the middle of the straight way the expected squared length is only $\bigl((1-u)^2 + u^2\bigr) d = d / 2$, a length of 19.8: no noise is so short. The network takes the missing length for missing noise.
# On the spherical way the length is $\sqrt d$ all along, as the two ends are almost orthogonal, and each point on it is, by itself, a standard normal vector like any other.
#
# ## 8 · The way back
#
# DDIM for η = 0 is an ODE solver, and an ODE can be followed in both directions. **Inversion** takes a picture, also one that no model made, up to its noise. Undo the steps of `ddim_sample` one by one, from the data up: the step from $t$ down to $s$ was
#
# $$x_s = \text{step}\bigl(x_t,\; \hat\varepsilon(x_t, t),\; \bar\alpha_t \to \bar\alpha_s\bigr) .$$
#
# To undo it we need $\hat\varepsilon(x_t, t)$, and there is the difficulty: $x_t$ is what we are looking for. But $x_s$ is near it. So ask the network about $x_s$, **at the time $t$ of the step that is undone**, and take the step from $\bar\alpha_s$ up to $\bar\alpha_t$ with its answer. That gives $x_t$ nearly. For more, ask again about the $x_t$ just found, and take the step **from the same $x_s$** again:
#
# $$x_t^{(0)} = x_s, \qquad x_t^{(j)} = \text{step}\bigl(x_s,\; \hat\varepsilon(x_t^{(j-1)}, t),\; \bar\alpha_s \to \bar\alpha_t\bigr), \qquad j = 1, \dots, \texttt{rounds} .$$
#
# Usually `rounds` is 1. Where the repetition comes to rest, $x_t$ is exactly what `ddim_sample` leads to $x_s$ (Pan et al. 2023).
#
# **Task.** Write `ddim_invert`.

# %% answer="ddim.invert"
@torch.no_grad()
def ddim_invert(model, x, n_steps, rounds=1):
    """From data to noise: undo the n_steps steps of ddim_sample with eta = 0, one after the other, from the last to the first.

    In the step from x_s up to the time t the network is asked at this t: first about x_s itself, in further rounds about the
    x_t that the round before has found. Each round steps up from x_s.

    Args:
        model: as in ddim_sample; it is asked once in each round of each step.
        x: data (B, ...), at the level alpha_bar = 1.
        n_steps: number of steps.
        rounds: at least 1.

    Returns:
        x at the time T - 1, of the shape of x.
    """
    ### BEGIN SOLUTION
    below = torch.ones(())
    for t in ddim_timesteps(len(model.alpha_bar), n_steps).flip(0):
        x_t = x
        for _ in range(rounds):
            x_t = ddim_step(x, model(x_t, t.expand(len(x))), below, model.alpha_bar[t])
        x, below = x_t, model.alpha_bar[t]
    return x
    ### END SOLUTION

# %% check="ddim.invert" points=4
check("ddim.invert", ddim_invert)

# %% [markdown]
# **There and back.** Real test digits, which no network has seen, to noise and back to pictures. (About 40 seconds.)

# %%
originals = real[:16]
counts = [5, 10, 20, 50, 100, 200][: budget(6, 2)]
encoded, decoded = {}, {}
for rounds in (1, 3):
    for n in progress_bar(counts, "steps"):
        encoded[rounds, n] = ddim_invert(model, originals, n, rounds)
        decoded[rounds, n] = ddim_sample(model, originals.shape, n, x_T=encoded[rounds, n])

# %%
panels = [(f"{n} steps", torch.cat([encoded[1, n][:3] / 2, decoded[1, n][:3]])) for n in counts]
show_row([("real digits", originals[:3]), *panels], columns=3, size=1.9)

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 3.4))
for rounds, colour in ((1, plots.VERMILION), (3, plots.BLUE)):
    error = [(decoded[rounds, n] - originals).square().mean().sqrt() for n in counts]
    axes[0].loglog(counts, error, "o-", color=colour, label=f"{rounds} round{'s' * (rounds > 1)} in each step")
    axes[1].semilogx(counts, [encoded[rounds, n].std() for n in counts], "o-", color=colour, label=f"sd, {rounds} round{'s' * (rounds > 1)}")
axes[0].loglog(counts, [1.2 / n for n in counts], ":", color=plots.INK, label="slope of 1/n")
axes[0].set(xlabel="steps", ylabel="root mean squared error of a pixel", title="picture → noise → picture")
alike = {key: F.cosine_similarity(z[..., 1:].flatten(), z[..., :-1].flatten(), dim=0) for key, z in encoded.items()}
axes[1].semilogx(counts, [alike[1, n] for n in counts], "s--", color=plots.ORANGE, label="correlation of neighbouring pixels")
axes[1].axhline(1, color=plots.INK, ls=":", lw=1)
axes[1].axhline(0, color=plots.INK, ls=":", lw=1)
axes[1].set(xlabel="steps", title="is the code like noise? (sd 1, correlation 0)", ylim=(-0.1, 1.6))
for ax in axes:
    ax.legend(fontsize=8)

# %% [markdown]
# *Three digits, then six panels with their codes above (at half their contrast) and the decoded pictures below. In codes of 5 steps one can still read the digit; with more steps there is more and more grain, but only around the digit: the black background stays a flat grey. All decoded pictures look right. Below left, logarithmic: the error with one round falls from 0.1 with 5 steps to 0.01 with 200, more slowly than the dotted 1/n; with three rounds it is
# two to six times smaller. Below right: the standard deviation of the codes lies between about 0.4 and 0.55, not at 1, for any number of steps; the correlation of neighbouring pixels falls from 0.85 towards 0.*
#
# Two honest remarks. **The codes are not normal noise.** On the way down each pixel of noise becomes a tiny bit of grain in the picture; on the way up the grain of a picture becomes noise. But the background of a digit in MNIST is *exactly* black and has no grain at all: there is nothing that could become noise. Data that fill their space (photographs, or pixels that were dequantised) are encoded better. **The error falls slowly**
# since the last steps before the data are the hard ones: there $\hat\varepsilon = (x - \sqrt{\bar\alpha}\, \hat x_0) / \sqrt{1 - \bar\alpha}$ divides by something small, so a small change of $x$ is a large one of $\hat\varepsilon$.

# %% [markdown]
# **Between two real digits.** Encode both, go the spherical way between the codes, decode. Beside it the mixture of the pixels.

# %%
one, two = real[[1, 4, 11]], real[[2, 9, 18]]
codes = [ddim_invert(model, x, budget(50), 3) for x in (one, two)]
noises = torch.stack([spherical(*codes, u) for u in places], dim=1)
with fast():
    between = ddim_sample(model, (33, 1, 28, 28), budget(50), x_T=noises.flatten(0, 1))
mixed = torch.stack([straight(one, two, u) for u in places], dim=1).flatten(0, 1)
figure, axes = plt.subplots(1, 2, figsize=(13, 2.2))
show(between, "between the codes", axes[0], columns=11)
show(mixed, "between the pixels", axes[1], columns=11)

# %% [markdown]
# *Left, between the codes: three rows that lead from a 0 to a 1, from a 6 to a 2, from a 4 to a 7; nearly all pictures are single, clear strokes, and the change is quick. Right, between the pixels: two digits that fade into each other, both visible in the middle.*

# %% [markdown] written="ddim.round_trip" points=3
# ### Question: how exact is the way back?
#
# (a) With one round, how does the error of the round trip depend on the number of steps, and which approximation is to blame? Say in a formula where it enters.
#
# (b) What do more rounds change, at which cost in network calls, and why does an error remain in your figure? Compare at an equal number of calls.
#
# (c) Could you invert the sampler with η = 1 in the same way? What would you have to store to bring a picture back?
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) The error falls with n, as read off the figure (usually by a factor of about 10 from 5 to 200 steps, so more slowly than 1/n there). ε̂(x_s, t) is used in the place of ε̂(x_t, t): the two differ by about ∂ε̂/∂x · (x_t − x_s), which is proportional to the step, so at best 1/n in all; slower, since near the data ∂ε̂/∂x is large. One half for the observation without the replaced argument.
#
# 2. (1) Rounds solve for x_t by repetition; each costs a call per step, so 3 rounds with n steps cost 3n calls up and n calls down. From the student's figure, at equal calls: 3 rounds × 20 steps take 60 + 20 calls and have an error of 0.011; 1 round × 50 takes 50 + 50 and has 0.026: rounds win. What remains: the repetition has not come to rest after three rounds, least of all near the data. One half without a comparison of costs.
#
# 3. (1) No: x_t depends on the fresh noises as well, which the picture does not tell. One would have to keep (or choose) the noise of every step: then all of x_T and the z's are the code (n + 1 times the size of a picture). One half for "no, it is random".
#
# **Anchor, full (3):** slope read off and the replaced argument named; equal calls compared; all z's stored.
#
#
#
# **Anchor, half (1.5):** "smaller steps, smaller error", "more rounds are better but cost more", "no, random".
#
#
#
# **Anchor, zero:** "exact, because deterministic".
#
# === END MARK SCHEME ===

# %% [markdown]
# ## 9 · Corrections to what you may read elsewhere
#
# * **"DDIM is DDPM without the noise."** Leaving $\sigma z$ out of DDPM's step gives the posterior's mean, which loses variance in each step (notebook 05). DDIM gives that variance to the direction: $\sqrt{1 - \bar\alpha_s - \sigma^2}$ grows when σ falls.
# * **$t - 1$ in the update.** The neighbour of $t$ is the next *chosen* time. With skipped steps and $\bar\alpha_{t-1}$ nothing crashes; the samples just stay noisy.
# * **Times $0, T/n, 2T/n, \dots$** leave out $T - 1$. The sampler then begins at a level where the network expects some signal.
# * **$\alpha_t$.** In the DDIM paper it is what everybody else calls $\bar\alpha_t$.
# * **"DDIM is better."** It is better than DDPM with very few steps. With many, randomness corrects errors of the network, here as in the paper: in its Table 1, the lowest FID of CIFAR-10 with 1,000 steps belongs to the noisiest sampler, which with 10 steps is by far the worst.
# * **"η = 1 is DDPM with $\sigma_t^2 = \beta_t$."** It is $\tilde\beta_t$. With β in the place of β̃ it is what the paper calls $\hat\sigma$, that noisiest sampler: more noise than any η here.
# * **Clipping $\hat x_0$** in DDIM without computing $\hat\varepsilon$ anew makes the two contradict each other. And whoever clips cannot invert.
# * **"Inversion is exact, because DDIM is deterministic."** Deterministic is not yet invertible with the same calls; see your figure.
#
# ## What comes next
#
# Fewer calls are one way to faster pictures. Colour, more variety and a network of your own are next: notebook 07, CIFAR-10.

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
