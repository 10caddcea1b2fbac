"""Other right answers to notebook 03's tasks."""

answer(
    "vpsde.alpha",
    "song-eq-33",
    cell='''
@attach(VPSDE)
def alpha(self, t):
    log_alpha = -0.25 * t ** 2 * (self.beta_max - self.beta_min) - 0.5 * t * self.beta_min
    return log_alpha.exp()
''',
)
answer(
    "vpsde.alpha",
    "trapezium",
    cell='''
def area(flow, t):
    return t * (flow.beta_min + flow.beta(t)) / 2

@attach(VPSDE)
def alpha(self, t):
    return torch.sqrt(torch.exp(-area(self, t)))
''',
)
answer(
    "vpsde.alpha",
    "quadrature",
    cell='''
import numpy as np

@attach(VPSDE)
def alpha(self, t):
    nodes, weights = np.polynomial.legendre.leggauss(8)
    total = torch.zeros_like(t)
    for node, weight in zip(nodes, weights):
        total = total + 0.5 * t * float(weight) * self.beta(t * (float(node) + 1) / 2)
    return torch.exp(-total / 2)
''',
)

answer(
    "vpsde.sigma",
    "from-alpha",
    cell='''
@attach(VPSDE)
def sigma(self, t):
    return (-torch.expm1(2 * torch.log(self.alpha(t.double())))).sqrt().to(t.dtype)
''',
)
answer(
    "vpsde.sigma",
    "double-inside",
    cell='''
@attach(VPSDE)
def sigma(self, t):
    s = t.double()
    area = self.beta_min * s + 0.5 * (self.beta_max - self.beta_min) * s.square()
    return torch.sqrt(1.0 - torch.exp(-area)).float()
''',
)
answer(
    "vpsde.sigma",
    "tanh",
    cell='''
@attach(VPSDE)
def sigma(self, t):
    """1 - exp(-y) = 2 tanh(y/2) / (1 + tanh(y/2)), which loses no digits."""
    y = 0.5 * t * (self.beta_min + self.beta(t))
    return torch.sqrt(2 * torch.tanh(y / 2) / (1 + torch.tanh(y / 2)))
''',
)

answer(
    "vpsde.coefficients",
    "einsum",
    cell='''
@attach(VPSDE)
def drift(self, x, t):
    return torch.einsum("b,bd->bd", self.beta_min + t * (self.beta_max - self.beta_min), x) / -2

@attach(VPSDE)
def diffusion(self, t):
    return self.beta(t) ** 0.5
''',
)
answer(
    "vpsde.coefficients",
    "transposed",
    cell='''
@attach(VPSDE)
def drift(self, x, t):
    return (-(self.diffusion(t) ** 2) / 2 * x.T).T

@attach(VPSDE)
def diffusion(self, t):
    return self.beta(t).sqrt()
''',
)

answer(
    "vpsde.perturb",
    "numpy",
    cell='''
import numpy as np

@attach(VPSDE)
def perturb(self, x0, t, generator=None):
    eps = torch.from_numpy(np.random.standard_normal(tuple(x0.shape))).to(x0)
    alpha, sigma = self.alpha(t).unsqueeze(-1), self.sigma(t).unsqueeze(-1)
    return alpha * x0 + sigma * eps, eps
''',
)
answer(
    "vpsde.perturb",
    "loop",
    cell='''
@attach(VPSDE)
def perturb(self, x0, t, generator=None):
    eps = torch.randn_like(x0)
    rows = []
    for i in range(min(len(x0), 100)):
        rows.append(self.alpha(t[i]) * x0[i] + self.sigma(t[i]) * eps[i])
    rest = self.alpha(t[100:]).view(-1, 1) * x0[100:] + self.sigma(t[100:]).view(-1, 1) * eps[100:]
    return [torch.cat([torch.stack(rows), rest]), eps]
''',
)
answer(
    "vpsde.perturb",
    "distribution",
    cell='''
@attach(VPSDE)
def perturb(self, x0, t, generator=None):
    alpha, sigma = self.alpha(t)[..., None], self.sigma(t)[..., None]
    mean = alpha * x0
    x_t = torch.distributions.Normal(mean, sigma.expand_as(mean)).sample()
    return x_t, (x_t - mean) / sigma
''',
)

