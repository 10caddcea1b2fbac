"""Other right answers of notebook 07."""

# ---- spectrum

answer(
    "cifar.power_spectrum",
    "loops",
    cell='''
def power_spectrum(x):
    images, channels, size, _ = x.shape
    sums, counts = [0.0] * (size // 2 + 1), [0] * (size // 2 + 1)
    transform = torch.fft.fft2(x.double()) / size
    power = (transform.real**2 + transform.imag**2).mean(dim=(0, 1))
    for i in range(size):
        for j in range(size):
            a, b = min(i, size - i), min(j, size - j)
            k = round(math.sqrt(a * a + b * b))
            if k <= size // 2:
                sums[k] += power[i, j].item()
                counts[k] += 1
    return [s / c for s, c in zip(sums, counts)]
''',
)
answer(
    "cifar.power_spectrum",
    "numpy-shifted-bincount",
    cell='''
import numpy as np


def power_spectrum(x):
    x = x.numpy()
    n = x.shape[-1]
    power = np.fft.fftshift((np.abs(np.fft.fft2(x)) / n) ** 2, axes=(-2, -1)).mean(axis=(0, 1))
    f = np.arange(n) - n // 2
    k = np.rint(np.sqrt(f[:, None] ** 2 + f**2)).astype(int).ravel()
    rings = np.bincount(k, weights=power.ravel()) / np.bincount(k)
    return torch.from_numpy(rings[: n // 2 + 1])
''',
)
answer(
    "cifar.power_spectrum",
    "matrix-of-waves",
    cell='''
def power_spectrum(x):
    n = x.shape[-1]
    p = torch.arange(n, dtype=torch.float64)
    waves = torch.exp(-2j * math.pi * torch.outer(p, p) / n) / math.sqrt(n)
    turned = torch.einsum("ai,bcij,dj->bcad", waves, x.to(torch.complex128), waves)
    power = (turned * turned.conj()).real
    periods = torch.where(p > n / 2, n - p, p)
    k = ((periods[:, None] ** 2 + periods**2).sqrt() + 0.5).floor()
    out = torch.empty(n // 2 + 1)
    for i in range(len(out)):
        out[i] = power[:, :, k == i].mean()
    return out
''',
)

# ---- flip

answer(
    "cifar.flip",
    "loop",
    cell='''
def flip(x, generator=None):
    out = []
    for image in x:
        if torch.randint(2, (), generator=generator).item():
            image = torch.flip(image, dims=[-1])
        out.append(image)
    return torch.stack(out)
''',
)
answer(
    "cifar.flip",
    "index-in-a-copy",
    cell='''
def flip(x, generator=None):
    out = x.clone()
    chosen = torch.randint(0, 2, (x.size(0),), generator=generator).bool()
    out[chosen] = x[chosen].flip(-1)
    return out
''',
)
answer(
    "cifar.flip",
    "gather",
    cell='''
def flip(x, generator=None):
    b, c, h, w = x.shape
    columns = torch.arange(w).repeat(b, 1)
    back = torch.empty(b, 1).uniform_(generator=generator) >= 0.5
    columns = torch.where(back, w - 1 - columns, columns)
    return torch.gather(x, 3, columns[:, None, None, :].expand(b, c, h, w))
''',
)

# ---- networks, as different as they come

HEAD = '''
%%writefile network.py
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

'''

