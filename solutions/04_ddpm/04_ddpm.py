# %% [markdown]
# # 04 · DDPM on the line: every index, every term
#
# In notebook 03 noise came in continuously. Here it comes in $T$ steps that one can count, as in the paper that made diffusion models famous
# (Ho et al. 2020). The data are numbers: a mixture of two normals. That is little enough to see everything, to check every formula against an exact value, and to train
# in seconds, and it is enough for every mistake to show.
#
# **You will learn**
# * to write a discrete diffusion process without being off by one anywhere;
# * four things that a network can predict, and how each is turned into the others;
# * to train with Algorithm 1 and to sample with Algorithm 2, and what changes if the noise is left out;
# * what the loss has to do with a likelihood: the variational bound, step by step;
# * which few changes to a circulated training recipe make it better and fifty times faster, and why.
#
# **Time**: about five hours, of which the computer needs three minutes. The longest cell runs for about half a minute on a laptop CPU.
#
# Sources: Ho et al. 2020 ([arXiv 2006.11239](https://arxiv.org/abs/2006.11239)), Nichol and Dhariwal 2021
# ([arXiv 2102.09672](https://arxiv.org/abs/2102.09672)), Salimans and Ho 2022 ([arXiv 2202.00512](https://arxiv.org/abs/2202.00512)). "Eq. 7" without a name
# is an equation of Ho et al.

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
from torch import nn

from helpers import attach, budget, check, notation, progress_bar
from helpers.notebook import optional

# %%
import copy

import matplotlib.pyplot as plt
import seaborn

from helpers import data, metrics, models, plots

torch.set_num_threads(1)  # small tensors gain nothing from more, and CPU seconds stay comparable
plots.style()
notation()

# %% [markdown]
# This notebook uses the right column. Points are rows, also where a row is one number: data have the shape (B, 1), and $t$ has the shape (B,), an integer for each
# row. Tensors are float32.
#
# As in notebook 03, **a function must never change the tensors it is given**: on an argument `a`, no `a += 1` and no method that ends in an underscore.
#
# ## 1 · The data
#
# One third of the data come from $\mathcal{N}(-4, 1)$ and two thirds from $\mathcal{N}(4, 1)$:
#
# $$p(x) = \tfrac13\, \mathcal{N}(x;\, -4,\, 1) + \tfrac23\, \mathcal{N}(x;\, 4,\, 1) .$$
#
# **Task.** Draw from it: first choose a normal for each row, then draw from that one.

# %% answer="ddpm.mixture"
def sample_mixture(n, generator=None):
    """Draw n numbers from the mixture of N(-4, 1), with weight 1/3, and N(4, 1), with weight 2/3.

    Args:
        n: how many.
        generator: optional torch.Generator for the random numbers.

    Returns:
        float32 tensor (n, 1); the rows are independent and in random order.
    """
    ### BEGIN SOLUTION
    right = torch.rand(n, 1, generator=generator) < 2 / 3
    centre = torch.where(right, 4.0, -4.0)
    return centre + torch.randn(n, 1, generator=generator)
    ### END SOLUTION

# %% check="ddpm.mixture" points=2
check("ddpm.mixture", sample_mixture)

# %% [markdown]
# A diffusion ends at $\mathcal{N}(0, 1)$ whatever the data were. So it is convenient that data begin with mean 0 and standard deviation 1, too. With the mean $m$ and
# standard deviation $s$ of the *training* data,
#
# $$z = (x - m) / s, \qquad x = s\, z + m .$$
#
# **Task.** Write `statistics`, `normalize` and `denormalize`. The validation data are normalised with the training data's numbers; otherwise the two would not be comparable.

# %% answer="ddpm.normalize"
def statistics(train):
    """Mean and standard deviation of each column of the training data (N, d): a pair of tensors of shape (d,)."""
    ### BEGIN SOLUTION
    return train.mean(0), train.std(0)
    ### END SOLUTION


def normalize(x, mean, std):
    """x (B, d) in units in which the training data have mean 0 and standard deviation 1; mean and std are (d,)."""
    ### BEGIN SOLUTION
    return (x - mean) / std
    ### END SOLUTION


def denormalize(z, mean, std):
    """The way back: z (B, d) in the data's own units."""
    ### BEGIN SOLUTION
    return z * std + mean
    ### END SOLUTION

# %% check="ddpm.normalize" points=2
check("ddpm.normalize", statistics, normalize, denormalize)

# %% [markdown]
# The data of this notebook: 10,000 points to train on and 1,000 to watch. `truth` is the law that they come from, for pictures and distances.

# %%
torch.manual_seed(0)
train, valid = sample_mixture(10_000), sample_mixture(1_000)
mean, std = statistics(train)
z_train, z_valid = normalize(train, mean, std), normalize(valid, mean, std)
truth = data.normal_mixture([1, 2], [[-4.0], [4.0]], 1.0)
z_truth = data.normal_mixture([1, 2], normalize(torch.tensor([[-4.0], [4.0]]), mean, std), 1 / std)
print(f"training mean {mean.item():.3f}, standard deviation {std.item():.3f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
for ax, points, law, half, title in [(axes[0], train, truth, 10, "data x"), (axes[1], z_train, z_truth, 2.7, "normalised z")]:
    line = torch.linspace(-half, half, 400)[:, None]
    ax.hist(points[:, 0], bins=60, range=(-half, half), density=True, color=plots.SKY, alpha=0.6, label="10,000 points")
    ax.plot(line, law.log_prob(line).exp(), color=plots.VERMILION, label="density")
    ax.set(xlabel=title, ylabel="density")
_ = axes[0].legend(loc="upper left")

# %% [markdown]
# *Two histograms of the same shape, a low peak and one twice as high, under their exact densities: on the left at −4 and 4, on the right at about −1.4 and 0.7.* The right picture is what the process sees.

# %% [markdown]
# ## 2 · Schedules
#
# **The index, said once.** $x_0$ is data, and $t$ counts the noise steps that were made, so $t = 1, \dots, T$ and $x_T$ is (almost) pure noise. Step $t$ leads from $x_{t-1}$ to $x_t$ and
# belongs to $\beta_t$. A *schedule* is the list $\beta_1, \dots, \beta_T$, a tensor of $T$ numbers. A *table* has $T + 1$ entries, so that **entry $t$ belongs to $t$**, and
# entry 0 says "no noise": $\beta_0 = 0$, $\alpha_0 = \bar\alpha_0 = 1$. No formula in this notebook needs a "$-1$" to look something up. Here is the whole convention for $T = 4$:

# %%
figure, ax = plt.subplots(figsize=(9, 2.9))
rows = {r"$\beta_t$": [0, 0.15, 0.3, 0.5, 0.7], r"$\alpha_t$": [1, 0.85, 0.7, 0.5, 0.3],
        r"$\bar\alpha_t$": [1, 0.85, 0.595, 0.298, 0.089]}
for t, colour in enumerate([plots.GREEN, *[plots.BLUE] * 3, plots.ORANGE]):
    ax.plot(t, 0, "o", ms=30, mfc="none", mec=colour, mew=2)
    ax.text(t, 0, f"$x_{t}$", ha="center", va="center", fontsize=13)
    if t:
        ax.annotate("", (t - 0.16, 0), (t - 0.84, 0), arrowprops={"arrowstyle": "-|>", "color": plots.INK, "lw": 1.5})
        ax.text(t - 0.5, 0.2, f"step {t}: $\\beta_{t}$", ha="center", color=plots.VERMILION)
    for depth, numbers in enumerate(rows.values()):
        ax.text(t, -0.62 - 0.36 * depth, f"{numbers[t]:g}", ha="center", va="center")
for depth, name in enumerate(rows):
    ax.text(-0.5, -0.62 - 0.36 * depth, name, ha="center", va="center", fontsize=12)
ax.text(0, 0.5, "data, no noise", ha="center", color=plots.GREEN)
ax.text(4, 0.5, "noise", ha="center", color=plots.ORANGE)
ax.set(xlim=(-0.7, 4.4), ylim=(-1.55, 0.7))
_ = ax.axis("off")

# %% [markdown]
# *A number line with five circles from x₀, data, to x₄, noise. The arrow into x₁ is step 1 with β₁, and so on. Below each circle stand its entries of the three tables; below x₀ they are 0, 1, 1.*
#
# Many libraries, and our notebook 05, count from 0 to $T - 1$ instead. Neither is wrong; mixing them is, and it shows only in short schedules. Our checks use short schedules.
#
# **Task.** Write three schedules: constant, linear, and *quadratic*, in which $\sqrt{\beta_t}$ is evenly spaced.

# %% answer="ddpm.betas"
def constant_betas(T, beta=0.02):
    """beta_1 ... beta_T, all equal; a float32 tensor (T,)."""
    ### BEGIN SOLUTION
    return torch.full((T,), beta)
    ### END SOLUTION


def linear_betas(T, first=1e-4, last=0.02):
    """beta_1 ... beta_T, evenly spaced from first to last, both included; for T = 1 just (first,). Float32, (T,)."""
    ### BEGIN SOLUTION
    return torch.linspace(first, last, T)
    ### END SOLUTION


def quadratic_betas(T, first=1e-4, last=0.02):
    """beta_1 ... beta_T whose square roots are evenly spaced, first and last included; for T = 1 just (first,). Float32, (T,)."""
    ### BEGIN SOLUTION
    return torch.linspace(first**0.5, last**0.5, T) ** 2
    ### END SOLUTION

# %% check="ddpm.betas" points=2
check("ddpm.betas", constant_betas, linear_betas, quadratic_betas)

# %% [markdown]
# Nichol and Dhariwal noticed that a linear schedule destroys most of the data early and then wastes steps on noise. They fix $\bar\alpha_t$ instead, and compute the
# $\beta_t$ that lead there (their eq. 17):
#
# $$\bar\alpha_t = \frac{f(t)}{f(0)}, \qquad f(t) = \cos^2\Bigl(\frac{t/T + s}{1 + s} \cdot \frac{\pi}{2}\Bigr), \qquad \beta_t = 1 - \frac{\bar\alpha_t}{\bar\alpha_{t-1}} \;\text{ but at most } 0.999 .$$
#
# The small $s$ keeps $\beta_1$ from being tiny. The limit matters at one place: $f(T) = 0$, so $\beta_T$ would be 1, and dividing by $\sqrt{\alpha_T} = 0$ would be the end.
#
# **Task.** Write `cosine_betas`. Near $t = 0$ you subtract two numbers that are almost equal; float64 inside is a good idea.

# %% answer="ddpm.cosine_betas"
def cosine_betas(T, s=0.008, largest=0.999):
    """beta_1 ... beta_T for which alpha_bar_t = f(t) / f(0) with f(t) = cos^2(pi/2 * (t/T + s) / (1 + s)).

    No beta is larger than `largest`. A float32 tensor (T,).
    """
    ### BEGIN SOLUTION
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=largest).float()
    ### END SOLUTION

# %% check="ddpm.cosine_betas" points=3
check("ddpm.cosine_betas", cosine_betas)

# %% [markdown]
# From any schedule follow $\alpha_t = 1 - \beta_t$, the share of the variance that step $t$ keeps, and the product of the shares,
#
# $$\bar\alpha_t = \prod_{i=1}^{t} \alpha_i, \qquad \bar\alpha_0 = 1 \;\text{(an empty product)}.$$
#
# **Task.** Write the table `alpha_bars`, with $T + 1$ entries.

# %% answer="ddpm.alpha_bar"
def alpha_bars(betas):
    """alpha_bar_0 ... alpha_bar_T for betas (T,): a tensor (T + 1,) of the same dtype; entry t belongs to t, entry 0 is 1."""
    ### BEGIN SOLUTION
    return torch.cat([torch.ones(1), torch.cumprod(1 - betas, 0)])
    ### END SOLUTION

# %% check="ddpm.alpha_bar" points=2
check("ddpm.alpha_bar", alpha_bars)

# %% [markdown]
# Here is the class that we will fill, method by method. Look at its three tables: `self.alpha_bar[t]` with $t$ of shape (B,) picks an entry for each row.

# %% given=true
class DDPM(nn.Module):
    """A discrete diffusion process and a network for its reverse.

    Args:
        network: called as network(x_t, t) with x_t (B, d) and integer t (B,), 1 <= t <= T; returns (B, d).
        betas: tensor (T,), beta_1 ... beta_T.
        predicts: what the network's output means: "eps", "x0", "v" or "score".

    Attributes:
        T: number of noise steps.
        beta, alpha, alpha_bar: tensors (T + 1,); entry t belongs to t, and entry 0 is "no noise" (0, 1, 1).
    """

    def __init__(self, network, betas, predicts="eps"):
        super().__init__()
        self.network, self.predicts, self.T = network, predicts, len(betas)
        self.register_buffer("beta", nn.functional.pad(betas, (1, 0)))
        self.register_buffer("alpha", 1 - self.beta)
        self.register_buffer("alpha_bar", alpha_bars(betas))

# %%
T = 250
schedules = {"constant 0.02": constant_betas(T), "linear": linear_betas(T, 4e-4, 0.08),
             "quadratic": quadratic_betas(T, 4e-4, 0.08), "cosine": cosine_betas(T)}