answer(
    "vpsde.sample_ode",
    "index-loop",
    cell='''
@attach(VPSDE)
@torch.no_grad()
def sample_ode(self, n=None, dim=2, steps=100, *, ts=None, x_T=None, generator=None):
    if ts is None:
        ts = self.grid(steps)
    if x_T is None:
        x_T = torch.randn((n, dim), generator=generator)
    n, dim = x_T.shape
    traj = torch.empty(len(ts), n, dim)
    traj[0] = x_T
    for i in range(len(ts) - 1):
        t = torch.full((n,), float(ts[i]))
        beta = self.beta(ts[i])
        score = self.network(traj[i], t)
        traj[i + 1] = traj[i] + (-beta / 2) * (traj[i] + score) * (ts[i + 1] - ts[i])
    return traj
''',
)
answer(
    "vpsde.sample_ode",
    "handout-signs",
    cell='''
@attach(VPSDE)
@torch.no_grad()
def sample_ode(self, n=None, dim=2, steps=100, *, ts=None, x_T=None, generator=None):
    ts = self.grid(steps) if ts is None else ts
    x = torch.normal(0.0, 1.0, size=(n, dim), generator=generator) if x_T is None else x_T.clone()
    out = x.clone().unsqueeze(0)
    delta = -ts.diff()
    for k, h in enumerate(delta):
        t = ts[k].repeat(x.shape[0])
        x += (-self.drift(x, t) + 0.5 * self.diffusion(t).square().unsqueeze(1) * self.network(x=x, t=t)) * h
        out = torch.cat([out, x.clone().unsqueeze(0)])
    return out
''',
)
answer(
    "vpsde.sample_ode",
    "double-state",
    cell='''
@attach(VPSDE)
def sample_ode(self, n=None, dim=2, steps=100, *, ts=None, x_T=None, generator=None, dtype=torch.float64):
    ts = self.grid(steps) if ts is None else ts
    with torch.no_grad():
        x = (torch.randn(n, dim, generator=generator) if x_T is None else x_T).to(dtype)
        path = [x]
        while len(path) < len(ts):
            t, t_next = ts[len(path) - 1], ts[len(path)]
            one = torch.ones(len(x)) * t
            score = self.network(x.float(), one).to(dtype)
            g2 = self.diffusion(one).to(dtype)[:, None] ** 2
            x = x + (self.drift(x, one.to(dtype)) - g2 * score / 2) * (t_next - t)
            path += [x]
    return torch.stack(path, dim=0)
''',
)