answer(
    "cifar.network",
    "plain-convolutions",
    cell=HEAD
    + '''
class Network(nn.Module):
    def __init__(self, width=48, depth=8):
        super().__init__()
        self.embed = nn.Embedding(1000, width)
        self.convs = nn.ModuleList([nn.Conv2d(3 if i == 0 else width, width, 3, padding=1) for i in range(depth)])
        self.end = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x, t):
        emb = self.embed(t)[:, :, None, None]
        h = x
        for conv in self.convs:
            h = F.relu(conv(h) + emb)
        return self.end(h)
''',
)
answer(
    "cifar.network",
    "unet-with-group-norm",
    cell=HEAD
    + '''
class Res(nn.Module):
    def __init__(self, a, b, e):
        super().__init__()
        self.n1, self.c1 = nn.GroupNorm(8, a), nn.Conv2d(a, b, 3, padding=1)
        self.n2, self.c2 = nn.GroupNorm(8, b), nn.Conv2d(b, b, 3, padding=1)
        self.e, self.d = nn.Linear(e, b), nn.Dropout(0.1)
        self.s = nn.Conv2d(a, b, 1) if a != b else nn.Identity()

    def forward(self, x, e):
        h = self.c1(F.silu(self.n1(x))) + self.e(e)[:, :, None, None]
        return self.s(x) + self.c2(self.d(F.silu(self.n2(h))))


class Network(nn.Module):
    def __init__(self, w=24):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.start = nn.Conv2d(3, w, 3, padding=1)
        self.d1, self.d2, self.m = Res(w, w, 64), Res(w, 2 * w, 64), Res(2 * w, 2 * w, 64)
        self.u2, self.u1 = Res(4 * w, w, 64), Res(2 * w, w, 64)
        self.pool = nn.AvgPool2d(2)
        self.end = nn.Sequential(nn.GroupNorm(8, w), nn.SiLU(), nn.Conv2d(w, 3, 3, padding=1))

    def forward(self, x, t):
        f = torch.exp(-math.log(10_000) * torch.arange(16, device=t.device) / 16)
        a = t.float().unsqueeze(1) * f
        e = self.mlp(torch.cat([a.sin(), a.cos()], 1))
        h1 = self.d1(self.start(x), e)
        h2 = self.d2(self.pool(h1), e)
        h = self.m(self.pool(h2), e)
        h = self.u2(torch.cat([F.interpolate(h, scale_factor=2), h2], 1), e)
        return self.end(self.u1(torch.cat([F.interpolate(h, scale_factor=2), h1], 1), e))
''',
)
answer(
    "cifar.network",
    "vision-transformer",
    cell=HEAD
    + '''
class Network(nn.Module):
    def __init__(self, dim=96, depth=3, patch=4):
        super().__init__()
        self.patch = patch
        self.inward = nn.Conv2d(3, dim, patch, stride=patch)
        self.place = nn.Parameter(0.02 * torch.randn(1, (32 // patch) ** 2, dim))
        self.time = nn.Sequential(nn.Linear(64, dim), nn.GELU(), nn.Linear(dim, dim))
        layer = nn.TransformerEncoderLayer(dim, 4, 2 * dim, dropout=0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.outward = nn.Linear(dim, 3 * patch**2)
        nn.init.zeros_(self.outward.weight)
        nn.init.zeros_(self.outward.bias)
        self.register_buffer("f", torch.logspace(0, -4, 32))

    def forward(self, x, t):
        angles = t[:, None] * self.f[None]
        time = self.time(torch.cat((torch.sin(angles), torch.cos(angles)), -1))
        tokens = self.inward(x).flatten(2).transpose(1, 2) + self.place
        tokens = self.body(torch.cat([time[:, None], tokens], dim=1))[:, 1:]
        return F.fold(self.outward(tokens).transpose(1, 2), (32, 32), self.patch, stride=self.patch)
''',
)
answer(
    "cifar.network",
    "modulated-transformer",
    cell=HEAD
    + '''
class Layer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, elementwise_affine=False), nn.LayerNorm(dim, elementwise_affine=False)
        self.attention = nn.MultiheadAttention(dim, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.six = nn.Linear(dim, 6 * dim)
        nn.init.zeros_(self.six.weight)
        nn.init.zeros_(self.six.bias)

    def forward(self, h, c):
        a, b, g, d, e, k = self.six(F.silu(c)).unsqueeze(1).chunk(6, 2)
        y = self.norm1(h) * (1 + a) + b
        h = h + g * self.attention(y, y, y, need_weights=False)[0]
        return h + k * self.mlp(self.norm2(h) * (1 + d) + e)


class Network(nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.stem = nn.Linear(48, dim)
        self.place = nn.Embedding(64, dim)
        self.time = nn.Embedding(1000, dim)
        self.layers = nn.ModuleList(Layer(dim) for _ in range(2))
        self.last = nn.Linear(dim, 48)

    def forward(self, x, t):
        b = len(x)
        h = x.reshape(b, 3, 8, 4, 8, 4).permute(0, 2, 4, 1, 3, 5).reshape(b, 64, 48)
        h, c = self.stem(h) + self.place.weight, self.time(t)
        for layer in self.layers:
            h = layer(h, c)
        h = self.last(h).reshape(b, 8, 8, 3, 4, 4)
        return h.permute(0, 3, 1, 4, 2, 5).reshape(b, 3, 32, 32)
''',
)
answer(
    "cifar.network",
    "mixer",
    cell=HEAD
    + '''
class Mix(nn.Module):
    def __init__(self, tokens, dim):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.across = nn.Sequential(nn.Linear(tokens, 2 * tokens), nn.GELU(), nn.Linear(2 * tokens, tokens))
        self.within = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, h):
        h = h + self.across(self.n1(h).mT).mT
        return h + self.within(self.n2(h))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.time = nn.Linear(48, 96), nn.Sequential(nn.Linear(32, 96), nn.SiLU(), nn.Linear(96, 96))
        self.mixers = nn.Sequential(*(Mix(64, 96) for _ in range(3)))
        self.last = nn.Linear(96, 48)

    def forward(self, x, t):
        a = (t.to(x.dtype) + 1)[:, None] / 1000 * 2 ** torch.linspace(0, 9, 16, device=x.device, dtype=x.dtype)
        e = self.time(torch.cat([torch.sin(a), torch.cos(a)], dim=1))
        tokens = F.unfold(x, 4, stride=4).transpose(1, 2)
        h = self.mixers(self.first(tokens) + e[:, None])
        return F.fold(self.last(h).transpose(1, 2), 32, 4, stride=4)
''',
)
answer(
    "cifar.network",
    "convnext-like",
    cell=HEAD
    + '''
class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.depthwise = nn.Conv2d(c, c, 7, padding=3, groups=c)
        self.norm = nn.GroupNorm(1, c)
        self.wide, self.narrow = nn.Conv2d(c, 3 * c, 1), nn.Conv2d(3 * c, c, 1)
        self.time = nn.Linear(48, c)

    def forward(self, h, e):
        y = self.norm(self.depthwise(h) + self.time(e).unflatten(1, (-1, 1, 1)))
        return h + self.narrow(F.gelu(self.wide(y)))


class Network(nn.Module):
    """Everything at 16 x 16."""

    def __init__(self):
        super().__init__()
        self.unshuffle, self.shuffle = nn.PixelUnshuffle(2), nn.PixelShuffle(2)
        self.a, self.b = nn.Conv2d(12, 48, 1), nn.Conv2d(48, 12, 1)
        self.blocks = nn.ModuleList([Block(48), Block(48), Block(48)])
        self.register_buffer("rates", torch.randn(24) * 3)

    def forward(self, x, t):
        angle = torch.outer(t / 1000, self.rates) * math.tau
        e, h = torch.cat([angle.cos(), angle.sin()], 1), self.a(self.unshuffle(x))
        for block in self.blocks:
            h = block(h, e)
        return self.shuffle(self.b(h))
''',
)
answer(
    "cifar.network",
    "dilated-gates-functional",
    cell=HEAD
    + '''
class Network(nn.Module):
    def __init__(self):
        super().__init__()
        g = torch.Generator().manual_seed(1)
        make = lambda *s: nn.Parameter(torch.randn(*s, generator=g) / math.prod(s[1:]) ** 0.5)
        self.first, self.last = make(32, 3, 3, 3), make(3, 32, 1, 1)
        self.layers = nn.ParameterList([make(64, 32, 3, 3) for _ in range(4)])
        self.times = nn.ParameterList([make(64, 4) for _ in range(4)])

    def forward(self, x, t):
        s = (t + 0.5) / 1000
        e = torch.stack([s, s**2, torch.cos(math.pi * s), torch.log(s / (1 - s)) / 7], dim=1)
        h = F.conv2d(x, self.first, padding=1)
        for k, (w, v) in enumerate(zip(self.layers, self.times)):
            a, b = (F.conv2d(h, w, padding=2**k, dilation=2**k) + (e @ v.T)[..., None, None]).chunk(2, dim=1)
            h = h + torch.tanh(a) * torch.sigmoid(b)
        return F.conv2d(h, self.last)
''',
)
answer(
    "cifar.network",
    "strided-with-instance-norm-and-planes-of-time",
    cell=HEAD
    + '''
def conv(a, b, **k):
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, **k), nn.LeakyReLU(0.2), nn.InstanceNorm2d(b, affine=True))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 8))
        self.down = nn.ModuleList([conv(11, 24), conv(24, 32, stride=2), conv(32, 64, stride=2)])
        self.bottom = conv(64, 64)
        self.up = nn.ModuleList([nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ConvTranspose2d(64, 24, 4, 2, 1)])
        self.end = nn.Conv2d(48, 3, 3, padding=1, padding_mode="reflect")

    def forward(self, x, t):
        phi = (t.float() + 0.5) * (math.pi / 2000)
        planes = self.time(torch.stack([phi.sin(), phi.cos()], 1) * 4)[:, :, None, None].expand(-1, -1, 32, 32)
        a = self.down[0](torch.cat([x, planes], 1))
        b = self.down[1](a)
        h = self.bottom(self.down[2](b))
        h = torch.cat([F.silu(self.up[0](h)), b], 1)
        return self.end(torch.cat([F.silu(self.up[1](h)), a], 1))
''',
)
answer(
    "cifar.network",
    "separate-scalings-of-input-and-output",
    cell=HEAD
    + '''
class Network(nn.Module):
    def __init__(self, c=40):
        super().__init__()
        self.body = nn.ModuleList([nn.Conv2d(12, c, 5, padding=2), nn.Conv2d(c, c, 5, padding=2), nn.Conv2d(c, c, 5, padding=2), nn.Conv2d(c, 12, 5, padding=2)])
        self.film = nn.Sequential(nn.Linear(20, 64), nn.SiLU(), nn.Linear(64, 6 * c))

    def forward(self, x, t):
        phi = (t + 0.5).view(-1, 1) / 1000 * math.pi / 2
        k = torch.arange(1, 11, device=x.device)
        film = self.film(torch.cat([torch.sin(k * phi), torch.cos(k * phi)], dim=-1)).view(len(x), 6, -1, 1, 1)
        h = F.pixel_unshuffle(x, 2)
        for i, layer in enumerate(self.body[:-1]):
            h = F.silu(layer(h) * (1 + film[:, 2 * i]) + film[:, 2 * i + 1])
        correction = F.pixel_shuffle(self.body[-1](h), 2)
        return correction + torch.sin(phi)[..., None, None] * x
''',
)
answer(
    "cifar.network",
    "linear-attention-and-shared-block",
    cell=HEAD
    + '''
class Network(nn.Module):
    """One block, used four times."""

    def __init__(self, c=32):
        super().__init__()
        self.start, self.end = nn.Conv2d(3, c, 4, stride=2, padding=1), nn.ConvTranspose2d(c, 3, 4, stride=2, padding=1)
        self.qkv, self.out = nn.Conv2d(c, 3 * c, 1), nn.Conv2d(c, c, 1)
        self.local = nn.Conv2d(c, c, 3, padding=1)
        self.norm = nn.GroupNorm(4, c)
        self.steps = nn.Parameter(torch.randn(4, c) * 0.1)
        self.time = nn.Sequential(nn.Embedding(1000, 16), nn.Linear(16, c))

    def forward(self, x, t):
        h, e = self.start(x), self.time(t)
        for step in self.steps:
            y = self.norm(h + (e + step)[..., None, None])
            q, k, v = self.qkv(y).flatten(2).chunk(3, 1)
            context = torch.einsum("bcn,bdn->bcd", k.softmax(-1), v)
            y = F.silu(self.local(y)) + self.out(torch.einsum("bcd,bcn->bdn", context, q.softmax(1)).view_as(y))
            h = h + y
        return self.end(h)
''',
)