figure, axes = plt.subplots(1, 3, figsize=(12, 3.2))
for (name, betas), style in zip(schedules.items(), ("-", "--", "-.", ":"), strict=True):
    process, t = DDPM(None, betas), torch.arange(1, T + 1)
    share = process.alpha_bar[t]
    for ax, values in zip(axes, (process.beta[t], share, share / (1 - share)), strict=True):
        ax.plot(t, values, style, lw=2, label=name)
axes[0].set(ylim=(0, 0.12), title=r"$\beta_t$")
axes[1].set(title=r"$\bar\alpha_t$")
axes[2].set(yscale="log", ylim=(1e-4, 1e4), title=r"signal-to-noise $\bar\alpha_t / (1 - \bar\alpha_t)$")
axes[1].legend()
for ax in axes:
    ax.set(xlabel="step t")

# %% [markdown]
# *Left: four schedules; the cosine shoots up at the end, beyond the frame. Middle: ᾱ falls early for the constant and the linear schedule, late for the quadratic and the cosine. Right, logarithmic: the ratio of signal to noise falls from thousands
# to less than a hundredth; the constant schedule starts lowest, at 49, and the cosine dives at the end.* (The linear and the quadratic one have four times Ho et al.'s numbers, since $T$ is a quarter of theirs.)
#
# A network has to learn something at every $t$. Where the signal-to-noise ratio is near 1, between about 30 and 1/30, the modes separate; where it is tiny there is nothing to learn. And the last step of sampling has to
# remove all the noise of $x_1$ at once. So ask of a schedule: how noisy is $x_1$, how much signal is left in $x_T$, and how many steps lie in between? Ask it here; on the right is what has become of the data:

# %%
from helpers.explore import explore


def on_schedule(schedule, t):
    """Where step t of a schedule is, and the density of the normalised data there."""
    process, steps = DDPM(None, schedules[schedule]), torch.arange(1, T + 1)
    share, line = process.alpha_bar[steps], torch.linspace(-3.2, 3.2, 300)[:, None]
    law = data.ExactNoise(z_truth, process.alpha_bar).score.density(torch.tensor(t))
    _, axes = plt.subplots(1, 3, figsize=(11, 2.9))
    for ax, values in zip(axes, (share, share / (1 - share)), strict=False):
        ax.plot(steps, values, color=plots.BLUE, lw=2)
        ax.plot(t, values[t - 1], "o", color=plots.VERMILION, ms=8)
        ax.set(xlabel="step t")
    axes[0].set(title=rf"{schedule}: $\bar\alpha_{{{t}}}$ = {share[t - 1]:.3g}", ylim=(-0.03, 1.03))
    axes[1].set(title=f"signal-to-noise {(share / (1 - share))[t - 1]:.3g}", yscale="log", ylim=(1e-4, 1e4))
    axes[2].plot(line, z_truth.log_prob(line).exp(), ":", color=plots.INK, label="data")
    axes[2].plot(line, law.log_prob(line).exp(), color=plots.VERMILION, label=f"$x_{{{t}}}$")
    axes[2].set(title=f"density of $x_{{{t}}}$", ylim=(0, 1.2))
    axes[2].legend(loc="upper left")


_ = explore(on_schedule, schedule=list(schedules), t=[1, 5, 10, 20, 30, 50, 75, 100, 125, 150, 175, 200, 225, 250], start={"t": 50})

# %% [markdown]
# *Figure with buttons for the schedule and a slider for t. Left and middle: ᾱ and the ratio of signal to noise over all steps, with a dot at t. Right: the density of the noised data over the dotted density of the data; its two peaks sink into one.*
#
# ## 3 · Forward
#
# One step shrinks the signal and adds noise so that a variance of 1 stays 1:
#
# $$q(x_t \mid x_{t-1}) = \mathcal{N}\bigl(\sqrt{1 - \beta_t}\; x_{t-1},\; \beta_t I\bigr) .$$
#
# The second argument of $\mathcal{N}$ is a **variance**. What multiplies a standard normal $\varepsilon$ is its root.
#
# **Task.** Write `one_step`. Each row has its own $t$; `self.beta[t]` has the shape (B,) and needs a second dimension before it meets the (B, d) rows.

# %% answer="ddpm.one_step"
@attach(DDPM)
def one_step(self, x_prev, t, noise):
    """x_t from x_{t-1}: one step of the forward process.

    Args:
        x_prev: x_{t-1}, (B, d).
        t: integers (B,), 1 <= t <= T, one for each row.
        noise: standard normal noise (B, d).

    Returns:
        x_t, (B, d).
    """
    ### BEGIN SOLUTION
    beta = self.beta[t][:, None]
    return (1 - beta).sqrt() * x_prev + beta.sqrt() * noise
    ### END SOLUTION

# %% check="ddpm.one_step" points=2
check("ddpm.one_step", DDPM)

# %% [markdown]
# Two steps are again normal: $\sqrt{\alpha_2}\,(\sqrt{\alpha_1}\, x_0 + \sqrt{\beta_1}\, \varepsilon_1) + \sqrt{\beta_2}\, \varepsilon_2$ has mean $\sqrt{\alpha_1 \alpha_2}\; x_0$ and variance
# $\alpha_2 (1 - \alpha_1) + 1 - \alpha_2 = 1 - \alpha_1 \alpha_2$. Go on like this, and any $t$ is one jump away **from $x_0$**:
#
# $$x_t = \sqrt{\bar\alpha_t}\; x_0 + \sqrt{1 - \bar\alpha_t}\; \varepsilon .$$
#
# **Task.** Write `q_sample`.

# %% answer="ddpm.q_sample"
@attach(DDPM)
def q_sample(self, x0, t, noise):
    """x_t from x_0 in one go: a draw from q(x_t | x_0).

    Args:
        x0: data (B, d).
        t: integers (B,), 0 <= t <= T, one for each row; t = 0 gives x0 back.
        noise: standard normal noise (B, d).

    Returns:
        x_t, (B, d).
    """
    ### BEGIN SOLUTION
    alpha_bar = self.alpha_bar[t][:, None]
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise
    ### END SOLUTION

# %% check="ddpm.q_sample" points=3
check("ddpm.q_sample", DDPM)

# %% [markdown]
# Is it true? Take 200,000 copies of the number 2 through four violent steps, one after the other, and put the jump beside it.

# %%
torch.manual_seed(1)
process = DDPM(None, torch.tensor([0.15, 0.3, 0.5, 0.7]))
x0 = torch.full((200_000, 1), 2.0)
x = x0
print("t      step after step       one jump          (mean, standard deviation)")
for step in range(1, 5):
    t = torch.full((len(x0),), step)
    x = process.one_step(x, t, torch.randn_like(x))
    jump = process.q_sample(x0, t, torch.randn_like(x))
    print(f"{step}      {x.mean():.3f}  {x.std():.3f}          {jump.mean():.3f}  {jump.std():.3f}")

# %% [markdown]
# The columns agree to about 0.005, as they should with so many rows. If they do not, one of your two methods is wrong, and the first row where they part tells which step to look at.
#
# Now the picture of the whole process. The shade is the exact density of $x_t$ for our normalised data (a mixture of normals stays one), and the lines are ten rows that take your steps.

# %%
torch.manual_seed(1)
process = DDPM(None, constant_betas(T))
x, histories = z_truth.sample((10,)), []
for step in range(T + 1):
    x = process.one_step(x, torch.full((10,), step), torch.randn_like(x)) if step else x
    histories.append(x[:, 0])
line = torch.linspace(-3.2, 3.2, 300)
law = data.ExactNoise(z_truth, process.alpha_bar).score.density(torch.arange(T + 1).repeat_interleave(300))
density = law.log_prob(line.repeat(T + 1)[:, None]).exp().reshape(T + 1, 300)

# %%
figure, ax = plt.subplots(figsize=(9, 3.4))
ax.imshow(density.T.sqrt(), origin="lower", extent=(0, T, -3.2, 3.2), aspect="auto", cmap="Blues", alpha=0.8)
ax.plot(torch.stack(histories), color=plots.INK, lw=0.7)
ax.set(xlabel="step t", ylabel="$x_t$", title="constant schedule: data on the left, noise on the right")
ax.grid(False)

# %% [markdown]
# *Two dark bands at the left, at −1.4 and 0.7, widen and merge into one by step 20 or so; ragged grey lines start in the bands and wander over all of the width.* Sampling will have to go through this picture from right to left. The same as a film, with 4,000 rows:

# %%
from helpers.animate import animate

x = z_truth.sample((4000,))
forward = [x]
for step in range(1, T + 1):
    x = process.one_step(x, torch.full((4000,), step), torch.randn_like(x))
    forward.append(x)
animate(forward, density=data.ExactNoise(z_truth, process.alpha_bar).score.density, limit=3.2, title="forward")

# %% [markdown]
# *Animation: above, a histogram with two peaks under the exact density; below, 20 ways that grow downwards, one line of dots at a time. The peaks sink and merge by t = 20 or so; then the hill hardly changes, while the ways go on wandering.*
#
# ### Does it really end at $\mathcal{N}(0, 1)$?
#
# $x_T$ has the mean $\sqrt{\bar\alpha_T}\, x_0$, and the sampler starts as if that were 0. Three families of schedules, for more and more steps:

# %%
families = {
    "constant 0.02": lambda T: constant_betas(T, 0.02),
    "growing from 0.0001 to 0.02": lambda T: linear_betas(T, 1e-4, 0.02),
    "growing from 0.5 / T to 1.5 / T": lambda T: linear_betas(T, 0.5 / T, 1.5 / T),
}
lengths, line = [2**k for k in range(1, 13)], torch.linspace(-3.5, 3.5, 400)[:, None]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.3))
for (name, family), marker in zip(families.items(), "osD", strict=True):
    left_over = [DDPM(None, family(T)).alpha_bar[-1].sqrt() for T in lengths]
    axes[0].loglog(lengths, left_over, marker=marker, ms=4, label=name)
    ddpm = DDPM(None, family(4096))
    ends = ddpm.q_sample(torch.full((50_000, 1), 2.0), torch.full((50_000,), 4096), torch.randn(50_000, 1))
    axes[1].hist(ends[:, 0], bins=100, range=(-3.5, 3.5), density=True, histtype="step", lw=1.5, label=name)
axes[1].plot(line, torch.distributions.Normal(0, 1).log_prob(line).exp(), ":", color=plots.INK, lw=3, label=r"$\mathcal{N}(0, 1)$")
axes[0].set(xlabel="number of steps T", ylabel=r"$\sqrt{\bar\alpha_T}$", ylim=(1e-6, 2))
axes[1].set(xlabel="$x_T$ from $x_0 = 2$, for T = 4096", ylabel="density", ylim=(0, 0.75))
for ax in axes:
    ax.legend(fontsize=8)

# %% [markdown]
# *Left, log-log: two curves dive to 0 as T grows; the third stays at 0.6 for ever. Right: at T = 4096 the first two lie on the standard normal; the third is narrower and sits at 1.2, because it still remembers that $x_0$ was 2.* In the third family every $\beta_t$ is
# positive, grows with $t$, and stays below 1, as the usual assumption says; and yet.

# %% [markdown] written="ddpm.limit" points=5
# ### Question: the limit
#
# A course states: "If $0 < \beta_1 < \beta_2 < \dots < \beta_T < 1$, then $q(x_T \mid x_0) \to \mathcal{N}(0, I)$ as $T \to \infty$."
#
# (a) Prove it, under the assumption that $\beta_1$ does not depend on $T$. Begin with the
# law of $x_T$ given $x_0$, and show what its mean and its covariance do.
#
# (b) Where does your proof use that $\beta_1$ is fixed? Explain the third family of the figure: what is the limit of $\sqrt{\bar\alpha_T}$ there?
#
# (c) State a condition on the $\beta_t$ that is weaker than "$\beta_1$ is fixed" and still enough.
#
# === BEGIN MARK SCHEME ===
#
# One point for each step; no point for a step that is only asserted.
#
# 1. (1) q(x_T | x_0) is normal with mean √ᾱ_T x_0 and covariance (1 − ᾱ_T) I: by induction over steps, by the sum of independent normals, or quoted from section 3 with a reference to it.
#
# 2. (1) The bound: every α_s = 1 − β_s ≤ 1 − β_1 < 1, so 0 < ᾱ_T ≤ (1 − β_1)^T. (Or log ᾱ_T = Σ log(1 − β_s) ≤ −Σ β_s ≤ −T β_1.)
#
# 3. (1) With β_1 fixed the bound goes to 0; so for each fixed x_0 the mean goes to 0 and the covariance to I, and a normal law converges (in distribution; also KL or total
#    variation) when its mean and covariance do. One half if the last clause is missing altogether.
#
# 4. (1) Where it is used: (1 − β_1)^T → 0 needs a β_1 that stays away from 0; if β_1 is like c/T the bound tends to e^(−c), not to 0. For the third family: Σ β_s = T · (1/T) = 1, so ᾱ_T → e^(−1)
#    and √ᾱ_T → e^(−1/2) ≈ 0.61, as the figure shows. One half for one of the two (why the proof fails; the value of the limit).
#
# 5. (1) A sufficient weaker condition: Σ_{s ≤ T} β_s → ∞ as T → ∞ (necessary too, when the β stay away from 1), or T β_1 → ∞, with one line of reason.
#
# **Anchor, full (5):** "x_T | x_0 ~ N(√ᾱ_T x_0, (1−ᾱ_T) I) by section 3. All α_s ≤ 1−β_1, so ᾱ_T ≤ (1−β_1)^T → 0; the mean goes to 0, the covariance to I, and normal laws converge with their parameters. If β_1 = c/T the bound
# goes to e^−c, so nothing follows; in family three log ᾱ_T ≈ −Σβ = −1, hence 0.61. Enough is Σβ_s → ∞ because log(1−β) ≤ −β."
#
#
#
# **Anchor, half (2.5):** steps 1 and 2 as above, then "so it converges" (step 3: one half); says of (b) only that β must not be too small; (c) missing.
#
#
#
# **Anchor, zero:** "Each step adds noise and removes signal, so after many steps only noise is left", with no law of x_T and no bound; or a computation for one T.
#
# === END MARK SCHEME ===

