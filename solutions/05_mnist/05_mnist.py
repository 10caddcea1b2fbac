# %% [markdown]
# # 05 · MNIST: a U-Net that draws digits
#
# Everything that you wrote on the line and in the plane works on images, too: the same process, the same loss, the same sampler. What is new is the network. A picture of 28 × 28 pixels is a point
# in 784 dimensions, and a plain network of that size learns slowly; a **U-Net** knows that pixels have neighbours.
#
# **You will learn**
# * to bring pixels to numbers that a diffusion model can work with, and back;
# * to write a U-Net that is told the time;
# * to write a process with a choice of schedules and of what the network predicts, and to train it with a script that can be interrupted;
# * to get readable digits out of three minutes of training on a laptop without a GPU, and which choices that takes;
# * to measure pictures, and to say honestly what the numbers mean;
# * how diffusion compares with a GAN, a VAE and a flow on one CPU budget.
#
# **Time**: about six hours of yours. The computer needs 12 minutes for the whole notebook (measured on one thread of a processor with bfloat16; without, sampling takes longer); the longest cell trains six networks for a minute each.
#
# Sources: Ho et al. 2020 ([arXiv 2006.11239](https://arxiv.org/abs/2006.11239)), Nichol and Dhariwal 2021
# ([arXiv 2102.09672](https://arxiv.org/abs/2102.09672)), Salimans and Ho 2022 ([arXiv 2202.00512](https://arxiv.org/abs/2202.00512)), Ronneberger et al. 2015
# ([arXiv 1505.04597](https://arxiv.org/abs/1505.04597)), Heusel et al. 2017 ([arXiv 1706.08500](https://arxiv.org/abs/1706.08500)).

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
import copy
import importlib
import math

import torch
from torch import nn
from torch.nn import functional as F

from helpers import attach, budget, check, notation, progress_bar
from helpers.notebook import export

# %%
import shutil
import time

import matplotlib.pyplot as plt

from helpers import images, models, pictures, plots
from helpers.models import digits as shipped
from helpers.plots import show, show_row

plots.style()
notation()

# %% [markdown]
# This notebook uses the right column, with images (B, channels, height, width) for rows and **one change: here $t = 0, \dots, T-1$**. Section 2 says it again where it matters.
#
# Two functions for pictures are used everywhere below: `show(x)` draws images (N, channels, height, width), which have black at −1 and white at 1, as one grid, and `show_row` several grids side by side.
#
# ## 1 · Data: from pixels to numbers and back
#
# MNIST: handwritten digits, 28 × 28 pixels of grey. Without a network connection the notebook uses 10,000 training and 2,000 test images that come with the course. Distances that you compare must be measured against the
# same test images, so look at which ones you have.

# %%
digits, test_digits = images.mnist("train"), images.mnist("test")
print(digits.source)
print(test_digits.source)
print(f"pixels: {tuple(digits.images.shape)}, {digits.images.dtype}, from {digits.images.min()} to {digits.images.max()}")
show(images.scaled(digits.images[:48]), "the first 48 training images", columns=16)

# %% [markdown]
# *Three rows of white handwritten digits on black.* A pixel is one of 256 whole numbers $k$. A model of a *density* can cheat on whole numbers: it puts a spike on each of them and reaches any likelihood it likes. The cure is **dequantisation**: spread each number evenly over its
# share of the line,
#
# $$x = \frac{k + u}{256}, \qquad u \sim \mathcal{U}[0, 1) \text{ for every pixel} .$$
#
# Rounding down undoes it: $\lfloor 256\, x \rfloor = k$. (torchvision's `ToTensor` gives $k / 255$ instead: if you start from *that*, adding $u / 256$ goes beyond 1, up to 257/256, and rounding down does not undo it any more.)
#
# **Task.** Write `dequantise`. Mind the type: whole numbers of 8 bits overflow.

# %% answer="mnist.dequantise"
def dequantise(pixels, generator=None):
    """Turn whole numbers into real ones: (k + u) / 256 for each pixel k, with its own u, uniform on [0, 1).

    Args:
        pixels: uint8 tensor of any shape, 0 ... 255.
        generator: optional torch.Generator for the random numbers.

    Returns:
        float32 tensor of the same shape, with values between 0 and 1.
    """
    ### BEGIN SOLUTION
    return (pixels.float() + torch.rand(pixels.shape, generator=generator)) / 256
    ### END SOLUTION

# %% check="mnist.dequantise" points=2
check("mnist.dequantise", dequantise)

# %%
torch.manual_seed(0)
pixels = digits.images[:2000]
as_they_are, spread_out = pixels.float() / 256, dequantise(pixels)
figure, axes = plt.subplots(1, 2, figsize=(11, 3))
window = (100 / 256, 108 / 256)
for ax, bounds, title in [(axes[0], (0, 1), "all values"), (axes[1], window, "eight grey levels, enlarged")]:
    for values, name, colour in [(as_they_are, "k / 256", plots.ORANGE), (spread_out, "dequantised", plots.BLUE)]:
        ax.hist(values.flatten(), bins=128, range=bounds, histtype="stepfilled", alpha=0.6, color=colour, label=name)
    ax.set(title=title, xlabel="value", ylabel="pixels", yscale="log" if bounds == (0, 1) else "linear")
axes[0].legend()
wrong = ((spread_out * 256).floor() != pixels).sum()
print(f"rounding down gives the pixels back, except for {wrong} of {pixels.numel():,}")

# %% [markdown]
# *Left, with a logarithmic axis: almost all pixels are black or white, and the two histograms look alike. Right, between 100/256 and 108/256: the raw values are eight orange spikes with nothing between them; the dequantised ones are spread evenly over each level, in blue.* Orange is a comb, blue has a density. (The handful of pixels that do not come back had a $u$ so near 1 that $k + u$ was rounded
# to $k + 1$ in float32.)
#
# Noise in a diffusion model has mean 0 and standard deviation 1 in every pixel, and the data should live on that scale. MNIST in $[0, 1]$ sits in a corner of it. So the model works on $[-1, 1]$, and pictures go back:
#
# $$x_{\text{model}} = 2 x - 1, \qquad x_{\text{display}} = \frac{x_{\text{model}} + 1}{2}, \text{ cut to } [0, 1] .$$
#
# **Task.** Write both.

# %% answer="mnist.scale"
def to_model(x):
    """From [0, 1], where pictures live, to [-1, 1], where the model works; any shape, the same shape back."""
    ### BEGIN SOLUTION
    return 2 * x - 1
    ### END SOLUTION


def to_display(x):
    """The way back, to [0, 1]; what lies outside of [-1, 1] is cut off, so that it can be displayed."""
    ### BEGIN SOLUTION
    return ((x + 1) / 2).clamp(0, 1)
    ### END SOLUTION

# %% check="mnist.scale" points=2
check("mnist.scale", to_model, to_display)

# %%
torch.manual_seed(0)
data = to_model(dequantise(digits.images))
print(f"training data: mean {data.mean():.3f}, standard deviation {data.std():.3f}, from {data.min():.4f} to {data.max():.4f}")
show_row([("pixels / 255", images.scaled(digits.images[:24])), ("there and back", 2 * to_display(data[:24]) - 1)])

# %% [markdown]
# *Two grids of the same digits; nobody can see the difference.* The mean is about −0.74, since most of a picture is black, and the standard deviation about 0.61. That is near enough to 1; what matters is that values lie on both sides of 0 and on the scale of the noise.
#
# ## 2 · Schedules
#
# **The index, said once.** Notebook 04 counted the noise steps, $t = 1, \dots, T$, with an entry 0 for "no noise". Here we count as most libraries do: $t = 0, \dots, T - 1$, so that $t$ is an index into a table of $T$ entries without any shift.
#
# | | notebook 04 | here |
# | --- | --- | --- |
# | first step of noise | $\beta_1$, leads to $x_1$ | $\beta_0$, its result is "the image at $t = 0$" |
# | data | $x_0$, $\bar\alpha_0 = 1$ | no index: the code says $x$ or x0; wherever $\bar\alpha_{-1}$ is asked for, it is 1 |
# | pure noise | $t = T$ | $t = T - 1$ |
# | a table's entry $t$ belongs to | $t$ noise steps | $t + 1$ noise steps |
#
# So **our $t$ is notebook 04's $t - 1$**, and at $t = 0$ an image is already a little noisy. With $\alpha_t = 1 - \beta_t$ as always, $\bar\alpha_t = \alpha_0 \alpha_1 \cdots \alpha_t$.
#
# Three schedules. *Linear* (Ho et al.): $\beta_t$ evenly spaced from 0.0001 to 0.02. *Quadratic*: $\sqrt{\beta_t}$ evenly spaced, between the same ends. *Cosine* (Nichol and Dhariwal, eq. 17): it prescribes $\bar\alpha$, here after $t + 1$ steps,
#
# $$\bar\alpha_t = \frac{f(t + 1)}{f(0)}, \qquad f(i) = \cos^2\Bigl(\frac{i / T + 0.008}{1.008} \cdot \frac{\pi}{2}\Bigr), \qquad \beta_t = 1 - \frac{f(t + 1)}{f(t)} \;\text{ but at most } 0.999 .$$
#
# **Task.** Write `make_betas`.

# %% answer="mnist.betas"
def make_betas(schedule, T):
    """beta_0 ... beta_{T-1}, a tensor (T,), for T >= 2.

    Args:
        schedule: "linear": evenly spaced from 1e-4 to 0.02, both included; "quadratic": their square roots are evenly spaced,
            with the same ends; "cosine": alpha_bar_t = f(t + 1) / f(0) with f(i) = cos^2(pi/2 * (i/T + 0.008) / 1.008),
            and no beta larger than 0.999.
        T: number of noise steps.

    Raises:
        ValueError: for any other schedule.
    """
    ### BEGIN SOLUTION
    if schedule == "linear":
        return torch.linspace(1e-4, 0.02, T)
    if schedule == "quadratic":
        return torch.linspace(1e-4**0.5, 0.02**0.5, T) ** 2
    if schedule == "cosine":
        f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + 0.008) / 1.008 * math.pi / 2) ** 2
        return (1 - f[1:] / f[:-1]).clamp(max=0.999).float()
    raise ValueError(f"there is no schedule {schedule!r}")
    ### END SOLUTION

# %% check="mnist.betas" points=3
check("mnist.betas", make_betas)

# %%
SCHEDULES = {"linear": plots.BLUE, "quadratic": plots.ORANGE, "cosine": plots.GREEN}
figure, axes = plt.subplots(1, 3, figsize=(13, 3.2))
for (name, colour), line in zip(SCHEDULES.items(), ("-", "--", "-."), strict=True):
    betas = make_betas(name, 1000)
    alpha_bar = torch.cumprod(1 - betas, 0)
    for ax, values in zip(axes, (betas, alpha_bar, alpha_bar / (1 - alpha_bar)), strict=True):
        ax.plot(values, line, lw=2, color=colour, label=name)
axes[0].set(title=r"$\beta_t$", ylim=(0, 0.03))
axes[1].set(title=r"$\bar\alpha_t$, the share of the picture's variance")
axes[2].set(title=r"signal to noise, $\bar\alpha_t / (1 - \bar\alpha_t)$", yscale="log", ylim=(1e-5, 2e4))
axes[1].legend()
for ax in axes:
    ax.set(xlabel="t")

