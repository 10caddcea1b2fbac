"""Other right answers to notebook 04's tasks."""

# ---- data, schedules, forward, networks, conversions

answer(
    "ddpm.mixture",
    "distributions",
    cell='''
def sample_mixture(n, generator=None):
    which = torch.distributions.Categorical(torch.tensor([1.0, 2.0]))
    heaps = torch.distributions.Normal(torch.tensor([-4.0, 4.0]), torch.ones(2))
    return torch.distributions.MixtureSameFamily(which, heaps).sample((n, 1))
''',
)
answer(
    "ddpm.mixture",
    "numpy",
    cell='''
import numpy as np

def sample_mixture(n, generator=None):
    rng = np.random.default_rng(np.random.randint(2**31))
    centres = rng.choice([-4, 4, 4], size=n)
    return torch.from_numpy(rng.normal(centres, 1.0)).float().reshape(-1, 1)
''',
)
answer(
    "ddpm.mixture",
    "multinomial",
    cell='''
def sample_mixture(n, generator=None):
    k = torch.multinomial(torch.tensor([1 / 3, 2 / 3]), n, replacement=True, generator=generator)
    x = torch.empty(n, 1).normal_(generator=generator)
    x[k == 0] -= 4
    x[k == 1] += 4
    return x
''',
)
answer(
    "ddpm.mixture",
    "counts-then-shuffle",
    cell='''
def sample_mixture(n, generator=None):
    right = int((torch.rand(n, generator=generator) < 2 / 3).sum())
    x = torch.cat([torch.randn(n - right, 1, generator=generator) - 4, torch.randn(right, 1, generator=generator) + 4])
    return x[torch.randperm(n, generator=generator)]
''',
)

answer(
    "ddpm.normalize",
    "divides-by-n",
    cell='''
import numpy as np

def statistics(train):
    table = train.numpy()
    return torch.as_tensor(table.mean(axis=0)), torch.as_tensor(table.std(axis=0))

def normalize(x, mean, std):
    return torch.stack([(row - mean) / std for row in x])

def denormalize(z, mean, std):
    return torch.addcmul(mean, z, std)
''',
)
answer(
    "ddpm.normalize",
    "double-inside",
    cell='''
def statistics(train):
    std, mean = torch.std_mean(train.double(), dim=0, correction=0)
    return [mean.float(), std.float()]

def normalize(x, mean, std):
    return ((x.double() - mean) * (1 / std.double())).to(x.dtype)

def denormalize(z, mean, std):
    return mean + torch.einsum("bd,d->bd", z, std)
''',
)
answer(
    "ddpm.normalize",
    "columns",
    cell='''
def statistics(train):
    columns = [train[:, k] for k in range(train.shape[1])]
    mean = torch.tensor([c.mean() for c in columns])
    return mean, (train - mean).pow(2).mean(dim=0).sqrt()

def normalize(x, mean, std):
    out = x.clone()
    out -= mean
    out /= std
    return out

def denormalize(z, mean, std):
    return (z + mean / std) * std
''',
)

answer(
    "ddpm.betas",
    "numpy",
    cell='''
import numpy as np

def constant_betas(T, beta=0.02):
    return torch.ones(T) * beta

def linear_betas(T, first=1e-4, last=0.02):
    return torch.from_numpy(np.linspace(first, last, num=T)).float()

def quadratic_betas(T, first=1e-4, last=0.02):
    return torch.tensor(np.linspace(np.sqrt(first), np.sqrt(last), T) ** 2, dtype=torch.float32)
''',
)
answer(
    "ddpm.betas",
    "loops",
    cell='''
def share(T):
    return [k / max(T - 1, 1) for k in range(T)]

def constant_betas(T, beta=0.02):
    return torch.tensor([float(beta) for _ in range(T)])

def linear_betas(T, first=1e-4, last=0.02):
    return torch.tensor([(1 - w) * first + w * last for w in share(T)])

def quadratic_betas(T, first=1e-4, last=0.02):
    return linear_betas(T, math.sqrt(first), math.sqrt(last)).square_()
''',
)