# %% [markdown]
# ## 4 · Networks
#
# The network of the exercise that this notebook grew from takes $x$ and $t$ side by side, as two numbers: 2 → 128 → 128 → 1, with tanh.
#
# **Task.** Write `NoisePredictor`. Its time comes as integers of shape (B,), and it goes in as it is.

# %% answer="ddpm.noise_predictor"
class NoisePredictor(nn.Module):
    """The exercise's network: x and t side by side, two hidden layers of 128 with tanh, one output: 2 -> 128 -> 128 -> 1.

    No activation follows the last layer.
    """

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        self.layers = nn.Sequential(nn.Linear(2, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 1))
        ### END SOLUTION

    def forward(self, x, t):
        """The predicted noise (B, 1) for x (B, 1) and integer t (B,); t goes in as it is, as a number."""
        ### BEGIN SOLUTION
        return self.layers(torch.cat([x, t[:, None].to(x.dtype)], dim=1))
        ### END SOLUTION

# %% check="ddpm.noise_predictor" points=3
check("ddpm.noise_predictor", NoisePredictor)

# %% [markdown]
# The time as it is, a number up to 250, beside an $x$ of size 1: does that hurt? We will see in a minute. Here is what to compare it with.
#
# Waves of $t / T$ are numbers between −1 and 1, and nearby times have nearby waves. Each rate $r$ gives a pair, and slow and fast rates together tell all times apart, the way that the digits of a number do.
#
# **Task.** Write `time_features`: for each row $\sin(2 \pi r\, t / T)$ for all rates $r$, then $\cos(2 \pi r\, t / T)$ for all rates.

# %% answer="ddpm.time_features"
def time_features(t, T, rates=(0.5, 1.0, 2.0, 4.0)):
    """Waves of t / T: for each rate r the numbers sin(2 pi r t / T), then for each rate cos(2 pi r t / T).

    Args:
        t: integers (B,), 0 <= t <= T.
        T: number of noise steps.
        rates: K numbers.

    Returns:
        float32 tensor (B, 2 K): the K sines in the order of rates, then the K cosines.
    """
    ### BEGIN SOLUTION
    angle = 2 * math.pi * t[:, None] / T * torch.tensor(rates)
    return torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)
    ### END SOLUTION

# %% check="ddpm.time_features" points=3
check("ddpm.time_features", time_features)

# %% [markdown]
# Now a better network, which gets your waves instead of the number. (It can also take waves of $x$; that is for the plane, in section 10.)

# %%
class TimeNetwork(nn.Module):
    """x beside waves of t (and of x, if x_rates are given), hidden layers with SiLU, and an output layer that starts at 0."""

    def __init__(self, T, dim=1, width=128, hidden=2, x_rates=()):
        super().__init__()
        self.T, self.x_rates = T, x_rates
        sizes = [dim * (1 + 2 * len(x_rates)) + 8] + [width] * hidden
        self.inner = nn.ModuleList(nn.Linear(before, after) for before, after in zip(sizes, sizes[1:], strict=False))
        self.last = nn.Linear(width, dim)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x, t):
        """The prediction (B, dim) for x (B, dim) and integer t (B,)."""
        waves = [wave(rate * x) for rate in self.x_rates for wave in (torch.sin, torch.cos)]
        h = torch.cat([x, *waves, time_features(t, self.T)], dim=1)
        for layer in self.inner:
            h = nn.functional.silu(layer(h))
        return self.last(h)

# %% [markdown]
# Look at fresh networks, before any training. What does tanh make of a first layer's output at some late time, for a thousand rows? And how much does the predicted noise change when $x$ changes, at each $t$?

# %%
torch.manual_seed(3)
raw, waves = nn.Linear(2, 128), nn.Linear(9, 128)  # two first layers as PyTorch starts them
late = time_features(torch.tensor([200]), T)[0].tolist()
pairs, features = [[[x, *time] for x in torch.randn(1000).tolist()] for time in ([200.0], late)]
with torch.no_grad():
    seen = {"raw t": raw(torch.tensor(pairs)), "waves of t": waves(torch.tensor(features))}


def sensitivity(make, t):
    """Mean size of d output / d x over 20 fresh networks at 200 places, at time t."""
    sizes = []
    for _ in range(20):
        place = torch.linspace(-2, 2, 200)[:, None].requires_grad_()
        make()(place, torch.full((200,), t)).sum().backward()
        sizes.append(place.grad.abs().mean().item())
    return sum(sizes) / len(sizes)


def awake():
    """A TimeNetwork whose last layer starts as PyTorch would start it, so that there is something to see."""
    network = TimeNetwork(T)
    network.last.reset_parameters()
    return network

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2))
for (name, values), colour in zip(seen.items(), (plots.VERMILION, plots.BLUE), strict=True):
    full = (values.tanh().abs() > 0.99).float().mean().item()
    axes[0].hist(values.tanh().flatten(), bins=60, range=(-1, 1), density=True, alpha=0.6, color=colour, label=f"{name}: {full:.0%} beyond ±0.99")
moments = [1, 2, 3, 5, 10, 20, 35, 60, 100, 150, 200, 250]
for name, make, colour in [("NoisePredictor, raw t", NoisePredictor, plots.VERMILION), ("TimeNetwork, waves", awake, plots.BLUE)]:
    axes[1].loglog(moments, [sensitivity(make, t) for t in moments], "o-", ms=4, color=colour, label=name)
axes[0].set(yscale="log", xlabel="tanh of the first layer's output at t = 200", ylabel="density")
axes[1].set(xlabel="step t", ylabel="|d output / d x|")
for ax in axes:
    ax.legend(fontsize=8)

# %% [markdown]
# *Left: with the raw time nearly all values sit at −1 and 1; with waves they spread around 0. Right, log-log: the sensitivity of the fresh NoisePredictor to x falls by a factor of more than ten from t = 1 to t = 250; that of TimeNetwork stays level.* Where
# tanh is flat, neither $x$ nor a gradient gets through: at most times the network is nearly blind to $x$ and learns slowly. Nothing is wrong with tanh, or with numbers as inputs; the size of the number is the trouble, and $t / T$ would already cure most of it.
#
# ## 5 · Losses
#
# Algorithm 1 of Ho et al.: take a data point, a random $t$ **from 1 to $T$** and noise, make $x_t$, and ask the network which noise it was. Their eq. 14, for one data point,
#
# $$L_{\text{simple}}(x_0) = \bigl\| \varepsilon - \varepsilon_\theta(x_t, t) \bigr\|^2, \qquad x_t = \sqrt{\bar\alpha_t}\; x_0 + \sqrt{1 - \bar\alpha_t}\; \varepsilon ,$$
#
# with the **sum** over the $d$ dimensions. One of the courses behind this notebook calls the method `negative_elbo`, and so do we. It is not the negative ELBO (*evidence lower bound*, a bound on the log-likelihood) but a reweighted version of it; section 8 puts the two beside each other.
#
# *Why $t = 1$ must be trained.* A published exercise draws $t$ from $2, \dots, T$. Sampling ends with $x_1 \to x_0$, and that last step asks the network about $t = 1$: the only time it was never trained for decides on every sample.
#
# **Task.** Write `negative_elbo`, for a network that predicts the noise. It returns one number **per row**.

# %% answer="ddpm.negative_elbo"
@attach(DDPM)
def negative_elbo(self, x0, generator=None):
    """The simplified objective (Ho et al. 2020, eq. 14) of each example, for a network that predicts the noise.

    Args:
        x0: data (B, d).
        generator: optional torch.Generator for the random numbers.

    Returns:
        (B,): for each row, with its own t uniform on 1 ... T and its own noise, the squared error of the predicted noise,
        summed over the d dimensions.
    """
    ### BEGIN SOLUTION
    t = torch.randint(1, self.T + 1, (len(x0),), generator=generator)
    noise = torch.randn(x0.shape, generator=generator)
    predicted = self.network(self.q_sample(x0, t, noise), t)
    return (predicted - noise).square().sum(1)
    ### END SOLUTION

# %% check="ddpm.negative_elbo" points=5
check("ddpm.negative_elbo", DDPM)

# %% [markdown]
# ### Four ways to say the same
#
# Given $x_t$ and $t$, a guess of the noise is a guess of everything else, since $x_t = a\, x_0 + s\, \varepsilon$ with $a = \sqrt{\bar\alpha_t}$ and $s = \sqrt{1 - \bar\alpha_t}$
# (from here on this is what $s$ means):
#
# | kind | the network says | as a function of $x_0$ and $\varepsilon$ |
# | --- | --- | --- |
# | `"eps"` | the noise | $\varepsilon$ |
# | `"x0"` | the data point | $x_0$ |
# | `"v"` | the velocity (notebook 03, section 7) | $v = a\, \varepsilon - s\, x_0$ |
# | `"score"` | the score | $-\varepsilon / s$ |
#
# In every row, two equations have two unknowns.
#
# **Task.** Write `to_x0`: the $x_0$ that belongs to a prediction. Solve on paper first.

# %% answer="ddpm.to_x0"
@attach(DDPM)
def to_x0(self, out, x_t, t, kind):
    """The x_0 that belongs to a prediction.

    Args:
        out: the prediction (B, d): of the noise ("eps"), of x_0 itself ("x0"), of the velocity
            v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0 ("v"), or of the score -eps / sqrt(1 - alpha_bar_t) ("score").
        x_t: (B, d).
        t: integers (B,), 1 <= t <= T.
        kind: "eps", "x0", "v" or "score".

    Returns:
        (B, d).
    """
    ### BEGIN SOLUTION
    a = self.alpha_bar[t][:, None].sqrt()
    s = (1 - self.alpha_bar[t][:, None]).sqrt()
    if kind == "eps":
        return (x_t - s * out) / a
    if kind == "v":
        return a * x_t - s * out
    if kind == "score":
        return (x_t + s**2 * out) / a
    return out
    ### END SOLUTION

# %% check="ddpm.to_x0" points=4
check("ddpm.to_x0", DDPM)

# %% [markdown]
# **Task.** Write `from_x0`, the way back: what each kind of network should have said. With the true $x_0$, this is the target to train on.

# %% answer="ddpm.from_x0"
@attach(DDPM)
def from_x0(self, x0, x_t, t, kind):
    """The way back: what a network of this kind should say at (x_t, t) if x_0 were x0; all (B, d), t integers (B,), t >= 1.

    With the true x_0 this is the target that the network is trained on.
    """
    ### BEGIN SOLUTION
    a = self.alpha_bar[t][:, None].sqrt()
    s = (1 - self.alpha_bar[t][:, None]).sqrt()
    eps = (x_t - a * x0) / s
    return {"eps": eps, "x0": x0, "v": a * eps - s * x0, "score": -eps / s}[kind]
    ### END SOLUTION

# %% check="ddpm.from_x0" points=3
check("ddpm.from_x0", DDPM)

# %% [markdown]
# The four say the same, but they do not err the same. Suppose that a network's output is off by 1. How far off is the $x_0$ that we read from it?

# %%
process, t = DDPM(None, cosine_betas(T)), torch.arange(1, T + 1)
x_t, said = torch.zeros(T, 1), torch.zeros(T, 1)
figure, ax = plt.subplots(figsize=(6.5, 3.2))
for kind, style in zip(("eps", "x0", "v", "score"), ("-", "--", "-", ":"), strict=True):
    shift = process.to_x0(said + 1, x_t, t, kind) - process.to_x0(said, x_t, t, kind)
    ax.semilogy(t, shift.abs(), style, lw=2, label=kind)
ax.set(xlabel="step t", ylabel="error of $x_0$ per error of the output", ylim=(1e-5, 1e4), title="cosine schedule")
_ = ax.legend()

# %% [markdown]
# *A logarithmic plot over t. "x0" is level at 1. "eps" and "score" begin far below 1, reach 1 in the middle, and shoot above 1,000 at the end. "v" rises from far below 1 and stays below 1.* Predicting noise is
# good at small $t$, where its errors shrink, and dangerous at large $t$; predicting $x_0$ is the other way round (its error never shrinks, although $x_1$ *is* nearly $x_0$). The velocity has the good end of both. Remember this picture in section 9.
#
# The loss of a batch, for whatever the network predicts, with the sum over dimensions and the **mean** over rows:
#
# $$L = \mathbb{E}_{t,\, \varepsilon}\, \bigl\| \text{network}(x_t, t) - \text{target} \bigr\|^2, \qquad t \sim \text{uniform on } 1, \dots, T .$$
#
# **Task.** Write `loss`. (`from_x0` knows the target. Stratified $t$, spread evenly over $1, \dots, T$, are welcome.)