# %% [markdown]
# *Left: β grows in a straight line (linear), in a parabola (quadratic), and leaves the frame (cosine). Middle: ᾱ falls to a half near t = 260 for the linear schedule, near t = 420 for the quadratic and near t = 500 for the cosine. Right, logarithmic: all begin at ten thousand or more; the linear schedule ends at
# 0.00004 and the quadratic at 0.0007, and the cosine falls out of the frame at the end.* The cosine spends most steps where picture and noise are about equally strong. You will see what that does to digits in section 4.
#
# ## 3 · The network
#
# ### What not to do
#
# The simplest network for images forgets that they are images: lay the 784 pixels in a row, append the time as one more number, and use layers that join everything with everything. A course that ours merges asks for it, and we will train it beside the U-Net.

# %%
class FcNetwork(nn.Module):
    """The fully connected network of a handout: pixels in a row and t / T as one more number, two hidden layers, pixels out."""

    def __init__(self, image_size=28, channels=1, T=1000, width=512):
        super().__init__()
        pixels, self.T = channels * image_size**2, T
        self.layers = nn.Sequential(
            nn.Linear(pixels + 1, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, pixels)
        )

    def forward(self, x, t):
        """Images x (B, channels, H, W) and integer t (B,) to the shape of x."""
        rows = torch.cat([x.flatten(1), t[:, None] / self.T], dim=1)
        return self.layers(rows).view_as(x)

# %% [markdown]
# ### A U-Net
#
# Convolutions treat all places alike, so what is learnt about a stroke at the top holds at the bottom. But a 3 × 3 convolution sees only its neighbours, and whether a stroke belongs to a 3 or an 8 is decided far away. A U-Net looks at the picture at several sizes: **down**, until each place sees the whole digit;
# **up** again; and **skips** hand the fine detail across, which the coarse levels no longer have. Here is the one that you will write, with its default of 16 channels at full size.

# %%
def box(ax, x, y, text, colour):
    """A box with text at (x, y)."""
    frame = {"boxstyle": "round,pad=0.5", "facecolor": "none", "edgecolor": colour, "linewidth": 1.8}
    ax.text(x, y, text, ha="center", va="center", fontsize=8.5, bbox=frame)


def arrow(ax, start, end, text="", colour=plots.INK, shift=(0, 0.13)):
    """An arrow with a word beside its middle."""
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.6, "shrinkA": 0, "shrinkB": 0})
    middle = [(a + b) / 2 + s for a, b, s in zip(start, end, shift, strict=True)]
    ax.text(*middle, text, ha="center", va="center", fontsize=8, color=colour)

# %%
figure, ax = plt.subplots(figsize=(11, 4.6))
box(ax, 0, 3, "x and t\n1 × 28 × 28", plots.INK)
box(ax, 1.9, 3, "block\n16 × 28 × 28", plots.BLUE)
box(ax, 3.2, 1.8, "block\n32 × 14 × 14", plots.BLUE)
box(ax, 4.5, 0.6, "block\n64 × 7 × 7", plots.BLUE)
box(ax, 6.3, 0.6, "block\n64 × 7 × 7", plots.BLUE)
box(ax, 7.6, 1.8, "block\n32 × 14 × 14", plots.BLUE)
box(ax, 8.9, 3, "block\n16 × 28 × 28", plots.BLUE)
box(ax, 10.8, 3, "prediction\n1 × 28 × 28", plots.INK)
arrow(ax, (0.62, 3), (1.28, 3), "conv")
arrow(ax, (2.1, 2.73), (3.0, 2.07), "stride 2", shift=(-0.48, -0.05))
arrow(ax, (3.4, 1.53), (4.3, 0.87), "stride 2", shift=(-0.48, -0.05))
arrow(ax, (5.12, 0.6), (5.68, 0.6))
arrow(ax, (6.5, 0.87), (7.4, 1.53), "twice the size", shift=(0.68, -0.05))
arrow(ax, (7.8, 2.07), (8.7, 2.73), "twice the size", shift=(0.68, -0.05))
arrow(ax, (9.52, 3), (10.18, 3), "conv")
arrow(ax, (2.52, 3), (8.28, 3), "skip: 16 channels beside 16", plots.VERMILION)
arrow(ax, (3.82, 1.8), (6.98, 1.8), "skip: 32 channels beside 32", plots.VERMILION)
words = "every block is told the time: embedding of t → a few numbers → maps beside the features"
ax.text(5.4, 0.0, words, ha="center", color=plots.PURPLE)
ax.set(xlim=(-0.7, 11.5), ylim=(-0.2, 3.45), aspect="equal")
_ = ax.axis("off")

# %% [markdown]
# *The letter U. Down on the left: a block at 28 × 28 with 16 channels, at 14 × 14 with 32, at 7 × 7 with 64. Up on the right through the same sizes. Two red arrows, the skips, lead straight across at 28 × 28 and at 14 × 14 and join the features there as more channels.* Channels × height × width: when the picture shrinks, there is room for more channels at the same price.
#
# ### Time
#
# A convolution cannot do much with the number 713. As in notebooks 02 and 04 the time becomes waves; here they are those of Vaswani et al. (2017), with rates that fall from 1 to almost 1/10,000:
#
# $$\bigl(\sin(t\, r_0), \dots, \sin(t\, r_{K-1}),\; \cos(t\, r_0), \dots, \cos(t\, r_{K-1})\bigr), \qquad r_k = 10000^{-k/K}, \quad K = \texttt{dim} / 2 .$$
#
# The fast ones tell neighbours apart, the slow ones early from late.
#
# Mind the difference to notebook 02: there the exponent was divided by $K - 1$, as in the code of Ho et al., and the last rate was just 1/10,000. Here it is divided by $K$, as in
# the paper that invented these waves; the last rate is a little larger, and nothing is divided by zero at `dim` = 2. Neither is better, and both are found in libraries. But a trained network knows only the waves
# that it was trained with, so one has to keep to one of them.
#
# **Task.** Write `time_embedding`.

# %% answer="unet.time_embedding"
def time_embedding(t, dim):
    """Waves of t, as in Vaswani et al.: sin(t r_k) and cos(t r_k) with rates r_k = 10000^(-k / (dim/2)), k = 0 ... dim/2 - 1.

    Args:
        t: integers (B,), 0 <= t.
        dim: an even number.

    Returns:
        float32 tensor (B, dim): the dim/2 sines, then the dim/2 cosines, each in the order of k.
    """
    ### BEGIN SOLUTION
    rates = torch.exp(-math.log(10000.0) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angles = t[:, None] * rates
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)
    ### END SOLUTION

# %% check="unet.time_embedding" points=4
check("unet.time_embedding", time_embedding)

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 3.1), width_ratios=[2, 1])
waves = time_embedding(torch.arange(1000), 64)
mesh = axes[0].imshow(waves.T, aspect="auto", cmap="PuOr", interpolation="nearest")
axes[0].set(xlabel="t", ylabel="number in the embedding", title="64 numbers for each t")
figure.colorbar(mesh, ax=axes[0])
unit = F.normalize(waves, dim=1)
for t, colour in [(100, plots.BLUE), (500, plots.ORANGE), (900, plots.GREEN)]:
    axes[1].plot(unit @ unit[t], color=colour, lw=1.2, label=f"t = {t}")
axes[1].set(xlabel="t", ylabel="cosine of the angle", title="how alike are two times?", ylim=(0, 1.35))
axes[1].legend(ncols=3, fontsize=8, handlelength=1, loc="upper center", columnspacing=1)
for ax in axes:
    ax.grid(False)

# %% [markdown]
# *Left: stripes that are fine at the top and grow ever wider downwards, twice, for the sines and the cosines. Right: each of three times is exactly like itself only; its neighbours come next, and within a hundred steps the likeness has fallen to the level of all other times, with ripples.*
#
# ### Blocks
#
# A residual block computes a correction and adds it to what came in:
#
# $$h = \text{conv}_1\bigl([\text{SiLU}(\text{norm}(x)),\; \text{maps of } t]\bigr), \qquad \text{block}(x, t) = \text{by-pass}(x) + \text{conv}_2\bigl(\text{SiLU}(\text{norm}(h))\bigr) .$$
#
# The by-pass is nothing at all where the channels agree, and a 1 × 1 convolution where they do not. The time can come in in many ways. The plain one: a linear layer turns the embedding into a few numbers, each is repeated over the whole picture, and these constant maps join the features
# as more channels. Adding to the features, or scaling them, is right as well. What counts is that **every image of a batch has its own $t$**, and that its answer depends on nobody else's image.
#
# That is why norm is not batch normalisation. `nn.GroupNorm(1, channels)` brings the features of each image, by itself, to mean 0 and standard deviation 1, then lets each channel have a scale and a shift. It costs some speed and is worth it: take it out later,
# train both networks for a hundred steps, and compare their errors.
#
# **Task.** Write `ResidualBlock`.

# %% answer="unet.block"
class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions that see the time, around which x passes unchanged.

    Args:
        channels_in, channels_out: of the features. If they differ, x passes by a 1 x 1 convolution.
        time_dim: numbers in the time's embedding.
    """

    def __init__(self, channels_in, channels_out, time_dim):
        super().__init__()
        ### BEGIN SOLUTION
        self.time = nn.Linear(time_dim, 8)
        self.norm_in = nn.GroupNorm(1, channels_in)
        self.first = nn.Conv2d(channels_in + 8, channels_out, 3, padding=1)
        self.norm_between = nn.GroupNorm(1, channels_out)
        self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.by_pass = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()
        ### END SOLUTION

    def forward(self, x, emb):
        """Features x (B, channels_in, H, W) and embedded times emb (B, time_dim) to (B, channels_out, H, W)."""
        ### BEGIN SOLUTION
        maps = self.time(emb)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        h = self.first(torch.cat([F.silu(self.norm_in(x)), maps], dim=1))
        return self.by_pass(x) + self.second(F.silu(self.norm_between(h)))
        ### END SOLUTION

# %% check="unet.block" points=8
check("unet.block", ResidualBlock)

# %% [markdown]
# ### The whole
#
# **Task.** Write `DiffusionModel` after the diagram. It has to work for 28 × 28 and 32 × 32 pixels and for 1 and 3 channels: ask for sizes, do not write them down. Join a skip with `torch.cat(..., dim=1)`, so the block after it has more channels in. No activation follows the last convolution, since noise has both signs.

# %% answer="unet.model"
class DiffusionModel(nn.Module):
    """A U-Net: features on the full image, on half and on a quarter of its size, and up again, with skips between equal sizes.

    Args:
        image_size: height and width, divisible by 4 (28 and 32 are used).
        channels: of the images, 1 or 3.
    """

    def __init__(self, image_size, channels, width=16, time_dim=64):
        super().__init__()
        ### BEGIN SOLUTION
        self.time_dim = time_dim
        self.time = nn.Sequential(nn.Linear(time_dim, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim), nn.SiLU())
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.down_full = ResidualBlock(width, width, time_dim)
        self.to_half = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.down_half = ResidualBlock(2 * width, 2 * width, time_dim)
        self.to_quarter = nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)
        self.middle = nn.ModuleList([ResidualBlock(4 * width, 4 * width, time_dim) for _ in range(2)])
        self.up_to_half = nn.Conv2d(4 * width, 2 * width, 1)
        self.up_half = ResidualBlock(4 * width, 2 * width, time_dim)
        self.up_to_full = nn.Conv2d(2 * width, width, 1)
        self.up_full = ResidualBlock(2 * width, width, time_dim)
        self.head = nn.Conv2d(width, channels, 3, padding=1)
        ### END SOLUTION

    def forward(self, x, t):
        """What is predicted, of the shape of x, for images x (B, channels, H, W) and integer t (B,)."""
        ### BEGIN SOLUTION
        emb = self.time(time_embedding(t, self.time_dim))
        full = self.down_full(self.stem(x), emb)
        half = self.down_half(self.to_half(full), emb)
        h = self.to_quarter(half)
        for block in self.middle:
            h = block(h, emb)
        h = F.interpolate(self.up_to_half(h), scale_factor=2, mode="nearest")
        h = self.up_half(torch.cat([h, half], dim=1), emb)
        h = F.interpolate(self.up_to_full(h), scale_factor=2, mode="nearest")
        return self.head(F.silu(self.up_full(torch.cat([h, full], dim=1), emb)))
        ### END SOLUTION

# %% check="unet.model" points=18
check("unet.model", DiffusionModel)

# %%
def parameters(network):
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def speed(network, batch=64, repeats=4):
    """Images per second of a training step's forward and backward pass."""
    x, t = torch.randn(batch, 1, 28, 28), torch.randint(1000, (batch,))
    network(x, t).square().mean().backward()  # the first pass is slower
    start = time.perf_counter()
    for _ in range(budget(repeats, 1)):
        network(x, t).square().mean().backward()
    return batch * budget(repeats, 1) / (time.perf_counter() - start)


