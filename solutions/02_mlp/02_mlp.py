# %% [markdown]
# # 02 · The network: an MLP that is told the time
#
# **Where we are.** In notebook 01 you drew points and added noise to them, $x_t = \alpha_t x_0 + \sigma_t\varepsilon$. A diffusion
# model goes back from $x_t$ towards $x_0$, and for that it needs a function that nobody can write down: given a noisy point and how
# noisy it is, which way is the data? A neural network will learn it in notebook 03. Here you build that network.
#
# **At the end you can**
#
# * write a forward pass in which every layer has its part, with a residual connection and a normalisation;
# * say why there is an activation between layers, and how large the weights should be when training begins;
# * tell a network the time, in three ways: as a number, as sines and cosines, and added inside.
#
# **Time:** about 90 minutes. On a laptop CPU every cell takes under 5 seconds.

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

# %%
from helpers import plots

plots.style()
notation()

# %% [markdown]
# ## 1 · What the network has to do
#
# Everything that follows in this course needs one contract:
#
# $$ (x, t) \;\longmapsto\; y, \qquad x \in \mathbb{R}^{B\times d},\quad t \in \mathbb{R}^{B},\quad y \in \mathbb{R}^{B\times d}. $$
#
# * **The same shape out as in.** The answer is a direction, or a noise vector, *at* the point: it has as many coordinates.
# * **Row by row.** A batch holds $B$ points that know nothing of each other. Row 3 of the answer depends on row 3 of the input alone.
# * **Any real number may come out**, large or small, of either sign.
# * **It is told the time**, and each row has its own. Far from the data at $t = 1$ a different answer is right than close to it at $t = 0$.
#
# We begin without the time.

# %% [markdown]
# ## 2 · An MLP
#
# The picture is read from left to right. Blue boxes are linear layers, $\varphi$ is the activation $\mathrm{SiLU}(z) = z/(1+e^{-z})$,
# *norm* brings each row to mean 0 and variance 1 and then scales and shifts it (layer normalisation), and the red arrow carries a copy
# past three boxes and adds it at $+$: a *residual connection*.

# %%
figure = plots.chain(["x", "inp", "φ", "hidden1", "φ", "norm", "hidden2", "φ", "+", "out", "y"], skip=(4.5, 8))

# %% [markdown]
# *The chain is x, inp, φ, hidden1, φ, then a block of norm, hidden2, φ; the red arrow leaves before norm and arrives at the + after the
# block; then out, y.*
#
# In formulas, where $W_\text{inp}h + b_\text{inp}$ is what the module `inp` does to a row $h$, and so on:
#
# $$
# \begin{aligned}
# h_1 &= \varphi(W_\text{inp}\, x + b_\text{inp}) \\
# h_2 &= \varphi(W_\text{hidden1}\, h_1 + b_\text{hidden1}) \\
# h_3 &= h_2 + \varphi\big(W_\text{hidden2}\, \mathrm{norm}(h_2) + b_\text{hidden2}\big) \\
# y &= W_\text{out}\, h_3 + b_\text{out}
# \end{aligned}
# $$
#
# The modules are made for you, in no particular order.

# %% given=true
class MLP(nn.Module):
    """A small network for points in a few dimensions: (B, dim_in) -> (B, dim_out)."""

    def __init__(self, dim_in=2, dim_hidden=64, dim_out=2):
        super().__init__()
        self.out = nn.Linear(dim_hidden, dim_out)
        self.hidden2 = nn.Linear(dim_hidden, dim_hidden)
        self.hidden1 = nn.Linear(dim_hidden, dim_hidden)
        self.inp = nn.Linear(dim_in, dim_hidden)
        self.norm = nn.LayerNorm(dim_hidden)
        self.act = nn.SiLU()

# %% [markdown]
# **Task.** Write `forward` so that every module made in `__init__` has its part. The line `@attach(MLP)` makes your function a method of
# the class, so that a class can be written over several cells.