# %% answer="ddpm.loss"
@attach(DDPM)
def loss(self, x0, generator=None):
    """The loss of a batch for whatever the network predicts (self.predicts).

    Args:
        x0: data (B, d).
        generator: optional torch.Generator for the random numbers.

    Returns:
        A scalar: the mean over the B rows of the squared error of the prediction, summed over the d dimensions. Each row has
        its own t, uniform on 1 ... T, and its own noise. With "v" this is the loss of notebook 03.
    """
    ### BEGIN SOLUTION
    t = torch.randint(1, self.T + 1, (len(x0),), generator=generator)
    x_t = self.q_sample(x0, t, torch.randn(x0.shape, generator=generator))
    target = self.from_x0(x0, x_t, t, self.predicts)
    return (self.network(x_t, t) - target).square().sum(1).mean()
    ### END SOLUTION

# %% check="ddpm.loss" points=4
check("ddpm.loss", DDPM)

# %% [markdown]
# A loss needs a scale. The exact predictor is known for our data, and its loss is the lowest there is:

# %%
torch.manual_seed(4)
process = DDPM(None, constant_betas(T))
exact = data.ExactNoise(z_truth, process.alpha_bar)
points = z_truth.sample((20_000,))
print("kind     a network that says 0    the exact predictor")
for kind in ("eps", "x0", "v", "score"):
    zero = DDPM(lambda x, t: torch.zeros_like(x), constant_betas(T), kind)
    best = DDPM(lambda x, t, k=kind: process.from_x0(process.to_x0(exact(x, t), x, t, "eps"), x, t, k), constant_betas(T), kind)
    print(f"{kind:9}{zero.loss(points):12.3f}{best.loss(points):24.3f}")

# %% [markdown]
# The lowest loss is not 0: nobody can guess noise. About 0.16 for "eps" is the number to compare with below.
#
# ## 6 · Training, and a lesson in broadcasting
#
# An *epoch* goes through all of the training data once, in a new random order. After each epoch we look at data that are not trained on.
#
# **Task.** Write `train_epochs`. It only asks `ddpm.loss(batch)`. Wrap the loop in `progress_bar(epochs)` if you like.

# %% answer="ddpm.train_epochs"
def train_epochs(ddpm, train, valid, optimizer, epochs, batch_size, generator=None):
    """Algorithm 1 of Ho et al.: minimise ddpm.loss, and watch it on data that are not trained on.

    Args:
        ddpm: an object whose loss(x0) gives the loss of a batch, a scalar tensor.
        train: training data (N, d). In each epoch every row comes in exactly one batch, in a new random order; the last batch
            may be smaller.
        valid: validation data (M, d): after each epoch, the loss of all of them at once, without gradients.
        optimizer: a torch optimizer that holds the parameters of ddpm.
        epochs: number of epochs.
        batch_size: rows in a batch.
        generator: optional torch.Generator for the random order.

    Returns:
        A list of `epochs` pairs of plain floats: the mean training loss per row of that epoch, and the validation loss after it.
    """
    ### BEGIN SOLUTION
    history = []
    for _ in progress_bar(epochs, "epochs"):
        total = 0.0
        for rows in torch.randperm(len(train), generator=generator).split(batch_size):
            loss = ddpm.loss(train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        with torch.no_grad():
            history.append((total / len(train), ddpm.loss(valid).item()))
    return history
    ### END SOLUTION

# %% check="ddpm.train_epochs" points=4
check("ddpm.train_epochs", train_epochs, DDPM)

# %% [markdown]
# The circulated exercise trains `NoisePredictor` on batches of 64, with Adam at 0.00008, for 1,000 epochs: 157,000 steps, two to three minutes of CPU. We run the first **40 epochs** (6,280 steps, about 8 seconds), and keep copies of the network for later.
# `their_validation` is what the exercise's own script prints as its validation loss.

# %%
torch.manual_seed(20)
valid_t, valid_noise = torch.randint(1, T + 1, (1000,)), torch.randn(1000)
circulated = DDPM(NoisePredictor(), constant_betas(T))
adam = torch.optim.Adam(circulated.parameters(), lr=0.8e-4)
valid_x = circulated.q_sample(z_valid, valid_t, valid_noise[:, None])


@torch.no_grad()
def their_validation(network):
    """Predict the noise of the 1,000 validation points, and compare: as in the circulated script."""
    predicted, noise = network(valid_x, valid_t), valid_noise
    return torch.mean((predicted - noise) ** 2)

# %%
from helpers.live import live

losses, theirs, kept = [], [], {}
print("epoch   training   validation   their training   their validation")
with live(circulated, title="training loss of each batch", window=157, ylim=(0, 1.7)):  # 157 batches are an epoch
    for epoch in progress_bar(range(1, budget(40) + 1), "circulated"):
        losses += train_epochs(circulated, z_train, z_valid, adam, epochs=1, batch_size=64)
        theirs.append(their_validation(circulated.network))
        if epoch in (1, 2, 5, 10, 20, 40):
            kept[epoch] = copy.deepcopy(circulated.network)
            so_far = sum(training for training, _ in losses) / epoch
            print(f"{epoch:5}{losses[-1][0]:11.3f}{losses[-1][1]:13.3f}{so_far:17.3f}{theirs[-1]:19.3f}")

# %% [markdown]
# *A curve that grows while you train: the mean of an epoch's batches falls from 1 to 0.2 within five epochs and stays there; single batches scatter widely about it.*
#
# (The exercise's text shows a training loss of 0.36 beside a validation loss of 1.72. Its training loss is a mean over *all* epochs so far, so it lags behind; yours is the last epoch's.) Your training and validation loss agree. Their validation loss is **worse than that of a network that says 0**, and it rises.
# Overfitting? With 10,000 points and one input, hardly.
#
# **Find the mistake before you read on.** Add a cell. Print `predicted.shape`, `noise.shape`, and the shape of their difference. How many pairs are compared?
#
# ...
#
# The difference has a million entries. A column meets a row, and broadcasting pairs *every* prediction with *every* noise. PyTorch says nothing; it is a legal operation. So what did they compute? With $B$ rows, $\frac{1}{B^2} \sum_i \sum_j (\hat\varepsilon_i - \varepsilon_j)^2$.
#
# **Task.** Multiply the square out, and write what that gives from means over $B$ numbers alone.

# %% answer="ddpm.broadcast"
def broadcast_loss(predicted, noise):
    """What torch.mean((predicted[:, None] - noise) ** 2) gives, from means of (B,) tensors alone: no (B, B) tensor is made.

    Args:
        predicted, noise: tensors (B,).

    Returns:
        A scalar tensor.
    """
    ### BEGIN SOLUTION
    return predicted.square().mean() + noise.square().mean() - 2 * predicted.mean() * noise.mean()
    ### END SOLUTION

# %% check="ddpm.broadcast" points=2
check("ddpm.broadcast", broadcast_loss)

# %%
with torch.no_grad():
    predicted = circulated.network(valid_x, valid_t)[:, 0]
print(f"their number, from a million pairs:    {theirs[-1]:.6f}")
print(f"your formula, from means alone:        {broadcast_loss(predicted, valid_noise):.6f}")
print(f"mean of the squared predictions alone: {predicted.square().mean():.6f}")

# %%
figure, ax = plt.subplots(figsize=(7, 3.4))
epochs = torch.arange(1, len(theirs) + 1)
ax.plot(epochs, theirs, color=plots.VERMILION, lw=2, label="theirs: [1000, 1] against [1000]")
ax.plot(epochs, [v for _, v in losses], color=plots.BLUE, lw=2, label="validation loss")
ax.plot(epochs, [v for v, _ in losses], color=plots.SKY, lw=2, ls="--", label="training loss")
ax.axhline(1, color=plots.INK, ls=":", label="a network that says 0")
ax.set(xlabel="epoch", ylabel="loss", ylim=(0, 2.1))
_ = ax.legend(fontsize=8, loc=(0.55, 0.2))

# %% [markdown]
# *Training and validation loss fall together from 0.9 to 0.2 within five epochs. The broadcast number rises at the same time from 1.0 to 1.8.* The better the network, the worse the number.

# %% [markdown] written="ddpm.rising" points=2
# ### Question: why does it rise?
#
# Explain, with your formula, why the broadcast number *rises* as the network gets better, and which value it would reach for the exact predictor, whose loss is 0.16. (The best prediction $\mathbb{E}[\varepsilon \mid x_t]$ and its error are uncorrelated.) In three or four sentences.
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) The pairs (i, j) with i ≠ j are unrelated, so the number does not see whether a prediction fits its own noise: mean ε² ≈ 1 is fixed, the product of the two means is ≈ 0, and what is left to change is the
#    mean of ε̂². A network that says 0 gets 1; a network that learns says more than 0, so the number rises.
#
# 2. (1) For the best predictor ε̂ = E[ε | x_t] the error is orthogonal to the prediction: mean ε² = mean ε̂² + error, so mean ε̂² = 1 − 0.16 = 0.84, and the number goes to 1 + 0.84 = 1.84 (1.8 to 1.9 is right). One half for
#    "towards 2" with the reason that ε̂ tends to ε, or for 1.84 read from the figure only.
#
# **Anchor, full (2):** "It is mean ε̂² + 1 − 2·0·0. Training makes ε̂ resemble ε, so mean ε̂² grows from 0. Pythagoras: mean ε̂² = 1 − 0.16, so it ends at 1.84."
#
#
#
# **Anchor, half (1):** "It only contains mean ε̂² and mean ε²; at first ε̂ ≈ 0, later it is larger." No value, or 2 without a reason.
#
#
#
# **Anchor, zero:** "The network overfits", "the validation set is small", or "broadcasting makes the loss a thousand times larger".
#
# === END MARK SCHEME ===

# %% [markdown]
# ## 7 · The posterior and the samplers
#
# How to step back from $x_t$ to $x_{t-1}$? If somebody told us $x_0$, Bayes' rule would answer, since everything is normal (eqs. 6 and 7):
#
# $$q(x_{t-1} \mid x_t, x_0) = \mathcal{N}\bigl(\tilde\mu_t(x_t, x_0),\; \tilde\beta_t I\bigr), \qquad
# \tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\; \beta_t}{1 - \bar\alpha_t}\, x_0 + \frac{\sqrt{\alpha_t}\, (1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t}\, x_t, \qquad
# \tilde\beta_t = \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\, \beta_t .$$
#
# Check it at $t = 1$ before you code: $\bar\alpha_0 = 1$, so the mean is $x_0$ and the variance 0. Of course: $x_{t-1}$ *is* $x_0$ there.
#
# **Task.** Write `posterior_mean`.

# %% answer="ddpm.posterior_mean"
@attach(DDPM)
def posterior_mean(self, x_t, x0, t):
    """The mean of q(x_{t-1} | x_t, x_0) (Ho et al. 2020, eq. 7).

    Args:
        x_t, x0: (B, d).
        t: integers (B,), 1 <= t <= T, one for each row; at t = 1 the mean is x0.

    Returns:
        (B, d).
    """
    ### BEGIN SOLUTION
    beta, alpha = self.beta[t][:, None], self.alpha[t][:, None]
    alpha_bar, alpha_bar_prev = self.alpha_bar[t][:, None], self.alpha_bar[t - 1][:, None]
    mean = alpha_bar_prev.sqrt() * beta * x0 + alpha.sqrt() * (1 - alpha_bar_prev) * x_t
    return mean / (1 - alpha_bar)
    ### END SOLUTION

# %% check="ddpm.posterior_mean" points=4
check("ddpm.posterior_mean", DDPM)

# %% [markdown]
# Nobody tells us $x_0$, but the network has a guess. Put the $x_0$ that belongs to $\varepsilon_\theta$ into $\tilde\mu_t$, and the algebra shrinks to Algorithm 2: begin with $x_T \sim \mathcal{N}(0, I)$, and for $t = T, \dots, 1$
#
# $$x_{t-1} = \frac{1}{\sqrt{\alpha_t}} \Bigl( x_t - \frac{\beta_t}{\sqrt{1 - \bar\alpha_t}}\; \varepsilon_\theta(x_t, t) \Bigr) + \sigma_t\, z, \qquad z \sim \mathcal{N}(0, I) \text{ fresh for } t > 1, \qquad z = 0 \text{ for } t = 1 .$$
#
# Two choices of $\sigma_t^2$ are in use: $\beta_t$, and the posterior's $\tilde\beta_t$, which is smaller. **Here it is $\beta_t$.** As a standard deviation, it enters with its root.
#
# **Task.** Write `sample`. The network wants a $t$ of shape (n,), also when all its entries are equal.