for network in (FcNetwork(), DiffusionModel(28, 1)):
    print(f"{type(network).__name__:15} {parameters(network):9,} parameters {speed(network):8,.0f} images/s")

# %% [markdown]
# With the reference's numbers of channels the U-Net has 262 thousand parameters and the fully connected network 1.1 million. The U-Net is much slower per parameter, since it uses every one of them at every place. Keep that in mind when somebody counts parameters to compare costs.
#
# **Optional: somebody else's U-Net.** The library `diffusers` has a U-Net with group normalisation and attention. Its default has 274 million parameters and four levels, which 28 × 28 pixels do not allow (28, 14, 7, then 3.5). Three narrow levels do. It returns an object, so a small class gives it the shape of ours.

# %%
try:
    from diffusers import UNet2DModel
except ImportError:
    UNet2DModel = None
    print("The library diffusers is not installed, so this cell is skipped. (pip install diffusers, if you are curious.)")


class DiffusersNetwork(nn.Module):
    """A three-level UNet2DModel, called like DiffusionModel."""

    def __init__(self, image_size, channels, sizes=(32, 64, 64)):
        super().__init__()
        self.inner = UNet2DModel(
            sample_size=image_size, in_channels=channels, out_channels=channels, block_out_channels=sizes, layers_per_block=1,
            norm_num_groups=8, down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        )  # fmt: skip

    def forward(self, x, t):
        return self.inner(x, t).sample


if UNet2DModel:
    network = DiffusersNetwork(28, 1)
    print(f"UNet2DModel {parameters(network):,} parameters, {speed(network):,.0f} images/s")

# %% [markdown]
# To use it, write `DiffusionProcess(28, 1, network=DiffusersNetwork(28, 1))` in what follows.
#
# ## 4 · Noise in, noise out
#
# The process holds the tables, the network and its optimizer. It is given; you write its methods. `spread` gives numbers of shape (B,) three more dimensions, so that they meet images and not columns.

# %% given=true
class DiffusionProcess:
    """The noise process on images, its network and its optimizer.

    Args:
        image_size, channels: of the images.
        network: called as network(x, t) with x (B, channels, H, W) and integer t (B,); a DiffusionModel if None.
        schedule, T: the noise schedule and the number of its steps.
        betas: (T,), instead of a schedule.
        predicts: what the network's output means: "eps", "x0" or "v".
        clip: whether a predicted x_0 is cut to [-1, 1], where pictures live.
        lr: Adam's learning rate.
    """

    def __init__(
        self, image_size, channels, network=None, *, schedule="linear", T=1000, betas=None, predicts="eps", clip=True, lr=1e-3
    ):
        self.betas = make_betas(schedule, T) if betas is None else betas
        self.alpha_bar = torch.cumprod(1 - self.betas, 0)
        self.T, self.predicts, self.clip = len(self.betas), predicts, clip
        self.shape = (channels, image_size, image_size)
        self.network = DiffusionModel(image_size, channels) if network is None else network
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=lr)

    def to(self, device):
        """Move everything to "cpu", "cuda" or "mps"; returns the process itself. Do it before training begins."""
        self.betas, self.alpha_bar, self.network = (thing.to(device) for thing in (self.betas, self.alpha_bar, self.network))
        return self


def spread(values, x):
    """values (B,) in the shape (B, 1, 1, 1), to go with images x (B, channels, H, W)."""
    return values.to(x).reshape(-1, 1, 1, 1)

# %% [markdown]
# Forward, in one jump, as in notebook 04:
#
# $$x_t = \sqrt{\bar\alpha_t}\; x_0 + \sqrt{1 - \bar\alpha_t}\; \varepsilon, \qquad \varepsilon \sim \mathcal{N}(0, I) .$$
#
# Both factors are **roots**; a handout writes $(1 - \bar\alpha_t)\, \varepsilon$, which is a variance in the place of a standard deviation.
#
# **Task.** Write `add_noise`. Each image has its own $t$ and each pixel its own noise.

# %% answer="mnist.add_noise"
@attach(DiffusionProcess)
def add_noise(self, x, t):
    """Images after t + 1 noise steps.

    Args:
        x: clean images (B, channels, H, W).
        t: integers (B,), 0 <= t <= T - 1, one for each image.

    Returns:
        The pair (noisy, noise), both of the shape of x; the noise is standard normal, different for every pixel and image.
    """
    ### BEGIN SOLUTION
    alpha_bar = spread(self.alpha_bar[t], x)
    noise = torch.randn_like(x)
    return alpha_bar.sqrt() * x + (1 - alpha_bar).sqrt() * noise, noise
    ### END SOLUTION

# %% check="mnist.add_noise" points=4
check("mnist.add_noise", DiffusionProcess)

# %%
torch.manual_seed(1)
one, times = data[4:5], torch.arange(0, 1000, 111)
figure, axes = plt.subplots(3, 1, figsize=(11, 4.2))
for ax, schedule in zip(axes, SCHEDULES, strict=True):
    process = DiffusionProcess(28, 1, schedule=schedule)
    noisy, _ = process.add_noise(one.expand(len(times), -1, -1, -1), times)
    show(noisy, f"{schedule}: t = {', '.join(str(int(t)) for t in times)}", ax, columns=len(times))

# %% [markdown]
# *Three rows of one digit that dissolves from left to right in ten steps. In the linear row it cannot be seen any more from the fifth or sixth picture on; in the quadratic row from the seventh; in the cosine row it glimmers until the seventh or eighth.* All of the steps behind that point teach the network next to nothing about digits, and sampling has to pay for them.
#
# The cosine row as a film, with the same noise at all times:

# %%
from helpers.animate import animate