answer(
    "ddpm.cosine_betas",
    "table-with-loop",
    cell='''
def cosine_betas(T, s=0.008, largest=0.999):
    def f(t):
        return math.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2

    return torch.tensor([min(1 - f(t) / f(t - 1), largest) for t in range(1, T + 1)])
''',
)
answer(
    "ddpm.cosine_betas",
    "float32-alpha-bar",
    cell='''
def cosine_betas(T, s=0.008, largest=0.999):
    steps = torch.linspace(0, T, T + 1)
    alpha_bar = torch.cos((steps / T + s) / (1 + s) * torch.pi * 0.5).square()
    alpha_bar = alpha_bar / alpha_bar[0]
    return torch.clip(1 - alpha_bar[1:] / alpha_bar[:-1], 0, largest)
''',
)
answer(
    "ddpm.cosine_betas",
    "half-angle",
    cell='''
import numpy as np

def cosine_betas(T, s=0.008, largest=0.999):
    f = (1 + np.cos(np.pi * (np.linspace(0, 1, T + 1) + s) / (1 + s))) / 2
    betas = -np.diff(f) / f[:-1]
    return torch.minimum(torch.tensor(betas).float(), torch.tensor(largest))
''',
)

answer(
    "ddpm.alpha_bar",
    "loop",
    cell='''
def alpha_bars(betas):
    left = [torch.ones_like(betas[0])]
    for beta in betas:
        left.append(left[-1] * (1 - beta))
    return torch.stack(left)
''',
)
answer(
    "ddpm.alpha_bar",
    "pad-first",
    cell='''
def alpha_bars(betas):
    return (1 - nn.functional.pad(betas, (1, 0))).cumprod(dim=0)
''',
)
answer(
    "ddpm.alpha_bar",
    "logarithms",
    cell='''
def alpha_bars(betas):
    logs = torch.log1p(-betas.double())
    return torch.exp(torch.cat([logs.new_zeros(1), logs]).cumsum(0)).to(betas.dtype)
''',
)

answer(
    "ddpm.one_step",
    "loop",
    cell='''
@attach(DDPM)
def one_step(self, x_prev, t, noise):
    out = torch.empty_like(x_prev)
    for i, step in enumerate(t.tolist()):
        b = float(self.beta[step])
        out[i] = math.sqrt(1 - b) * x_prev[i] + math.sqrt(b) * noise[i]
    return out
''',
)
answer(
    "ddpm.one_step",
    "table-alpha",
    cell='''
@attach(DDPM)
def one_step(self, x_prev, t, noise):
    keep = torch.gather(self.alpha, 0, t).reshape(-1, 1)
    x = x_prev * keep ** 0.5
    x += noise * (1 - keep) ** 0.5
    return x
''',
)

answer(
    "ddpm.q_sample",
    "einsum",
    cell='''
@attach(DDPM)
def q_sample(self, x0, t, noise):
    signal, spread = self.alpha_bar.sqrt(), (1 - self.alpha_bar).sqrt()
    return torch.einsum("b,bd->bd", signal[t], x0) + torch.einsum("b,bd->bd", spread[t], noise)
''',
)
answer(
    "ddpm.q_sample",
    "any-shape",
    cell='''
def column(table, t, x):
    return table.index_select(0, t).view(-1, *([1] * (x.ndim - 1)))

@attach(DDPM)
def q_sample(self, x0, t, noise):
    bar = column(self.alpha_bar, t, x0)
    return torch.sqrt(bar) * x0 + torch.sqrt(1 - bar) * noise
''',
)
answer(
    "ddpm.q_sample",
    "own-product",
    cell='''
@attach(DDPM)
def q_sample(self, x0, t, noise):
    rows = []
    for x, step, eps in zip(x0, t, noise):
        bar = torch.prod(self.alpha[1 : step + 1].double())
        rows.append((bar.sqrt() * x + (1 - bar).sqrt() * eps).float())
    return torch.stack(rows)
''',
)
answer(
    "ddpm.q_sample",
    "lerp-of-variance",
    cell='''
@attach(DDPM)
def q_sample(self, x0, t, noise):
    angle = torch.acos(self.alpha_bar.double().sqrt())[t].unsqueeze(-1)
    return (angle.cos() * x0 + angle.sin() * noise).to(x0.dtype)
''',
)