# %% answer="ddpm.sample"
@attach(DDPM)
@torch.no_grad()
def sample(self, shape, *, x_T=None, generator=None):
    """Algorithm 2 of Ho et al. with sigma_t^2 = beta_t, for a network that predicts the noise; no noise in the last step.

    Args:
        shape: (n, d), how many samples in how many dimensions.
        x_T: (n, d) to start from; standard normal if None.
        generator: optional torch.Generator for the random numbers.

    Returns:
        The samples, (n, d).
    """
    ### BEGIN SOLUTION
    x = torch.randn(shape, generator=generator) if x_T is None else x_T
    for t in range(self.T, 0, -1):
        eps = self.network(x, torch.full((len(x),), t))
        x = (x - self.beta[t] / (1 - self.alpha_bar[t]).sqrt() * eps) / self.alpha[t].sqrt()
        if t > 1:
            x = x + self.beta[t].sqrt() * torch.randn(x.shape, generator=generator)
    return x
    ### END SOLUTION

# %% check="ddpm.sample" points=5
check("ddpm.sample", DDPM)

# %% [markdown]
# **Your sampler works before anything is trained well.** The exact predictor takes the place of the network, and we measure the samples against the truth. The **Wasserstein-1 distance** ($W_1$) of samples on the line is how far they
# have to move, on average, to lie as they should: sort them, and compare each with the exact quantile that belongs to it. Even true samples are not at 0; their mean distance is the *floor*.
# (`Lookup` tabulates a network on the line, so that 100,000 samples take a second.)

# %%
def as_noise(ddpm):
    """The same model as a predictor of noise, which `sample` asks for."""
    return DDPM(lambda x, t: ddpm.from_x0(ddpm.to_x0(ddpm.network(x, t), x, t, ddpm.predicts), x, t, "eps"), ddpm.beta[1:])


def draw_line(ddpm, n, mean, std, how="sample"):
    """n samples (n, 1) of a model on the line, in the data's units; `how` names the method that draws them."""
    model = as_noise(ddpm)
    model.network = metrics.Lookup(model.network, ddpm.T)
    return denormalize(getattr(model, how)((n, 1)), mean, std)


def distance(ddpm, mean, std, n=100_000):
    """W1 between n samples of a model on the line and the truth, in the data's units."""
    return metrics.w1(draw_line(ddpm, n, mean, std), truth)

# %%
torch.manual_seed(5)
for name, betas in progress_bar(list(schedules.items())[: budget(4)], "schedules"):
    perfect = DDPM(data.ExactNoise(z_truth, DDPM(None, betas).alpha_bar), betas)
    print(f"exact predictor, {name:14} W1 = {distance(perfect, mean, std):.3f}")
print(f"floor: true samples             W1 = {metrics.w1_floor(truth, 100_000):.3f}")

# %% [markdown]
# With a perfect network, what is left is the sampler's own error. The constant schedule is the worst: its $x_T$ keeps 8 % of the signal, and its last step, with $\beta_1 = 0.02$, is coarse.
#
# Watch the way back. `Recorder` stands between your sampler and the network, and keeps every $x_t$ that the network is asked about:

# %%
from helpers.animate import Recorder

recorder = Recorder(metrics.Lookup(data.ExactNoise(z_truth, DDPM(None, schedules["cosine"]).alpha_bar), T))
ends = DDPM(recorder, schedules["cosine"]).sample((4000, 1))
law = data.ExactNoise(z_truth, DDPM(None, schedules["cosine"]).alpha_bar).score.density
animate([*recorder.states, ends], torch.arange(T, -1, -1), density=law, limit=3.2, title="backwards")

# %% [markdown]
# *Animation: above, the hill of noise parts into the two peaks of the data, and the histogram follows the exact density at every t; below, 20 ways part into two bundles, most of them between t = 150 and t = 50, and become narrow at the very end.*
#
# The exercise asks for a function instead of a method: it knows its schedule (250 times 0.02), gives samples in the data's units, and remembers the way of sample number 0.
#
# **Task.** Write `sample_and_track`: the same algorithm. The history runs from $x_T$ to $x_0$, so it has $T + 1$ values.


# %% answer="ddpm.sample_and_track"
@torch.no_grad()
def sample_and_track(g, count, *, betas=None, mean=0.0, std=1.0, x_T=None, generator=None):
    """Algorithm 2 as in the exercise, keeping the history of sample 0.

    Args:
        g: the noise predictor, called as g(x_t, t) with x_t (count, 1) and integer t (count,).
        count: how many samples.
        betas: (T,); 250 times 0.02 if None.
        mean, std: of the training data, to get back to their units.
        x_T: (count, 1), normalised, to start from; standard normal if None.
        generator: optional torch.Generator for the random numbers.

    Returns:
        The pair (samples, history), both denormalised: samples has shape (count,), history has shape (T + 1,) and holds
        sample 0 from x_T to x_0. sigma_t^2 = beta_t, and no noise in the last step.
    """
    betas = torch.full((250,), 0.02) if betas is None else betas
    ### BEGIN SOLUTION
    T, bars = len(betas), torch.cumprod(1 - betas, 0)
    x = torch.randn(count, 1, generator=generator) if x_T is None else x_T
    history = [x[0, 0]]
    for t in range(T, 0, -1):
        beta, bar = betas[t - 1], bars[t - 1]
        x = (x - beta / (1 - bar).sqrt() * g(x, torch.full((count,), t))) / (1 - beta).sqrt()
        if t > 1:
            x = x + beta.sqrt() * torch.randn(count, 1, generator=generator)
        history.append(x[0, 0])
    return x[:, 0] * std + mean, torch.stack(history) * std + mean
    ### END SOLUTION

# %% check="ddpm.sample_and_track" points=4
check("ddpm.sample_and_track", sample_and_track)

# %% [markdown]
# The exercise's two figures, for the network that you trained for 40 epochs. First: a kernel density estimate of the training data (which the exercise calls the true distribution), the true density, and 10,000 samples in 50 bins over −10..10. (About 5 seconds.)

# %%
def compare_on_line(samples, title, ax):
    """Training data and truth as curves over a histogram of samples (n,), 50 bins over -10..10."""
    line = torch.linspace(-10, 10, 400)[:, None]
    ax.hist(samples.clip(-10, 10), bins=50, range=(-10, 10), density=True, color=plots.SKY, alpha=0.6, label=f"{len(samples):,} samples")
    seaborn.kdeplot(x=train[:, 0].numpy(), ax=ax, color=plots.ORANGE, ls="--", lw=2, label="training data (KDE)")
    ax.plot(line, truth.log_prob(line).exp(), color=plots.VERMILION, label="true density")
    ax.set(xlim=(-10, 10), ylim=(0, 0.3), xlabel="x", ylabel="density", title=title)
    ax.legend(fontsize=8, loc="upper left")


torch.manual_seed(6)
samples, _ = sample_and_track(circulated.network, budget(10_000), mean=mean, std=std)
figure, ax = plt.subplots(figsize=(7, 3.4))
compare_on_line(samples, f"40 epochs of the circulated recipe: W1 = {metrics.w1(samples, truth):.2f}", ax)

# %% [markdown]
# *The samples make one broad, lopsided hill with its top near 4; the curves have two separate peaks. The KDE's peaks are lower than the true ones: it smooths.* The training loss has hardly moved for 30 epochs, and the samples are still poor. The exercise's own 1,000 epochs end at a distance of 0.2 to 0.45 (three seeds). We will do better.
#
# (The KDE of the data is an estimate too, and here not a good one: its bandwidth suits one hill, not two narrow ones. Draw the truth if you know it.)
#
#
# Second: fifty histories. Each call tracks one sample, so we call it fifty times. Beside them, what they should look like: the exact predictor in the network's place. (About 5 seconds.)

# %%
def draw_histories(g, title, ax, betas=None):
    """Fifty histories of sample_and_track, blue if they end above 0."""
    for _ in progress_bar(budget(50), "histories"):
        _, history = sample_and_track(g, 1, betas=betas, mean=mean, std=std)
        ax.plot(history, color=plots.BLUE if history[-1] > 0 else plots.ORANGE, lw=0.7, alpha=0.7)
    for centre in (-4, 4):
        ax.axhline(centre, color=plots.INK, ls=":")
    ax.set(xlabel="steps taken: 0 is $x_T$, 250 is $x_0$", ylabel="x", title=title, xlim=(0, 250), ylim=(-13, 13))


torch.manual_seed(7)
perfect = metrics.Lookup(data.ExactNoise(z_truth, DDPM(None, constant_betas(T)).alpha_bar), T)
figure, axes = plt.subplots(1, 2, figsize=(12, 3.4))
draw_histories(circulated.network, "50 histories, 40 epochs of training", axes[0])
draw_histories(perfect, "50 histories, exact predictor", axes[1])

# %% [markdown]
# *Fifty ragged lines each. Right: they begin between −8 and 10, mixed, and in the last fifty steps part into two bands, about a third (orange) at −4 and two thirds (blue) at 4. Left: the lower band is barely there, and lines end anywhere.* Compare with the forward picture, read from right to left.
#
# ### Sampling through the posterior, with noise and without
#
# The same step can be made from its parts, and then any kind of network will do: read $\hat x_0$ from the prediction, and draw from $q(x_{t-1} \mid x_t, \hat x_0)$, with the mean $\tilde\mu_t$ and the **variance** $\tilde\beta_t$. Some texts take only the mean in every step and call
# that the deterministic sampler.
#
# **Task.** Write `sample_posterior`, with a switch for the noise.


# %% answer="ddpm.sample_posterior"
@attach(DDPM)
@torch.no_grad()
def sample_posterior(self, shape, stochastic=True, *, x_T=None, generator=None):
    """Sample through the posterior, with the predicted x_0 in place of x_0, for a network of any kind (self.predicts).

    Args:
        shape: (n, d).
        stochastic: if True, x_{t-1} is the posterior mean plus noise with the posterior's variance
            (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) beta_t; if False, just the mean.
        x_T: (n, d) to start from; standard normal if None.
        generator: optional torch.Generator for the random numbers.

    Returns:
        The samples, (n, d).
    """
    ### BEGIN SOLUTION
    x = torch.randn(shape, generator=generator) if x_T is None else x_T
    for step in range(self.T, 0, -1):
        t = torch.full((len(x),), step)
        x0 = self.to_x0(self.network(x, t), x, t, self.predicts)
        variance = (1 - self.alpha_bar[step - 1]) / (1 - self.alpha_bar[step]) * self.beta[step]
        x = self.posterior_mean(x, x0, t)
        if stochastic:
            x = x + variance.sqrt() * torch.randn(x.shape, generator=generator)
    return x
    ### END SOLUTION

# %% check="ddpm.sample_posterior" points=4
check("ddpm.sample_posterior", DDPM)

# %% [markdown]
# Both, with the exact predictor, so that no network can be blamed.

# %%
torch.manual_seed(8)
line = torch.linspace(-8, 8, 400)[:, None]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2))
betas = cosine_betas(T)
perfect = DDPM(metrics.Lookup(data.ExactNoise(z_truth, DDPM(None, betas).alpha_bar), T), betas)
for ax, stochastic, name in [(axes[0], True, "mean and noise"), (axes[1], False, "mean only")]:
    x = denormalize(perfect.sample_posterior((budget(20_000), 1), stochastic), mean, std)
    print(f"{name:15} W1 = {metrics.w1(x, truth):.2f}; smallest sample {x.min():.2f}, largest {x.max():.2f}; {(x > 0).float().mean():.0%} are above 0")
    ax.hist(x[:, 0], bins=120, range=(-8, 8), density=True, color=plots.SKY, alpha=0.8)
    ax.plot(line, truth.log_prob(line).exp(), color=plots.VERMILION)
    ax.set(ylim=(0, 0.45), xlabel="x", ylabel="density", title=name)

# %% [markdown]
# *Left: the histogram of the stochastic sampler fills the true density. Right: without the noise, all of them sit in one spike at 3.8, which the frame cuts off.* The network is perfect in both. The mean-only sampler starts from 20,000 different places and forgets them all.

# %% [markdown] written="ddpm.two_samplers" points=3
# ### Question: two samplers
#
# (a) Why does taking the mean in every step give samples with too little spread? Argue with one step, or with one normal as data.
#
# (b) A handout calls the mean-only sampler "DDIM". What does a deterministic sampler have to do that this one does not?
# (Notebook 03 has one that is right.)
#
# (c) For pictures, name one advantage that a *correct* deterministic sampler has over the stochastic one, and one that the stochastic one has.
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) Each reverse step is a random draw with variance β̃_t (or β_t): the variance of x_{t−1} is that of the mean plus the step's own. Leaving the latter out in T steps takes out variance that the forward process put in;
#    samples contract to a point or a few. A computed example with one normal counts in full; "less noise, so less diversity" without the two parts of the variance counts one half.
#
# 2. (1) A deterministic sampler must keep the marginals q(x_t) (or follow the probability-flow ODE): what the noise would have added must be made up for by moving the points differently: DDIM re-uses the
#    predicted noise with the coefficient √(1 − ᾱ_{t−1}) (in the ODE: the ½). Mean-only uses the stochastic sampler's mean and so has wrong marginals. One half for "DDIM has another formula" with the formula but no reason.
#
# 3. (1) One each: deterministic: same start gives same picture (interpolation, editing, inversion, reproducibility), fewer steps; stochastic: noise corrects earlier errors, more robust quality or diversity with many steps. One half for one of the two.
#
# **Anchor, full (3):** "Var x_{t−1} = Var(mean) + β̃_t; we drop the second part 250 times, so everything shrinks to a spike. A right deterministic sampler keeps every p_t; the ODE does with ½g², DDIM with the predicted noise put back. Deterministic: interpolate between
# starts, few steps. Stochastic: errors are washed out."
#
#
#
# **Anchor, half (1.5):** "Without noise there is less variety" (½), DDIM's formula quoted (½), reproducible (½).
#
#
#
# **Anchor, zero:** "The mean-only sampler is cleaner because it has no noise", or answers on speed only.
#
# === END MARK SCHEME ===