def with_noise(t):
    """The first 24 digits after t + 1 steps, with the same noise for every t."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return process.add_noise(data[:24], torch.full((24,), t))[0]


animate([with_noise(t) for t in range(0, 1000, 37)], range(0, 1000, 37), title="cosine schedule")

# %% [markdown]
# *Animation: three rows of eight digits sink into grain; strokes can be made out until about t = 700.*
#
# ### What the network says
#
# Three targets, equivalent on paper. With $a = \sqrt{\bar\alpha_t}$ and $b = \sqrt{1 - \bar\alpha_t}$, so that $a^2 + b^2 = 1$ and $x_t = a\, x_0 + b\, \varepsilon$:
#
# | `predicts` | target | gives $x_0$ as |
# | --- | --- | --- |
# | `"eps"` | $\varepsilon$ | $(x_t - b\, \varepsilon) / a$ |
# | `"x0"` | $x_0$ | itself |
# | `"v"` | $v = a\, \varepsilon - b\, x_0$ | $a\, x_t - b\, v$ |
#
# Look at the divisions. At the noisy end $a$ is tiny, 0.006 for the linear schedule, and an error of the predicted noise is multiplied by 150. The velocity needs no division anywhere.
#
# **Task.** Write `target`.

# %% answer="mnist.target"
@attach(DiffusionProcess)
def target(self, x0, noise, t):
    """What the network should say: the noise, x_0, or the velocity sqrt(alpha_bar_t) noise - sqrt(1 - alpha_bar_t) x_0.

    Args:
        x0, noise: (B, channels, H, W).
        t: integers (B,), one for each image.

    Returns:
        (B, channels, H, W), as self.predicts ("eps", "x0" or "v") says.
    """
    ### BEGIN SOLUTION
    alpha_bar = spread(self.alpha_bar[t], x0)
    if self.predicts == "v":
        return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * x0
    return {"eps": noise, "x0": x0}[self.predicts]
    ### END SOLUTION

# %% check="mnist.target" points=3
check("mnist.target", DiffusionProcess)

# %% [markdown]
# One training step: draw $t$ and noise, ask, compare, step.
#
# $$L = \operatorname{mean}\bigl(\text{network}(x_t, t) - \text{target}\bigr)^2 \quad\text{over images, channels and pixels.}$$
#
# Notebook 04 summed over the dimensions; with 784 of them the mean keeps the number near 1, and Adam does not mind a factor.
#
# **Task.** Write `train_step`. Use your `add_noise` and `target`, and draw $t$ over the **whole** range, both ends included.

# %% answer="mnist.train_step"
@attach(DiffusionProcess)
def train_step(self, x):
    """One step of self.optimizer on the images x (B, channels, H, W), each with its own t, uniform on 0 ... T - 1, and noise.

    Returns:
        The loss before the step, a plain float: the mean over images, channels and pixels of the squared error of the
        network's output.
    """
    ### BEGIN SOLUTION
    t = torch.randint(self.T, (len(x),), device=x.device)
    noisy, noise = self.add_noise(x, t)
    loss = F.mse_loss(self.network(noisy, t), self.target(x, noise, t))
    self.optimizer.zero_grad()
    loss.backward()
    self.optimizer.step()
    return loss.item()
    ### END SOLUTION

# %% check="mnist.train_step" points=5
check("mnist.train_step", DiffusionProcess)

# %% [markdown]
# Now back. Whatever the network was trained to say, sampling needs the $x_0$ that it stands for: the right column of the table. A predicted pixel outside of $[-1, 1]$ cannot be right, so it is cut (`self.clip`); with predicted noise this is what keeps the first steps from blowing up.
#
# **Task.** Write `predict_x0`.

# %% answer="mnist.predict_x0"
@attach(DiffusionProcess)
def predict_x0(self, x_t, t):
    """The x_0 that the network's output at (x_t, t) stands for, as self.predicts ("eps", "x0" or "v") says.

    Args:
        x_t: (B, channels, H, W).
        t: integers (B,), one for each image.

    Returns:
        (B, channels, H, W); cut to [-1, 1] if self.clip is true.
    """
    ### BEGIN SOLUTION
    out, alpha_bar = self.network(x_t, t), spread(self.alpha_bar[t], x_t)
    if self.predicts == "eps":
        out = (x_t - (1 - alpha_bar).sqrt() * out) / alpha_bar.sqrt()
    elif self.predicts == "v":
        out = alpha_bar.sqrt() * x_t - (1 - alpha_bar).sqrt() * out
    return out.clamp(-1, 1) if self.clip else out
    ### END SOLUTION

# %% check="mnist.predict_x0" points=4
check("mnist.predict_x0", DiffusionProcess)

# %% [markdown]
# One step down. Given $x_t$ and $x_0$ the image before it is normal (notebook 04; Ho et al., eq. 7), and $\hat x_0$ from `predict_x0` takes the place of $x_0$:
#
# $$\mu = \frac{\sqrt{\bar\alpha_{t-1}}\, \beta_t}{1 - \bar\alpha_t}\, \hat x_0 + \frac{\sqrt{\alpha_t}\, (1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t}\, x_t,
# \qquad \tilde\beta_t = \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\, \beta_t, \qquad x_{t-1} = \mu + \sqrt{\tilde\beta_t}\; z .$$
#
# At $t = 0$ put $\bar\alpha_{-1} = 1$: then $\tilde\beta_0 = 0$ and $\mu = \hat x_0$. The last step answers with the network's picture, without noise.
#
# **Task.** Write `denoise`. `stochastic=False` gives $\mu$ itself; section 6 compares the two.

# %% answer="mnist.denoise"
@attach(DiffusionProcess)
@torch.no_grad()
def denoise(self, x_t, t, stochastic=True):
    """One denoising step for a whole batch, from noise level t to the one below it.

    The step draws from the posterior q(x_{t-1} | x_t, x_0) with self.predict_x0(x_t, t) in place of x_0; its variance is
    (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) beta_t. Below t = 0 there is no noise: alpha_bar_{-1} = 1.

    Args:
        x_t: images at noise level t, (B, channels, H, W).
        t: one whole number for all of them, 0 <= t <= T - 1.
        stochastic: if False, the posterior's mean instead of a draw.

    Returns:
        (B, channels, H, W).
    """
    ### BEGIN SOLUTION
    beta, alpha_bar = self.betas[t], self.alpha_bar[t]
    before = self.alpha_bar[t - 1] if t > 0 else torch.ones(())
    x0 = self.predict_x0(x_t, torch.full((len(x_t),), t, device=x_t.device))
    mean = (before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x_t) / (1 - alpha_bar)
    if not stochastic or t == 0:
        return mean
    return mean + ((1 - before) / (1 - alpha_bar) * beta).sqrt() * torch.randn_like(x_t)
    ### END SOLUTION

# %% check="mnist.denoise" points=4
check("mnist.denoise", DiffusionProcess)

# %% [markdown]
# **Task.** Write `sample`: from noise through all $t$ down to 0. With `frames` it keeps pictures on the way.

# %% answer="mnist.sample"
@attach(DiffusionProcess)
@torch.no_grad()
def sample(self, n, stochastic=True, *, x_T=None, frames=None):
    """n new images, from noise at t = T - 1 down, with self.denoise.

    Args:
        n: how many.
        stochastic: passed on to self.denoise.
        x_T: (n, channels, H, W) to start from; standard normal if None.
        frames: None, or a collection of whole numbers t, such as a list or a range, in any order and perhaps empty: the images that
            come out of the step at each of these t are kept.

    Returns:
        The images (n, channels, H, W) if frames is None. Otherwise, for an empty collection too, the pair of them and a list of the
        kept images, each (n, channels, H, W), in the order of sampling.
    """
    ### BEGIN SOLUTION
    device = next(self.network.parameters(), torch.empty(0)).device
    x = torch.randn(n, *self.shape, device=device) if x_T is None else x_T
    kept = []
    for t in reversed(range(self.T)):
        x = self.denoise(x, t, stochastic)
        if frames is not None and t in frames:
            kept.append(x)
    return x if frames is None else (x, kept)
    ### END SOLUTION

# %% check="mnist.sample" points=3
check("mnist.sample", DiffusionProcess)

# %% [markdown]
# **See it work before anything is trained.** Suppose that the data were *one* picture. Then the perfect network is known: it knows $x_0$, and computes the noise from it. With such a network your sampler must arrive at that picture from any noise. (About 2 seconds.)

# %%
class KnowsOnePicture(nn.Module):
    """The exact noise predictor of data that consist of a single picture, for a given table of alpha_bar."""

    def __init__(self, picture, alpha_bar):
        super().__init__()
        self.picture, self.alpha_bar = picture, alpha_bar

    def forward(self, x, t):
        a = spread(self.alpha_bar[t], x)
        return (x - a.sqrt() * self.picture) / (1 - a).sqrt()


torch.manual_seed(2)
process = DiffusionProcess(28, 1, network=nn.Conv2d(1, 1, 1), T=budget(1000, 10))
process.network = KnowsOnePicture(data[4:5], process.alpha_bar)
x, frames = process.sample(3, frames=range(0, process.T, max(1, process.T // 8)))
show(torch.cat([torch.stack(frames, 1).flatten(0, 1)]), "one picture, three times from noise", columns=len(frames))
print(f"largest difference from the picture: {(x - data[4:5]).abs().max():.2e}")

# %% [markdown]
# *Three rows from noise on the left to the same digit on the right.* If a digit appears in the middle and is lost again, or if the last column has noise left, the mistake is in `denoise` or `sample`, not in training.
#
# ## 5 · Training
#
# ### Average the weights
#
# Adam with a constant rate never comes to rest: the weights jitter around a good place. Their running average is nearer to it, and pictures show the difference sooner than losses do:
#
# $$\bar\theta \leftarrow \text{decay} \cdot \bar\theta + (1 - \text{decay}) \cdot \theta \quad\text{after each step.}$$
#
# A decay of 0.999 remembers about $1 / (1 - 0.999) = 1000$ steps. A run as short as ours must not remember its beginning: with 0.999 and 1,000 steps, more than a third of the "average" would still be the untrained network. We take 0.995.
#
# **Task.** Write `EMA`.

# %% answer="train.ema"
class EMA:
    """A moving average of a network's weights, which is sampled from instead of the last ones.

    Args:
        network: whose parameters are followed; it is not changed.
        decay: the share of the old average that stays at each update.

    Attributes:
        network: a copy of the network, which holds the average. At first the average is the network as it is. No gradients.
    """

    def __init__(self, network, decay=0.999):
        ### BEGIN SOLUTION
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False)
        ### END SOLUTION

    @torch.no_grad()
    def update(self, network):
        """Move the average towards the network's present parameters: average <- decay * average + (1 - decay) * parameter."""
        ### BEGIN SOLUTION
        for mean, parameter in zip(self.network.parameters(), network.parameters(), strict=True):
            mean.lerp_(parameter, 1 - self.decay)
        ### END SOLUTION

# %% check="train.ema" points=4
check("train.ema", EMA)

# %% given=true
export("diffusion", time_embedding, ResidualBlock, DiffusionModel, make_betas, spread, DiffusionProcess, EMA)

# %% [markdown]
# ### A script that can be interrupted
#
# The line above wrote your answers to `diffusion.py`, so that a file can import them. (Change an answer, and run that cell again.) The next cell is a file, too: running it writes `train.py`. `helpers.checkpoints` saves and loads everything that a run needs to go on as if it had never stopped: weights, averages, Adam's
# memory, the losses, and the state of the random numbers.
#
# **Task.** Write the body of `train`. In a terminal, in the folder of this notebook, the script then runs by itself:
#
# `python train.py --minutes 10 --folder runs/mine`
#
# (If Python does not find `helpers`: `PYTHONPATH=../.. python train.py ...`; in Colab, a cell with `!python train.py ...`.) Press Ctrl-C whenever you like, and start it again with the same `--folder`: it goes on from its last checkpoint. If you think about devices: `--device cuda` (or `mps`) moves the process and the images, and new tensors are made where the images are.

# %% answer="train.script"
%%writefile train.py
"""Train the diffusion model of notebook 05: python train.py --minutes 10 --folder runs/mine"""

import time

import torch

from diffusion import EMA
from helpers import checkpoints, progress_bar