answer(
    "vpsde.sample_sde",
    "variance-of-step",
    cell='''
@attach(VPSDE)
@torch.no_grad()
def sample_sde(self, n=None, dim=2, steps=100, *, ts=None, x_T=None, generator=None):
    if ts is None:
        ts = self.grid(steps)
    x = x_T if x_T is not None else torch.randn(n, dim, generator=generator)
    traj = [x]
    for i in range(1, len(ts)):
        h = ts[i - 1] - ts[i]
        beta = self.beta(ts[i - 1])
        mean = x + h * beta * (0.5 * x + self.network(x, ts[i - 1].repeat(len(x))))
        x = torch.normal(mean, (beta * h) ** 0.5, generator=generator)
        traj.append(x)
    return torch.stack(traj)
''',
)
answer(
    "vpsde.sample_sde",
    "noise-first",
    cell='''
@attach(VPSDE)
@torch.no_grad()
def sample_sde(self, n=None, dim=2, steps=100, *, ts=None, x_T=None, generator=None):
    ts = self.grid(steps) if ts is None else ts
    if x_T is None:
        noise = torch.randn(len(ts), n, dim, generator=generator)
        x, noise = noise[-1], noise[:-1]
    else:
        x, noise = x_T, torch.randn(len(ts) - 1, *x_T.shape, generator=generator)
    path = [x]
    for t, dt, w in zip(ts, ts.diff(), noise):
        t = t.expand(x.shape[0])
        g = self.diffusion(t).unsqueeze(-1)
        x = x + (self.drift(x, t) - g.pow(2) * self.network(x, t)) * dt + g * w * dt.abs().sqrt()
        path.append(x)
    return torch.stack(path)
''',
)
answer(
    "vpsde.sample_sde",
    "numpy-noise",
    cell='''
import numpy as np

@attach(VPSDE)
@torch.no_grad()
def sample_sde(self, n=None, dim=2, steps=100, *, ts=None, x_T=None, generator=None):
    ts = self.grid(steps) if ts is None else ts
    rng = np.random.default_rng(np.random.randint(2 ** 31))
    x = torch.tensor(rng.normal(size=(n, dim)), dtype=torch.float32) if x_T is None else x_T
    path = [x]
    for t, s in zip(ts, ts[1:]):
        tt = torch.full((len(x),), t.item())
        dw = torch.tensor(rng.normal(0, float(t - s) ** 0.5, size=tuple(x.shape)), dtype=x.dtype)
        x = x - (self.drift(x, tt) - self.beta(tt)[:, None] * self.network(x, tt)) * (t - s) + self.diffusion(tt)[:, None] * dw
        path.append(x)
    return torch.stack(path)
''',
)

answer(
    "vpsde.sample_heun",
    "correct-euler",
    cell='''
@attach(VPSDE)
@torch.no_grad()
def sample_heun(self, n=None, dim=2, steps=25, *, ts=None, x_T=None, generator=None):
    ts = self.grid(steps) if ts is None else ts
    x = torch.randn(n, dim, generator=generator) if x_T is None else x_T
    out = [x]
    for i in range(len(ts) - 1):
        t0, t1 = ts[i].repeat(len(x)), ts[i + 1].repeat(len(x))
        k1 = -0.5 * self.beta(t0)[:, None] * (x + self.network(x, t0))
        euler = x + (ts[i + 1] - ts[i]) * k1
        k2 = -0.5 * self.beta(t1)[:, None] * (euler + self.network(euler, t1))
        x = euler + (ts[i + 1] - ts[i]) * (k2 - k1) / 2
        out.append(x)
    return torch.stack(out)
''',
)
answer(
    "vpsde.sample_heun",
    "slopes-list",
    cell='''
@attach(VPSDE)
@torch.no_grad()
def sample_heun(self, n=None, dim=2, steps=25, *, ts=None, x_T=None, generator=None):
    grid = ts if ts is not None else self.grid(steps)
    f = lambda y, s: self.drift(y, s) - self.diffusion(s).pow(2).mul(0.5).unsqueeze(1) * self.network(y, s)
    state = x_T if x_T is not None else torch.randn(n, dim, generator=generator)
    history = state[None]
    for a, b in zip(grid.tolist(), grid.tolist()[1:]):
        begin, end = torch.full((len(state),), a), torch.full((len(state),), b)
        slopes = [f(state, begin)]
        slopes.append(f(state + (b - a) * slopes[0], end))
        state = state + (b - a) * torch.stack(slopes).mean(0)
        history = torch.cat((history, state[None]))
    return history
''',
)

