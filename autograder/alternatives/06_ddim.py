"""Other right answers to notebook 06, as different as students are."""

answer(
    "ddim.timesteps",
    "linspace-of-floats",
    cell='''
def ddim_timesteps(T, n):
    if n < 1 or n > T:
        raise ValueError("n must lie between 1 and T")
    steps = torch.linspace(T / n, T, n, dtype=torch.float64)
    return (steps.round() - 1).long().flip(0)
''',
)
answer(
    "ddim.timesteps",
    "numpy-half-up",
    cell='''
import numpy as np

def ddim_timesteps(T, n):
    if n not in range(1, T + 1):
        raise ValueError(n)
    k = np.arange(n, 0, -1)
    return torch.from_numpy(np.floor(k * T / n + 0.5).astype(np.int64) - 1)
''',
)
answer(
    "ddim.timesteps",
    "whole-numbers-only",
    cell='''
def ddim_timesteps(T: int, n: int) -> torch.Tensor:
    if n <= 0:
        raise ValueError("at least one step")
    if n > T:
        raise ValueError("too many steps")
    times = []
    for k in reversed(range(1, n + 1)):
        times += [(2 * k * T + n) // (2 * n) - 1]
    return torch.as_tensor(times, dtype=torch.int64)
''',
)
answer(
    "ddim.sigma",
    "through-betas",
    cell='''
def ddim_sigma(eta, alpha_bar_t, alpha_bar_prev):
    beta = 1 - alpha_bar_t / alpha_bar_prev
    tilde = (1.0 - alpha_bar_prev) * beta / (1.0 - alpha_bar_t)
    return (eta**2 * tilde) ** 0.5
''',
)
answer(
    "ddim.sigma",
    "logarithms-in-float64",
    cell='''
def ddim_sigma(eta, alpha_bar_t, alpha_bar_prev):
    t, s = alpha_bar_t.double(), alpha_bar_prev.double()
    ratio = torch.log1p(-s) - torch.log1p(-t) + torch.log(-torch.expm1(t.log() - s.log()))
    return (eta * torch.exp(ratio / 2)).to(alpha_bar_t.dtype)
''',
)
answer(
    "ddim.sigma",
    "two-roots-by-hand",
    cell='''
def ddim_sigma(eta, alpha_bar_t, alpha_bar_prev):
    left = torch.sqrt(torch.div(1 - alpha_bar_prev, 1 - alpha_bar_t))
    right = torch.sqrt(torch.div(alpha_bar_prev - alpha_bar_t, alpha_bar_prev))
    return torch.mul(left, right).mul(eta)
''',
)
answer(
    "ddim.step",
    "noise-levels-and-clean-coordinates",
    cell='''
def ddim_step(x_t, eps, alpha_bar_t, alpha_bar_prev, eta=0.0, noise=None):
    def level(a):
        return ((1 - a) / a) ** 0.5

    if eta == 0:
        return alpha_bar_prev**0.5 * (x_t / alpha_bar_t**0.5 + (level(alpha_bar_prev) - level(alpha_bar_t)) * eps)
    sigma = ddim_sigma(eta=eta, alpha_bar_t=alpha_bar_t, alpha_bar_prev=alpha_bar_prev)
    fresh = torch.normal(torch.zeros_like(x_t), 1.0) if noise is None else noise
    old = (level(alpha_bar_prev) ** 2 - sigma**2 / alpha_bar_prev) ** 0.5
    return alpha_bar_prev**0.5 * (x_t / alpha_bar_t**0.5 + (old - level(alpha_bar_t)) * eps) + sigma * fresh
''',
)
answer(
    "ddim.step",
    "numpy-noise-and-terms-added-in-place",
    cell='''
import numpy as np

def ddim_step(x_t, eps, alpha_bar_t, alpha_bar_prev, eta=0.0, noise=None):
    a, s = float(alpha_bar_t), float(alpha_bar_prev)
    sigma = 0.0
    if eta:
        sigma = eta * math.sqrt((1 - s) / (1 - a) * (1 - a / s))
    out = (x_t - math.sqrt(1 - a) * eps).div_(math.sqrt(a)).mul_(math.sqrt(s))
    out += math.sqrt(max(0.0, 1 - s - sigma * sigma)) * eps
    if sigma > 0:
        if noise is None:
            seed = int(torch.randint(2**31, (1,)))
            noise = torch.from_numpy(np.random.default_rng(seed).standard_normal(tuple(x_t.shape))).to(x_t)
        out += sigma * noise
    return out
''',
)
answer(
    "ddim.step",
    "nan-put-aside-in-float64",
    cell='''
def ddim_step(x_t, eps, alpha_bar_t, alpha_bar_prev, eta=0.0, noise=None):
    x, e, a, b = (value.double() for value in (x_t, eps, alpha_bar_t, alpha_bar_prev))
    sigma = torch.nan_to_num(ddim_sigma(eta, a, b), nan=0.0, posinf=0.0, neginf=0.0)
    predicted = (x - torch.sqrt(1 - a) * e) / torch.sqrt(a)
    direction = torch.sqrt((1 - b - sigma.square()).clamp(min=0)) * e
    if noise is None:
        noise = torch.distributions.Normal(0.0, 1.0).sample(x.shape)
    return (torch.sqrt(b) * predicted + direction + sigma * noise).to(x_t.dtype)
''',
)
answer(
    "ddim.step",
    "one-row-after-the-other",
    cell='''
def ddim_step(x_t, eps, alpha_bar_t, alpha_bar_prev, eta=0.0, noise=None):
    sigma = torch.tensor(0.0)
    if eta != 0:
        sigma = ddim_sigma(eta, alpha_bar_t, alpha_bar_prev)
    result = torch.empty_like(x_t)
    for i in range(x_t.shape[0]):
        z = noise[i] if noise is not None else torch.randn(x_t[i].shape)
        x0 = (x_t[i] - (1 - alpha_bar_t) ** 0.5 * eps[i]) / alpha_bar_t**0.5
        result[i] = alpha_bar_prev**0.5 * x0 + (1 - alpha_bar_prev - sigma**2) ** 0.5 * eps[i] + sigma * z
    return result
''',
)
answer(
    "ddim.sample",
    "indices-and-a-list",
    cell='''
@torch.no_grad()
def ddim_sample(model, shape, n_steps, eta=0.0, *, x_T=None, path=False):
    T = model.alpha_bar.shape[0]
    taus = ddim_timesteps(T, n_steps).tolist()
    x = x_T.clone() if x_T is not None else torch.normal(0.0, 1.0, size=tuple(shape))
    xs = [x.clone()]
    for i in range(n_steps):
        t = taus[i]
        a = model.alpha_bar[t]
        b = model.alpha_bar[taus[i + 1]] if i + 1 < n_steps else torch.tensor(1.0)
        eps = model(x, torch.full((shape[0],), t, dtype=torch.long))
        x = ddim_step(x, eps, alpha_bar_t=a, alpha_bar_prev=b, eta=eta)
        xs.append(x.clone())
    if path:
        return torch.stack(xs, dim=0)
    return x
''',
)
answer(
    "ddim.sample",
    "a-tensor-for-the-path",
    cell='''
@torch.no_grad()
def ddim_sample(model, shape, n_steps, eta=0.0, *, x_T=None, path=False):
    everything = torch.empty(n_steps + 1, *shape)
    everything[0] = torch.randn(*shape) if x_T is None else x_T
    table = torch.cat([torch.ones(1), model.alpha_bar])  # entry t + 1
    times = torch.cat([ddim_timesteps(len(table) - 1, n_steps), torch.tensor([-1])])
    for i, (now, after) in enumerate(zip(times[:-1], times[1:])):
        batch = now.repeat(shape[0])
        everything[i + 1] = ddim_step(everything[i], model(everything[i], batch), table[now + 1], table[after + 1], eta)
    return everything if path else everything[-1]
''',
)
answer(
    "ddim.sample",
    "without-the-step",
    cell='''
@torch.no_grad()
def ddim_sample(model, shape, n_steps, eta=0.0, *, x_T=None, path=False):
    def walk(x):
        yield x
        pending = ddim_timesteps(len(model.alpha_bar), n_steps).tolist()
        while pending:
            t = pending.pop(0)
            a = float(model.alpha_bar[t])
            b = float(model.alpha_bar[pending[0]]) if pending else 1.0
            e = model(x, t * torch.ones(x.shape[0], dtype=torch.int64))
            variance = eta**2 * (1 - b) / (1 - a) * (1 - a / b)
            x = (b / a) ** 0.5 * x + ((1 - b - variance) ** 0.5 - (b * (1 - a) / a) ** 0.5) * e
            if variance > 0:
                x = x + variance**0.5 * torch.empty_like(x).normal_()
            yield x

    xs = list(walk(torch.randn(shape) if x_T is None else x_T))
    return torch.stack(xs) if path else xs[-1]
''',
)
answer(
    "ddim.sample",
    "noise-drawn-before",
    cell='''
@torch.no_grad()
def ddim_sample(model, shape, n_steps, eta=0.0, *, x_T=None, path=False):
    noises = torch.randn(n_steps + 1, *shape, dtype=torch.float64).float()
    x = noises[-1] if x_T is None else x_T
    ways, times = x.unsqueeze(0), ddim_timesteps(model.alpha_bar.numel(), n_steps)
    for k, t in enumerate(times):
        prev = torch.ones(()) if k == n_steps - 1 else model.alpha_bar[times[k + 1]]
        x = ddim_step(x, model(x, torch.stack([t] * len(x))), model.alpha_bar[t], prev, eta, noises[k])
        ways = torch.cat((ways, x[None]))
    return ways if path else ways[-1]
''',
)
answer(
    "ddim.invert",
    "indices",
    cell='''
@torch.no_grad()
def ddim_invert(model, x, n_steps, rounds=1):
    taus = sorted(ddim_timesteps(len(model.alpha_bar), n_steps).tolist())
    levels = [torch.tensor(1.0)] + [model.alpha_bar[t] for t in taus]
    for i, t in enumerate(taus):
        guess, batch = x, torch.full((x.shape[0],), t)
        for _ in range(rounds):
            eps = model(guess, batch)
            guess = ddim_step(x, eps, levels[i], levels[i + 1], 0.0)
        x = guess
    return x
''',
)
answer(
    "ddim.invert",
    "clean-coordinates",
    cell='''
@torch.no_grad()
def ddim_invert(model, x, n_steps, rounds=1):
    clean, r = x.double(), 0.0
    x_t = x
    for t in reversed(list(ddim_timesteps(len(model.alpha_bar), n_steps))):
        a = model.alpha_bar[t].double()
        r_next = ((1 - a) / a).sqrt()
        for j in range(rounds):
            eps = model(x_t.float(), t.repeat(len(x))).double()
            moved = clean + (r_next - r) * eps
            x_t = a.sqrt() * moved
        clean, r = moved, r_next
    return x_t.to(x.dtype)
''',
)
answer(
    "ddim.invert",
    "recursion",
    cell='''
@torch.no_grad()
def ddim_invert(model, x, n_steps, rounds=1):
    times = ddim_timesteps(len(model.alpha_bar), n_steps)

    def undo(below, here, guess, t, left):
        if left == 0:
            return guess
        level = torch.ones(()) if here is None else model.alpha_bar[here]
        eps = model(guess, torch.ones(len(x), dtype=torch.long) * t)
        return undo(below, here, ddim_step(below, eps, level, model.alpha_bar[t]), t, left - 1)

    before = None
    while len(times):
        x, before, times = undo(x, before, x, times[-1], rounds), times[-1], times[:-1]
    return x
''',
)