def train(process, images, *, steps=None, minutes=None, batch_size=64, decay=0.999, folder=None, save_every=500, on_epoch=None):
    """Train process on images until `steps` steps are done in all or `minutes` are used up, whichever comes first.

    Each step calls process.train_step on batch_size images, each drawn at random from all of them, and then updates the average.
    An epoch is len(images) // batch_size steps.

    Args:
        process: has train_step(x) -> float, network and optimizer.
        images: (N, channels, H, W), in [-1, 1].
        steps: number of steps in all, with those of an earlier run in the same folder.
        minutes: time for this call.
        batch_size: images in a step.
        decay: of the EMA weights.
        folder: for checkpoints; none if None. A run that finds one in there goes on from it as if there had been no break:
            checkpoints.load(folder, process, ema) puts everything back and returns the losses so far, [] if there is no checkpoint.
        save_every: steps between two checkpoints, counted from the first step of all; there is one at the end too. checkpoints.save(folder, process, ema, losses).
        on_epoch: called as on_epoch(epoch, ema.network) after each epoch, epochs counted from 1.

    Returns:
        The pair (ema, losses): the EMA object, and one float for each step since the very first.
    """
    ### BEGIN SOLUTION
    ema = EMA(process.network, decay)
    losses = [] if folder is None else checkpoints.load(folder, process, ema)
    end = float("inf") if minutes is None else time.monotonic() + 60 * minutes
    steps = 10**9 if steps is None else steps
    epoch = max(1, len(images) // batch_size)
    for step in progress_bar(range(len(losses) + 1, steps + 1), "training"):
        rows = torch.randint(len(images), (batch_size,))
        losses.append(process.train_step(images[rows]))
        ema.update(process.network)
        if on_epoch is not None and step % epoch == 0:
            on_epoch(step // epoch, ema.network)
        if folder is not None and step % save_every == 0:
            checkpoints.save(folder, process, ema, losses)
        if time.monotonic() > end:
            break
    if folder is not None:
        checkpoints.save(folder, process, ema, losses)
    return ema, losses
    ### END SOLUTION


if __name__ == "__main__":
    import argparse

    from diffusion import DiffusionProcess
    from helpers import images

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--folder", default="runs/mine")
    parser.add_argument("--schedule", default="cosine")
    parser.add_argument("--predicts", default="v")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    options = parser.parse_args()
    digits = images.mnist("train")
    print(digits.source)
    pixels = images.scaled(digits.images).to(options.device)
    process = DiffusionProcess(28, 1, schedule=options.schedule, predicts=options.predicts, lr=3e-3).to(options.device)
    ema, losses = train(process, pixels, minutes=options.minutes, batch_size=32, folder=options.folder)
    print(f"{len(losses):,} steps, last losses {sum(losses[-100:]) / len(losses[-100:]):.4f}")

# %% given=true
import train

importlib.reload(train)

# %% check="train.script" points=8
check("train.script", train, DiffusionProcess)

# %% [markdown]
# **Does it really go on as if nothing had happened?** A tiny network, 30 steps in one go, and 18 steps, a fresh start and the other 12. (About a second.)

# %%
def tiny_run(folder, *stops):
    """Train a tiny network up to each of the stops, each time from a process that knows nothing but the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for stop in stops:
        torch.manual_seed(4)
        process = DiffusionProcess(28, 1, DiffusionModel(28, 1, width=4), T=100)
        ema, losses = train.train(process, data[:500], steps=budget(stop), batch_size=8, folder=folder)
    return torch.cat([parameter.flatten() for parameter in ema.network.parameters()]), losses


whole, whole_losses = tiny_run("runs/whole", 30)
parts, parts_losses = tiny_run("runs/parts", 18, 30)
print(f"losses: {len(whole_losses)} and {len(parts_losses)}, the same: {whole_losses == parts_losses}")
print(f"largest difference of an averaged weight: {(whole - parts).abs().max():.1e}")

# %% [markdown]
# Both lists should have 30 losses and agree to the last digit. If yours differ from the 19th on, something that belongs to a run was not put back, or was put back too late.
#
# ### The choices that matter
#
# Three minutes on a CPU are few steps: one or two thousand, where published recipes take half a million. Each of these choices buys some of that back.
#
# 1. **What is in a step.** On a CPU, twice the batch takes twice the time. The gradient of 32 images is good enough to step on, so 32 it is, and not 512: more steps instead. The rate belongs to it: 0.003 works for this network; at a tenth of it three minutes are over before anything happens, and at ten times that the loss jumps.
# 2. **How the numbers are stored.** Convolutions on a CPU run faster when the channels of a pixel lie side by side (`channels_last`), and on processors with instructions for it, in 16-bit floats (`bfloat16`). On a processor without, bfloat16 is ten times *slower*: so the next cell asks first, and measures.
# 3. **Predict $v$ on the cosine schedule.** Where most steps are spent, and how errors are amplified on the way back: section 8 measures both choices.
# 4. **EMA**, with a memory that fits the run.

# %%
def fast(wanted=True):
    """A context in which layers compute in bfloat16, if that is wanted and this processor has instructions for it."""
    # cache_enabled=False: else the 16-bit copies of the weights are kept, and the training would go on with stale ones
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted and shipped.has_bfloat16(), cache_enabled=False)


print("bfloat16 in hardware:", shipped.has_bfloat16(), "  threads:", torch.get_num_threads())
for layout, name in [(torch.contiguous_format, "as usual"), (torch.channels_last, "channels last")]:
    for wanted in [False, True][: 1 + shipped.has_bfloat16()]:
        with fast(wanted):
            rates = [speed(DiffusionModel(28, 1).to(memory_format=layout), batch) for batch in (16, 32, 256)[: budget(3, 1)]]
        kind = "bfloat16" if wanted else "float32"
        print(f"{name:14} {kind:9} images/s with batches of 16, 32, 256:", *[f"{rate:7,.0f}" for rate in rates])

# %% [markdown]
# ### Fewer steps for a quick look
#
# The process has 1,000 steps, and sampling calls the network in each: that is slow on a CPU (section 6 takes the time). For quick looks we use every 20th. Choose 50 of the times, $\tau_0 < \dots < \tau_{49} = T - 1$, and regard them as a process of their own. It must have the same $\bar\alpha$ at
# these times, so its steps are larger (Nichol and Dhariwal, section 4):
#
# $$\beta'_i = 1 - \frac{\bar\alpha_{\tau_i}}{\bar\alpha_{\tau_{i-1}}}, \qquad \bar\alpha_{\tau_{-1}} = 1 .$$
#
# The network has to be asked with the old number of the step, $\tau_i$. Nothing else changes: your own class does the sampling.

# %%
class Respaced(nn.Module):
    """A network that is asked at step i about the time times[i]."""

    def __init__(self, network, times):
        super().__init__()
        self.network, self.times = network, times

    def forward(self, x, t):
        return self.network(x, self.times[t])


def respaced(process, network=None, steps=50):
    """A process with fewer steps through the same noise levels, with the process's network or another one."""
    times = torch.linspace(process.T / steps, process.T, steps).round().long() - 1
    alpha_bar = process.alpha_bar[times]
    betas = 1 - alpha_bar / F.pad(alpha_bar[:-1], (1, 0), value=1.0)
    network = Respaced(process.network if network is None else network, times)
    return DiffusionProcess(28, 1, network, betas=betas, predicts=process.predicts)


def quick(process, n, network=None, stochastic=True, seed=0):
    """n images in 50 steps, 250 at a time; the same seed gives the same noise."""
    torch.manual_seed(seed)
    small = respaced(process, network, steps=budget(50))
    with fast():
        return torch.cat([small.sample(len(part), stochastic) for part in progress_bar(torch.empty(n).split(250), "sampling")])

# %% [markdown]
# ### Train
#
# **Three minutes.** An epoch here is one pass through 10,000 images, also if you have the full set: so there are several in three minutes. After each epoch the averaged network draws the same 12 pictures from the same noise. Run the cell again and it goes on where it stopped, for another three minutes; to begin
# afresh, delete the folder `runs/digits`. Another three minutes help a lot.

# %%
def new_process(network=None, **changes):
    """A process with the recipe of this notebook, or with some of its choices changed."""
    network = DiffusionModel(28, 1) if network is None else network
    recipe = {"schedule": "cosine", "predicts": "v", "lr": 3e-3, **changes}
    return DiffusionProcess(28, 1, network.to(memory_format=torch.channels_last), **recipe)


snapshots = {}


def keep_samples(epoch, network):
    """Keep 12 pictures of this epoch, without disturbing the random numbers of the training."""
    with torch.random.fork_rng():
        snapshots[epoch] = quick(process, budget(12), network)

# %%
from helpers.live import live

torch.manual_seed(5)
process, start = new_process(), time.perf_counter()
with fast(), live(process, "train_step", window=50, ylim=(0, 1), keep=False):
    ema, losses = train.train(
        process, data[:10_000], minutes=budget(180, 1) / 60, batch_size=32, decay=0.995, folder="runs/digits", on_epoch=keep_samples
    )
if not snapshots:  # not one epoch was completed
    keep_samples(0, ema.network)
print(f"{len(losses):,} steps in all, {(time.perf_counter() - start) / 60:.1f} minutes in this call")

# %%
ax = plots.loss_curve(losses, window=50)
share = process.alpha_bar.mean()
ax.axhline(share + (1 - share) * data.var(), color=plots.INK, ls=":", label="the mean of v at each t")
ax.set(ylim=(0, 1), title="training loss: mean squared error of v")
_ = ax.legend()

# %% [markdown]
# *The loss of the batches, a thin jagged line, falls from 1 to below 0.2 within some 200 steps, past the dotted line of a network that knows the mean of v at each t and no more, and then creeps down so slowly that nobody can see it.* Nine tenths of the steps look as if nothing happened. Now look at the pictures.
#
# **Samples at several epochs.**

# %%
chosen = sorted(snapshots)
chosen = chosen[:: max(1, -(-len(chosen) // 8))]
show_row([(f"epoch {epoch}", snapshots[epoch]) for epoch in chosen], columns=3, size=1.7)

# %% [markdown]
# *Grids of 12 pictures from the same noise. After epoch 1 there are specks, after epoch 2 pieces of strokes, after epoch 3 strokes that mostly hang together; later epochs close loops and repair single digits.* The same noise leads to the same digit in all later epochs: the network only refines what it says.

# %%
torch.manual_seed(6)
show(quick(process, budget(64), ema.network, seed=6), "64 samples of the averaged network, 50 steps", columns=16)

# %% [markdown]
# *Four rows of 16 pictures. Nearly all have clean strokes on black. After 2,300 steps more than half are digits that you would read without hesitation, after 1,400 about a third; the others are characters that do not exist.*

# %%
small = respaced(process, ema.network, steps=budget(50))
with torch.random.fork_rng(), fast():
    torch.manual_seed(6)
    start_noise = torch.randn(24, 1, 28, 28)
    _, way = small.sample(24, x_T=start_noise, frames=range(small.T))
animate([start_noise, *way], label="step", title="from noise to digits")

# %% [markdown]
# *Animation: 24 pictures of pure noise; for about a third of the steps only grain is to be seen; then dark grounds and bright strokes come through it, and the last steps clean up.* Local detail is learnt first, and which strokes go together last. Now longer, if you like: run the training cell a second and third time, or take the full set in a terminal for an hour, and see what improves.

# %% [markdown] written="mnist.training" points=8
# ### Question: your training run
#
# Train your own model, and report your own run, not the numbers in the text. Say for how long, on how many images, and with which batch, rate, decay, schedule and target, and give your reason for each of them in half a sentence. Leave in the notebook (a) the loss curve, (b) samples at three or more epochs, and (c) a grid of 64 samples
# at the end.
#
# Then: what changed in the pictures while the loss curve looked flat? What does the averaged network do better than the last one? (Make a grid with `process.network` in the place of `ema.network`.)
#
# === BEGIN MARK SCHEME ===
#
# Marked from the submitted outputs; nothing is run again.
#
# 1. (2) Loss curve of the student's own run, axes labelled, that goes down and is not cut where it begins. One point if there is a curve without labels, or of a run that was obviously broken (NaN, flat).
#
# 2. (2) Samples at three or more epochs, from which progress can be seen. One point for two epochs.
#
# 3. (2) 64 final samples, most of which are readable digits: cover the labels and read aloud; at least about 40 of 64 for both points, about 20 for one. Strokes without digits: 0. The three minutes may be extended until it works.
#
# 4. (1) Choices named and each with a reason that is about this task (budget, batch against steps, memory of the EMA against the length of the run). One half if a list without reasons.
#
# 5. (1) Pictures improve (strokes join, stray dots vanish, fewer impossible digits) while the loss hardly moves, since most of it is noise that nobody can predict; averaged weights give cleaner strokes, fewer specks. One half for one of the two.
#
# **Anchor, full (8):** curve, epochs 1, 4, 8, 12, grid with 45 readable digits; "32 and 3e-3 because steps are what I have few of; decay 0.995 remembers 200 of my 2,300 steps; from step 800 on the loss falls by 0.01 only, but broken loops close".
#
#
#
# **Anchor, half (4):** curve and last grid, about 25 readable; one epoch only; "default values"; "the loss is noisy".
#
#
#
# **Anchor, zero:** no outputs, or outputs that are noise, or pictures of the training data.
#
# === END MARK SCHEME ===

# %% [markdown]
# ## 6 · Sampling
#
# **All 1,000 steps.** How long does that take, and does it look better than 50? The same number of pictures both times. (About 20 seconds.)

# %%
full = respaced(process, ema.network, steps=budget(1000, 10))  # with 1,000 steps this is the process itself
kept = {999, 800, 600, 500, 400, 300, 200, 100, 50, 0}
torch.manual_seed(7)
start = time.perf_counter()
with fast():
    slow_pictures, frames = full.sample(16, frames=kept)
slow_seconds, start = time.perf_counter() - start, time.perf_counter()
quick_pictures = quick(process, 16, ema.network, seed=7)
quick_seconds = time.perf_counter() - start
print(f"16 pictures in {full.T:,} steps: {slow_seconds:.1f} s; in 50 steps: {quick_seconds:.1f} s")

# %%
stages = torch.stack(frames, 1)[:4].flatten(0, 1)
show(stages, "after the steps at t = 999, 800, 600, 500, 400, 300, 200, 100, 50, 0", columns=len(frames))
show_row([("1,000 steps", slow_pictures), ("50 steps", quick_pictures)], columns=4)

# %% [markdown]
# *Above: four pictures on their way. At t = 800 there is nothing but noise to see; between 600 and 400 it is decided what it will be; after that only edges get sharper. Below: 16 digits in 1,000 steps and 16 in 50.* On the cosine schedule and with a cut $\hat x_0$, 50 steps look about as good as 1,000 and take about a twentieth of the time. We use 50 from now on,
# and say so.
#
# ### Two samplers
#
# $\mu$ with noise of variance $\tilde\beta_t$, or $\mu$ alone. Some texts call the second one DDIM. It is not: DDIM (notebook 06) changes the mean when it takes the noise away. (About 15 seconds.)

# %%
two = {"stochastic": [], "deterministic": []}
for name, found in two.items():
    for steps in (budget(50), budget(250)):
        torch.manual_seed(8)
        with fast():
            found.append(respaced(process, ema.network, steps).sample(24, name == "stochastic"))
show_row([(f"{name}, {steps} steps", x) for name, found in two.items() for steps, x in zip((50, 250), found, strict=True)])

# %%
print(f"{'':30}     ink    how much the pictures differ (standard deviation of a pixel, mean)")
rows = {f"{name}, {steps} steps": x for name, found in two.items() for steps, x in zip((50, 250), found, strict=True)}
for name, x in {**rows, "training images": data[:1000]}.items():
    print(f"{name:30} {((x + 1) / 2).mean():8.3f} {x.std(0).mean():12.3f}")

# %% [markdown]
# *Four grids. Stochastic, in 50 and in 250 steps: 24 different pictures with strong strokes. Deterministic, with either number of steps: 24 times the same digit, although the 24 noises were different.* Compare the last column of the table. Why should that be?

# %% [markdown] written="mnist.two_samplers" points=5
# ### Question: two samplers
#
# (a) Both samplers start from the same noise. Describe what you see: quality, diversity, strokes, and what happens to each when the number of steps grows from 50 to 250.
#
# (b) Explain it. What is the law of the stochastic step's result if the network is perfect, and what is missing in the law of the deterministic one? Think of one pixel
# with a normal law, if you like, and say what happens to its variance.
#
# (c) Name one advantage of each kind of sampler in practice.
#
# (d) A handout multiplies the noise by $\tilde\beta_t$ instead of its root. Between which of your two samplers is that one, and why, when all $\beta_t$ are small?
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) Observation that agrees with the student's own figure: stochastic gives varied digits with full strokes, about as good in 50 as in 250 steps; the deterministic mean gives (almost) the same picture from every noise, with any number of steps.
#
# 2. (2) Explanation. The stochastic step with a perfect network (and small steps) draws from q(x_{t−1} | x_t), so the marginal law at each t is right; one point. The mean alone leaves out the variance β̃_t of every step, so the variance of what comes out is too small: each step contracts all points towards each other and nothing puts the lost variance
#    back, so that the start is forgotten and all end at one point; the network is also asked about points with less noise than its t says; one point. A computation for a normal pixel counts for both.
#
# 3. (1) An advantage of each *kind*: deterministic (a good one, such as an ODE or DDIM): the same start gives the same picture, so it can be repeated, edited, interpolated, inverted. Stochastic: errors of earlier steps are forgotten; here also the right law and variety. That the mean-only sampler has hardly any use is right, too. One half for one.
#
# 4. (1) With the variance in the place of its root the noise is far too small when β̃ is small (0.01 instead of 0.1): almost the deterministic sampler. One half for the direction without a reason.
#
# **Anchor, full (5):** "Mean-only: 24 times the same 9; the stochastic ones all differ. For N(0, s²) the mean step multiplies by a factor below 1 and q adds β̃; without it the product of the factors takes the variance to almost 0. Deterministic: reproducible; stochastic: right law. β̃ ≪ √β̃, so the handout's sampler is nearly the mean."
#
#
#
# **Anchor, half (2.5):** the right observation; "noise gives diversity" as the explanation; one advantage; (d) "too little noise".
#
#
#
# **Anchor, zero:** "both give digits, deterministic is faster".
#
# === END MARK SCHEME ===

# %% [markdown]
# ## 7 · Measuring pictures
#
# Looking is the first measure, and not a bad one. But you look at 64 pictures and like the good ones. Four numbers that look at more:
#
# * **Fréchet distance (FD).** Take features of real and of generated pictures from a classifier, describe each cloud by its mean $m$ and covariance $C$, and compare the two as if they were normal:
#   $\;|m_1 - m_2|^2 + \operatorname{tr}\bigl(C_1 + C_2 - 2 (C_1 C_2)^{1/2}\bigr)$. With the Inception network it is called FID; ours is a small classifier of digits, so the numbers are not FIDs and compare with nobody else's.
# * **Confidence** of that classifier: blobs make it hesitate.
# * **Balance**: is every digit drawn as often as it should be?
# * **Memorisation**: a copy machine has a perfect FD. So: how far is the nearest training picture, and how far is it for test pictures?
#
# **No number without its floor and its $n$.** FD is too large when $n$ is small, even for real pictures. (About 30 seconds.)

# %%
N = 500
samples = quick(process, budget(N, 20), ema.network, seed=9)
score, floor = pictures.score(samples), pictures.floors(len(samples))
print("YOUR MODEL", score, "\n\nREAL TRAINING IMAGES, the floor", floor, sep="\n")

# %%
sizes = [n for n in (50, 100, 200, 500, 1000, 2000) if n <= budget(2000, 20)] or [20]
real_distances = [pictures.floors(n).frechet for n in progress_bar(sizes, "floors")]
own_sizes = [n for n in sizes if n <= len(samples)]
own_distances = [pictures.frechet_distance(samples[:n]) for n in own_sizes]
test_nearest = pictures.nearest(test_digits.images[:1000], digits.images)[1]

# %%
figure, axes = plt.subplots(1, 3, figsize=(13, 3.3))
axes[0].loglog(sizes, real_distances, "s--", color=plots.INK, label="real training images (floor)")
axes[0].loglog(own_sizes, own_distances, "o-", color=plots.BLUE, label="your model")
axes[0].set(xlabel="number of pictures n", ylabel="FD to the test images", title="the distance depends on n")
axes[1].bar(torch.arange(10) - 0.2, 100 * score.shares, 0.4, color=plots.BLUE, label="your model")
axes[1].bar(torch.arange(10) + 0.2, 100 * floor.shares, 0.4, color=plots.INK, label="real")
axes[1].set(xlabel="digit, says the classifier", ylabel="% of pictures", xticks=range(10), title="balance")
for distances, name, colour in [(test_nearest, "test images", plots.INK), (score.distance, "your model", plots.BLUE)]:
    share = torch.full_like(distances, 100 / len(distances))
    axes[2].hist(distances, bins=40, range=(0, 22), weights=share, alpha=0.6, color=colour, label=name)
axes[2].set(xlabel="distance to the nearest training image", ylabel="% of pictures", title="memorisation")
for ax in axes:
    ax.legend(fontsize=8)

# %% [markdown]
# *Left, both axes logarithmic: the distance of real training images falls from about 50 for 50 pictures to 3 for 2,000; your model's curve lies far above and falls less. Middle: pairs of bars for the ten digits, which do not quite agree. Right: your samples lie a little farther from the training images than test images do, and none is close to 0; the small hump
# of the test images near 4 is their 1s.* So an FD of 5 would be perfect with 500 pictures and poor with 2,000. And a network that has seen each image a few times has not learnt any by heart.

# %%
closest = score.distance.argsort()[:10]
pairs = torch.cat([samples[closest], images.scaled(digits.images[score.nearest[closest]])])
show(pairs, "the ten samples that are nearest to a training image, and below each that image", columns=10)

# %% [markdown]
# *Two rows of ten digits, mostly 1s. Those below are similar to those above, with other edges and slants: relatives, not copies.* Most of the nearest are 1s, simply because all 1s are alike. A model that copied would show the same strokes, pixel by pixel, and its histogram would pile up near 0.
#
# ## 8 · Experiments at an equal budget
#
# Now change one choice at a time: three schedules, two targets, and the fully connected network of the handout. Each gets **60 seconds** of training, not the same number of steps: what a minute buys is the question. (About 6 minutes, and one more for the samples.)

# %%
variants = {
    "cosine, v": {},
    "linear, v": {"schedule": "linear"},
    "quadratic, v": {"schedule": "quadratic"},
    "cosine, eps": {"predicts": "eps"},
    "linear, eps": {"schedule": "linear", "predicts": "eps"},
    "fully connected": {"network": FcNetwork},
}
runs = {}
for name, changes in variants.items():
    torch.manual_seed(10)
    network = changes.get("network", lambda: DiffusionModel(28, 1))()
    run = new_process(**{**changes, "network": network})
    with fast():
        average, run_losses = train.train(run, data[:10_000], minutes=budget(60, 1) / 60, batch_size=32, decay=0.99)
    runs[name] = run, average.network, run_losses
    print(f"{name:16} {len(run_losses):6,} steps, last losses {sum(run_losses[-50:]) / len(run_losses[-50:]):.3f}")

# %%
drawn, scores = {}, {}
for name, (run, network, _) in runs.items():
    drawn[name] = quick(run, budget(250, 20), network, seed=11)
    scores[name] = pictures.score(drawn[name])
real = pictures.floors(len(drawn[name])).frechet
print(f"{'':16} steps  FD of {len(drawn[name])}     sure   balance off by     (FD of as many real images: {real:.0f})")
for name, found in scores.items():
    print(f"{name:16} {len(runs[name][2]):6,} {found.frechet:9.0f} {found.confidence:11.0%} {found.imbalance:10.0%}")

# %%
show_row([(name, drawn[name][:12]) for name in drawn], columns=3, size=2.2)

# %% [markdown]
# *Six grids of 12. The five U-Nets look much alike: strokes that begin to hang together, few of them digits yet; the fully connected network draws white specks, denser in the middle.* In the table, mind the steps: how many fit in a minute depends on what else the computer was doing. With few pictures and short training, small differences of FD mean nothing; large ones do.
#
# ### The fully connected network
#
# It takes several times as many steps in its minute, and what it draws knows where ink is likely but has no strokes: that neighbouring pixels belong together is nothing that it was told, and a minute is too short to find out. It also has to pass the noise of 784 pixels through 512 numbers, and it was given the U-Net's rate; a smaller one and more time would do it good. The U-Net has a quarter of the parameters. Knowing that an image is an image is worth more than parameters.
#
# ### Schedules and targets
#
# Training losses of different schedules cannot be compared: they average over different noise levels, and a schedule that asks many easy questions has a low loss. What can be compared is the error **at the same noise level**. Each network is asked about the same test images at the same signal-to-noise
# ratio, and its answer is turned into $x_0$ by `predict_x0`.

# %%
@torch.no_grad()
def error_by_level(run, network, levels, n=200):
    """Mean squared error of x_0 at each signal-to-noise ratio of levels, on n test images with the same noise."""
    asked = new_process(network, predicts=run.predicts)
    asked.betas, asked.alpha_bar = run.betas, run.alpha_bar
    generator, errors = torch.Generator().manual_seed(0), []
    x0 = to_model(dequantise(test_digits.images[:n], generator))
    noise = torch.randn(n, 1, 28, 28, generator=generator)
    for level in levels:
        t = (run.alpha_bar.logit() - torch.tensor(level).log()).abs().argmin().expand(n)
        a = spread(run.alpha_bar[t], x0)
        errors.append(F.mse_loss(asked.predict_x0(a.sqrt() * x0 + (1 - a).sqrt() * noise, t), x0).item())
    return errors


levels = torch.logspace(-2.5, 2.5, budget(16, 3)).tolist()
with fast():
    errors = {name: error_by_level(run, network, levels) for name, (run, network, _) in progress_bar(runs.items(), "levels")}

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 3.7))
colours = [plots.GREEN, plots.BLUE, plots.ORANGE, plots.GREEN, plots.BLUE, plots.INK]
for (name, (_, _, run_losses)), colour, line in zip(runs.items(), colours, ["-", "-", "-", ":", ":", "--"], strict=True):
    smooth = torch.tensor(run_losses).unfold(0, min(40, len(run_losses)), 1).mean(1)
    axes[0].plot(torch.linspace(0, 60, len(smooth)), smooth, line, color=colour, label=name)
    axes[1].loglog(levels, errors[name], line, color=colour, lw=2, label=name)
axes[0].set(xlabel="seconds of training", ylabel="training loss, mean of 40 steps", ylim=(0, 0.9), title="cannot be compared between curves")
axes[1].set(xlabel="signal to noise, from noise (left) to data (right)", ylabel="squared error of $x_0$", title="can be compared")
axes[1].legend(fontsize=8)

# %% [markdown]
# *Left: loss curves of six runs, in different heights: with ε they lie lowest, the fully connected one highest. Right, both axes logarithmic: the error of x₀ falls from left, only noise, to right, almost data. The U-Nets lie close together, except at the far left, where the two dotted curves of the ε-predictors rise above the error of a constant answer; the dashed curve
# of the fully connected network is far above the others in the middle.* The run with the lowest loss on the left is not the one with the best pictures: compare with the table.

# %% [markdown] written="mnist.schedules" points=5
# ### Question: schedules and stability
#
# Compare the linear, the quadratic and the cosine schedule, with your own figures from above: the curves of $\bar\alpha_t$ (section 2), the dissolving digits (section 4), the loss curves, the error at equal noise level, the samples and the FD, at an equal budget.
#
# (a) Where does each schedule spend its steps, and how does that show in the error curves?
#
# (b) Why must the training losses not be compared directly?
#
# (c) What did the target ($v$ or $\varepsilon$) change, and at which end does it matter?
#
# (d) How sure are you? State the difference of FD that you would take seriously, with the number of samples, and what you would run to be surer.
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) Where the steps go: linear wastes its last third or more on near-noise (SNR below 1/100), quadratic less so, and spends more near the data; cosine is spread evenly over middle levels. Tied to a figure.
#
# 2. (1) Error curves read correctly, as they are in the student's own output: each schedule is relatively better where it spends more steps; differences are modest at equal budget. One half for a claim that the figure does not show.
#
# 3. (1) Losses are averages over different distributions of noise level, and for different targets in different units, so a lower loss may be an easier question.
#
# 4. (1) ε at the noisy end: x_0 = (x_t − bε)/a divides by a tiny a, so errors of ε blow up (right error curves at low SNR, samples with wrong overall brightness or broken forms); v has no such division. Where the training is long, the difference shrinks. One half for the observation without a reason.
#
# 5. (1) Uncertainty: FD of 250 samples has a floor and a spread (another sampling seed, and another training seed, to see it); says what would be run (more seeds, more samples, longer training). One half for "run longer" alone.
#
# **Anchor, full (5):** "ᾱ of linear is below 0.01 from about t = 670 on [figure], so a third of its training teaches nothing; its x_0 error is 10 % higher at SNR 1 and the same at 100. Losses: linear 0.05 is lower only because most questions are easy in ε. ε fails left of SNR 0.01. Two seeds of FD differ by 25 at n = 250, so cosine against quadratic, 10 apart, is a draw."
#
#
#
# **Anchor, half (2.5):** right ranking from samples, ᾱ curves described, "loss of cosine is higher but samples are better"; nothing on uncertainty.
#
#
#
# **Anchor, zero:** ranks schedules by training loss, or quotes literature without own figures.
#
# === END MARK SCHEME ===

# %% [markdown]
# ### Which times are hardest?
#
# How large can the loss at a given $t$ be at best? For real digits nobody knows. For *Gaussian* images it is exact. Let $C$ be the covariance of the training pixels, with eigenvalues $\lambda_i$. If images were normal with this covariance, the best prediction of the noise would be linear, and its error, a mean over the $d = 784$ pixels,
#
# $$L_\varepsilon(t) = \frac1d \sum_i \frac{\bar\alpha_t\, \lambda_i}{\bar\alpha_t\, \lambda_i + 1 - \bar\alpha_t}, \qquad
# L_{x_0} = \frac{1 - \bar\alpha_t}{\bar\alpha_t}\, L_\varepsilon, \qquad L_v = \frac{1}{\bar\alpha_t}\, L_\varepsilon .$$
#
# (The last two hold for *every* predictor: it is one error in three units.) And since this linear predictor only uses mean and covariance, it reaches exactly this loss on real digits as well: it is what one can know **without knowing that they are digits**. A trained network should be below. (About 20 seconds.)

# %%
centred = data[:10_000].flatten(1) - data[:10_000].flatten(1).mean(0)
eigenvalues = torch.linalg.eigvalsh(centred.T @ centred / len(centred)).clamp(min=0)
a = process.alpha_bar[:, None]
gaussian = (a * eigenvalues / (a * eigenvalues + 1 - a)).mean(1)  # the exact loss in eps at every t

torch.manual_seed(12)
asked, x0 = torch.linspace(0, 999, budget(40, 4)).long(), to_model(dequantise(test_digits.images[:250]))
trained, base = [], process.alpha_bar
with torch.no_grad(), fast():
    for t in progress_bar(asked, "times"):
        times = t.expand(len(x0))
        noisy, noise = process.add_noise(x0, times)
        gap = ema.network(noisy, times) - process.target(x0, noise, times)
        trained.append(gap.float().square().mean() * base[t])  # from the units of v to those of eps
trained = torch.stack(trained)

# %%
figure, axes = plt.subplots(1, 3, figsize=(13, 3.4))
units = {r"in $\varepsilon$": 1 + 0 * base, "in $x_0$": (1 - base) / base, "in $v$": 1 / base}
for ax, (name, factor) in zip(axes, units.items(), strict=True):
    ax.plot(gaussian * factor, "--", color=plots.INK, lw=2, label="exact, for Gaussian images")
    ax.plot(asked, trained * factor[asked], "o-", ms=3, color=plots.BLUE, label="trained network, test images")
    ax.set(xlabel="t", ylabel="mean squared error", title=f"loss {name}", ylim=(0, 0.5) if "x_0" in name else (0, None))
axes[0].set(yscale="log", ylim=(1e-4, 1.2))
axes[2].set(ylim=(0, 0.5))
axes[0].legend(fontsize=8)

# %% [markdown]
# *Three panels over t, each with the dashed exact curve and the network's dots below it. In ε, logarithmic: both fall from left to right, and they meet near t = 800 and beyond. In x₀: both rise, to about 0.26 at the end. In v: a bathtub, steep at t = 0 and rising again after t = 600.* One network, one error, three stories about which t is hard.

# %% [markdown] written="mnist.hardest" points=5
# ### Question: where is the loss hardest, and why?
#
# (a) At which $t$ is the loss highest in the units of $\varepsilon$, of $x_0$ and of $v$? Explain each from what can be seen in $x_t$ there.
#
# (b) So what does "the hardest timestep" mean?
#
# (c) The dashed curve is exact for Gaussian images. At which $t$ is your network much better, at which is there no difference, and why? What does a network know that mean and covariance do not
# tell?
#
# (d) Are there $t$ where your network is *worse* than the dashed curve? What would that say?
#
# (e) At which $t$ would you train more, and how would you find out whether it helped?
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) In ε: highest at small t (near data there is little noise, and telling it from the picture's own fine detail is hard), falls to almost 0 at t near T (x_t is the noise). In x_0: the other way round, up to the variance of the data at t = T − 1 where nothing of the picture is left. In v: ε's problem at one end and x_0's at the other; agrees with the student's figure.
#
# 2. (1) So the hardest t depends on the unit: same network, same error, different factor ((1−ᾱ)/ᾱ, 1/ᾱ). "Hard" as the share of what can be known is a better notion: compare with a reference such as the dashed curve.
#
# 3. (1) Much better at small and middle noise levels (by a factor of 2 or more up to about t = 600): there shapes are half visible, and knowledge of digits (strokes, which of them go together, black background, values near −1 and 1: not Gaussian) fills in the rest. No difference near t = T − 1, where only the mean can be known.
#
# 4. (1) If above the dashed curve anywhere: the network is not even as good as a linear one there: undertrained at this t (small t, fine accuracy, is the usual place after a short training, or t near T with an offset). If nowhere: says so. One half without interpretation.
#
# 5. (1) A proposal that follows from the figure (weights, or drawing t more often where the gap to what is possible is largest and where samples suffer), with a test at equal budget by FD with its n, not by the loss. One half without the test.
#
# **Anchor, full (5):** peaks read off the student's three panels with a reason each; "one error in three units"; "half the error at t = 500, equal at 950"; "nowhere above the line, but steep at t = 0: short training"; "draw t from the middle, compare FD at n = 500 with two seeds".
#
#
#
# **Anchor, half (2.5):** says small t is hardest in ε with a reason and that x_0 is the opposite; mentions that the network beats the Gaussian in the middle, without why.
#
#
#
# **Anchor, zero:** "large t is hardest because there is more noise".
#
# === END MARK SCHEME ===

# %% [markdown]
# ### Between two noises
#
# If every noise leads to a digit, what lies between? For that the way down must be deterministic. Mean-only sampling is poor, so here is a better one that you know from notebook 03: $v$ is the velocity along the arc, $\mathrm{d} x / \mathrm{d} \varphi = v$ with $\cos \varphi_t = \sqrt{\bar\alpha_t}$, and Heun's method follows it.
#
# Two ways to go from $z_0$ to $z_1$, for $0 \le s \le 1$; $\Omega$ is the angle between the two:
#
# $$\text{straight: } (1 - s)\, z_0 + s\, z_1, \qquad \text{spherical: } \frac{\sin((1 - s)\, \Omega)}{\sin \Omega}\, z_0 + \frac{\sin(s\, \Omega)}{\sin \Omega}\, z_1 .$$

# %%
@torch.no_grad()
def follow_velocity(process, network, x, steps=20):
    """From noise x to images along dx / d phi = v by Heun's method, for a network that predicts v."""
    times = torch.linspace(process.T - 1, 0, steps + 1).round().long()
    angles = process.alpha_bar[times].sqrt().acos()
    for i in range(steps):
        step = angles[i + 1] - angles[i]  # negative: towards the data
        first = network(x, times[i].expand(len(x))).float()
        second = network(x + step * first, times[i + 1].expand(len(x))).float()
        x = x + step * (first + second) / 2
    return x


def straight(z0, z1, s):
    return (1 - s) * z0 + s * z1


def spherical(z0, z1, s):
    angle = F.cosine_similarity(z0.flatten(1), z1.flatten(1)).acos().view(-1, 1, 1, 1)
    return (((1 - s) * angle).sin() * z0 + (s * angle).sin() * z1) / angle.sin()

# %%
torch.manual_seed(13)
z0, z1 = torch.randn(2, 4, 1, 28, 28)
places = torch.linspace(0, 1, 11)
between = {}
with fast():
    for way in (straight, spherical):
        path = torch.stack([way(z0, z1, s) for s in places], dim=1)  # (4, 11, 1, 28, 28)
        between[way.__name__] = path, follow_velocity(process, ema.network, path.flatten(0, 1), budget(20))

# %%
figure, axes = plt.subplots(1, 3, figsize=(14, 2.9), width_ratios=[2, 2, 1.1])
for ax, (name, (path, x)) in zip(axes, between.items(), strict=False):
    show(x, name, ax, columns=11)
    axes[2].plot(places, path.flatten(2).norm(dim=2).mean(0), "o-", ms=3, label=name)
axes[2].axhline(28, color=plots.INK, ls=":", label=r"$\sqrt{784}$")
axes[2].set(xlabel="s", ylabel="length of the noise", ylim=(15, 30))
_ = axes[2].legend(fontsize=8)

# %% [markdown]
# *Left and middle: four rows of digits that change from one to another in eleven pictures, on the straight and on the spherical way. Right: the length of the noise: the straight way dips from 28 to below 20 in the middle, the spherical one stays near 28.* Look closely at the middle columns, at the strokes and at the background; after a short training the difference is small.

# %% [markdown] written="mnist.interpolation" points=5
# ### Question: straight or round?
#
# (a) Where do the two rows differ, and in what way?
#
# (b) Compute the expected squared length of a straight mixture of two independent standard normal vectors in $d$ dimensions, for all $s$, and of a spherical one. Compare with the right panel.
#
# (c) Why does the length matter to the network? How long are almost all noises that it was trained on, and how much does that vary?
#
# (d) At $s$ = 0 and 1 the two agree. Is the change of the digit along the way smooth or sudden, and what does that say about the space of noises?
#
# (e) Would this work with your stochastic sampler? Why (not)?
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) Observation that agrees with the student's figure. Usually: the ends agree, the middle of the straight way has simpler, smoother or thinner shapes and less variety, the spherical one looks like ordinary samples all along (its faults included). "Hardly any difference", with the place where one is looked for, is a full answer when the figure shows it.
#
# 2. (1) E|(1−s)z_0 + s z_1|² = ((1−s)² + s²) d, which is d/2 at s = ½ (length 19.8 for d = 784); spherical keeps the length: d for all s, as the two are almost orthogonal. One half for one of the two.
#
# 3. (1) |z|² is χ² with d degrees of freedom: mean d, standard deviation √(2d) ≈ 40, so the length is 28 ± 0.7: all training noises lie in a thin shell. A length of 19.8 is more than ten standard deviations away; the network has never seen it, and reads it as an image with less noise than t says. One half without a number.
#
# 4. (1) Slow changes of slant and thickness with a few quick changes of identity: digits are regions in noise space, and a path crosses borders where the picture is in between (and there sometimes not a digit). One half for a bare description.
#
# 5. (1) No: fresh noise at every step means that the start does not decide the picture (the same z_0 gives different digits); it would need the noises of all steps to be interpolated (or fixed) too.
#
# **Anchor, full (5):** observation; ((1−s)²+s²)d; shell 28 ± 0.7; borders between digits; stochastic start forgotten.
#
#
#
# **Anchor, half (2.5):** observation; "straight has smaller norm" with the figure, no computation; smooth change described; (e) "no, random".
#
#
#
# **Anchor, zero:** "both work".
#
# === END MARK SCHEME ===