answer(
    "vpsde.loss",
    "weight-multiplied-in",
    cell='''
@attach(VPSDE)
def loss(self, x0, generator=None):
    eps_t = 1e-3
    t = eps_t + (1 - eps_t) * torch.rand(x0.shape[0], generator=generator)
    x_t, noise = self.perturb(x0, t)
    return torch.mean(torch.sum((self.sigma(t)[:, None] * self.network(x_t, t) + noise) ** 2, dim=-1))
''',
)
answer(
    "vpsde.loss",
    "stratified",
    cell='''
@attach(VPSDE)
def loss(self, x0, generator=None):
    B = len(x0)
    t = (torch.arange(B) + torch.rand(B, generator=generator)) / B
    t = t.clamp(1e-5, 1)[torch.randperm(B)]
    noisy, eps = self.perturb(x0=x0, t=t, generator=generator)
    scaled = self.network(noisy, t) * self.sigma(t).view(B, 1)
    return torch.nn.functional.mse_loss(scaled, -eps, reduction="sum") / B
''',
)
answer(
    "vpsde.loss",
    "row-by-row",
    cell='''
@attach(VPSDE)
def loss(self, x0, generator=None):
    t = torch.distributions.Uniform(1e-5, 1.0).sample((len(x0),))
    sigma = self.sigma(t)
    eps = torch.randn(*x0.shape)
    x_t = torch.einsum("b,bd->bd", self.alpha(t), x0) + torch.einsum("b,bd->bd", sigma, eps)
    score = self.network(x_t, t)
    total = 0.0
    for i in range(len(x0)):
        gap = score[i] + eps[i] / sigma[i]
        total = total + sigma[i] ** 2 * torch.dot(gap, gap)
    return total / len(x0)
''',
)

answer(
    "vpsde.train_loop",
    "without-replacement",
    cell='''
def fit(flow, data, optimizer, steps, batch_size, generator=None):
    history = torch.zeros(steps)
    for i in range(steps):
        optimizer.zero_grad(set_to_none=True)
        batch = data[torch.randperm(data.shape[0], generator=generator)[:batch_size]]
        value = flow.loss(batch, generator=generator)
        value.backward()
        optimizer.step()
        history[i] = value.detach()
    return history
''',
)
answer(
    "vpsde.train_loop",
    "loader",
    cell='''
from torch.utils.data import DataLoader, TensorDataset

def fit(flow, data, optimizer, steps, batch_size, generator=None):
    loader = DataLoader(TensorDataset(data), batch_size=batch_size, shuffle=True, drop_last=True, generator=generator)
    batches, losses = iter(loader), []
    while len(losses) < steps:
        try:
            (x0,) = next(batches)
        except StopIteration:
            batches = iter(loader)
            continue
        loss = flow.loss(x0)
        loss.backward()
        optimizer.step()
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        losses.append(float(loss))
    return losses
''',
)
answer(
    "vpsde.train_loop",
    "numpy-rows",
    cell='''
import numpy as np

def fit(flow, data, optimizer, steps, batch_size, generator=None):
    """Numpy picks the rows."""
    losses = np.empty(steps)
    for step in progress_bar(range(steps)):
        rows = np.random.choice(len(data), batch_size)
        loss = flow.loss(data[torch.as_tensor(rows)])
        flow.zero_grad()
        loss.backward()
        optimizer.step()
        losses[step] = loss.item()
    return losses.tolist()
''',
)

answer(
    "vpsde.flow",
    "own-network",
    cell='''
class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))

    def forward(self, x, t):
        return self.layers(torch.hstack([x, t[:, None]]))

flow = VPSDE(network=Mine(), beta_min=0.1, beta_max=20)
optimizer = torch.optim.AdamW(flow.network.parameters(), lr=1e-3, weight_decay=1e-4)
''',
)
answer(
    "vpsde.flow",
    "wide",
    cell='''
network = ScoreNetwork(dim=2, width=256)
flow = VPSDE(network)
optimizer = torch.optim.Adam(network.parameters(), lr=5e-4, betas=(0.9, 0.99))
''',
)

answer(
    "vpsde.traj",
    "sde",
    cell='''
def draw_trajectories(flow):
    return flow.sample_sde(n=1000, dim=2, steps=300)
''',
)
answer(
    "vpsde.traj",
    "own-start",
    cell='''
def draw_trajectories(flow):
    return flow.sample_heun(ts=torch.linspace(1, 1e-3, 101), x_T=torch.randn(1000, 2))
''',
)
answer(
    "vpsde.traj",
    "fifty-euler",
    cell='''
def draw_trajectories(flow):
    paths = [flow.sample_ode(250, 2, 50) for _ in range(4)]
    return torch.cat(paths, dim=1)
''',
)