answer(
    "ddpm.noise_predictor",
    "named-layers",
    cell='''
class NoisePredictor(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(128, 1)
        self.fc2 = nn.Linear(128, 128)
        self.fc1 = nn.Linear(2, 128)

    def forward(self, x, t):
        h = torch.tanh(self.fc1(torch.hstack((t.view(-1, 1).float(), x))))
        h = torch.tanh(self.fc2(h))
        return self.out(h)
''',
)
answer(
    "ddpm.noise_predictor",
    "two-entries",
    cell='''
class NoisePredictor(nn.Module):
    def __init__(self):
        super().__init__()
        self.from_x = nn.Linear(1, 128)
        self.from_t = nn.Linear(1, 128, bias=False)
        self.act = nn.Tanh()
        self.hidden = nn.Linear(128, 128)
        self.last = nn.Linear(128, 1)

    def forward(self, x, t):
        h = self.act(self.from_x(x) + self.from_t(t.unsqueeze(1).float()))
        return self.last(self.act(self.hidden(h)))
''',
)
answer(
    "ddpm.noise_predictor",
    "own-matrices",
    cell='''
class NoisePredictor(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [2, 128, 128, 1]
        self.matrices = nn.ParameterList([torch.randn(i, o) / i**0.5 for i, o in zip(sizes, sizes[1:])])
        self.shifts = nn.ParameterList([torch.zeros(o) for o in sizes[1:]])

    def forward(self, x, t):
        h = torch.cat([x, t[:, None].float()], dim=-1)
        for k, (matrix, shift) in enumerate(zip(self.matrices, self.shifts)):
            h = h @ matrix + shift
            if k < 2:
                h = h.tanh()
        return h
''',
)
answer(
    "ddpm.noise_predictor",
    "lazy-and-zeroed",
    cell='''
class NoisePredictor(nn.Module):
    def __init__(self, width=128):
        super().__init__()
        self.net = nn.Sequential()
        self.net.append(nn.LazyLinear(width)).append(nn.Tanh())
        self.net.append(nn.Linear(width, width)).append(nn.Tanh())
        self.head = nn.Linear(width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x, t):
        both = torch.stack([x.flatten(), t.flatten().type_as(x)], dim=1)
        return self.head(self.net(both)).reshape(x.shape)
''',
)

answer(
    "ddpm.time_features",
    "loop",
    cell='''
def time_features(t, T, rates=(0.5, 1.0, 2.0, 4.0)):
    share = t.float() / T
    waves = [torch.sin(2 * torch.pi * r * share) for r in rates] + [torch.cos(2 * torch.pi * r * share) for r in rates]
    return torch.stack(waves, dim=1)
''',
)
answer(
    "ddpm.time_features",
    "outer-double",
    cell='''
def time_features(t, T, rates=(0.5, 1.0, 2.0, 4.0)):
    turns = torch.outer(t.double() / T, torch.as_tensor(rates, dtype=torch.float64))
    z = torch.polar(torch.ones_like(turns), math.tau * turns)
    return torch.hstack([z.imag, z.real]).float()
''',
)
answer(
    "ddpm.time_features",
    "shifted-sine",
    cell='''
import numpy as np

def time_features(t, T, rates=(0.5, 1.0, 2.0, 4.0)):
    angle = 2 * np.pi / T * t.numpy()[:, None] * np.asarray(rates)
    out = np.empty((len(t), 2 * len(rates)), dtype=np.float32)
    out[:, : len(rates)] = np.sin(angle)
    out[:, len(rates) :] = np.sin(angle + np.pi / 2)
    return torch.from_numpy(out)
''',
)

answer(
    "ddpm.to_x0",
    "match",
    cell='''
@attach(DDPM)
def to_x0(self, out, x_t, t, kind):
    bar = self.alpha_bar[t].unsqueeze(1)
    match kind:
        case "x0":
            return out
        case "v":
            return bar.sqrt() * x_t - (1 - bar).sqrt() * out
        case "score":
            return (x_t + (1 - bar) * out) / bar.sqrt()
        case _:
            return x_t / bar.sqrt() - (1 / bar - 1).sqrt() * out
''',
)
answer(
    "ddpm.to_x0",
    "through-noise",
    cell='''
@attach(DDPM)
def to_x0(self, out, x_t, t, kind):
    a, s = (w.sqrt().view(-1, 1) for w in (self.alpha_bar[t], 1 - self.alpha_bar[t]))
    if kind == "x0":
        return out.clone()
    noise = {"eps": out, "v": a * out + s * x_t, "score": -s * out}[kind]
    return (x_t - s * noise) / a
''',
)
answer(
    "ddpm.to_x0",
    "rows",
    cell='''
def one(bar, out, x, kind):
    if kind == "eps":
        return (x - (1 - bar) ** 0.5 * out) / bar ** 0.5
    if kind == "x0":
        return out
    if kind == "v":
        return bar ** 0.5 * x - (1 - bar) ** 0.5 * out
    return (x + (1 - bar) * out) / bar ** 0.5

@attach(DDPM)
def to_x0(self, out, x_t, t, kind):
    return torch.stack([one(self.alpha_bar[k].item(), o, x, kind) for o, x, k in zip(out, x_t, t)])
''',
)