# %% [markdown]
# ### Beside a GAN, a VAE and a flow
#
# The course ships small ones, trained by scripts that you can read and run (`helpers/models/gan.py`, `vae.py`, `flow.py`), and its own diffusion model (`digits.py`), which has a faster network than yours and a better optimiser. All four had four minutes of CPU time; the diffusion model is there a second time, after twenty. **Your** network stands beside them. (About a minute.)

# %%
others = {name: models.load(name) for name in ("vae", "flow", "gan")}
draw = {name: lambda n, m=m: m.sample(n, torch.Generator().manual_seed(14)) for name, m in others.items()}
for name, folder in (("diffusion 4 min", models.WEIGHTS / "four_minutes"), ("diffusion 20 min", models.WEIGHTS)):
    others[name] = models.load("digits", folder=folder)
    draw[name] = lambda n, m=others[name]: shipped.sample(m, n, steps=budget(50), seed=14)
draw["yours"] = lambda n: quick(process, n, ema.network, seed=14)
made, seconds = {}, {}
for name, sampler in progress_bar(draw.items(), "sampling"):
    start = time.process_time()
    made[name] = sampler(budget(N, 20))
    seconds[name] = time.process_time() - start
made["real images"] = images.scaled(digits.images[torch.randperm(len(digits))[: budget(N, 20)]])
for name, model in others.items():
    print(f"{name:16} {model.card}")