# %% answer="mlp.forward"
@attach(MLP)
def forward(self, x):
    """The four formulas above.

    Args:
        x: tensor (B, dim_in), float32 or float64 like the weights. It is not changed.

    Returns:
        Tensor (B, dim_out) of the same dtype. Row i depends on row i of x alone.
    """
    ### BEGIN SOLUTION
    h = self.act(self.inp(x))
    h = self.act(self.hidden1(h))
    h = h + self.act(self.hidden2(self.norm(h)))
    return self.out(h)
    ### END SOLUTION

# %% check="mlp.forward" points=5
check("mlp.forward", MLP)

# %% [markdown]
# The check puts its own weights into your network, so it knows the right answer to the last digit, whatever torch drew for you.
#
# A habit worth having: after one backward pass, does **every** parameter have a gradient? A module that was forgotten shows as `None`.

# %%
network = MLP()
y = network(torch.randn(10, 2))
y.square().mean().backward()
print("shape:", list(y.shape))
for name, parameter in network.named_parameters():
    size = "None" if parameter.grad is None else f"{parameter.grad.norm():.2e}"
    print(f"{name:15} {list(parameter.shape)!s:10} |gradient| = {size}")

# %% [markdown]
# **Look for:** ten rows out, two numbers each, and ten lines with a number at the end, none with `None`.

# %% [markdown]
# ## 3 · Why there is an activation between layers
#
# A linear layer after a linear layer is a linear layer: $W_2(W_1x + b_1) + b_2 = (W_2W_1)\,x + (W_2b_1 + b_2)$. However deep, such a network
# draws a straight line. The loop below fits any network to any targets; you will meet it again.