# %% [markdown]
# ## 8 · The bound itself
#
# Where does the loss come from? A model that steps back by $p_\theta(x_{t-1} \mid x_t) = \mathcal{N}(\mu_\theta(x_t, t),\, \sigma_t^2 I)$ gives each data point a density $p_\theta(x_0)$, and we would like to make it large. It is an integral over all ways that lead to $x_0$; a bound can be computed (eq. 3):
#
# $$-\log p_\theta(x_0) \;\le\; L = \mathbb{E}_q \Bigl[ -\log p(x_T) - \sum_{t \ge 1} \log \frac{p_\theta(x_{t-1} \mid x_t)}{q(x_t \mid x_{t-1})} \Bigr] .$$
#
# $\mathbb{E}_q$ averages over chains of the forward process, and $p(x_T) = \mathcal{N}(0, I)$ is where sampling starts. $L$ is the negative ELBO. It can be rewritten (eq. 5) as a sum of terms that each look
# at one step, with $\mathrm{KL}(q \,\|\, p) = \mathbb{E}_{x \sim q}[\log q(x) - \log p(x)]$:
#
# $$L = \mathbb{E}_q \Bigl[ \underbrace{\mathrm{KL}\bigl(q(x_T \mid x_0) \,\|\, p(x_T)\bigr)}_{L_T} + \sum_{t > 1} \underbrace{\mathrm{KL}\bigl(q(x_{t-1} \mid x_t, x_0) \,\|\, p_\theta(x_{t-1} \mid x_t)\bigr)}_{L_{t-1}}\; \underbrace{- \log p_\theta(x_0 \mid x_1)}_{L_0} \Bigr] .$$
#
# ### One term
#
# Both laws in $L_{t-1}$ are normal, with fixed variances $\tilde\beta_t$ and $\sigma_t^2$. Move the model's mean away from $\tilde\mu_t$ by some $\delta$, and measure the KL without any formula for it: draw from $q$ and average $\log q - \log p$.

# %%
torch.manual_seed(9)
process = DDPM(None, torch.tensor([0.15, 0.3, 0.5, 0.7]))
x_0, x_t, deltas = torch.tensor([[1.0]]), torch.tensor([[0.5]]), torch.linspace(-1.5, 1.5, 13)
figure, ax = plt.subplots(figsize=(6.5, 3.4))
for t, colour in zip((2, 3, 4), plots.COLOURS, strict=False):
    beta, bar = process.beta[t], process.alpha_bar
    centre = process.posterior_mean(x_t, x_0, torch.tensor([t]))[0, 0]
    q = torch.distributions.Normal(centre, (beta * (1 - bar[t - 1]) / (1 - bar[t])).sqrt())
    x = q.sample((200_000, 1))
    measured = (q.log_prob(x) - torch.distributions.Normal(centre + deltas, beta.sqrt()).log_prob(x)).mean(0)
    fine = torch.linspace(-1.5, 1.5, 100)
    ax.plot(fine, measured[6] + fine**2 / (2 * beta), color=colour, lw=1)
    ax.plot(deltas, measured, "o", ms=5, color=colour, label=f"t = {t}: σ² = {beta:g}")
ax.set(xlabel=r"$\delta$, distance of the means", ylabel="KL (nats)", ylim=(0, 5))
_ = ax.legend()

# %% [markdown]
# *Dots lie on three parabolas. Each parabola is δ²/(2σ²) plus its own constant, the dot at δ = 0; the narrowest belongs to t = 2.* The constants are not 0: with $\sigma_t^2 = \beta_t$ the variances differ, and no mean can mend that.

# %% [markdown] written="ddpm.means" points=4
# ### Question: a distance of means
#
# Show that for every $t > 1$
#
# $$\mathbb{E}_q\bigl[L_{t-1}\bigr] = \mathbb{E}_q \Bigl[ \frac{1}{2 \sigma_t^2}\, \bigl\| \tilde\mu_t(x_t, x_0) - \mu_\theta(x_t, t) \bigr\|^2 \Bigr] + C ,$$
#
# give $C$ for $\sigma_t^2 = \beta_t$ in $d$ dimensions, and say what it does *not* depend on. One published version of this exercise writes the first expectation over $q(x_{t-1} \mid x_t, x_0)$. Over which variables do we have to average, and why is that version empty?
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) Both laws are normal with covariances that are multiples of I, and starts from a right form of the KL: either the known formula for two normals, or E_q[log q − log p] written out with both densities.
#
# 2. (1) The square is separated: E_q‖x_{t−1} − μ_θ‖² = ‖μ̃ − μ_θ‖² + d β̃_t (cross term zero because E x_{t−1} = μ̃), or the corresponding term of the formula identified; so ‖μ̃ − μ_θ‖² / (2σ_t²) appears with the right factor.
#
# 3. (1) C = (d/2) (β̃_t/σ_t² − 1 − log(β̃_t/σ_t²)), with σ_t² = β_t: (d/2)(r − 1 − log r), r = (1 − ᾱ_{t−1})/(1 − ᾱ_t). It depends neither on θ nor on x_0 or x_t (½ for the value, ½ for what it does not depend on).
#
# 4. (1) The KL has integrated x_{t−1} out already, so an average over x_{t−1} changes nothing (empty). What is left is x_0 ~ data and x_t ~ q(x_t | x_0). One half if only one half of this is said.
#
# **Anchor, full (4):** "KL = ½[d β̃/σ² + ‖μ̃−μ_θ‖²/σ² − d + d log(σ²/β̃)] for two round normals. The first, third and fourth are C = d/2 (r − 1 − log r), no θ, no x. x_{t−1} is integrated out in the KL; we average over x_0 and x_t."
#
#
#
# **Anchor, half (2):** formula and the squared term right (2), the rest called "constant" without a value; nothing on the expectation.
#
#
#
# **Anchor, zero:** "The KL is smallest when the means agree, so it is a squared distance."
#
# === END MARK SCHEME ===

# %% [markdown]
# **Optional task.** Write `kl_term`, so that the terms of the real bound can be computed. Its $\mu_\theta$ is `posterior_mean` at the predicted $x_0$, its $\sigma_t^2$ is $\beta_t$, and for $t = 1$ it is $L_0$, for which you need the logarithm of a normal density. The next two experiments use it.

# %% answer="ddpm.kl_term"
@attach(DDPM)
def kl_term(self, x0, x_t, t):
    """Optional. One term of the real variational bound for each row, in nats.

    For t >= 2 it is KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), where p is normal with the posterior mean at the predicted x_0
    and variance beta_t; for t = 1 it is -log p(x_0 | x_1), with p normal with the same mean rule and variance beta_1.

    Args:
        x0, x_t: (B, d).
        t: integers (B,), 1 <= t <= T, one for each row.

    Returns:
        (B,): summed over the d dimensions.
    """
    ### BEGIN SOLUTION
    d, beta = x0.shape[1], self.beta[t]
    variance = (1 - self.alpha_bar[t - 1]) / (1 - self.alpha_bar[t]) * beta
    predicted = self.to_x0(self.network(x_t, t), x_t, t, self.predicts)
    gap = self.posterior_mean(x_t, x0, t) - self.posterior_mean(x_t, predicted, t)
    squares = gap.square().sum(1) / (2 * beta)
    kl = squares + d / 2 * (variance / beta - 1 - torch.log(variance.clamp(min=1e-30) / beta))
    first = squares + d / 2 * torch.log(2 * math.pi * beta)
    return torch.where(t == 1, first, kl)
    ### END SOLUTION

# %% check="ddpm.kl_term" points=0
check("ddpm.kl_term", DDPM)

# %% [markdown]
# ### The bound, computed in two ways, beside the truth
#
# If the data are one normal, the exact predictor is affine, so $p_\theta(x_0)$ is a normal too, whose mean and variance follow step by step. So we have, for 100,000 data points: $L$ as in eq. 3, along whole chains; $L$ as in eq. 5, term by term; the exact
# $-\log p_\theta(x_0)$; and the entropy of the data, below which no model can be.

# %%
Normal, kl = torch.distributions.Normal, torch.distributions.kl_divergence
centre, spread = 0.5, 0.6
law = data.normal_mixture([1.0], [[centre]], spread)


def reverse_mean(ddpm, x, t):
    """The model's mean of x_{t-1} for rows x, all at the same step t."""
    t = torch.full((len(x),), t)
    return ddpm.posterior_mean(x, ddpm.to_x0(ddpm.network(x, t), x, t, "eps"), t)


def bound_along_chains(ddpm, x0):
    """Eq. 3 for each row of x0: walk forward, and compare every step with the model's step back."""
    x, total = x0, torch.zeros(len(x0), 1)
    for t in range(1, ddpm.T + 1):
        before, x = x, ddpm.one_step(x, torch.full((len(x0),), t), torch.randn_like(x))
        forward = Normal(ddpm.alpha[t].sqrt() * before, ddpm.beta[t].sqrt()).log_prob(x)
        total += forward - Normal(reverse_mean(ddpm, x, t), ddpm.beta[t].sqrt()).log_prob(before)
    return total - Normal(0, 1).log_prob(x)


def bound_by_terms(ddpm, x0):
    """Eq. 5 for each row of x0: one jump to each t, and a term of its own."""
    bar = ddpm.alpha_bar[-1]
    total = kl(Normal(bar.sqrt() * x0, (1 - bar).sqrt()), Normal(0, 1))[:, 0]
    for t in range(1, ddpm.T + 1):
        t = torch.full((len(x0),), t)
        total = total + ddpm.kl_term(x0, ddpm.q_sample(x0, t, torch.randn_like(x0)), t)
    return total

# %%
def exact_negative_log(ddpm, x0):
    """-log p_theta(x0): push mean and variance of N(0, 1) through the steps, each of which is affine with noise."""
    m, variance = torch.zeros(1, 1), torch.ones(1, 1)
    for t in reversed(range(1, ddpm.T + 1)):
        slope = reverse_mean(ddpm, torch.ones(1, 1), t) - reverse_mean(ddpm, torch.zeros(1, 1), t)
        m, variance = reverse_mean(ddpm, m, t), slope**2 * variance + ddpm.beta[t]
    return -Normal(m, variance.sqrt()).log_prob(x0)


torch.manual_seed(10)
points = law.sample((100_000,))
with optional("ddpm.kl_term"):
    print("  T     eq. 3, chains     eq. 5, terms     -log p      entropy of the data      (nats)")
    for steps in (4, 16, 64)[: budget(3)]:
        ddpm = DDPM(None, linear_betas(steps, 1 / steps, 3 / steps).clamp(max=0.95))
        ddpm.network = data.ExactNoise(law, ddpm.alpha_bar)
        chains, terms = bound_along_chains(ddpm, points), bound_by_terms(ddpm, points)
        exact = exact_negative_log(ddpm, points).mean()
        print(f"{steps:3}   {chains.mean():.3f} ± {chains.std() / 316:.3f}    {terms.mean():.3f} ± {terms.std() / 316:.3f}"
              f"      {exact:.3f}      {Normal(centre, spread).entropy():.3f}")

# %% [markdown]
# Eq. 3 and eq. 5 agree within their standard errors: they are the same number. The bound lies above $-\log p_\theta$, that above the entropy, and both gaps close as the steps get shorter.

# %% [markdown] written="ddpm.bound" points=5
# ### Question: from chains to terms
#
# Derive eq. 5 from eq. 3, as Ho et al. do in their appendix A (eqs. 17 to 22). There are five steps between the six lines. For each, write the line and **say why it is allowed**. Where is the Markov property of $q$ used, and where does $t = 1$ need separate care?
#
# === BEGIN MARK SCHEME ===
#
# A point for each step: the line and its reason. A right line without a reason counts one half.
#
# 1. (1) 17 → 18: L = E_q[−log p(x_{0:T})/q(x_{1:T}|x_0)]; both joint laws are products over steps (the model by definition, q because it is Markov), and the logarithm turns the product into a sum.
#
# 2. (1) 18 → 19: the term t = 1 is split off, because in the next step q(x_1|x_0) cannot be turned round by Bayes (x_0 is given: q(x_0 | x_1, x_0) is degenerate).
#
# 3. (1) 19 → 20: for t > 1, q(x_t|x_{t−1}) = q(x_t|x_{t−1}, x_0) by the Markov property, and by Bayes = q(x_{t−1}|x_t, x_0) q(x_t|x_0) / q(x_{t−1}|x_0). Both reasons are needed; one of them counts one half.
#
# 4. (1) 20 → 21: the quotients q(x_{t−1}|x_0)/q(x_t|x_0) telescope over t = 2..T to q(x_1|x_0)/q(x_T|x_0); q(x_1|x_0) cancels against the term t = 1, q(x_T|x_0) joins p(x_T).
#
# 5. (1) 21 → 22: the expectation over all of q(x_{1:T}|x_0) is taken in two stages: of each term first over x_{t−1} given x_t and x_0 (x_T given x_0 for the first), which makes it a KL divergence, then over the rest. One half for "definition of the KL" without
#    saying which variable is integrated given which.
#
# **Anchor, full (5):** six lines, and beside them: "factorise, q Markov", "t = 1 apart, Bayes fails there", "insert x_0 (Markov), Bayes", "telescope, q(x_1|x_0) cancels", "tower rule: inner expectation over q(x_{t−1}|x_t,x_0)".
#
#
#
# **Anchor, half (2.5):** all six lines copied rightly with no reasons; or steps 1 to 2 with reasons and 3 without the Markov property, then the result.
#
#
#
# **Anchor, zero:** states eq. 5 and explains in words that each term compares two normals.
#
# === END MARK SCHEME ===