# %%
def apart(x):
    """Median distance of each picture to the nearest other one of the same set: small if a set repeats itself."""
    return pictures.nearest(x, x, without=torch.arange(len(x)))[1].median().item()


print(f"{len(samples)} pictures each    FD    sure  balance off by   apart    memorised   CPU seconds to draw them")
compared = {name: pictures.score(x) if name != "real images" else pictures.floors(len(x)) for name, x in made.items()}
for name, found in compared.items():
    print(f"{name:16} {found.frechet:10.0f} {found.confidence:7.1%} {found.imbalance:10.0%} {apart(made[name]):12.1f} "
          f"{found.memorised:10.1%} {seconds.get(name, 0):14.1f}")

# %%
show_row([(name, x[:25]) for name, x in made.items()], columns=5, size=2.0)

# %% [markdown]
# *Seven grids of 25: VAE: soft, blurred digits, some of them faint; flow: broken strokes with specks; GAN: crisp digits; the shipped diffusion model after four minutes, after twenty, and yours: clean strokes, with some characters that do not exist, fewest after twenty minutes; real images.* The cards, printed before the table, say what each cost to train; yours is on the curve in section 5. "Memorised" is about 1% for new pictures of real quality; "apart" much below the real images' would mean repetition.
#
# How did their training go? The curves are in the shipped files.

