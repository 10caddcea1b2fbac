# %% [markdown]
# # 07 · CIFAR-10: colours, and a network of your own
#
# Extra credit. So far every network was described to you. Here you design one yourself, for photographs of 32 × 32 pixels, and write the pieces around it that make a longer training reliable: gradients in parts, a warm-up, an average that is of use early, a loss on pictures that were never trained on.
#
# **You will learn**
# * what distinguishes photographs from digits, in one curve;
# * what any network for diffusion must do, whatever it is built of, and how to test that before training it;
# * to take one large step in small parts, with exactly the same result;
# * to look at a run from four sides: loss against time, held-out loss by noise level, the same noises after more and more training, and the spectrum of samples;
# * to say how long a full run would take, and to mark an estimate as one.
#
# **Time**: about five hours of yours. The computer needs four to eight minutes for the whole notebook, depending on what else it does; three of them are one training cell. The full CIFAR-10 run is for a GPU; section 7 says what is measured and what is only estimated.
#
# Sources: Krizhevsky 2009 (CIFAR-10), Ho et al. 2020 ([arXiv 2006.11239](https://arxiv.org/abs/2006.11239)), Salimans and Ho 2022 ([arXiv 2202.00512](https://arxiv.org/abs/2202.00512)), Karras et al. 2022
# ([arXiv 2206.00364](https://arxiv.org/abs/2206.00364)) and 2024 ([arXiv 2312.02696](https://arxiv.org/abs/2312.02696)).

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

from helpers import budget, check, notation, progress_bar
from helpers.notebook import export

# %%
import shutil
import time
from functools import partial
from types import SimpleNamespace

import matplotlib.pyplot as plt

from helpers import images, plots

plots.style()
notation()

show = partial(plots.show, columns=16)  # draws images (N, 3, height, width), which have 0 at -1 and full brightness at 1, as one grid

# %% [markdown]
# ## 1 · Photographs
#
# CIFAR-10 has 50,000 training and 10,000 test photographs. The next cell fetches it (170 MB) if there is a network. Without one it takes **a stand-in**: windows of 32 × 32 pixels that are cut out of seven real photographs which come with the course (their authors and licences are named in `helpers/assets/README.md`). Read what it prints:
# results on the stand-in are not results on CIFAR-10, and must never be compared with published ones.

# %%
train_set, test_set = images.cifar10("train"), images.cifar10("test")
print(train_set.source)
print(test_set.source)
photos, held_out = images.scaled(train_set.images), images.scaled(test_set.images)
print(f"training data: {tuple(photos.shape)}, mean {photos.mean():.3f}, standard deviation {photos.std():.3f}")

# %%
_, axes = plt.subplots(2, 1, figsize=(12, 6.4))
show(photos[:64], "64 training images", axes[0])
show(held_out[:64], "64 held-out images", axes[1])

# %% [markdown]
# *Two grids of 64 small colour photographs. With the stand-in: fur, leaves, a temple's roof, a cup, an orange space suit, plain dark sky; neighbours in the grid are often windows of the same photograph.* The stand-in has two weaknesses that you should keep in mind. Its 10,000 windows come from seven photographs and overlap, so there is far less variety than
# their number suggests. And the held-out windows are cut from the right-hand edge of the same photographs: no pixel of theirs is in a training window, but fur is next to fur. "Held out" here means new places, not new subjects.
#
# ### What photographs are made of
#
# A picture is a sum of waves, and the **power spectrum** says how strong they are. Take the discrete Fourier transform of each image and colour,
#
# $$\hat x_{ab} = \frac{1}{N} \sum_{i, j} x_{ij}\; e^{-2 \pi \mathrm{i} (a i + b j) / N},$$
#
# where $a$ and $b$ count periods per picture and run over $N$ whole numbers around 0 (about half of them negative). The factor $1/N$ makes it a rotation: noise with variance 1 has $\mathbb{E} |\hat x_{ab}|^2 = 1$ everywhere. Then average $|\hat x_{ab}|^2$ over images, colours, and all $(a, b)$ whose length $\sqrt{a^2 + b^2}$ rounds to $k$.
#
# **Task.** Write `power_spectrum`.