# %% [markdown]
# ### The bound beside the simplified objective
#
# With $\mu_\theta$ from a predicted noise, the term $L_{t-1}$ is (eq. 12)
#
# $$L_{t-1} = \frac{\beta_t^2}{2 \sigma_t^2\, \alpha_t\, (1 - \bar\alpha_t)}\, \bigl\| \varepsilon - \varepsilon_\theta(x_t, t) \bigr\|^2 + \text{constant} .$$
#
# `negative_elbo` leaves the factor out. So it is a **reweighted** bound. How different are the two? For one normal and for our mixture, with the exact predictor, at every $t$:

# %%
torch.manual_seed(11)
every_t = torch.arange(1, T + 1).repeat_interleave(budget(3000))
found = {}
with optional("ddpm.kl_term"):
    for name, law in [("one normal, sd 0.6", data.normal_mixture([1.0], [[0.0]], 0.6)), ("the mixture", z_truth)]:
        ddpm = DDPM(None, schedules["linear"])
        ddpm.network = data.ExactNoise(law, ddpm.alpha_bar)
        x0, noise = law.sample((len(every_t),)), torch.randn(len(every_t), 1)
        x_t = ddpm.q_sample(x0, every_t, noise)
        simple = (ddpm.network(x_t, every_t) - noise).square().sum(1).reshape(T, -1).mean(1)
        terms = ddpm.kl_term(x0, x_t, every_t).reshape(T, -1).mean(1)
        found[name] = simple, terms
        print(f"{name:20} mean of the simplified loss over t: {simple.mean():.3f};  sum of all terms of the bound: {terms.sum():.2f} nats, "
              f"of L_0: {terms[0]:.2f}; of the terms 2 to 25: {terms[1:25].sum():.2f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2))
for (name, (simple, terms)), colour, style in zip(found.items(), (plots.BLUE, plots.VERMILION), ("-", "--"), strict=False):
    axes[0].plot(range(1, T + 1), simple, style, color=colour, label=name)
    axes[1].semilogy(range(2, T + 1), terms[1:], style, color=colour, label=name)
axes[0].set(xlabel="step t", ylabel=r"mean $\|\varepsilon - \varepsilon_\theta\|^2$", title="simplified objective")
axes[1].set(xlabel="step t", ylabel="mean of $L_{t-1}$ (nats)", title="terms of the bound, t ≥ 2")
for ax in axes:
    ax.legend()

# %% [markdown]
# *Left: the simplified loss falls from 1 at small t to nearly 0 at large t; for the mixture it has a shoulder where the modes separate. Right, logarithmic: the terms of the bound fall from 0.5 to a millionth.* The bound cares for the first steps far more than for the
# others: about three quarters of the nats of the terms $t \ge 2$ belong to the steps 2 to 25, a tenth of the steps. In pictures, the first steps are fine grain, and the last decide what the picture shows. That is why the simplified objective, which is worse for the likelihood, gives better pictures.

# %% [markdown]
# ## 9 · A recipe that works in seconds
#
# The circulated recipe needs 157,000 steps and ends at a $W_1$ of 0.2 to 0.45. Six things can be changed, each for a reason:
#
# 1. **Time embedding.** A raw $t$ pins tanh to ±1, and the network is nearly blind to $x$ (section 4).
# 2. **Normalisation.** Data of standard deviation 1 end where the sampler begins, and inputs have the size that layers are made for (section 1).
# 3. **Schedule.** With the constant schedule even the perfect network is several times as far off as with the cosine (section 7).
# 4. **Parametrisation.** A wrong noise at large $t$ is a hugely wrong $x_0$; a wrong velocity never is (section 5).
# 5. **Batch size**: the gradient of a small batch is mostly noise (measured below).
# 6. **The rate of learning**: large steps get there soon, small ones average the noise out at the end (notebook 03, section 8).

# %%
class Recipe:
    """A training recipe: what to build, and how to train it. Every piece can be changed."""

    def __init__(self, z, steps=1000, *, network=None, betas=None, predicts="v", batch_size=1024, rate=0.02, falling=True, warm_up=50):
        betas = cosine_betas(250) if betas is None else betas
        self.ddpm = DDPM(network or TimeNetwork(len(betas)), betas, predicts)
        self.z, self.batch_size = z, batch_size
        per_epoch = -(-len(z) // batch_size)
        self.epochs = max(1, round(steps / per_epoch))
        cosine = torch.cos(torch.linspace(0, torch.pi, self.epochs * per_epoch + 1)) / 2 + 0.5
        self.adam = torch.optim.Adam(self.ddpm.parameters(), lr=rate)
        if falling:
            schedule = torch.optim.lr_scheduler.LambdaLR(
                self.adam, lambda i: min(1, (i + 1) / warm_up) * cosine[min(i, len(cosine) - 1)].item()
            )
            self.adam.register_step_post_hook(lambda *_: schedule.step())

    def train(self, valid, epochs=None):
        """Train for so many epochs, or for all; returns the model."""
        self.losses = train_epochs(self.ddpm, self.z, valid, self.adam, epochs or self.epochs, self.batch_size)
        return self.ddpm


CIRCULATED = {"predicts": "eps", "batch_size": 64, "rate": 0.8e-4, "falling": False}

# %% [markdown]
# Our recipe: `TimeNetwork`, normalised data, cosine schedule, $v$, batches of 1,024, Adam with a rate of 0.02, warmed up over 50 steps and then lowered to 0 along a cosine: **1,000 steps, 2 to 3 seconds of CPU**.

# %%
import time

torch.manual_seed(12)
start = time.process_time()
ours = Recipe(z_train, budget(1000)).train(z_valid)
print(f"trained in {time.process_time() - start:.1f} CPU seconds; W1 = {distance(ours, mean, std):.3f} with 100,000 samples")
print(f"the 10,000 training points themselves:  W1 = {metrics.w1(train, truth):.3f}")
print(f"the exact predictor, cosine schedule:   W1 = {distance(perfect, mean, std):.3f}")
print(f"the circulated recipe after 40 epochs:  W1 = {distance(circulated, mean, std):.3f}")

# %%
torch.manual_seed(12)
g = metrics.Lookup(as_noise(ours).network, ours.T)
samples, _ = sample_and_track(g, budget(10_000), betas=ours.beta[1:], mean=mean, std=std)
figure, axes = plt.subplots(1, 2, figsize=(12, 3.4))
compare_on_line(samples, f"our recipe, 1,000 steps: W1 = {metrics.w1(samples, truth):.2f} (floor 0.04)", axes[0])
draw_histories(g, "our recipe, 50 histories", axes[1], ours.beta[1:])

# %% [markdown]
# *Left: the histogram of the samples fills the true density; peaks, gap and tails agree. Right: the histories shake at first, then part between steps 100 and 200 into two bands, which tighten about −4 and 4.* Compare the histories with those of the constant schedule: the cosine spends many more steps on the fine end. A training set of 10,000 points is not exactly the truth either: no recipe can know that there are two thirds on the right and not, say, 66.3 %. So its own distance is the limit that we can hope for.
#
# Where do the samples go wrong? Sort them and subtract, from each, the exact quantile in its place. $W_1$ is the mean of this displacement without its sign: the area between a curve and the line at 0.

# %%
torch.manual_seed(12)
share, right = (torch.arange(20_000) + 0.5) / 20_000, torch.tensor(metrics.quantiles(truth, 20_000))
figure, ax = plt.subplots(figsize=(8, 3.4))
for name, model, colour in [("circulated, 40 epochs", circulated, plots.VERMILION), ("our recipe", ours, plots.BLUE), ("exact predictor", perfect, plots.GREEN)]:
    samples = draw_line(model, 20_000, mean, std)[:, 0].sort().values
    ax.plot(share, samples - right, color=colour, label=name)
ax.set(xlabel="share of the samples below", ylabel="sample minus exact quantile", ylim=(-2.5, 2.5))
_ = ax.legend(fontsize=8)

# %% [markdown]
# *The green and the blue curve lie near 0 but for a spike at one third, where the gap between the modes is: a few samples too many on one side have a long way to the other. The red curve is off everywhere, by up to 2 and more.* Our samples and the exact predictor's are hard to tell apart.
#
# **Batch size.** Two independent batches give two gradients. If they agree, the step has a direction; if not, it is mostly noise. What does a larger batch cost? (Measured at a half-trained network.)

# %%
torch.manual_seed(13)
half = Recipe(z_train, budget(300))
half.train(z_valid, epochs=budget(15))
print("batch size    agreement of two gradients (cosine)    CPU ms for a gradient")
for size in (16, 64, 256, 1024, 4096):
    start, gradients = time.process_time(), []
    for _ in range(budget(40)):
        rows = torch.randint(len(z_train), (size,))
        found = torch.autograd.grad(half.ddpm.loss(z_train[rows]), list(half.ddpm.parameters()))
        gradients.append(torch.cat([g.flatten() for g in found]))
    spent = (time.process_time() - start) / len(gradients)
    cosines = nn.functional.normalize(torch.stack(gradients)) @ nn.functional.normalize(torch.stack(gradients)).T
    agree = (cosines.sum() - len(cosines)) / (len(cosines) * (len(cosines) - 1))  # the mean over all pairs
    print(f"{size:6}{agree:28.2f}{1000 * spent:36.1f}")

# %% [markdown]
# From 64 to 1,024 the batch grows sixteenfold and the price by far less, for this small network: much of a step's cost is the same for any batch. And what the larger batches leave of the noise, the falling rate averages out at the end.
#
# **The distance during training.** The circulated recipe (its first 40 epochs, from section 6) and ours. (About 15 seconds.)

# %%
torch.manual_seed(14)
theirs_w1 = {}
for epoch, network in progress_bar(kept.items(), "circulated"):
    theirs_w1[157 * epoch] = distance(DDPM(network, constant_betas(T)), mean, std)
run, done, ours_w1 = Recipe(z_train, 1000), 0, {}
for epoch in progress_bar([1, 2, 5, 10, 20, 40, 70, 100][: budget(8)], "ours"):
    run.train(z_valid, epoch - done)
    done, ours_w1[10 * epoch] = epoch, distance(run.ddpm, mean, std)

# %%
figure, ax = plt.subplots(figsize=(7, 3.6))
for name, found, colour, marker in [("circulated", theirs_w1, plots.VERMILION, "o"), ("ours", ours_w1, plots.BLUE, "s")]:
    ax.loglog(list(found), list(found.values()), marker=marker, color=colour, lw=2, label=name)
ax.axhline(metrics.w1(train, truth), color=plots.INK, ls="--", label="the training data themselves")
ax.axhline(metrics.w1_floor(truth, 100_000, 5), color=plots.INK, ls=":", label="100,000 true samples")
ax.set(xlabel="training steps", ylabel="$W_1$ to the truth")
_ = ax.legend(fontsize=8)

# %% [markdown]
# *Log-log. The circulated recipe falls slowly and is still far above the dashed line of the training data after 6,280 steps; ours comes down to two or three times that line in 1,000, the last drop while the rate falls to 0.*
#
# **Take a piece away.** Guess first: which of the six matters most? Then run; each bar changes one piece of the recipe, with as many steps. (About 40 seconds.)

# %%
changes = {
    "the recipe": {},
    "raw t: NoisePredictor": {"network": NoisePredictor},
    "data not normalised": {"raw": True},
    "constant schedule, 0.02": {"betas": constant_betas(250)},
    "predict the noise": {"predicts": "eps"},
    "predict x0": {"predicts": "x0"},
    "batches of 64": {"batch_size": 64},
    "constant rate of 0.02": {"falling": False},
    "constant rate of 0.001": {"falling": False, "rate": 0.001},
    "all of the circulated recipe": {**CIRCULATED, "network": NoisePredictor, "betas": constant_betas(250)},
}


def changed(train, valid, steps=1000, *, raw=False, network=None, **pieces):
    """W1 of the recipe with some pieces changed, trained on `train` (N, 1)."""
    m, s = (torch.zeros(1), torch.ones(1)) if raw else statistics(train)
    run = Recipe(normalize(train, m, s), steps, network=network and network(), **pieces)
    return distance(run.train(normalize(valid, m, s)), m, s)

# %%
table = {}
for name, pieces in progress_bar(list(changes.items())[: budget(10)], "pieces"):
    torch.manual_seed(15)
    table[name] = changed(train, valid, budget(1000), **pieces)

# %%
figure, ax = plt.subplots(figsize=(8, 3.6))
places = range(len(table))
ax.barh(places, list(table.values()), color=[plots.BLUE] + [plots.SKY] * (len(table) - 2) + [plots.VERMILION])
for place, value in zip(places, table.values(), strict=True):
    ax.text(value * 1.05, place, f"{value:.3f}", va="center", fontsize=9)
ax.axvline(metrics.w1(train, truth), color=plots.INK, ls="--")
ax.set(yticks=places, yticklabels=list(table), xscale="log", xlim=(0.02, 8), xlabel="$W_1$ to the truth (dashed: the training data)")
_ = ax.invert_yaxis()

# %% [markdown]
# *Ten bars on a logarithmic axis; that of the recipe is the shortest or nearly so, that of the circulated recipe the longest.* One run each; another seed or training set moves the short bars by 0.02, the long ones by more. The means of five runs with five training sets:
#
# | change | $W_1$, mean of five | smallest and largest |
# | --- | --- | --- |
# | the recipe | 0.052 | 0.037, 0.083 |
# | raw t: NoisePredictor | 0.111 | 0.082, 0.154 |
# | data not normalised | 0.060 | 0.043, 0.094 |
# | constant schedule, 0.02 | 0.113 | 0.101, 0.137 |
# | predict the noise | 0.071 | 0.052, 0.100 |
# | predict x0 | 0.329 | 0.280, 0.391 |
# | batches of 64 | 0.130 | 0.093, 0.222 |
# | constant rate of 0.02 | 0.319 | 0.247, 0.389 |
# | constant rate of 0.001 | 0.124 | 0.076, 0.191 |
# | all of the circulated recipe | 2.208 | 1.943, 2.548 |
#
# (As many steps in each row, 100,000 samples; the five training sets themselves are at 0.039.) Three lessons. The falling rate matters most, together with a target that is not $x_0$: without either the distance is six times as large. The time embedding, the schedule and the batch each give a factor of two. Normalising helps
# least *here*, since the cosine schedule ends at pure noise whatever the size of the data. And no single piece explains the circulated recipe's 2.2: its small rate, small batches, raw time and few steps multiply. That is why one has to take pieces away one at a time, and repeat.
#
# ## 10 · In the plane
#
# Nothing in `DDPM` knows that $d$ was 1. Two sets like those of notebook 01: two Gaussians, here on the other diagonal, and a chequerboard, here of the squares that were white. Both have a standard deviation near 1 already. For the two Gaussians `TimeNetwork` gets one layer more. A **first try** on the board is `TimeNetwork` as it is; the **better network** for the board also sees waves of $x$, at the
# rates 1, 2 and 4, and has one layer more. (About 15 seconds for the three.)

# %%
def in_the_plane(draw, steps, **network):
    """A DDPM trained by the recipe on 100,000 points, as a predictor of noise, and its CPU seconds of training."""
    start = time.process_time()
    run = Recipe(draw(100_000), steps, network=TimeNetwork(T, dim=2, **network), rate=0.01)
    return as_noise(run.train(draw(1000))), time.process_time() - start


WAVES = {"hidden": 3, "x_rates": (1.0, 2.0, 4.0)}
torch.manual_seed(16)
two, two_seconds = in_the_plane(data.two_gaussians, budget(1000), hidden=3)
first_try, first_seconds = in_the_plane(data.chequerboard, budget(1500))
board, board_seconds = in_the_plane(data.chequerboard, budget(1500), **WAVES)

# %% [markdown]
# The measure, as in notebook 03: the sliced $W_2$ between model and data, divided by what two samples of the data give. 1 would be perfect. It is blind to what is small: look at the pictures, too. (About 20 seconds.)

# %%
def ratio(draw_model, draw_data, draws=5, n=5000):
    """Sliced W2 between model and data over that between data and data."""
    return metrics.w2_ratio(draw_model, draw_data, n, progress_bar(budget(draws, 1)))


torch.manual_seed(17)
found = {
    "two Gaussians": (ratio(lambda n: two.sample((n, 2)), data.two_gaussians), two_seconds),
    "chequerboard, first try": (ratio(lambda n: first_try.sample((n, 2)), data.chequerboard), first_seconds),
    "chequerboard, with waves": (ratio(lambda n: board.sample((n, 2)), data.chequerboard), board_seconds),
}
for name, (value, seconds) in found.items():
    print(f"{name:26} {value:.2f} times the sampling floor, trained in {seconds:.1f} CPU seconds")

# %%
torch.manual_seed(18)
panels = [("two Gaussians", two.sample((5000, 2))), ("chequerboard, first try", first_try.sample((5000, 2))),
          ("chequerboard, with waves", board.sample((5000, 2)))]
_ = plots.scatter_row(panels, limit=2.8, colours=[plots.BLUE])

# %% [markdown]
# *Left: two round spots on the falling diagonal. Middle: a smear in which the squares run into each other, hardly a board. Right: eight squares with nearly sharp edges; their corners touch in soft bridges, so that the empty squares in the middle look round.*

# %% [markdown] written="ddpm.chequerboard" points=3
# ### Question: a better board
#
# Improve the fit of the chequerboard further, starting from either network. Change at least two different things (for example the network's width or rates, the schedule, what is predicted, the number of steps, the batch), **one at a time**. Give a table with the change, `ratio` and the CPU seconds; repeat
# each measurement with another seed, so that you know how large a difference has to be to count. Which change helped, why do you think so, and what does `ratio` not see? Name a second way to measure that would see it.
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) A table with at least two single changes, each with ratio and seconds, and a repetition (or a statement of the spread) that shows which differences count. One half if the numbers are there without repetition.
#
# 2. (1) A conclusion that the table supports, with a reason that has to do with the board: sharp edges need high rates or more capacity; last steps of the schedule blur edges by √β_1; noise of batches; longer training. "No change helped, differences
#    are within the spread" is a full answer if the table shows it. One half for a conclusion without a reason, or one that the table does not support but a good reason.
#
# 3. (1) What the ratio misses: it projects and averages, and near 1 it is dominated by chance, so single strays or blurred edges hardly count. A second measure that would see it: the share of samples in the white squares, or off the board; a histogram of the distance
#    to the nearest edge; counts per square (χ²). One half for one of the two.
#
# **Anchor, full (3):** three rows, two seeds each, spread 0.1; "rates 1, 2, 4, 8: 1.3 → 1.1, edges are fine detail; width 256 no difference; share in white squares 3 % → 1.5 %, which ratio hardly noticed."
#
#
#
# **Anchor, half (1.5):** two rows, one seed each; the better one chosen, "more parameters fit better"; "ratio does not see details".
#
#
#
# **Anchor, zero:** a picture that "looks better", no measurement.
#
# === END MARK SCHEME ===

# %% [markdown]
# ### Beside a normalising flow
#
# A flow is another way: an invertible network that carries the data to a normal, trained on its exact likelihood, which samples in a single pass. The course ships a small one for each set (`helpers/models/coupling.py` holds the model and the script that trained it).

# %%
torch.manual_seed(19)
sets = {"two_gaussians": (two, *found["two Gaussians"]), "chequerboard": (board, *found["chequerboard, with waves"])}
flows, pictures = models.load("coupling"), []
print(f"{'':34}ratio    CPU s of training    CPU ms for 5,000 samples")
for name, (ddpm, value, seconds) in sets.items():
    flow, spent = flows[name], float(flows.card[f"{name}_cpu_seconds"])
    rows = [("DDPM", lambda n, m=ddpm: m.sample((n, 2)), value, seconds),
            ("flow", flow.sample, ratio(flow.sample, getattr(data, name)), spent)]
    for kind, sampler, value, spent in rows:
        start = time.process_time()
        pictures.append((f"{name}: {kind}", sampler(5000)))
        print(f"{name + ', ' + kind:30}{value:9.2f}{spent:16.1f}{1000 * (time.process_time() - start):24.0f}")

# %%
_ = plots.scatter_row(pictures, limit=2.8, colours=[plots.BLUE, plots.ORANGE])

# %% [markdown]
# *Four panels, two for each set: DDPM in blue, flow in orange. Both have the two spots, with a few strays between them. On the board the flow's edges are straight and sharp, but a dust of points lies in its empty squares; the DDPM's empty squares are emptier, and their corners are round.*

# %% [markdown] written="ddpm.flow_or_diffusion" points=2
# ### Question: flow or diffusion?
#
# Compare the two on both sets by picture, distance and seconds (training and sampling). Why does a map that is continuous and invertible have trouble with a gap in the data, and why has the DDPM less of it?
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) A comparison that uses pictures, distances and both kinds of seconds, on both sets, and agrees with the student's own output: the flow samples in one pass, hundreds of times faster; quality as measured. One half if one of the three is missing.
#
# 2. (1) A continuous invertible map of a connected normal has a connected image: thin bridges between the modes or squares remain, or the map must be extremely steep in between. The DDPM's sampler is a chain of many small random steps (each simple; together as
#    steep as needed, and with noise not a fixed map at all), and it has no need to be invertible or to know a determinant. One half for the flow's half alone.
#
# **Anchor, full (2):** "Two spots: both near 1, a few strays. Board: flow 1.3, DDPM 1.1; the flow leaves dust in the empty squares. The flow trained 44 s, ours 4 and 6 s; it samples in 20 ms, ours in 1 s. The image of a connected set is connected, hence threads and dust; 250 small random steps need no such map."
#
#
#
# **Anchor, half (1):** a right comparison with numbers; "flows are restricted".
#
#
#
# **Anchor, zero:** "Diffusion is the newer method and so gives better samples."
#
# === END MARK SCHEME ===