# %%
figure, axes = plt.subplots(1, 4, figsize=(15, 3.2))
for ax, name in zip(axes, ("vae", "flow", "gan"), strict=False):
    curve = models.curves(name)
    for (part, values), colour in zip(curve["losses"].items(), plots.COLOURS, strict=False):
        ax.plot(curve["seconds"][: len(values)], values, color=colour, label=part)
    axes[3].semilogy(curve["fd_seconds"], curve["fd"], "o-", ms=3, label=name)
    ax.set(title=f"{name}: losses", xlabel="CPU seconds")
    ax.legend(fontsize=8)
axes[3].axhline(compared["real images"].frechet, color=plots.INK, ls=":", label=f"real images, n = {len(samples)}")
axes[3].set(title=f"FD of {curve['fd_samples']:,} samples", xlabel="CPU seconds")
axes[3].legend(fontsize=8)

# %% [markdown]
# *The VAE's and the flow's losses fall and level off. The GAN's two losses cross in the first half minute and then hardly move, while its FD, in the right panel, goes on falling all the time; the FD of the other two levels off sooner.* Your own loss curve is in section 5.

# %% [markdown] written="mnist.comparison" points=5
# ### Question: GAN, VAE, flow, diffusion
#
# Compare the four on (a) stability of training, (b) quality, (c) diversity, (d) computing: training and sampling, each with a figure or a number from above (say $n$ and the floor), and (e) say what is unfair about this comparison, in both directions. Which would you take for a program that must draw a digit in a millisecond, and which for one that must miss no kind of digit?
#
# === BEGIN MARK SCHEME ===
#
# 1. (1) Stability, from the curves: VAE, flow (and diffusion) go down one loss that means something; the GAN's two losses play against each other, wobble, and do not show quality; FD along the way does. It needed care not to collapse (spectral norm, averaged weights). One half for a claim without the figure.
#
# 2. (1) Quality: FD with n and floor for all, and what the pictures look like (VAE soft or blurred, flow with broken strokes and specks, GAN and diffusion crisp), in agreement with the student's output.
#
# 3. (1) Diversity: class shares and "apart" beside the real images'; not the same as quality (a GAN may be sharp and miss kinds; blurred VAE samples can be balanced); memorisation looked at. One half if only asserted.
#
# 4. (1) Computing: training seconds from the cards, and sampling: one pass (GAN, VAE, flow) against 50 (or 1,000) passes: a factor of tens to hundreds measured. A choice for each of the two programs that follows from the table.
#
# 5. (1) Unfair: e.g. different budgets and numbers of parameters, different images (10,000 or 60,000), effort spent on tuning each, FD measured by one classifier that knows only digits and with few samples, small models and MNIST only; the shipped models had a better recipe than the student's. At least two, in both directions.
#
# **Anchor, full (5):** five short paragraphs with numbers.
#
#
#
# **Anchor, half (2.5):** right ranking by looks, sampling time measured, "GANs are unstable" without the curve, one unfairness.
#
#
#
# **Anchor, zero:** textbook pros and cons without the student's own output.
#
# === END MARK SCHEME ===

# %% [markdown] written="mnist.report" points=10
# ## 9 · Report
#
# Two to three pages, in the cell below, for a reader who knows neural networks but not diffusion. Use this outline.
#
# 1. **Data.** Which set, how many, what is done to the pixels and why.
# 2. **Process.** Forward process with its formula; your schedule; the target; the step back. In your own words: why does it work?
# 3. **Network.** Diagram or list of levels, how time enters, number of parameters. What did you try that did not work?
# 4. **Training.** All hyper-parameters with a reason each; hardware, seconds, images per second; loss curve; samples at several epochs (refer to your figures).
# 5. **Results.** A grid; FD with $n$ and floor, confidence, balance, memorisation. The two samplers.
# 6. **Analysis.** The four questions of section 8, two or three sentences each, refer to your answers there.
# 7. **Limits.** What is wrong with your best pictures? What would you do with ten times the budget, and how would you know that it helped?
#
# === BEGIN MARK SCHEME ===
#
# Give up to 100 by this rubric and divide by ten (half points allowed).
#
# | part | full | half | zero |
# | --- | --- | --- | --- |
# | Data (10) | set and number as printed; dequantisation and [−1, 1] each with its reason | one reason missing | absent |
# | Process (15) | formulas with roots in their places; t from 0 to T − 1; own words on why denoising gives a sampler (posterior, or score) | formulas right, no reason | variance for standard deviation, or copied text only |
# | Network (15) | sizes, skips and what they are for, time; parameters; one thing that was tried | description without reasons | "a U-Net" |
# | Training (20) | every hyper-parameter with a reason tied to the budget; seconds and images/s; curve and epochs referred to | numbers without reasons, or reasons without numbers | could not be repeated |
# | Results (15) | grid; FD with n and floor; balance; nearest training images; two samplers | FD without n or floor; or no memorisation | only adjectives |
# | Analysis (15) | four findings that agree with the student's figures, with their uncertainty | findings without figures | absent |
# | Limits (10) | concrete faults seen in own samples; a plan with a measure | "train longer" | absent |
#
# **Anchor, full (10):** a classmate could repeat the run and would know what to expect.
#
#
#
# **Anchor, half (5):** all parts there, hyper-parameters listed without reasons, FD without floor.
#
#
#
# **Anchor, zero:** general text on diffusion models without own results.
#
# === END MARK SCHEME ===

# %% [markdown]
# ## 10 · Corrections to what you may read elsewhere
#
# * **Data in $[0, 1]$ with noise of mean 0.** Many tutorials leave the pixels in $[0, 1]$, as `ToTensor` gives them. The process then ends at a normal law that the data never were near, and the sampler's cut at $[-1, 1]$ (or none) fits nothing. Use $[-1, 1]$.
# * **`ToTensor` divides by 255**, and dequantisation wants $(k + u)/256$. Adding $u/256$ to $k/255$ leaves $[0, 1)$, and rounding down no longer gives the pixels back.
# * **Judging by the loss.** Most of the loss is noise that nobody can predict, and it depends on schedule and target. Two models with equal losses can draw very different digits.
# * **FD (or FID) without its number of samples**, and without the features: not a number that can be compared. Look at the figure in section 7.
# * **"Deterministic sampling is DDIM."** Iterating the posterior's mean is not DDIM; it loses variance at every step.
# * **The sampling noise is multiplied by $\sqrt{\tilde\beta_t}$**, not by $\tilde\beta_t$; the forward noise by $\sqrt{1 - \bar\alpha_t}$.
# * **An EMA of 0.9999 for a short run** averages mostly the untrained network. Its memory has to fit the run.
# * **Drawing one $t$ for a whole batch** is not wrong on average, but the gradient is far noisier. Each image gets its own.
# * **Comparing schedules at an equal number of epochs with different networks**, or a GAN after hours with a VAE after minutes. Budgets belong in the table.
#
# ## What comes next
#
# Your sampler takes many small random steps. Notebook 06 derives **DDIM**: another update for the same trained network, deterministic in truth, that skips most of the steps; and it measures how many you need.

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