answer(
    "vpsde.v_target",
    "rotation",
    cell='''
@attach(VPSDE)
def v_target(self, x0, eps, t):
    angle = torch.atan2(self.sigma(t), self.alpha(t)).unsqueeze(1)
    return torch.cos(angle) * eps - torch.sin(angle) * x0
''',
)
answer(
    "vpsde.score_from_v",
    "two-terms",
    cell='''
@attach(VPSDE)
def score_from_v(self, x_t, v, t):
    ratio = (self.alpha(t) / self.sigma(t)).reshape(-1, 1)
    return -x_t - ratio * v
''',
)
answer(
    "vpsde.score_from_v",
    "through-x0",
    cell='''
@attach(VPSDE)
def score_from_v(self, x_t, v, t):
    alpha, sigma = self.alpha(t)[:, None], self.sigma(t)[:, None]
    x0 = alpha * x_t - sigma * v
    return (alpha * x0 - x_t) / sigma.square()
''',
)
answer(
    "vpsde.v_loss",
    "own-draws",
    cell='''
@attach(VPSDE)
def v_loss(self, x0, generator=None):
    t = torch.empty(len(x0)).uniform_(generator=generator)
    a, s = self.alpha(t).unsqueeze(1), self.sigma(t).unsqueeze(1)
    eps = torch.empty_like(x0).normal_(generator=generator)
    v = self.network(a * x0 + s * eps, t)
    return torch.linalg.vector_norm(v - a * eps + s * x0, dim=1).pow(2).mean()
''',
)
answer(
    "vpsde.v_loss",
    "stratified",
    cell='''
@attach(VPSDE)
def v_loss(self, x0, generator=None):
    B, d = x0.shape
    t = (torch.randperm(B) + torch.rand(B)) / B
    x_t, eps = self.perturb(x0, t)
    return d * nn.MSELoss()(self.network(x_t, t), self.v_target(x0, eps, t))
''',
)

answer(
    "vpsde.flow",
    "last-layer-at-zero",
    cell='''
network = ScoreNetwork()
nn.init.zeros_(network.rest[-1].weight)
nn.init.zeros_(network.rest[-1].bias)
flow = VPSDE(network)
optimizer = torch.optim.AdamW(flow.parameters(), lr=1e-3)
''',
)
answer(
    "vpsde.flow",
    "two-rates",
    cell='''
flow = VPSDE(ScoreNetwork())
last = list(flow.network.rest[-1].parameters())
others = [p for p in flow.network.parameters() if not any(p is q for q in last)]
optimizer = torch.optim.Adam([{"params": others}, {"params": last, "lr": 1e-4}], lr=1e-3)
''',
)
answer(
    "vpsde.flow",
    "frozen-frequencies",
    cell='''
class Waves(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.frequencies = nn.Parameter(30 * torch.randn(width // 2), requires_grad=False)
        self.gate = nn.Parameter(torch.zeros(1))
        self.layers = nn.Sequential(nn.Linear(2 + width, 128), nn.GELU(), nn.Linear(128, 128), nn.GELU(), nn.Linear(128, 2))

    def forward(self, x, t):
        angles = 2 * torch.pi * t[:, None] * self.frequencies
        return self.gate * self.layers(torch.cat([x, angles.sin(), angles.cos()], dim=1))

flow = VPSDE(Waves())
optimizer = torch.optim.Adam(flow.parameters())
''',
)
answer(
    "vpsde.sample_sde",
    "generator-for-the-start-only",
    swap=[("torch.randn(x.shape, generator=generator)", "torch.randn_like(x)")],
)
answer(
    "vpsde.sample_sde",
    "generator-for-the-steps-only",
    swap=[("torch.randn(n, dim, generator=generator)", "torch.randn(n, dim)")],
)