answer(
    "ddpm.from_x0",
    "each-on-its-own",
    cell='''
@attach(DDPM)
def from_x0(self, x0, x_t, t, kind):
    bar = self.alpha_bar[t][:, None]
    if kind == "x0":
        return x0
    if kind == "v":
        return (bar.sqrt() * x_t - x0) / (1 - bar).sqrt()
    if kind == "score":
        return (bar.sqrt() * x0 - x_t) / (1 - bar)
    return (x_t - bar.sqrt() * x0) / (1 - bar).sqrt()
''',
)
answer(
    "ddpm.from_x0",
    "double",
    cell='''
@attach(DDPM)
def from_x0(self, x0, x_t, t, kind):
    angle = torch.acos(self.alpha_bar[t].double().sqrt())[:, None]
    eps = (x_t - torch.cos(angle) * x0) / torch.sin(angle)
    made = dict(eps=eps, x0=x0, v=torch.cos(angle) * eps - torch.sin(angle) * x0, score=-eps / torch.sin(angle))
    return made[kind].to(x_t.dtype)
''',
)

answer(
    "ddpm.broadcast",
    "bias-and-variances",
    cell='''
def broadcast_loss(predicted, noise):
    gap = predicted.mean() - noise.mean()
    return gap**2 + predicted.var(unbiased=False) + noise.var(unbiased=False)
''',
)
answer(
    "ddpm.broadcast",
    "dots",
    cell='''
def broadcast_loss(predicted, noise):
    B = len(predicted)
    p, n = predicted.double(), noise.double()
    return (torch.dot(p, p) + n @ n) / B - 2 * p.sum() * n.sum() / B**2
''',
)
answer(
    "ddpm.broadcast",
    "spread-around-the-mean",
    cell='''
def broadcast_loss(predicted, noise):
    return ((predicted - noise.mean()) ** 2).mean() + ((noise - noise.mean()) ** 2).mean()
''',
)


# ---- losses, training, posterior, samplers, bound