# %% [markdown] written="ddpm.report" points=4
# ## 11 · Report
#
# Write about one page on sections 6 to 9, for a reader who knows neural networks but not diffusion.
#
# (a) What was done: data, model, training and sampling, with the numbers that somebody would need to repeat it.
#
# (b) Results: refer to your figures, and state distances with
# the number of samples and the floor. Say how the simplified objective and the bound differ at small and at large $t$.
#
# (c) What was hard: at least one mistake with shapes or indices that you made or nearly made, how it showed, and how you found it.
#
# (d) What you would change next, and how you would measure whether it helped.
#
# === BEGIN MARK SCHEME ===
#
# One point for each part.
#
# 1. (1) Could be repeated: law and number of the data, normalisation, T and schedule, network, what is predicted, batch, rate, steps, which σ_t. One half if two or more are missing.
#
# 2. (1) Figures referred to; a distance with its n and its floor; the bound weights small t by far more than the simplified objective (factor of eq. 12), large t hardly at all. One half if the floor or the comparison is missing.
#
# 3. (1) A concrete mistake with its symptom and the way it was found (a shape printed, a check's sentence, a short schedule, a number that could not be). One half if generic ("shapes were confusing").
#
# 4. (1) A proposal with a measure and what result would count as a success. One half for a proposal alone.
#
# **Anchor, full (4):** each part in a short paragraph, with numbers.
#
#
#
# **Anchor, half (2):** (a) complete, (b) figures without floor or bound, (c) generic, (d) "train longer".
#
#
#
# **Anchor, zero:** text about diffusion in general without the student's own results.
#
# === END MARK SCHEME ===

# %% [markdown]
# ## 12 · Corrections to what you may read elsewhere
#
# * **Variance for standard deviation.** Some handouts write $x_t = \sqrt{\bar\alpha_t}\, x_0 + (1 - \bar\alpha_t)\, \varepsilon$, or scale the sampling noise with the variance. The noise is multiplied by a *root*: $\sqrt{1 - \bar\alpha_t}$, $\sqrt{\beta_t}$, $\sqrt{\tilde\beta_t}$.
# * **$x_{t-1}$ for $x_0$.** The closed form with $\bar\alpha_t$ begins at $x_0$. From $x_{t-1}$ it is one step, with $\alpha_t$.
# * **Mean-only sampling is not DDIM.** Leaving the noise out of Algorithm 2 gives samples with too little spread. DDIM is another update (notebook 06).
# * **The simplified objective is not the negative ELBO**, but a reweighted bound, whatever the method is called.
# * **$t = 1$ must be trained.** Drawing $t$ from $2, \dots, T$ leaves out the time that the last step of sampling asks for.
# * **[1000, 1] against [1000]** is a million pairs, and the number that comes out rises as the model improves.
# * **Predicting the total noise is what we want.** One exercise says that predicting all the noise in $x_t$ "is not what we want". It is what Algorithm 1 does; Algorithm 2 scales it to one step.
# * **An empty expectation.** The KL in $L_{t-1}$ has integrated $x_{t-1}$ out; the average that is left is over $x_0$ and $x_t$.
# * **"$0 < \beta_1 < \dots < \beta_T < 1$" alone does not make $x_T$ normal** in the limit: if all $\beta_t$ shrink as fast as $1 / T$, something of the data is left.
#
# ## What comes next
#
# Notebook 05 makes pictures of digits with a U-Net. Beware: it counts $t$ from 0 to $T - 1$, as most libraries do, so its entry $t$ belongs to our $t + 1$.

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