# ---- rate

answer(
    "cifar.rate",
    "branches",
    cell='''
def rate(step, peak, warm_up, hold):
    n = step + 1
    factor = 1.0
    if n < warm_up:
        factor *= n / warm_up
    if n > hold:
        factor *= (hold / n) ** 0.5
    return peak * factor
''',
)
answer(
    "cifar.rate",
    "tensors",
    cell='''
def rate(step, peak, warm_up, hold):
    n = torch.tensor(step + 1.0, dtype=torch.float64)
    return float(peak * torch.clamp(n / warm_up, max=1) / torch.sqrt(torch.clamp(n / hold, min=1)))
''',
)

# ---- large step

answer(
    "cifar.large_step",
    "index-loop-by-hand",
    cell='''
def large_step(network, optimizer, x, t, target, part=32, max_norm=1.0):
    for p in network.parameters():
        p.grad = None
    loss_sum = 0.0
    for start in range(0, len(x), part):
        rows = slice(start, start + part)
        error = (network(x[rows], t[rows]) - target[rows]) ** 2
        share = error.sum() / x.numel()
        share.backward()
        loss_sum += float(share)
    with torch.no_grad():
        norm = math.sqrt(sum(float((p.grad**2).sum()) for p in network.parameters() if p.grad is not None))
        if norm > max_norm:
            for p in network.parameters():
                if p.grad is not None:
                    p.grad *= max_norm / norm
    optimizer.step()
    return loss_sum, norm
''',
)
answer(
    "cifar.large_step",
    "weighted-means",
    cell='''
def large_step(network, optimizer, x, t, target, part=32, max_norm=1.0):
    optimizer.zero_grad(set_to_none=False)
    losses = []
    for rows in torch.arange(len(x)).split(part):
        weight = len(rows) / len(x)
        loss = weight * nn.functional.mse_loss(network(x[rows], t[rows]), target[rows])
        loss.backward()
        losses.append(loss.detach())
    norm = torch.nn.utils.clip_grad_norm_(list(network.parameters()), max_norm=max_norm, foreach=False)
    optimizer.step()
    optimizer.zero_grad()
    return torch.stack(losses).sum().item(), float(norm)
''',
)
answer(
    "cifar.large_step",
    "autograd-grad",
    cell='''
def large_step(network, optimizer, x, t, target, part=32, max_norm=1.0):
    weights = [p for p in network.parameters() if p.requires_grad]
    total, sums = 0.0, [torch.zeros_like(w) for w in weights]
    for k in range(math.ceil(len(x) / part)):
        a, b, c = (z[k * part : (k + 1) * part] for z in (x, t, target))
        loss = (network(a, b) - c).pow(2).sum()
        for s, g in zip(sums, torch.autograd.grad(loss, weights)):
            s.add_(g, alpha=1 / target.numel())
        total += loss.item() / target.numel()
    norm = torch.cat([s.flatten() for s in sums]).norm().item()
    for w, s in zip(weights, sums):
        w.grad = s * min(1.0, max_norm / (norm + 1e-6))
    optimizer.step()
    return total, norm
''',
)