answer(
    "ddpm.negative_elbo",
    "row-by-row",
    cell='''
@attach(DDPM)
def negative_elbo(self, x0, generator=None):
    losses = []
    for row in x0:
        t = 1 + int(torch.rand(1, generator=generator) * self.T)
        eps = torch.randn(len(row), generator=generator)
        x_t = self.alpha_bar[t] ** 0.5 * row + (1 - self.alpha_bar[t]) ** 0.5 * eps
        gap = self.network(x_t[None], torch.tensor([t]))[0] - eps
        losses.append(gap @ gap)
    return torch.stack(losses)
''',
)
answer(
    "ddpm.negative_elbo",
    "mse-none",
    cell='''
import torch.nn.functional as F

@attach(DDPM)
def negative_elbo(self, x0, generator=None):
    noise = torch.empty_like(x0).normal_(generator=generator)
    t = torch.multinomial(torch.ones(self.T), x0.shape[0], replacement=True, generator=generator) + 1
    x_t = self.q_sample(x0=x0, t=t, noise=noise)
    return F.mse_loss(self.network(x_t, t), noise, reduction="none").sum(dim=-1)
''',
)
answer(
    "ddpm.negative_elbo",
    "numpy-draws",
    cell='''
import numpy as np

@attach(DDPM)
def negative_elbo(self, x0, generator=None):
    B, d = x0.shape
    t = torch.as_tensor(np.random.randint(1, self.T + 1, size=B))
    eps = torch.as_tensor(np.random.standard_normal((B, d)), dtype=x0.dtype)
    error = eps - self.network(self.q_sample(x0, t, eps), t)
    return torch.einsum("bd,bd->b", error, error)
''',
)
answer(
    "ddpm.loss",
    "stratified",
    cell='''
@attach(DDPM)
def loss(self, x0, generator=None):
    B, d = x0.shape
    t = ((torch.randperm(B) + torch.rand(B)) / B * self.T).long().clamp(max=self.T - 1) + 1
    x_t = self.q_sample(x0, t, torch.randn_like(x0))
    target = self.from_x0(x0, x_t, t, kind=self.predicts)
    return d * nn.functional.mse_loss(self.network(x_t, t), target)
''',
)
answer(
    "ddpm.loss",
    "targets-by-hand",
    cell='''
@attach(DDPM)
def loss(self, x0, generator=None):
    eps = torch.distributions.Normal(0.0, 1.0).sample(x0.shape)
    t = torch.randint(self.T, (x0.shape[0],), generator=generator) + 1
    bar = self.alpha_bar[t].unsqueeze(1)
    a, s = torch.sqrt(bar), torch.sqrt(1 - bar)
    out = self.network(a * x0 + s * eps, t)
    if self.predicts == "eps":
        target = eps
    elif self.predicts == "x0":
        target = x0
    elif self.predicts == "v":
        target = a * eps - s * x0
    else:
        target = -eps / s
    return torch.linalg.vector_norm(out - target, dim=1).pow(2).sum() / len(x0)
''',
)
answer(
    "ddpm.train_epochs",
    "loader",
    cell='''
from torch.utils.data import DataLoader, TensorDataset

def train_epochs(ddpm, train, valid, optimizer, epochs, batch_size, generator=None):
    loader = DataLoader(TensorDataset(train), batch_size=batch_size, shuffle=True, generator=generator)
    result = []
    for epoch in range(epochs):
        ddpm.train()
        losses, sizes = [], []
        for (x0,) in loader:
            optimizer.zero_grad(set_to_none=True)
            value = ddpm.loss(x0, generator=generator)
            value.backward()
            optimizer.step()
            losses.append(value.detach() * x0.shape[0])
            sizes.append(x0.shape[0])
        ddpm.eval()
        with torch.inference_mode():
            check_loss = float(ddpm.loss(valid))
        result.append((float(sum(losses)) / sum(sizes), check_loss))
    return result
''',
)
answer(
    "ddpm.train_epochs",
    "tqdm-slices",
    cell='''
import numpy as np
from tqdm import tqdm

def one_epoch(ddpm, data, optimizer, batch_size):
    order = np.random.permutation(len(data))
    seen = 0.0
    for start in range(0, len(data), batch_size):
        x0 = data[torch.from_numpy(order[start:start + batch_size])]
        loss = ddpm.loss(x0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seen += x0.size(0) / data.size(0) * loss.item()
    return seen

@torch.no_grad()
def validate(ddpm, data):
    return ddpm.loss(data).item()

def train_epochs(ddpm, train, valid, optimizer, epochs, batch_size, generator=None):
    optimizer.zero_grad()
    history = []
    bar = tqdm(range(epochs))
    for _ in bar:
        pair = [one_epoch(ddpm, train, optimizer, batch_size), validate(ddpm, valid)]
        bar.set_postfix(train=pair[0], valid=pair[1])
        print(pair)
        history.append(pair)
    return history
''',
)
answer(
    "ddpm.posterior_mean",
    "through-noise",
    cell='''
@attach(DDPM)
def posterior_mean(self, x_t, x0, t):
    bar = self.alpha_bar[t].unsqueeze(-1)
    eps = (x_t - bar.sqrt() * x0) / (1 - bar).sqrt()
    step = self.beta[t].unsqueeze(-1)
    return (x_t - step * eps / torch.sqrt(1 - bar)) / torch.sqrt(1 - step)
''',
)
answer(
    "ddpm.posterior_mean",
    "row-by-row",
    cell='''
@attach(DDPM)
def posterior_mean(self, x_t, x0, t):
    rows = []
    for x, clean, k in zip(x_t, x0, t.tolist()):
        a, b = float(self.alpha_bar[k]), float(self.alpha_bar[k - 1])
        beta = float(self.beta[k])
        rows.append((b ** 0.5 * beta * clean + (1 - beta) ** 0.5 * (1 - b) * x) / (1 - a))
    return torch.stack(rows)
''',
)
answer(
    "ddpm.posterior_mean",
    "einsum-double",
    cell='''
@attach(DDPM)
def posterior_mean(self, x_t, x0, t):
    beta, bar, prev = self.beta.double()[t], self.alpha_bar.double()[t], self.alpha_bar.double()[t - 1]
    first = prev.sqrt() * beta / (1 - bar)
    second = (1 - beta).sqrt() * (1 - prev) / (1 - bar)
    mean = torch.einsum("b,bd->bd", first, x0.double()) + torch.einsum("b,bd->bd", second, x_t.double())
    return mean.float()
''',
)
answer(
    "ddpm.sample",
    "through-the-posterior",
    cell='''
@attach(DDPM)
@torch.no_grad()
def sample(self, shape, *, x_T=None, generator=None):
    x = x_T
    if x is None:
        x = torch.randn(*shape, generator=generator)
    for step in reversed(range(1, self.T + 1)):
        t = x.new_full((x.shape[0],), step, dtype=torch.long)
        bar = self.alpha_bar[step]
        x0 = (x - (1 - bar) ** 0.5 * self.network(x, t)) / bar ** 0.5
        z = torch.zeros_like(x) if step == 1 else torch.randn_like(x)
        x = self.posterior_mean(x, x0, t) + self.beta[step] ** 0.5 * z
    return x
''',
)
answer(
    "ddpm.sample",
    "normal-distribution",
    cell='''
@attach(DDPM)
def sample(self, shape, *, x_T=None, generator=None):
    x = torch.zeros(shape).normal_() if x_T is None else x_T.clone()
    step = self.T
    while step >= 1:
        t = torch.ones(shape[0], dtype=torch.int64) * step
        alpha, bar = self.alpha[t][:, None], self.alpha_bar[t][:, None]
        with torch.no_grad():
            mean = alpha.rsqrt() * (x - (1 - alpha) * (1 - bar).rsqrt() * self.network(x, t))
        x = torch.distributions.Normal(mean, (1 - alpha).sqrt()).sample() if step != 1 else mean
        step -= 1
    return x
''',
)
answer(
    "ddpm.sample",
    "numpy-noise",
    cell='''
import numpy as np

@attach(DDPM)
@torch.no_grad()
def sample(self, shape, *, x_T=None, generator=None):
    noise = np.random.randn(self.T + 1, *shape).astype("float32")
    x = torch.tensor(noise[0]) if x_T is None else x_T
    for t in range(self.T, 0, -1):
        eps = self.network(x, torch.tensor([t] * shape[0]))
        x = (x - self.beta[t] * eps / torch.sqrt(1 - self.alpha_bar[t])) / torch.sqrt(self.alpha[t])
        x += torch.sqrt(self.beta[t]) * torch.from_numpy(noise[t]) * (t > 1)
    return x
''',
)
answer(
    "ddpm.sample_and_track",
    "filled-array",
    cell='''
@torch.no_grad()
def sample_and_track(g, count, *, betas=None, mean=0.0, std=1.0, x_T=None, generator=None):
    betas = 0.02 * torch.ones(250) if betas is None else betas
    alphas = 1 - betas
    bars = alphas.cumprod(dim=0)
    x = torch.normal(torch.zeros(count, 1), torch.ones(count, 1)) if x_T is None else x_T.clone()
    history = torch.empty(len(betas) + 1)
    history[0] = x[0]
    for i in reversed(range(len(betas))):
        z = torch.randn_like(x) if i > 0 else 0.0
        t = torch.full((count,), i + 1, dtype=torch.long)
        x = (x - betas[i] / torch.sqrt(1 - bars[i]) * g(x, t)) / torch.sqrt(alphas[i]) + torch.sqrt(betas[i]) * z
        history[len(betas) - i] = x[0]
    return (mean + std * x).squeeze(1), mean + std * history
''',
)
answer(
    "ddpm.sample_and_track",
    "list-of-floats",
    cell='''
@torch.no_grad()
def sample_and_track(g, count, *, betas=None, mean=0.0, std=1.0, x_T=None, generator=None):
    betas = torch.full((250,), 0.02) if betas is None else betas
    x = torch.randn((count, 1), generator=generator) if x_T is None else x_T
    track = [float(x[0] * std + mean)]
    for t in range(len(betas), 0, -1):
        beta, bar = betas[t - 1].item(), (1 - betas[:t]).prod().item()
        x = (x - beta * (1 - bar) ** -0.5 * g(x, t * torch.ones(count).long())) * (1 - beta) ** -0.5
        if t != 1:
            x = x + beta ** 0.5 * torch.randn(count, 1, generator=generator)
        track.append(float(x[0] * std + mean))
    return (x * std + mean).flatten(), torch.tensor(track)
''',
)
answer(
    "ddpm.sample_posterior",
    "skips-last-noise",
    cell='''
@attach(DDPM)
@torch.no_grad()
def sample_posterior(self, shape, stochastic=True, *, x_T=None, generator=None):
    x = torch.randn(*shape) if x_T is None else x_T
    for k in range(self.T, 0, -1):
        t = torch.tensor(k).repeat(shape[0])
        clean = self.to_x0(out=self.network(x, t), x_t=x, t=t, kind=self.predicts)
        x = self.posterior_mean(x_t=x, x0=clean, t=t)
        if stochastic and k > 1:
            before, now = 1 - self.alpha_bar[k - 1], 1 - self.alpha_bar[k]
            x = torch.normal(x, torch.sqrt(before / now * self.beta[k]))
    return x
''',
)
answer(
    "ddpm.sample_posterior",
    "precisions",
    cell='''
@attach(DDPM)
def one_back(self, x, t, noise):
    bar, prev = self.alpha_bar[t].view(-1, 1), self.alpha_bar[t - 1].view(-1, 1)
    x0 = self.to_x0(self.network(x, t), x, t, self.predicts)
    if (t == 1).all():
        return x0
    precision = self.alpha[t].view(-1, 1) / self.beta[t].view(-1, 1) + 1 / (1 - prev)
    weighted = self.alpha[t].view(-1, 1).sqrt() / self.beta[t].view(-1, 1) * x + prev.sqrt() / (1 - prev) * x0
    return weighted / precision + noise / precision.sqrt()

@attach(DDPM)
def sample_posterior(self, shape, stochastic=True, *, x_T=None, generator=None):
    with torch.no_grad():
        x = torch.randn(shape, generator=generator) if x_T is None else x_T
        for step in range(self.T, 0, -1):
            noise = torch.randn_like(x) if stochastic else torch.zeros_like(x)
            x = one_back(self, x, torch.full((len(x),), step), noise)
        return x
''',
)
answer(
    "ddpm.kl_term",
    "distributions",
    cell='''
from torch.distributions import Independent, Normal, kl_divergence

@attach(DDPM)
def kl_term(self, x0, x_t, t):
    guess = self.to_x0(self.network(x_t, t), x_t, t, self.predicts)
    p = Independent(Normal(self.posterior_mean(x_t, guess, t), self.beta[t][:, None].sqrt()), 1)
    spread = ((1 - self.alpha_bar[t - 1]) / (1 - self.alpha_bar[t]) * self.beta[t])[:, None].sqrt().clamp(min=1e-12)
    q = Independent(Normal(self.posterior_mean(x_t, x0, t), spread.expand_as(x0)), 1)
    return torch.where(t == 1, -p.log_prob(x0), kl_divergence(q, p))
''',
)
answer(
    "ddpm.kl_term",
    "row-by-row",
    cell='''
@attach(DDPM)
def kl_term(self, x0, x_t, t):
    x_hat = self.to_x0(self.network(x_t, t), x_t, t, self.predicts)
    rows = []
    for i in range(len(t)):
        k, beta = int(t[i]), float(self.beta[t[i]])
        one = slice(i, i + 1)
        mean = self.posterior_mean(x_t[one], x_hat[one], t[one])
        if k == 1:
            rows.append(0.5 * ((x0[one] - mean) ** 2 / beta + math.log(2 * math.pi * beta)).sum())
            continue
        right = self.posterior_mean(x_t[one], x0[one], t[one])
        v = beta * float((1 - self.alpha_bar[k - 1]) / (1 - self.alpha_bar[k]))
        rows.append((0.5 * math.log(beta / v) + (v + (mean - right) ** 2) / (2 * beta) - 0.5).sum())
    return torch.stack(rows)
''',
)