# %%
def fit(network, inputs, target, steps, lr=3e-3, label=""):
    """Least squares by Adam on random batches of 256 rows; returns the loss of every step."""
    optimizer, losses = torch.optim.Adam(network.parameters(), lr=lr), []
    for _ in progress_bar(budget(steps), label):
        rows = torch.randint(len(inputs), (256,))
        loss = nn.functional.mse_loss(network(inputs[rows]), target[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item()]
    return losses

# %%
torch.manual_seed(0)
x = torch.linspace(-3, 3, 1024)[:, None]
target = torch.sin(2 * x) + 0.4 * x
straight = nn.Sequential(nn.Linear(1, 64), nn.Linear(64, 64), nn.Linear(64, 1))
bent = nn.Sequential(nn.Linear(1, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
fit(straight, x, target, 600, label="without"), fit(bent, x, target, 600, label="with")

figure, ax = plots.plt.subplots(figsize=(6, 3))
ax.plot(x, target, color=plots.INK, lw=5, alpha=0.35, label="target")
ax.plot(x, straight(x).detach(), color=plots.VERMILION, ls="--", label="three layers, no activation")
ax.plot(x, bent(x).detach(), color=plots.BLUE, label="three layers, SiLU between them")
ax.set(xlabel="$x$", ylabel="$y$")
ax.legend(loc="upper left", fontsize=9)
plots.plt.show()

# %% [markdown]
# *A wavy target; the network without activations is a straight line through it (dashed), the one with SiLU follows every wave.*
# About 2 seconds.
#
# **Look for:** both networks learn 4,353 numbers, and one of them wastes nearly all of them. And why no activation *after* the last layer?
# $\mathrm{SiLU}(z) \ge -0.28$ for every $z$: no number below that could ever come out.

# %% [markdown]
# ## 4 · How large the first weights should be
#
# Before the first step of training the weights are random. Send random rows through twelve layers, with weights
# $W_{ij} \sim \mathcal{N}(0, s^2/\text{fan in})$ and no biases, where *fan in* is the number of inputs of the layer, and watch the size of the signal:

# %%
torch.manual_seed(0)
figure, ax = plots.plt.subplots(figsize=(6, 3.2))
for s2, name, style in ((1 / 3, "$s^2 = 1/3$ (torch's default)", ":"), (2, "$s^2 = 2$", "-"), (12, "$s^2 = 12$", "--")):
    h, sizes = torch.randn(1000, 128), [1.0]
    for _ in range(12):
        h = nn.functional.silu(h @ torch.randn(128, 128) * math.sqrt(s2 / 128))
        sizes.append(h.square().mean().sqrt().item())
    ax.semilogy(sizes, style, marker="o", ms=4, label=name)
ax.set(xlabel="layers passed", ylabel="root mean square of the signal", xticks=range(0, 13, 2))
ax.legend(fontsize=9)
plots.plt.show()

# %% [markdown]
# *The size of the signal against the layers passed, on a logarithmic axis: three nearly straight lines, one falling steeply, one falling
# slowly, one exploding.*
#
# **Look for:** with the spread of torch's default for `nn.Linear` the signal shrinks to about 0.3 of its size in every layer, and so does the
# gradient that comes back. He et al. (2015, arXiv 1502.01852) asked which spread keeps the mean square of the signal unchanged when an activation sets half
# of it to zero, and found (*Kaiming initialisation*)
#
# $$ W_{ij} \sim \mathcal{N}\!\Big(0,\ \frac{2}{\text{fan in}}\Big), \qquad b_i = 0. $$
#
# It is exact for ReLU; for SiLU the signal still fades, but slowly.
#
# **Task.** Write `initialise(network)` for any network: every `nn.Linear` in it, however deep inside other modules, gets such weights, each
# drawn on its own, and zero biases. Modules of other kinds stay as they are.

# %% answer="mlp.init"
def initialise(network):
    """Kaiming initialisation with a normal distribution, in place.

    Args:
        network: any nn.Module. Each nn.Linear inside (at any depth) gets weights of mean 0 and variance 2 / fan in and biases of 0.
            Some linear layers have no bias: their `bias` is None.
    """
    ### BEGIN SOLUTION
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, math.sqrt(2 / module.in_features))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    ### END SOLUTION

# %% check="mlp.init" points=3
check("mlp.init", initialise)

# %% [markdown]
# Does it matter? Twelve layers, the wavy target of section 3, the same steps of training:

# %%
def deep():
    layers = [nn.Linear(1, 64), nn.SiLU()]
    for _ in range(10):
        layers += [nn.Linear(64, 64), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(64, 1))

torch.manual_seed(0)
figure, ax = plots.plt.subplots(figsize=(6, 3))
for name, colour, kaiming in (("torch's default", plots.VERMILION, False), ("Kaiming", plots.BLUE, True)):
    network = deep()
    if kaiming:
        initialise(network)
    ax.semilogy(fit(network, x, target, 250, lr=1e-3, label=name), color=colour, ls="-" if kaiming else "--", lw=1, label=name)
ax.set(xlabel="step", ylabel="loss")
ax.legend(fontsize=9)
plots.plt.show()

# %% [markdown]
# *The loss against the steps of training: the dashed curve of torch's default comes down slowly, that of Kaiming falls much faster
# and ends far below.* About 4 seconds.
#
# **Look for:** how many steps either needs to reach a loss of 0.01. The default network's output hardly depends on its input at first, and neither
# does the gradient, so little tells the layers where to go. This one gets over it, but in more than twice the steps. When the time for training is short,
# a network may not get over it at all. (And from weights that are *all* zero nothing is ever learned: notebook 03, section 8.)

# %% [markdown]
# ## 5 · Telling the time: one more column
#
# The simplest way to tell a network the time is to write it beside $x$, as one more column. But a step number runs from 0 to $T$, often
# 1000, and the coordinates of $x$ are of size 1. Below, two equal networks fit $y = \sin(3x + 6\tau)$ with $\tau$ between 0 and 1; one sees
# the time as $\tau$, the other as the step $1000\,\tau$.

# %%
torch.manual_seed(0)
tau, x = torch.rand(4096, 1), 4 * torch.rand(4096, 1) - 2
target = torch.sin(3 * x + 6 * tau)
figure, ax = plots.plt.subplots(figsize=(6, 3))
for unit, name, colour in ((1000, "time from 0 to 1000", plots.VERMILION), (1, "time from 0 to 1", plots.BLUE)):
    network = nn.Sequential(nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
    initialise(network)
    losses = fit(network, torch.hstack([x, unit * tau]), target, 600, label=name)
    ax.semilogy(losses, color=colour, lw=1, ls="-" if unit == 1 else "--", label=name)
ax.axhline(target.var().item(), color=plots.INK, lw=1, ls=":", label="a constant answer")
ax.set(xlabel="step of training", ylabel="loss")
ax.legend(fontsize=9, loc="upper right")
plots.plt.show()

# %% [markdown]
# *Two losses against the steps: with the time from 0 to 1 the loss falls by a factor of about a hundred; with the time from 0 to 1000 it starts
# near 100,000 and does not get clearly below the dotted line of a constant answer.* About 3 seconds.
#
# So the time is brought to $[0, 1]$ first. The constructor knows the number of steps $T$, and the network sees
#
# $$ y = \mathrm{layers}\Big(\big[\,x_1, \dots, x_d,\ \tfrac{t}{T}\,\big]\Big). $$

# %% given=true
class FcNetwork(nn.Module):
    """A network for points x at steps t = 0, ..., T: (B, dim), (B,) -> (B, dim)."""

    def __init__(self, dim, T, hidden=64):
        super().__init__()
        self.T = T
        self.layers = nn.Sequential(
            nn.Linear(dim + 1, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, dim)
        )

# %% [markdown]
# **Task.** Write its `forward`. Times come as a column or flat, as integers or as real numbers; each row has its own.

# %% answer="mlp.fcnetwork"
@attach(FcNetwork)
def forward(self, x, t):
    """The layers, applied to x with the normalised time as the last column.

    Args:
        x: tensor (B, dim), float32 or float64 like the weights.
        t: tensor (B,) or (B, 1), from 0 to T, integer or floating; row i of x belongs to time i. Neither x nor t is changed.

    Returns:
        Tensor (B, dim) of the dtype of x.
    """
    ### BEGIN SOLUTION
    t = t.reshape(-1, 1) / self.T
    return self.layers(torch.cat([x, t], dim=1))
    ### END SOLUTION

# %% check="mlp.fcnetwork" points=4
check("mlp.fcnetwork", FcNetwork)

# %% [markdown]
# ## 6 · Telling the time: sines and cosines
#
# One number between 0 and 1 says little: steps 500 and 510 differ by 0.01, and a network that should answer quite differently at the two has
# to be very steep. Think of a clock. The hour hand alone tells the time, but to see a second pass you look at the fast hand. So show the network
# many hands: a fast one, which alone is ambiguous, a slow one, which alone is blurred, and those between.

# %%
t = torch.linspace(0, 60, 600)
figure, ax = plots.plt.subplots(figsize=(7, 2.6))
for speed, name, dash in ((1.0, "a fast hand", "-"), (0.25, "a slower one", "--"), (0.03, "a slow one", "-.")):
    ax.plot(t, torch.sin(speed * t), dash, label=name)
ax.set(xlabel="$t$", ylabel="height of the hand's tip")
ax.legend(fontsize=9, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
plots.plt.show()

# %% [markdown]
# *Three sine waves over the time, of period 6, 25 and 209.* When the fast hand is back in its place, a slower one is not. But the height of a tip
# does not say on which side of the clock it is: near $t = 53$ and $t = 60$ all three have almost the same heights. So each sine gets the cosine of the same hand beside it.
#
# The usual choice (Vaswani et al. 2017; in this form in the code of Ho et al. 2020) has `dim`/2 frequencies, from 1 down to 1/`max_period` in equal
# ratios. With $P$ for `max_period` and $m$ for `dim`:
#
# $$ \omega_k = P^{-k/(m/2 - 1)}, \qquad k = 0, 1, \dots, \tfrac m2 - 1, $$
#
# $$ \mathrm{emb}(t) = \big[\,\sin(\omega_0 t), \dots, \sin(\omega_{m/2-1} t),\ \cos(\omega_0 t), \dots, \cos(\omega_{m/2-1} t)\,\big]. $$
#
# All sines come first, then all cosines. Nothing in it is learned.
#
# **Task.** Write `forward` of the class below. Times come as a column or flat, as in section 5.

# %% given=true
class SinusoidalEmbedding(nn.Module):
    """Times as sines and cosines: (B,) -> (B, dim), for an even dim of at least 4."""

    def __init__(self, dim, max_period=10_000):
        super().__init__()
        self.dim, self.max_period = dim, max_period

# %% answer="mlp.embedding"
@attach(SinusoidalEmbedding)
def forward(self, t):
    """All sines, then all cosines, of t times each frequency.

    Args:
        t: tensor (B,) or (B, 1), integer or floating. It is not changed.

    Returns:
        Tensor (B, dim), in the dtype of t if that is floating, else float32.
    """
    ### BEGIN SOLUTION
    half = self.dim // 2
    k = torch.arange(half, device=t.device)
    omega = self.max_period ** (-k / (half - 1))
    angles = t.reshape(-1, 1) * omega
    return torch.cat([angles.sin(), angles.cos()], dim=1)
    ### END SOLUTION

# %% check="mlp.embedding" points=4
check("mlp.embedding", SinusoidalEmbedding)

# %%
table = SinusoidalEmbedding(64)(torch.arange(1001)).numpy()
figure, (left, right) = plots.plt.subplots(1, 2, figsize=(10, 3.3))
image = left.imshow(table, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
left.set(xlabel="column (32 sines, 32 cosines)", ylabel="$t$", title="emb(t) for all steps")
left.grid(False)
figure.colorbar(image, ax=left)
for step, mark, colour in ((500, "o-", plots.BLUE), (510, "s--", plots.ORANGE)):
    right.plot(table[step], mark, ms=3, lw=1, color=colour, label=f"t = {step}")
right.set(xlabel="column")
right.legend(title="two of its rows", fontsize=9, ncols=2, loc="lower left", bbox_to_anchor=(0.2, 0.98))
plots.plt.show()

# %% [markdown]
# *Left: a heat map with time downwards and the 64 columns across. In both halves the first columns flicker and the last hardly change. Right: the
# rows of t = 500 and t = 510, far apart in the first columns of each half and equal in its last.*
#
# **Look for:** the fast columns tell 500 from 510, the slow ones tell 500 from 900. What is it good for? Below, three networks that differ
# only in how they see the time fit one function of $t$ with a slow wave and fast ones.

# %%
torch.manual_seed(0)
t = torch.arange(1001.0)[:, None]
target = torch.sin(2 * math.pi * t / 1000) + 0.5 * torch.sin(2 * math.pi * t / 60) * (t > 500)
views = {"the step, 0 to 1000": t, "a number from 0 to 1": t / 1000, "sines and cosines": SinusoidalEmbedding(64)(t)}
figure, axes = plots.plt.subplots(1, 3, figsize=(11, 2.8), sharey=True)
for ax, (name, view), colour in zip(axes, views.items(), plots.COLOURS[:3], strict=True):
    network = nn.Sequential(nn.Linear(view.shape[1], 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
    initialise(network)
    loss = fit(network, view, target, 800, label=name)[-1]
    ax.plot(t, target, color=plots.INK, lw=4, alpha=0.35)
    ax.plot(t, network(view).detach(), color=colour, lw=1.3)
    ax.set(title=f"{name}: loss {loss:.2g}", xlabel="$t$", ylim=(-2.2, 2.2))
plots.plt.show()

# %% [markdown]
# *Three panels with the same grey target: a slow wave, with fast ripples in its second half. Fed with the step the network follows even the slow wave badly, with a
# number from 0 to 1 it has the slow wave and no ripples, with sines and cosines it follows both.* About 4 seconds.
#
# **Mind the unit of time.** With these frequencies, $\omega_k \le 1$, times have to be of size 1000 for the hands to turn. Where $t$ runs from 0 to
# 1, as in notebook 03, multiply it first, or choose other frequencies.

# %% [markdown]
# ## 7 · Both together: time added inside
#
# The U-Nets of the later notebooks do not write the time beside $x$. A linear layer turns the embedding into one vector $e$, which is added inside,
# at every level, before the activation. So each unit gets a threshold that moves with the time. In small:

# %%
figure = plots.chain(["x", "inp", "+", "φ", "hidden", "+", "φ", "out", "y"], feed=(["t", "embed", "time"], (2, 5)))

# %% [markdown]
# *Above: x, inp, +, φ, hidden, +, φ, out, y. Below: t, embed, time, from where one vector goes to both +.*
#
# $$
# \begin{aligned}
# e &= W_\text{time}\,\mathrm{emb}(t) + b_\text{time} \\
# h_1 &= \varphi(W_\text{inp}\, x + b_\text{inp} + e) \\
# h_2 &= \varphi(W_\text{hidden}\, h_1 + b_\text{hidden} + e) \\
# y &= W_\text{out}\, h_2 + b_\text{out}
# \end{aligned}
# $$
#
# **Task.** Write `forward` of the class below, after these formulas.

# %% given=true
class TimedMLP(nn.Module):
    """A network for points x at times t, conditioned by addition: (B, dim), (B,) -> (B, dim)."""

    def __init__(self, dim=2, dim_hidden=64, dim_time=32):
        super().__init__()
        self.embed = SinusoidalEmbedding(dim_time)
        self.time = nn.Linear(dim_time, dim_hidden)
        self.inp = nn.Linear(dim, dim_hidden)
        self.hidden = nn.Linear(dim_hidden, dim_hidden)
        self.out = nn.Linear(dim_hidden, dim)
        self.act = nn.SiLU()

# %% answer="mlp.timed"
@attach(TimedMLP)
def forward(self, x, t):
    """The four formulas above; the time is not normalised, the embedding takes it as it is.

    Args:
        x: tensor (B, dim), float32 or float64 like the weights.
        t: tensor (B,) or (B, 1), a time for each row, of the dtype of x or (beside float32) integer. Neither x nor t is changed.

    Returns:
        Tensor (B, dim) of the dtype of x.
    """
    ### BEGIN SOLUTION
    e = self.time(self.embed(t))
    h = self.act(self.inp(x) + e)
    h = self.act(self.hidden(h) + e)
    return self.out(h)
    ### END SOLUTION

# %% check="mlp.timed" points=4
check("mlp.timed", TimedMLP)

# %% [markdown]
# A first field that changes with time: the arrow at $x$ is $x$ itself, turned by an angle that grows from 0 at $t = 0$ to $\pi$ at
# $t = 1000$. The network learns it from random points at random times. About 3 seconds.

# %%
def turned(x, t):
    angle = math.pi * t.reshape(-1, 1) / 1000
    return angle.cos() * x + angle.sin() * torch.stack([-x[:, 1], x[:, 0]], dim=1)

torch.manual_seed(0)
field = TimedMLP()
initialise(field)
optimizer = torch.optim.Adam(field.parameters(), lr=3e-3)
for _ in progress_bar(budget(800), "field"):
    x, t = torch.randn(512, 2), 1000 * torch.rand(512)
    loss = nn.functional.mse_loss(field(x, t), turned(x, t))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.4f} (answering 0 everywhere: 1)")

# %%
grid = torch.linspace(-1.5, 1.5, 7)
x = torch.cartesian_prod(grid, grid)
figure, axes = plots.plt.subplots(1, 3, figsize=(10, 3.6), sharey=True)
for ax, step in zip(axes, (0, 500, 1000), strict=True):
    t = torch.tensor([step]).expand(len(x))
    for arrows, colour, width, name in (
        (turned(x, t), plots.ORANGE, 0.012, "target"),
        (field(x, t).detach(), plots.BLUE, 0.005, "network"),
    ):
        ax.quiver(*x.T, *arrows.T, color=colour, width=width, angles="xy", scale_units="xy", scale=4, label=name)
    ax.set(aspect="equal", title=f"t = {step}", xlabel="$x_1$", xlim=(-2.1, 2.1), ylim=(-2.1, 2.1))
axes[0].set_ylabel("$x_2$")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plots.plt.show()

# %% [markdown]
# *Three fields of arrows: pointing outwards at t = 0, turning counter-clockwise at t = 500, pointing inwards at t = 1000. The thin arrows of the
# network lie on the thick ones of the target.*
#
# **Look for:** the same network, three fields. Only the time that it was told differs.

# %% [markdown]
# ## What comes next
#
# You have a network that takes noisy points and a time for each, and answers with a vector at each point. What it should answer is the
# subject of **notebook 03**: the *score* of the noisy data. There you write the noising process as a stochastic differential equation, the
# loss that makes a network learn the score without ever seeing it, and two ways to walk back from noise to data.

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