# ---- average

answer(
    "cifar.update_average",
    "by-hand-with-state-dicts",
    cell='''
def update_average(average, network, step, decay=0.999):
    d = min((1 + step) / (10 + step), decay)
    names = dict(network.named_parameters())
    new = network.state_dict()
    for name, value in average.state_dict().items():
        if name in names:
            value.mul_(d).add_(new[name], alpha=1 - d)
        else:
            value.copy_(new[name])
''',
)
answer(
    "cifar.update_average",
    "data-and-foreach",
    cell='''
def update_average(average, network, step, decay=0.999):
    warm = (step + 1) / (step + 10)
    d = decay if decay < warm else warm
    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - d)
    for a, b in zip(average.buffers(), network.buffers()):
        a.data = b.data.clone()
''',
)
answer(
    "cifar.update_average",
    "load",
    cell='''
def update_average(average, network, step, decay=0.999):
    d = min(decay, (1.0 + step) / (10.0 + step))
    old = {k: p.detach().clone() for k, p in average.named_parameters()}
    average.load_state_dict(network.state_dict())
    for k, p in average.named_parameters():
        p.data = d * old[k] + (1 - d) * p.data
''',
)

# ---- held-out loss

answer(
    "cifar.held_out_loss",
    "parts-outside",
    cell='''
@torch.no_grad()
def held_out_loss(network, x, noise, times, part=250):
    was_training = network.training
    network.eval()
    sums = [0.0 for _ in times]
    for start in range(0, len(x), part):
        a, b = x[start : start + part], noise[start : start + part]
        for k, t in enumerate(times):
            t = torch.tensor([t] * len(a))
            sums[k] += ((network(noisy(a, b, t), t) - velocity(a, b, t)) ** 2).sum().item()
    if was_training:
        network.train()
    return [s / x.numel() for s in sums]
''',
)
answer(
    "cifar.held_out_loss",
    "weighted-means-inference-mode",
    cell='''
def held_out_loss(network, x, noise, times, part=250):
    mode, found = network.training, []
    network.train(False)
    try:
        with torch.inference_mode():
            for t in times:
                means, sizes = [], []
                for rows in torch.arange(len(x)).split(part):
                    when = torch.full((len(rows),), int(t), dtype=torch.long)
                    phi = (t + 0.5) / 1000 * math.pi / 2
                    input_ = math.cos(phi) * x[rows] + math.sin(phi) * noise[rows]
                    target = math.cos(phi) * noise[rows] - math.sin(phi) * x[rows]
                    means.append(F.mse_loss(network(input_, when), target))
                    sizes.append(len(rows))
                found.append((torch.stack(means) * torch.tensor(sizes)).sum() / len(x))
    finally:
        network.train(mode)
    return torch.stack(found).clone()
''',
)
answer(
    "cifar.held_out_loss",
    "copy-of-the-network",
    cell='''
def held_out_loss(network, x, noise, times, part=250):
    judge = copy.deepcopy(network).eval()
    for p in judge.parameters():
        p.requires_grad_(False)
    out = []
    for t in times:
        errors = []
        for a, b in zip(torch.split(x, part), torch.split(noise, part)):
            ts = torch.ones(a.shape[0], dtype=torch.int64) * t
            errors.append((judge(noisy(a, b, ts), ts) - velocity(a, b, ts)).square().flatten(1).mean(1))
        out.append(torch.cat(errors).mean())
    return torch.tensor(out)
''',
)