# %% answer="cifar.power_spectrum"
def power_spectrum(x):
    """Mean power by frequency: entry k is the mean of |x^_ab|^2 over images, channels and all (a, b) with sqrt(a^2 + b^2) rounded = k.

    Args:
        x: images (B, channels, N, N).

    Returns:
        (N // 2 + 1,): for k = 0, 1, ..., N // 2 periods per picture. Noise with variance 1 gives about 1 everywhere.
    """
    ### BEGIN SOLUTION
    size = x.shape[-1]
    power = torch.fft.fft2(x, norm="ortho").abs().square().mean((0, 1))
    periods = torch.fft.fftfreq(size, 1 / size)
    length = torch.hypot(periods[:, None], periods[None, :]).round().long()
    return torch.stack([power[length == k].mean() for k in range(size // 2 + 1)])
    ### END SOLUTION

# %% check="cifar.power_spectrum" points=4
check("cifar.power_spectrum", power_spectrum)

# %%
torch.manual_seed(0)
digits = images.scaled(images.mnist("train", download=False).images[:2000])
spectra = {
    "photographs": (photos[:2000], plots.BLUE, "-"),
    "held-out photographs": (held_out[:2000], plots.SKY, "--"),
    "MNIST": (digits, plots.ORANGE, "-"),
    "noise": (torch.randn(500, 3, 32, 32), plots.INK, ":"),
}
figure, ax = plt.subplots(figsize=(7, 3.6))
for name, (x, colour, line) in spectra.items():
    values = power_spectrum(x)
    ax.loglog(range(1, len(values)), values[1:], line, lw=2, color=colour, label=name)
    print(f"{name:21} power at k = 1, 4, 12:", *[f"{values[k]:8.3g}" for k in (1, 4, 12)])
ax.set(xlabel="periods per picture, k", ylabel="power", title="power spectrum")
_ = ax.legend()

# %% [markdown]
# *Logarithmic axes. Noise is a level line at 1. Photographs fall along an almost straight line, from about 7 at k = 1 to less than 0.02 at k = 12; MNIST lies above them, falls more slowly up to k = 4, and then more steeply.* In photographs every scale matters, and the fine ones are faint. Noise covers the faint ones first: with
# $x_t = \cos\varphi\, x + \sin\varphi\, \varepsilon$ the frequency $k$ drowns where $\cos^2\!\varphi\; P_k < \sin^2\!\varphi$. So the way from noise to a photograph goes **from coarse to fine**: colours and light first, fur last. You will see that in section 6.
#
# ### Twice as many photographs
#
# A photograph in a mirror is a photograph (a digit in a mirror is not a digit). Mirroring each training image with probability one half is the oldest augmentation, and on CIFAR-10 it improves samples measurably.
#
# **Task.** Write `flip`.

# %% answer="cifar.flip"
def flip(x, generator=None):
    """Mirror each image left to right with probability 1/2, independently of the others; the rest stays as it is.

    Args:
        x: images (B, channels, height, width) of any type of numbers; not changed.
        generator: optional torch.Generator for the random numbers.

    Returns:
        A new tensor of the same shape and type.
    """
    ### BEGIN SOLUTION
    heads = torch.rand(len(x), generator=generator, device=x.device) < 0.5
    return torch.where(heads[:, None, None, None], x.flip(3), x)
    ### END SOLUTION

# %% check="cifar.flip" points=2
check("cifar.flip", flip)

# %%
torch.manual_seed(1)
_, axes = plt.subplots(2, 1, figsize=(12, 2.1))
show(photos[:16], "as they are", axes[0])
show(flip(photos[:16]), "through flip", axes[1])

# %% [markdown]
# *Two rows of 16 pictures; in the lower one about half are mirrored.*
#
# ## 2 · The process, in angles
#
# The process is that of notebook 05: $t = 0, \dots, T - 1$ with $T = 1000$, and the network says the velocity $v$. It is shorter to write with an angle in the place of $\bar\alpha_t$:
#
# $$\varphi_t = \frac{t + \tfrac12}{T} \cdot \frac{\pi}{2}, \qquad \cos^2 \varphi_t = \bar\alpha_t, \qquad x_t = \cos\varphi_t\; x_0 + \sin\varphi_t\; \varepsilon, \qquad v = \cos\varphi_t\; \varepsilon - \sin\varphi_t\; x_0 .$$
#
# That is the cosine schedule without its small offset. $(x_t, v)$ is $(x_0, \varepsilon)$ turned by $\varphi_t$, so turning back gives $x_0 = \cos\varphi_t\, x_t - \sin\varphi_t\, v$ and $\varepsilon = \sin\varphi_t\, x_t + \cos\varphi_t\, v$. These three functions are given:

# %% given=true
T = 1000


def angle(t):
    """phi_t for whole numbers t (B,), in a shape (B, 1, 1, 1) that goes with images; t may be a single number too."""
    return ((torch.as_tensor(t) + 0.5) * (math.pi / 2 / T)).reshape(-1, 1, 1, 1)


def noisy(x, noise, t):
    """x_t (B, 3, 32, 32) for images x and noise of that shape, and times t: (B,), or one number for all."""
    return angle(t).cos() * x + angle(t).sin() * noise


def velocity(x, noise, t):
    """What the network should say about x_t, of the same shape."""
    return angle(t).cos() * noise - angle(t).sin() * x

# %%
torch.manual_seed(2)
times = [0, 150, 300, 450, 600, 750, 900, 999]
noise = torch.randn(4, 3, 32, 32)
stages = torch.stack([noisy(photos[[2, 5, 8, 10]], noise, t) for t in times], dim=1).flatten(0, 1)
_, ax = plt.subplots(figsize=(7, 3.8))
show(stages, f"t = {', '.join(map(str, times))}", ax, columns=len(times))

# %% [markdown]
# *Four photographs that turn into noise from left to right. Fine texture is gone by t = 300; colours and the large light and dark places can be guessed until t = 600 or 750.*
#
# ## 3 · Your network
#
# Design it. It gets $x_t$ and $t$ and says $v$. You may take a U-Net, a plain stack of convolutions, attention over patches, a mixer, or something that nobody has tried. The check does not look at what it is built of. It looks at what every such network must do, and you can think of the list as **tests to write before any training**, since a network that fails one of them
# often trains without any error and only draws badly:
#
# * **input and output**: images (B, 3, 32, 32) and whole numbers $t$ (B,), from 0 to 999; the same shape out, any B;
# * **time**: every $t$ makes a difference, everywhere, in a way that depends on the image; it neither drowns the image nor gets lost;
# * **sight**: an output pixel depends on its own input pixel and on those at least six away to each side, and every colour on all three; no border is left out;
# * **no company**: what is said about an image does not depend on the other images of the batch, in `train` mode either. That rules out batch normalisation: rows of a batch have different $t$, and their statistics would mix clean pictures with noise. (Normalise within an image: `GroupNorm`, `LayerNorm`, or nothing);
# * **nothing idle**: every weight takes part, in every call. In `eval` mode it says the same twice; all that it needs to say it again is in `state_dict()`;
# * **range**: $v$ is as large as noise, so the last operation must not bound it;
# * **budget**: at most 2,000,000 trainable parameters, and at most 16 MB for each image that are kept for the backward pass (float32);
# * **travel**: `.to(device)` moves all of it (tensors that are not parameters are buffers, and new ones are made where $t$ or $x$ is), and it works under 16-bit autocast;
# * **a start**: with its own first weights the loss is below 10, and 30 steps of Adam lower it.
#
# The answer is a file of its own, so that a script, or you in another project, can import it. It may use torch and Python's standard library, and nothing of this notebook. Two hints for the three CPU minutes that you have: most of the work is at the full 32 × 32, so do little there (turning each 2 × 2 square of pixels into channels, `F.pixel_unshuffle`, is one way);
# and begin with the last layer at zero, so that the first answers are 0.
#
# **Task.** Write `network.py`. Put further classes or functions wherever you like in the file.

# %% answer="cifar.network"
%%writefile network.py
"""My network for photographs of 32 x 32 pixels."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Network(nn.Module):
    """Noisy images and times to velocities. `Network()` needs no arguments."""

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        def step(channels):
            parts = {"first": nn.Conv2d(channels, channels, 3, padding=1), "second": nn.Conv2d(channels, channels, 3, padding=1)}
            nn.init.zeros_(parts["second"].weight)
            return nn.ModuleDict({**parts, "film": nn.Linear(64, 2 * channels)})

        fine, coarse = 32, 96
        self.register_buffer("waves", math.pi * torch.logspace(-1, 2, 32))
        self.clock = nn.Sequential(nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.stem = nn.Conv2d(12, fine, 3, padding=1)
        self.before, self.after = step(fine), step(fine)
        self.down = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.inside = nn.ModuleList([step(coarse), step(coarse)])
        self.norm, self.ask, self.reply = nn.GroupNorm(8, coarse), nn.Conv2d(coarse, 3 * coarse, 1), nn.Conv2d(coarse, coarse, 1)
        self.up = nn.Conv2d(coarse, 4 * fine, 1)
        self.join = nn.Conv2d(2 * fine, fine, 1)
        self.last = nn.Conv2d(fine, 12, 3, padding=1)
        nn.init.constant_(self.last.weight, 0.0)
        ### END SOLUTION

    def forward(self, x, t):
        """v (B, 3, 32, 32) for noisy images x (B, 3, 32, 32) and whole numbers t (B,) from 0 to 999."""
        ### BEGIN SOLUTION
        angles = (t[:, None] + 0.5) / 1000 * self.waves
        time = self.clock(torch.cat([angles.sin(), angles.cos()], dim=1))

        def move(step, h):
            scale, shift = step["film"](time)[:, :, None, None].chunk(2, dim=1)
            return h + step["second"](F.silu(step["first"](F.silu(h)) * (1 + scale) + shift))

        fine = move(self.before, self.stem(F.pixel_unshuffle(x, 2)))
        coarse = move(self.inside[0], self.down(fine))
        parts = self.ask(self.norm(coarse)).flatten(2).unflatten(1, (12, 24)).transpose(2, 3)  # four heads
        seen = F.scaled_dot_product_attention(*parts.chunk(3, dim=1))
        coarse = move(self.inside[1], coarse + self.reply(seen.transpose(2, 3).reshape(coarse.shape)))
        back = F.pixel_shuffle(self.up(coarse), 2)
        h = move(self.after, self.join(torch.cat([fine, back], dim=1)))
        return F.pixel_shuffle(self.last(F.silu(h)), 2)
        ### END SOLUTION

# %% given=true
import network

importlib.reload(network)

# %% check="cifar.network" points=14
check("cifar.network", network)

# %% [markdown]
# **What is it made of, and how fast is it?** A table of parameters by part, and images per second for a step forward and back. The operations are counted by torch.

# %%
from torch.utils.flop_counter import FlopCounterMode

from helpers.models.digits import has_bfloat16


def fast(device="cpu"):
    """A context in which layers compute in bfloat16 where the hardware has instructions for it; elsewhere nothing changes."""
    device = torch.device(device).type
    able = {"cpu": has_bfloat16, "cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False)}.get(device)
    # cache_enabled=False: else 16-bit copies of the weights are kept, and the training would go on with stale ones
    return torch.autocast(device if able else "cpu", torch.bfloat16, enabled=bool(able and able()), cache_enabled=False)


def step_speed(model, batch=32, seconds=budget(2, 0)):
    """Images per second, forward and back, and the operations for each image."""
    x, t = torch.randn(batch, 3, 32, 32), torch.randint(T, (batch,))
    with FlopCounterMode(display=False) as counter:
        model(x, t).square().mean().backward()
    count, start = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - start < seconds:
        with fast():
            model(x, t).square().mean().backward()
        count += batch
    return count / (time.perf_counter() - start), counter.get_total_flops() / batch


model = network.Network()
for name, part in model.named_children():
    print(f"{name:12} {sum(parameter.numel() for parameter in part.parameters()):9,} parameters")
print(f"{'all':12} {sum(parameter.numel() for parameter in model.parameters()):9,} parameters")
rate_here, operations = step_speed(model)
print(f"{operations / 1e6:,.0f} million operations for an image, forward and back; here {rate_here:,.0f} images/s in a step "
      f"({torch.get_num_threads()} thread(s), bfloat16: {has_bfloat16()})")

# %% [markdown]
# **What does it see?** The derivative of one output pixel with respect to all input pixels, with random weights (before training the last layer may be zero).

# %%
def sight(model, place=(16, 16)):
    """How much each input pixel matters to the output pixel at a place, (32, 32), summed over colours and 8 random images."""
    model = copy.deepcopy(model).eval()
    torch.manual_seed(3)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_normal_(parameter)
    x = torch.randn(8, 3, 32, 32, requires_grad=True)
    out = model(x, torch.full((8,), T // 2))
    return torch.autograd.grad(out[:, :, place[0], place[1]].sum(), x)[0].abs().sum((0, 1))


figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
for ax, place in zip(axes, [(16, 16), (3, 28)], strict=True):
    picture = ax.imshow(sight(model, place).clamp(min=1e-12).log10(), cmap="viridis")
    ax.plot(place[1], place[0], "+", color=plots.VERMILION, ms=10, mew=2)
    ax.set(title=f"what row {place[0]}, column {place[1]} sees", xlabel="column", ylabel="row")
    ax.grid(False)
    figure.colorbar(picture, ax=ax, label="log10 of the derivative")

# %% [markdown]
# *Two maps of 32 × 32, with a cross at the output pixel: around it the derivative is largest. For the reference it falls by a factor of about a hundred, yet is zero nowhere, since its attention looks at the whole picture; a stack of convolutions has a sharp square outside of which nothing matters.* If yours has holes or stripes, ask yourself which layer makes them.
#
# ## 4 · Four pieces of a training
#
# ### A rate that needs no end
#
# The first steps of Adam know little of the gradient's size, so the rate should begin small. And while it is large the weights keep jittering, so it should fall. A cosine needs to know the last step in advance; we train by the clock and want to go on later. Karras et al. (2024) use the inverse square root, which needs no end. With the step $n$ counted from 0:
#
# $$\text{rate}(n) = \text{peak} \cdot \min\Bigl(1, \frac{n + 1}{\text{warm-up}}\Bigr) \cdot \min\Bigl(1, \sqrt{\frac{\text{hold}}{n + 1}}\Bigr) .$$
#
# **Task.** Write `rate`.

# %% answer="cifar.rate"
def rate(step, peak, warm_up, hold):
    """The learning rate at a step: it climbs in a straight line, is level, and falls with the inverse root, by the formula above.

    Args:
        step: whole number, counted from 0.
        peak: the largest rate.
        warm_up: number of steps until it is reached, at least 1.
        hold: number of steps after which it falls, at least 1; it may be less than warm_up.

    Returns:
        A float.
    """
    ### BEGIN SOLUTION
    return peak * min(1.0, (step + 1) / warm_up) * min(1.0, math.sqrt(hold / (step + 1)))
    ### END SOLUTION

# %% check="cifar.rate" points=2
check("cifar.rate", rate)

# %% [markdown]
# ### A large step in parts
#
# A batch that does not fit into a GPU's memory can be taken in parts: gradients *add up* until `zero_grad`. The result should be **exactly** that of the whole batch, so the loss is the mean over the whole batch,
#
# $$L = \frac{1}{B \cdot 3 \cdot 32 \cdot 32} \sum_{\text{parts}} \; \sum_{\text{rows, colours, pixels}} (\text{network} - \text{target})^2,$$
#
# also when the last part is smaller. Then the gradient is cut: if its norm, over all parameters together, is above `max_norm`, it is scaled down to it. One step of the optimizer follows.
#
# **Task.** Write `large_step`.

# %% answer="cifar.large_step"
def large_step(network, optimizer, x, t, target, part=32, max_norm=1.0):
    """One step of the optimizer on the mean squared error of a whole batch; the network never sees more than `part` rows at once.

    Args:
        network: called as network(x, t).
        optimizer: of its parameters, which may hold gradients from before.
        x, target: (B, channels, height, width); x is noisy.
        t: whole numbers (B,).
        part: largest number of rows for one call; the last part may be smaller.
        max_norm: the gradient of the whole batch is scaled down to this norm if it is longer.

    Returns:
        The pair (loss, norm) of plain floats: the loss of the whole batch before the step, and the norm of its gradient before it
        was cut.
    """
    ### BEGIN SOLUTION
    optimizer.zero_grad()
    total = 0.0
    for some, when, wanted in zip(x.split(part), t.split(part), target.split(part), strict=True):
        loss = F.mse_loss(network(some, when), wanted, reduction="sum") / target.numel()
        loss.backward()
        total += loss.item()
    norm = nn.utils.clip_grad_norm_(network.parameters(), max_norm)
    optimizer.step()
    return total, norm.item()
    ### END SOLUTION

# %% check="cifar.large_step" points=6
check("cifar.large_step", large_step)

# %%
results = {}
for part in (48, 20, 7):
    torch.manual_seed(4)
    tried = network.Network()
    x, t, noise = photos[:48], torch.randint(T, (48,)), torch.randn(48, 3, 32, 32)
    optimizer = torch.optim.SGD(tried.parameters(), lr=1.0)
    found = large_step(tried, optimizer, noisy(x, noise, t), t, velocity(x, noise, t), part)
    results[part] = torch.cat([parameter.detach().flatten() for parameter in tried.parameters()])
    print(f"parts of {part:2}: loss {found[0]:.6f}, norm {found[1]:.6f}, "
          f"largest difference of a weight from one part: {(results[part] - results[48]).abs().max():.0e}")

# %% [markdown]
# Your own network: the three lines should agree up to rounding, a few units in the seventh decimal. If they do not, and the check is content, then your network looks at its company.
#
# ### An average that is of use early
#
# The average of notebook 05 remembers its beginning for about $1 / (1 - \text{decay})$ updates. A young average should have a short memory: with the update $n$ counted from 0,
#
# $$\bar\theta \leftarrow d\, \bar\theta + (1 - d)\, \theta, \qquad d = \min\Bigl(\text{decay}, \frac{1 + n}{10 + n}\Bigr).$$
#
# **Task.** Write `update_average`. A network may have buffers too (say, a table of frequencies): those are copied.

# %% answer="cifar.update_average"
@torch.no_grad()
def update_average(average, network, step, decay=0.999):
    """Move the parameters of `average` towards those of `network`, and copy its buffers.

    Args:
        average: a copy of the network, which holds the average; changed in place.
        network: not changed.
        step: the number of updates before this one.
        decay: the largest share of the old average that stays; at first the other limit of the formula above is smaller.
    """
    ### BEGIN SOLUTION
    keep = min(decay, (1 + step) / (10 + step))
    for mean, parameter in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(parameter, 1 - keep)
    for mine, its in zip(average.buffers(), network.buffers(), strict=True):
        mine.copy_(its)
    ### END SOLUTION

# %% check="cifar.update_average" points=3
check("cifar.update_average", update_average)

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3))
steps = torch.arange(1, 20_001, 20)
axes[0].plot(steps, [rate(int(n) - 1, 4e-3, 100, 400) for n in steps], lw=2)
axes[0].set(title="rate: peak 0.004, warm-up 100, hold 400", xlabel="step", ylabel="rate")
for decay, colour in [(0.999, plots.BLUE), (0.995, plots.ORANGE)]:
    memory = [1 / (1 - min(decay, (1 + int(n)) / (10 + int(n)))) for n in steps]
    axes[1].loglog(steps, memory, lw=2, color=colour, label=f"decay {decay}")
axes[1].loglog(steps, steps, ":", color=plots.INK, label="all updates so far")
axes[1].set(title="memory of the average, in updates", xlabel="update", ylabel="1 / (1 − d)", ylim=(1, 3e4))
_ = axes[1].legend()

# %% [markdown]
# *Left: the rate climbs for 100 steps, is level up to 400, and falls: half of its peak at 1,600 steps, a quarter at 6,400. Right, logarithmic: the average remembers about a ninth of its life, until decay ends that, after some 1,800 updates for 0.995 and 9,000 for 0.999.*
#
# ### Loss on what was not trained on
#
# The training loss is noisy, and it cannot tell learning from memorising. So measure on held-out pictures, at fixed noise levels, with fixed noise: then two moments of a run can be compared, and the number has no luck in it.
#
# **Task.** Write `held_out_loss`.

# %% answer="cifar.held_out_loss"
def held_out_loss(network, x, noise, times, part=250):
    """The mean squared error of the network's v at each of some times, in evaluation mode and without gradients.

    Args:
        network: in whichever mode; it is in the same one afterwards.
        x, noise: (B, channels, height, width); the same noise serves at all times.
        times: a list of K whole numbers, each for all images.
        part: largest number of rows for one call; the last part may be smaller.

    Returns:
        (K,): at each time the mean over all images, channels and pixels.
    """
    ### BEGIN SOLUTION
    mode = network.training
    network.eval()
    losses = torch.zeros(len(times))
    with torch.no_grad():
        for k, time in enumerate(times):
            for some, its in zip(x.split(part), noise.split(part), strict=True):
                out = network(noisy(some, its, time), torch.full((len(some),), time, device=x.device))
                losses[k] += F.mse_loss(out, velocity(some, its, time), reduction="sum").cpu()
    network.train(mode)
    return losses / x.numel()
    ### END SOLUTION

# %% check="cifar.held_out_loss" points=4
check("cifar.held_out_loss", held_out_loss)

# %% given=true
export("pieces", flip, angle, noisy, velocity, rate, large_step, update_average, held_out_loss)

# %% [markdown]
# ## 5 · Training
#
# The loop is provided, and it is a file, too. It puts your pieces together, looks at the run at 0, 25, 50, 100, 200, 400, ... steps, and saves everything that a run needs to go on: weights, average, Adam's memory, losses, random numbers. Read it: there is nothing in it that you do not know. It runs in a terminal as well:
#
# `python train_cifar.py --minutes 60 --folder runs/long --device cuda`
#
# (As in notebook 05: with `PYTHONPATH=../..` before it if Python does not find `helpers`; in Colab in a cell, after `!`.) Ctrl-C stops it, and the same command goes on from the last checkpoint. On a GPU that has bfloat16 in hardware, and on a CPU that has, layers compute in 16 bits; elsewhere (older GPUs, `mps`) in 32. (We had no GPU to try it on: the CPU is what is tested.)

# %%
%%writefile train_cifar.py
"""Train my network: python train_cifar.py --minutes 60 --folder runs/long --device cuda"""

import copy
import json
import time
from pathlib import Path
from types import SimpleNamespace

import torch

from helpers import checkpoints, progress_bar
from helpers.models.digits import has_bfloat16
from pieces import flip, held_out_loss, large_step, noisy, rate, update_average, velocity

T = 1000
TIMES = [50, 150, 250, 350, 450, 550, 650, 750, 850, 950]


def fast(device):
    """Compute in bfloat16 where the hardware has instructions for it."""
    able = {"cpu": has_bfloat16, "cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False)}.get(device)
    return torch.autocast(device if able else "cpu", torch.bfloat16, enabled=bool(able and able()), cache_enabled=False)


def train(network, photos, held_out, *, minutes=None, steps=None, folder=None, batch_size=32, part=64, peak=4e-3, warm_up=100,
          hold=400, decay=0.995, save_every=500, on_look=None):
    """Train until `minutes` of this call or `steps` in all are used up, from the checkpoint in `folder` if there is one.

    Returns:
        A record with network, average, losses (one for each step since the first), seconds (when each was done, looking and
        saving left out) and looks (step, seconds, held-out loss at TIMES).
    """
    device = str(photos.device).split(":")[0]
    run = SimpleNamespace(network=network, optimizer=torch.optim.Adam(network.parameters(), lr=peak))
    ema = SimpleNamespace(network=copy.deepcopy(network).requires_grad_(False).eval())
    losses, notes = [], {"seconds": [], "looks": []}
    if folder is not None:
        losses = checkpoints.load(folder, run, ema)
        if losses:
            notes = json.loads((Path(folder) / "notes.json").read_text())
            notes = {"seconds": notes["seconds"][: len(losses)], "looks": [n for n in notes["looks"] if n[0] <= len(losses)]}
    noise = torch.randn(held_out.shape, generator=torch.Generator().manual_seed(0)).to(photos.device)

    def look():
        with fast(device):
            found = held_out_loss(ema.network, held_out, noise, TIMES)
        notes["looks"].append([len(losses), notes["seconds"][-1] if losses else 0.0, found.tolist()])
        if on_look is not None:
            on_look(len(losses), ema.network)

    def save():
        if folder is not None:
            checkpoints.save(folder, run, ema, losses)
            (Path(folder) / "notes.json").write_text(json.dumps(notes))

    if not losses:
        look()
    begin = notes["seconds"][-1] if losses else 0.0
    limit = float("inf") if minutes is None else begin + 60 * minutes
    clock = begin
    for step in progress_bar(range(len(losses), 10**9 if steps is None else steps), "training"):
        start = time.perf_counter()
        for group in run.optimizer.param_groups:
            group["lr"] = rate(step, peak, warm_up, hold)
        x = flip(photos[torch.randint(len(photos), (batch_size,), device=photos.device)])
        t, eps = torch.randint(T, (batch_size,), device=x.device), torch.randn_like(x)
        with fast(device):
            loss, _ = large_step(network, run.optimizer, noisy(x, eps, t), t, velocity(x, eps, t), part)
        update_average(ema.network, network, step, decay)
        clock += time.perf_counter() - start
        losses.append(loss)
        notes["seconds"].append(clock)
        if len(losses) % 25 == 0 and (len(losses) // 25).bit_count() == 1:
            look()
        if len(losses) % save_every == 0:
            save()
        if clock > limit:
            break
    if notes["looks"][-1][0] < len(losses):
        look()
    save()
    return SimpleNamespace(network=network, average=ema.network, losses=losses, **notes)


if __name__ == "__main__":
    import argparse

    from helpers import images
    from network import Network

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--folder", default="runs/long")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--decay", type=float, default=0.9995)
    wanted = parser.parse_args()
    data = images.cifar10("train")
    print(data.source)
    photos, held_out = (images.scaled(part.images).to(wanted.device) for part in (data, images.cifar10("test")))
    torch.manual_seed(0)
    done = train(Network().to(wanted.device), photos, held_out[:1000], minutes=wanted.minutes, folder=wanted.folder,
                 batch_size=wanted.batch, decay=wanted.decay)
    print(f"{len(done.losses):,} steps; held-out loss {sum(done.looks[-1][2]) / len(TIMES):.4f}")

# %%
import train_cifar

importlib.reload(train_cifar)


def short_run(folder, *stops):
    """Train up to each of the stops, each time from a new network that knows nothing but the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for stop in stops:
        torch.manual_seed(5)
        done = train_cifar.train(network.Network(), photos[:100], held_out[:4], steps=budget(stop), batch_size=4, folder=folder)
    return torch.cat([parameter.flatten() for parameter in done.average.parameters()]), done.losses


once, once_losses = short_run("runs/once", 12)
twice, twice_losses = short_run("runs/twice", 7, 12)
print(f"losses: {len(once_losses)} and {len(twice_losses)}, the same: {once_losses == twice_losses}; "
      f"largest difference of an averaged weight: {(once - twice).abs().max():.1e}")

# %% [markdown]
# Twelve steps in one go, and seven and then five from the checkpoint: the same losses to the last digit, and no difference in the weights.
#
# ### Sampling
#
# From $t$ to an earlier $s$: turn $(x_t, v)$ back into $\hat x_0$ and $\hat\varepsilon$, cut $\hat x_0$ to $[-1, 1]$, keep a part of $\hat\varepsilon$ and add new noise for the rest (this is notebook 04's posterior, written in angles). All noise comes from one generator, so that two networks can draw from **the same noises**.

# %%
@torch.no_grad()
def sample(model, n, steps=budget(50), seed=0):
    """n images by ancestral sampling in equal steps; the same seed gives the same noises."""
    generator = torch.Generator().manual_seed(seed)
    x, times = torch.randn(n, 3, 32, 32, generator=generator), torch.linspace(T - 1, 0, steps).round().long()
    for i, t in enumerate(times):
        with fast():
            v = model(x, t.expand(n)).float()
        here = angle(t)
        clean = (here.cos() * x - here.sin() * v).clamp(-1, 1)
        if i + 1 == steps:
            return clean
        there = angle(times[i + 1])
        rest = (x - here.cos() * clean) / here.sin()
        new = there.sin() / here.sin() * (1 - (here.cos() / there.cos()) ** 2).sqrt()
        x = there.cos() * clean + (there.sin() ** 2 - new**2).sqrt() * rest + new * torch.randn(x.shape, generator=generator)

# %% [markdown]
# ### Train
#
# **Three minutes.** Run the cell again and it goes on for another three; delete the folder `runs/photographs` to begin afresh (you have to, when you change your network).

# %%
from helpers.live import live

snapshots = {}


def keep(step, model):
    """Keep what the averaged network makes of the same eight noises."""
    snapshots[step] = sample(model, budget(8), seed=1)


threads = torch.get_num_threads()
torch.set_num_threads(1)  # small layers: two threads that wait for each other are slower on a busy computer
torch.manual_seed(6)
with live(train_cifar, "large_step", window=50, ylim=(0, 1), keep=False):
    done = train_cifar.train(network.Network(), photos, held_out[:budget(500)], minutes=budget(180, 1) / 60, folder="runs/photographs", on_look=keep)
torch.set_num_threads(threads)
count = len(done.losses)
print(f"{count:,} steps of 32 images in {done.seconds[-1]:.0f} s: {32 * count / done.seconds[-1]:,.0f} images/s; a step with the rest of the loop included")

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 3.4))
window = min(50, count)
mean = torch.tensor(done.losses).unfold(0, window, 1).mean(1)
axes[0].plot(done.seconds, done.losses, color=plots.SKY, lw=0.6, label="each batch")
axes[0].plot(done.seconds[window - 1 :], mean, color=plots.BLUE, lw=2, label=f"mean of {window} steps")
at = [seconds for _, seconds, _ in done.looks]
axes[0].plot(at, [sum(found) / len(found) for *_, found in done.looks], "o-", color=plots.VERMILION, ms=4, label="held out, average weights")
axes[0].set(title="loss against time", xlabel="seconds of training", ylabel="mean squared error of v", ylim=(0, 1))
axes[0].legend()
shown = done.looks[:: max(1, -(-len(done.looks) // 5))] + done.looks[-1:]
for (step, _, found), shade in zip(shown, torch.linspace(0.9, 0, len(shown)), strict=True):
    axes[1].plot(train_cifar.TIMES, found, "o-", ms=3, color=plt.cm.viridis(float(shade)), label=f"{step:,} steps")
axes[1].set(title="held-out loss by noise level", xlabel="t", ylabel="mean squared error of v", ylim=(0, 1.2))
axes[1].legend(fontsize=8)
for step, seconds, found in done.looks:
    print(f"{step:6,} steps, {seconds:4.0f} s: held-out loss {sum(found) / len(found):.4f}")

# %% [markdown]
# *Left: the loss of the batches falls from 0.65 to about 0.2 within the first 200 steps and then creeps; the held-out loss of the averaged weights runs below it, smooth, and still falls at the end. Right: the held-out loss by noise level. Before training it falls from 1 to 0.4 (a network that answers 0). It drops first at large $t$, and after 200 steps it is a bowl, with its highest points at the
# two ends.* At small $t$ the target is almost the noise itself, which is hardly to be seen in a nearly clean picture; at large $t$ it is almost the picture, of which hardly anything is left. Both ends keep a loss that nobody can take away.
#
# (Measured on one thread of a computer that was busy with other work: 1,028 steps and a held-out loss of 0.106 in one run, 816 steps and 0.114 in another. Expect more steps on a quiet one. The averages look better than the batches for two reasons: averaged weights, and held-out parts with more plain sky than the rest.)

# %%
chosen = [step for step in sorted(snapshots) if step == max(snapshots) or step < 0.8 * max(snapshots)]
figure, ax = plt.subplots(figsize=(8, 0.8 * len(chosen) + 0.4))
show(torch.cat([snapshots[step] for step in chosen]), f"the same eight noises after {', '.join(f'{step:,}' for step in chosen)} steps", ax, columns=budget(8))

# %% [markdown]
# *Rows of the same eight noises, from top to bottom after more and more steps. At 0 and 25 there is noise, at 50 and 100 colours show through it, at 200 each has found its colours and its light and dark places, and from 400 on the grain gets finer and smoother.* From coarse to fine, as the spectrum said, and each noise keeps its colours: the network only refines what it says.
#
# ## 6 · Results

# %%
drawn = sample(done.average, budget(64), steps=budget(100), seed=2)
_, axes = plt.subplots(2, 1, figsize=(12, 6.4))
show(drawn, "64 samples, 100 steps", axes[0])
show(held_out[: len(drawn)], "64 held-out images", axes[1])

# %% [markdown]
# *Above, clouds of orange, brown, grey, green and deep blue, with light and dark sides, soft edges and a weave of fine grain; below, photographs.* After three minutes the colours, and which of them occur together, are those of the photographs, and so is the share of coarse and fine. There are no objects, contours are short, the grain runs along rows and columns, and a plain surface is rarely plain. That is what this budget buys.
#
# ### A number for it
#
# The spectrum again: of the first answers of an untrained network, of your samples, and of as many real images. The **floor** is what 64 training images score against the others: no generator can be expected to come nearer.

# %%
def spectrum_distance(x, reference):
    """Root mean square of the difference of log10 power spectra, over k = 1 to 16: 0.3 is a factor of two."""
    ratio = power_spectrum(x)[1:].log10() - power_spectrum(reference)[1:].log10()
    return ratio.square().mean().sqrt().item()


first = snapshots[0] if 0 in snapshots else torch.randn(8, 3, 32, 32)
torch.manual_seed(7)
some = photos[torch.randperm(len(photos))[:64]]
rows = {"before training": (first, plots.INK, ":"), "samples": (drawn, plots.VERMILION, "-"), "64 real images": (some, plots.SKY, "--"), "training set": (photos[:5000], plots.BLUE, "-")}
figure, axes = plt.subplots(1, 2, figsize=(11, 3.4))
for name, (x, colour, line) in rows.items():
    axes[0].loglog(range(1, 17), power_spectrum(x)[1:], line, lw=2, color=colour, label=name)
    print(f"{name:16} distance of the spectrum {spectrum_distance(x, photos[:5000]):.2f}, standard deviation of a number {x.std():.2f}, "
          f"correlation of red and green {torch.corrcoef(x[:, :2].transpose(0, 1).flatten(1))[0, 1]:.2f}")
axes[0].set(title="power spectrum", xlabel="periods per picture, k", ylabel="power")
axes[0].legend(fontsize=8)
seen = [step for step in chosen if step]
axes[1].semilogx(seen, [spectrum_distance(snapshots[step], photos[:5000]) for step in seen], "o-", color=plots.VERMILION, label="eight samples")
marks = [step for step in seen if step == seen[-1] or step < 0.6 * seen[-1]]
axes[1].set_xticks(marks, [f"{step:,}" for step in marks])
axes[1].minorticks_off()
axes[1].axhline(spectrum_distance(some[:8], photos[:5000]), color=plots.SKY, ls="--", label="eight real images")
axes[1].set(title="distance of the spectrum", xlabel="step", ylabel="root mean square of log10", ylim=(0, None))
_ = axes[1].legend(fontsize=8)

# %% [markdown]
# *Left: before training the spectrum is level, as noise is. The samples' runs along the photographs', a little lower, and levels off in the last frequencies, where the photographs' goes on falling: that is the grain. 64 real images lie on the line of the training set. Right: the distance falls from above 1 to about 0.15 within 400 steps and then wanders near the dashed line of eight real images.* So for eight samples this measure is used up after 400 steps,
# although everybody sees that they are not photographs. A number that reaches its floor has nothing more to say; the 64 samples (0.14, 0.11 and 0.19 in three runs, with a floor of 0.02) still differ.
#
# ### Did it copy?
#
# For some samples, the nearest of all training images (also mirrored), by Euclidean distance; beside them held-out images and their nearest.

# %%
def nearest(x, others):
    """The nearest image of `others` for each x, and its distance."""
    both = torch.cat([others, others.flip(3)])
    distances, index = torch.cdist(x.flatten(1), both.flatten(1)).min(1)
    return both[index], distances


pairs = {"samples": drawn[:16], "held-out images": held_out[:16]}
_, axes = plt.subplots(2, 1, figsize=(12, 3.6))
for ax, (name, x) in zip(axes, pairs.items(), strict=True):
    found, distances = nearest(x, photos)
    show(torch.cat([x, found]), f"{name}, and below each the nearest training image (median distance {distances.median():.1f})", ax, columns=len(x))

# %% [markdown]
# *Four rows. The nearest training image of a sample is one of about the same colour and with little else in it, and so is that of a held-out image.* As long as samples are no nearer to the training images than held-out pictures are, nothing was copied. After a long training on so few photographs look again: then it is the first thing to go wrong.
#
# ## 7 · The full run
#
# What would it take to train your network on the whole of CIFAR-10 until samples look like small photographs? The next cell says what was **measured** here, and what is an **estimate**, with the formula. We have not done the full run: no number below is a promise.

# %%
measured = 32 * len(done.losses) / done.seconds[-1]
epochs, full_set = 400, 50_000
print(f"measured:  {measured:,.0f} images/s on this computer's CPU, {operations / 1e6:,.0f} million operations for an image")
print(f"           that is {measured * operations / 1e9:,.1f} billion operations per second")
print(f"the run:   {epochs} epochs of {full_set:,} images = {epochs * full_set / 1e6:.0f} million images = {epochs * full_set // 128:,} steps of 128")
print(f"estimate:  {epochs * full_set / measured / 3600:,.0f} hours on this CPU  (images / measured images per second)")
for name, sustained in [("a small GPU (2e12 operations per second, assumed)", 2e12), ("a large GPU (2e13, assumed)", 2e13)]:
    print(f"estimate:  {epochs * full_set * operations / sustained / 3600:6.1f} hours on {name}  (images x operations / assumed rate)")

# %% [markdown]
# The rates of the GPUs are assumptions: a few per cent of what data sheets promise for 16-bit arithmetic, since layers as small as these keep a GPU busy with waiting. Measure yours for a minute (`train_cifar.py --minutes 1 --device cuda` prints the number of steps) before you plan a long run. For scale: Ho et al. trained 35.7 million parameters for 800,000 steps of 128 images, five times as many images as
# this run, and with a network eighteen times as large as yours may be.

# %% [markdown] written="cifar.design" points=8
# ### Question: your design
#
# (a) Draw or describe your network: the sizes of the maps, how time enters, how far a pixel sees, parameters in each part.
#
# (b) Name three decisions, what you would have done otherwise, and why you chose as you did, with a number for at least one of them (images/s, parameters, held-out loss after a minute).
#
# (c) Which requirement of the list in section 3 did a version of yours violate, or which one was hardest to fulfil? How would the mistake have shown
# in training, if no check had told you?
#
# (d) Where is the bottleneck, in parameters, in memory and in time? They are probably three different places.
#
# === BEGIN MARK SCHEME ===
#
# 1. (2) A description from which a classmate could write the network: sizes, time, sight, parameters. One point if one of the four is missing.
#
# 2. (3) One point for each decision with its alternative and a reason that is about this task (32 × 32, three minutes, v, noise levels); at least one with a measured number, else at most two.
#
# 3. (1) A requirement, and how its violation shows: for instance a time that gets lost: colours never settle, blurred samples at all t; batch statistics: good loss, bad samples, above all one at a time; a bounded output: loss stays high at large noise, pale samples; company or idle weights: no error at all. One half without the symptom.
#
# 4. (2) Parameters (usually at the coarse level or in linear layers), memory (maps at full resolution, attention), time (convolutions at the finest level): each with a number or an argument; one point for two of three.
#
# **Anchor, full (8):** table of levels; "16 × 16 instead of 32 × 32 inside: 400 instead of 90 images/s, held-out loss after a minute 0.13 against 0.19".
#
#
#
# **Anchor, half (4):** description, reasons without alternatives or numbers, one bottleneck.
#
#
#
# **Anchor, zero:** the code again, in words.
#
# === END MARK SCHEME ===

# %% [markdown] written="cifar.comparison" points=8
# ### Question: photographs and digits
#
# Compare this notebook with notebook 05 (your own figures, or those in the text).
#
# (a) Data: dimensions, spectrum, mean and spread, what a single picture has of structure. What do the spectra say about the order in which things are decided on the way from noise?
#
# (b) Training: after three minutes digits can be read and photographs cannot be recognised. Give two reasons, of which one is about the data, and support each by a number.
#
# (c) The held-out loss here and the loss of notebook 05 cannot be compared as they stand. Why not? Which comparison would be fair?
#
# (d) Measuring: why is there no Fréchet distance on the course's classifier here, and what does the spectrum miss that it would see?
#
# (e) What can be concluded from the stand-in about CIFAR-10, and what not?
#
# === BEGIN MARK SCHEME ===
#
# 1. (2) 3072 against 784 numbers; photographs with a power law (all scales, faint fine detail, correlated colours), digits strong up to four or five periods and little beyond, few grey values, black background; so coarse structure and colour are decided at high noise, detail late; for digits the shape is decided in a narrow range of t. One point without the order.
#
# 2. (2) Two reasons with a number each: more dimensions and more variety (spectrum, distance to the nearest training image), finer detail below the noise until late (power at k = 12 of about 0.02), fewer images per second (rates of both notebooks), larger network. One point without numbers.
#
# 3. (1) The loss of v depends on the data's variance and spectrum, on the schedule and on how t is weighted (and the one is on training batches of noisy weights, the other held out with averages). Fair: the loss at equal t relative to that of the best linear guess or of a network that answers the mean, or the same network on both data sets. One half for "other data".
#
# 4. (2) The classifier knows grey digits of 28 × 28 only; its features say nothing of photographs. The spectrum knows second moments only: noise with a photograph's spectrum scores perfectly and shows no edge; it sees neither objects nor diversity nor copying. One point for each half.
#
# 5. (1) That the code, the network and the run work and learn colours, edges, textures; rates in images/s. Not: sample quality, overfitting, epochs needed, a comparison with published numbers: seven photographs, overlapping windows, related held-out parts.
#
# **Anchor, full (8):** all five with own numbers.
#
#
#
# **Anchor, half (4):** right in words, one number; "photos are harder".
#
#
#
# **Anchor, zero:** general remarks on CIFAR-10.
#
# === END MARK SCHEME ===

# %% [markdown] written="cifar.report" points=10
# ## 8 · Report
#
# One to two pages, in the cell below, in the order of notebook 05's report: **data** (which; say it if it was the stand-in), **network** (refer to your answer above), **training** (every number with a reason; device, seconds, images/s, measured; curve and snapshots), **results** (grid, spectrum with floor, nearest images), **limits** (what is wrong with your best samples; what a run of ten times the budget should change, and how you would
# know; your estimate of a full run, marked as one). If you did a longer run, on CIFAR-10 or a GPU, report that one, with its device and time.
#
# === BEGIN MARK SCHEME ===
#
# Give up to 100 by this rubric and divide by ten (half points allowed). A run on the stand-in can get full marks; so can one on CIFAR-10. Samples are judged against what the budget allows, not against published pictures.
#
# | part | full | half | zero |
# | --- | --- | --- | --- |
# | Data (15) | set named as printed, number, split, scaling, augmentation and why it is allowed here | stand-in not named as one, but described | stand-in called CIFAR-10 |
# | Network (15) | consistent with the design answer; budget used | bare list | absent |
# | Training (25) | every hyper-parameter with a reason tied to the budget; device, seconds, images/s, measured; loss against time and held-out loss by noise level read rightly; resumed runs said so | numbers without reasons | could not be repeated |
# | Results (20) | grid; progress on the same noises; spectrum with its floor; nearest images; each with a sentence on what it shows | figures without words | only adjectives |
# | Limits (25) | concrete faults in own samples; a plan with a measure; estimate of the full run with formula and assumption, marked as an estimate | "train longer", estimate without formula | estimate given as a fact, or absent |
#
# **Anchor, full (10):** a classmate could repeat it and would know what to expect.
#
#
#
# **Anchor, half (5):** all parts there, few reasons, no floor.
#
#
#
# **Anchor, zero:** no own run.
#
# === END MARK SCHEME ===

# %% [markdown]
# ## 9 · Corrections to what you may read elsewhere
#
# * **Batch normalisation in a diffusion network.** Some tutorials have it. Rows of a batch have different noise levels, so its statistics mix them; in `eval` mode the running averages fit none of them. Normalise within an image.
# * **Dividing each part's mean loss by the number of parts** is the whole batch's gradient only if all parts are equally large. The last one seldom is.
# * **Clipping each part's gradient** is not clipping the batch's.
# * **`t / 1000` as the only input of a time MLP** works for 10 steps and blurs 1,000: neighbouring times differ by a thousandth. Sines and cosines at several rates keep both ends apart.
# * **A 0.9999 average in a short run** is mostly the untrained network, unless its memory is short at first.
# * **Vertical flips, rotations, strong colour changes** as augmentation teach the network that such photographs exist, and it will draw them.
# * **FID on a few thousand samples, or against other images than the published ones**, cannot be compared with papers. Nor can anything measured on the stand-in.
# * **"Trains in N hours"** without device, arithmetic, network and number of images.

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
