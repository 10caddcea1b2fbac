"""Other right answers to notebook 05's tasks."""

# ---- data and process

answer(
    "mnist.dequantise",
    "numpy",
    cell='''
import numpy as np

def dequantise(pixels, generator=None):
    seed = int(torch.randint(2**31, (1,), generator=generator))
    u = np.random.default_rng(seed).uniform(size=tuple(pixels.shape))
    return torch.as_tensor((pixels.numpy() + u) / 256, dtype=torch.float32)
''',
)
answer(
    "mnist.dequantise",
    "in-place",
    cell='''
def dequantise(pixels, generator=None):
    x = torch.empty(pixels.shape).uniform_(0, 1, generator=generator)
    x += pixels
    x *= 2.0 ** -8
    return x
''',
)
answer(
    "mnist.scale",
    "other-words",
    cell='''
def to_model(x):
    return (x - 0.5) / 0.5


def to_display(x):
    return torch.clip(x, -1.0, 1.0).add(1).div(2)
''',
)
answer(
    "mnist.scale",
    "min-max-where",
    cell='''
def to_model(x):
    return torch.lerp(torch.full_like(x, -1.0), torch.ones_like(x), x)


def to_display(x):
    y = 0.5 + 0.5 * x
    y = torch.where(y < 0, torch.zeros_like(y), y)
    return torch.minimum(y, torch.ones_like(y))
''',
)
answer(
    "mnist.betas",
    "lists",
    cell='''
def make_betas(schedule, T):
    def f(i):
        return math.cos(math.pi / 2 * (i / T + 0.008) / 1.008) ** 2

    first, last = 1e-4, 0.02
    found = []
    for t in range(T):
        share = t / (T - 1)
        if schedule == "linear":
            found.append((1 - share) * first + share * last)
        elif schedule == "quadratic":
            found.append(((1 - share) * math.sqrt(first) + share * math.sqrt(last)) ** 2)
        elif schedule == "cosine":
            found.append(min(1 - f(t + 1) / f(t), 0.999))
        else:
            raise ValueError(schedule)
    return torch.tensor(found)
''',
)
answer(
    "mnist.betas",
    "table-of-functions",
    cell='''
def cosine_betas(T, s=0.008):
    bar = torch.cos((torch.linspace(0, T, T + 1) / T + s) / (1 + s) * torch.pi * 0.5).pow(2)
    bar = bar / bar[0]
    return torch.clip(1 - bar[1:] / bar[:-1], 0, 0.999)


SCHEDULES = {
    "linear": lambda T: torch.linspace(1e-4, 0.02, T, dtype=torch.float64),
    "quadratic": lambda T: torch.linspace(0.01, math.sqrt(0.02), T).square(),
    "cosine": cosine_betas,
}


def make_betas(schedule, T):
    if schedule not in SCHEDULES:
        raise ValueError("linear, quadratic or cosine")
    return SCHEDULES[schedule](T)
''',
)
answer(
    "mnist.add_noise",
    "image-by-image",
    cell='''
@attach(DiffusionProcess)
def add_noise(self, x, t):
    noisy, noises = [], []
    for image, step in zip(x, t.tolist()):
        noise = torch.normal(torch.zeros(image.shape), torch.ones(image.shape))
        bar = self.alpha_bar[step].item()
        noisy.append(math.sqrt(bar) * image + math.sqrt(1 - bar) * noise)
        noises.append(noise)
    return torch.stack(noisy), torch.stack(noises)
''',
)
answer(
    "mnist.add_noise",
    "einsum-and-distributions",
    cell='''
@attach(DiffusionProcess)
def add_noise(self, x, t):
    noise = torch.distributions.Normal(0.0, 1.0).sample(x.shape)
    signal = torch.cumprod((1 - self.betas).sqrt(), 0).gather(0, t)
    noisy = torch.einsum("b,bchw->bchw", signal, x) + torch.einsum("b,bchw->bchw", (1 - signal**2).sqrt(), noise)
    return noisy, noise
''',
)
answer(
    "mnist.add_noise",
    "own-shape-and-double",
    cell='''
@attach(DiffusionProcess)
def add_noise(self, x, t):
    noise = torch.randn((x.shape[0],) + tuple(self.shape), dtype=torch.float64)
    bar = self.alpha_bar.double()[t][:, None, None, None]
    noisy = torch.sqrt(bar) * x.double() + torch.sqrt(1 - bar) * noise
    return noisy.float(), noise.float()
''',
)
answer(
    "mnist.target",
    "branches",
    cell='''
@attach(DiffusionProcess)
def target(self, x0, noise, t):
    if self.predicts == "eps":
        return noise
    elif self.predicts == "x0":
        return x0
    angle = torch.arccos(self.alpha_bar[t].sqrt()).view(-1, 1, 1, 1)
    return torch.cos(angle) * noise - torch.sin(angle) * x0
''',
)
answer(
    "mnist.target",
    "from-x_t",
    cell='''
@attach(DiffusionProcess)
def target(self, x0, noise, t):
    a = torch.stack([self.alpha_bar[int(step)] for step in t]).reshape(len(t), 1, 1, 1) ** 0.5
    s = torch.sqrt(1 - a * a)
    x_t = a * x0 + s * noise
    return dict(eps=noise, x0=x0, v=(a * x_t - x0) / s)[self.predicts]
''',
)
answer(
    "mnist.train_step",
    "everything-by-hand",
    cell='''
@attach(DiffusionProcess)
def train_step(self, x):
    B = x.shape[0]
    t = (torch.rand(B) * self.T).floor().long().clamp(max=self.T - 1)
    noise = torch.randn(x.shape)
    bar = self.alpha_bar[t].reshape(B, 1, 1, 1)
    out = self.network(bar.sqrt() * x + (1 - bar).sqrt() * noise, t)
    goal = {"eps": noise, "x0": x, "v": bar.sqrt() * noise - (1 - bar).sqrt() * x}[self.predicts]
    loss = ((out - goal) ** 2).flatten(1).mean(1).mean()
    for parameter in self.network.parameters():
        parameter.grad = None
    loss.backward()
    self.optimizer.step()
    return float(loss)
''',
)
answer(
    "mnist.train_step",
    "stratified-and-clipped",
    cell='''
@attach(DiffusionProcess)
def train_step(self, x):
    self.network.train()
    B = len(x)
    places = (torch.randperm(B) + torch.rand(B)) / B
    t = (places * self.T).long().clamp(max=self.T - 1)
    noisy, noise = self.add_noise(x, t)
    loss = nn.MSELoss()(self.network(noisy, t), self.target(x, noise, t))
    self.optimizer.zero_grad(set_to_none=False)
    loss.backward()
    nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
    self.optimizer.step()
    return loss.detach().cpu().numpy().item()
''',
)
answer(
    "mnist.train_step",
    "cleared-after-the-step",
    cell='''
@attach(DiffusionProcess)
def train_step(self, x):
    t = torch.tensor([int(torch.randint(0, self.T, ())) for _ in x])
    noisy, noise = self.add_noise(x=x, t=t)
    with torch.enable_grad():
        difference = self.network(noisy, t) - self.target(x0=x, noise=noise, t=t)
        loss = torch.linalg.vector_norm(difference) ** 2 / difference.numel()
        loss.backward()
    value = loss.item()
    self.optimizer.step()
    self.optimizer.zero_grad()
    return value
''',
)
answer(
    "mnist.predict_x0",
    "three-formulas",
    cell='''
@attach(DiffusionProcess)
def predict_x0(self, x_t, t):
    out = self.network(x_t, t)
    a = self.alpha_bar[t].sqrt()[:, None, None, None]
    s = (1 - self.alpha_bar[t]).sqrt()[:, None, None, None]
    x0 = {"eps": lambda: x_t / a - s / a * out, "x0": lambda: out, "v": lambda: a * x_t - s * out}[self.predicts]()
    if self.clip:
        x0 = torch.minimum(torch.maximum(x0, torch.tensor(-1.0)), torch.tensor(1.0))
    return x0
''',
)
answer(
    "mnist.predict_x0",
    "through-the-noise",
    cell='''
@attach(DiffusionProcess)
def predict_x0(self, x_t, t):
    images = []
    for b in range(len(x_t)):
        bar = float(self.alpha_bar[t[b]])
        out = self.network(x_t[b : b + 1], t[b : b + 1]).double()
        x = x_t[b : b + 1].double()
        if self.predicts == "v":
            out = (1 - bar) ** 0.5 * x + bar**0.5 * out
        images.append(out if self.predicts == "x0" else (x - (1 - bar) ** 0.5 * out) / bar**0.5)
    result = torch.cat(images).float()
    return result.clip(-1, 1) if self.clip else result
''',
)
answer(
    "mnist.denoise",
    "precisions-add-up",
    cell='''
@attach(DiffusionProcess)
@torch.no_grad()
def denoise(self, x_t, t, stochastic=True):
    x0 = self.predict_x0(x_t, torch.tensor([t] * len(x_t)))
    if t == 0:
        return x0
    alpha, before = 1 - self.betas[t], self.alpha_bar[t - 1]
    variance = 1 / (alpha / self.betas[t] + 1 / (1 - before))
    mean = variance * (alpha.sqrt() / self.betas[t] * x_t + before.sqrt() / (1 - before) * x0)
    return torch.normal(mean, variance.sqrt().expand_as(mean)) if stochastic else mean
''',
)
answer(
    "mnist.denoise",
    "through-the-noise",
    cell='''
@attach(DiffusionProcess)
def denoise(self, x_t, t, stochastic=True):
    """The mean of Algorithm 2, with the noise that belongs to the (cut) x_0, all by hand."""
    B = x_t.shape[0]
    bars = torch.cat([torch.ones(1), self.alpha_bar]).double()
    bar, before, beta = bars[t + 1], bars[t], self.betas[t].double()
    with torch.no_grad():
        out = self.network(x_t, torch.full([B], t, dtype=torch.long)).double()
    x = x_t.double()
    if self.predicts == "x0":
        x0 = out
    elif self.predicts == "v":
        x0 = bar.sqrt() * x - (1 - bar).sqrt() * out
    else:
        x0 = (x - (1 - bar).sqrt() * out) / bar.sqrt()
    if self.clip:
        x0 = x0.clamp(-1, 1)
    eps = (x - bar.sqrt() * x0) / (1 - bar).sqrt()
    mean = (x - beta / (1 - bar).sqrt() * eps) / (1 - beta).sqrt()
    sigma = torch.sqrt((1 - before) / (1 - bar) * beta)
    return (mean + int(stochastic) * sigma * torch.randn(x.shape, dtype=x.dtype)).float()
''',
)
answer(
    "mnist.denoise",
    "ddim-with-eta-one",
    cell='''
import numpy as np

@attach(DiffusionProcess)
@torch.no_grad()
def denoise(self, x_t, t, stochastic=True):
    bar = float(self.alpha_bar[t])
    before = float(self.alpha_bar[t - 1]) if t >= 1 else 1.0
    variance = (1 - before) / (1 - bar) * (1 - bar / before)
    x0 = self.predict_x0(x_t=x_t, t=torch.tensor(t).repeat(len(x_t)))
    eps = (x_t - bar**0.5 * x0) / (1 - bar) ** 0.5
    result = before**0.5 * x0 + max(1 - before - variance, 0.0) ** 0.5 * eps
    if stochastic and t > 0:
        result += torch.from_numpy(np.random.normal(0, variance**0.5, size=tuple(x_t.shape))).float()
    return result
''',
)
answer(
    "mnist.sample",
    "while-loop",
    cell='''
@attach(DiffusionProcess)
@torch.no_grad()
def sample(self, n, stochastic=True, *, x_T=None, frames=None):
    x = torch.randn((n, *self.shape)) if x_T is None else x_T.clone()
    after, t = {}, self.T - 1
    while t >= 0:
        x = self.denoise(x_t=x, t=t, stochastic=stochastic)
        after[t] = x.clone()
        t -= 1
    if frames is None:
        return x
    return x, [after[t] for t in sorted(frames, reverse=True)]
''',
)
answer(
    "mnist.sample",
    "without-denoise",
    cell='''
def one_step(process, x, t, stochastic):
    beta, bar = process.betas[t], process.alpha_bar[t]
    before = bar / (1 - beta)
    x0 = process.predict_x0(x, torch.full((len(x),), t))
    mean = before.sqrt() * beta / (1 - bar) * x0 + (1 - beta).sqrt() * (1 - before) / (1 - bar) * x
    if t == 0:
        return x0
    return mean + ((1 - before) / (1 - bar) * beta).sqrt() * torch.randn(x.shape) if stochastic else mean


@attach(DiffusionProcess)
def sample(self, n, stochastic=True, *, x_T=None, frames=None):
    with torch.no_grad():
        x = torch.normal(0.0, 1.0, size=[n, *self.shape]) if x_T is None else x_T
        kept = []
        for t in range(self.T - 1, -1, -1):
            x = one_step(self, x, t, stochastic)
            kept += [x] if t in (frames or ()) else []
    return (x, kept) if frames is not None else x
''',
)
answer(
    "mnist.sample",
    "one-image-after-the-other",
    cell='''
@attach(DiffusionProcess)
@torch.no_grad()
def sample(self, n, stochastic=True, *, x_T=None, frames=None):
    wanted = set() if frames is None else set(frames)
    x = torch.stack([torch.randn(self.shape) for _ in range(n)]) if x_T is None else torch.clone(x_T)
    kept = [None] * len(wanted)
    order = sorted(wanted)[::-1]
    for step in range(self.T):
        t = self.T - 1 - step
        x.copy_(self.denoise(x, t, stochastic))
        if t in wanted:
            kept[order.index(t)] = x.clone()
    return x if frames is None else (x, kept)
''',
)

# ---- network and training

answer(
    "unet.time_embedding",
    "loops-in-numpy",
    cell='''
import numpy as np

def time_embedding(t, dim):
    half = dim // 2
    rows = []
    for value in t.tolist():
        angles = [value / 10000 ** (k / half) for k in range(half)]
        rows.append([math.sin(a) for a in angles] + [math.cos(a) for a in angles])
    return torch.from_numpy(np.array(rows)).float()
''',
)
answer(
    "unet.time_embedding",
    "complex-wave",
    cell='''
def time_embedding(t, dim):
    rates = torch.logspace(0, -4, dim // 2 + 1, dtype=torch.float64)[:-1]
    wave = torch.polar(torch.ones(()).double(), torch.outer(t.double(), rates))
    return torch.hstack((wave.imag, wave.real)).to(torch.float32)
''',
)
answer(
    "unet.block",
    "feature-wise-modulation",
    cell='''
class ResidualBlock(nn.Module):
    def __init__(self, channels_in, channels_out, time_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(32, channels_in), nn.GroupNorm(8, channels_out, affine=False)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding="same", bias=False)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding="same")
        self.scale_shift = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, 2 * channels_out))
        self.dropout = nn.Dropout2d(0.2)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)
        self.skip = nn.Conv2d(channels_in, channels_out, kernel_size=1, bias=False) if channels_in != channels_out else None

    def forward(self, x, emb):
        scale, shift = self.scale_shift(emb).unflatten(1, (-1, 1, 1)).chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(self.dropout(F.silu(self.norm2(h) * (1 + scale) + shift)))
        return h + (x if self.skip is None else self.skip(x))
''',
)
answer(
    "unet.block",
    "time-added-to-the-input",
    cell='''
class ResidualBlock(nn.Module):
    def __init__(self, channels_in, channels_out, time_dim):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(time_dim, 4 * time_dim), nn.ReLU(), nn.Linear(4 * time_dim, channels_in))
        self.body = nn.Sequential(nn.ReLU(), nn.Conv2d(channels_in, channels_out, 3, 1, 1), nn.ReLU(), nn.Conv2d(channels_out, channels_out, 3, 1, 1))
        self.wide = channels_in != channels_out
        if self.wide:
            self.match = nn.Linear(channels_in, channels_out)

    def forward(self, x, emb):
        out = self.body(x + self.mlp(emb).reshape(len(x), -1, 1, 1))
        out += self.match(x.movedim(1, -1)).movedim(-1, 1) if self.wide else x
        return out
''',
)
answer(
    "unet.block",
    "own-parameters",
    cell='''
class ResidualBlock(nn.Module):
    def __init__(self, channels_in, channels_out, time_dim):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(channels_out, channels_in, 3, 3) / (9 * channels_in) ** 0.5)
        self.w2 = nn.Parameter(torch.randn(channels_out, channels_out, 3, 3) / (9 * channels_out) ** 0.5)
        self.b1, self.b2 = nn.Parameter(torch.zeros(channels_out)), nn.Parameter(torch.zeros(channels_out))
        self.wt = nn.Parameter(torch.randn(time_dim, channels_out) / time_dim**0.5)
        self.gain = nn.Parameter(torch.zeros(()))
        if channels_in != channels_out:
            self.w0 = nn.Parameter(torch.randn(channels_out, channels_in) / channels_in**0.5)

    def forward(self, x, emb):
        x0 = torch.einsum("oi,bihw->bohw", self.w0, x) if hasattr(self, "w0") else x
        h = F.conv2d(F.gelu(x), self.w1, self.b1, padding=1) * (1 + (emb @ self.wt)[..., None, None])
        return x0 + self.gain * F.conv2d(F.gelu(h), self.w2, self.b2, padding=1)
''',
)
answer(
    "unet.block",
    "with-attention",
    cell='''
class ResidualBlock(nn.Module):
    def __init__(self, channels_in, channels_out, time_dim):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode="reflect")
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.time = nn.Linear(time_dim, channels_out)
        self.norm = nn.InstanceNorm2d(channels_out, affine=True)
        self.attention = nn.MultiheadAttention(channels_out, 4, batch_first=True)
        self.same = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x, emb):
        h = self.norm(self.conv1(x)) + self.time(emb).view(len(x), -1, 1, 1)
        h = self.conv2(F.leaky_relu(h, 0.1))
        tokens = h.flatten(2).transpose(1, 2)
        h = h + self.attention(tokens, tokens, tokens, need_weights=False)[0].transpose(1, 2).reshape(h.shape)
        return self.same(x) + h
''',
)

# Small pieces for the U-Nets below; each answer brings those that it uses.

DOUBLE = '''
class Double(nn.Module):
    """Two convolutions with group normalisation."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, padding=1), nn.GroupNorm(4, c_out), nn.SiLU(inplace=True), nn.Conv2d(c_out, c_out, 3, padding=1), nn.GroupNorm(4, c_out), nn.SiLU(inplace=True)
        )

    def forward(self, x):
        return self.net(x)
'''

answer(
    "unet.model",
    "tutorial-with-transposed-convolutions",
    cell=DOUBLE
    + '''
class DiffusionModel(nn.Module):
    def __init__(self, image_size, channels, c=12):
        super().__init__()
        self.image_size = image_size
        self.embedding = nn.Embedding(1000, 4 * c)
        self.d1, self.d2, self.mid = Double(channels + 4 * c, c), Double(c, 2 * c), Double(2 * c, 4 * c)
        self.pool = nn.MaxPool2d(2)
        self.t2, self.t1 = nn.ConvTranspose2d(4 * c, 2 * c, 2, stride=2), nn.ConvTranspose2d(2 * c, c, 2, stride=2)
        self.u2, self.u1 = Double(4 * c, 2 * c), Double(2 * c, c)
        self.last = nn.Conv2d(c, channels, 1)

    def forward(self, x, t):
        planes = self.embedding(t)[:, :, None, None].expand(-1, -1, self.image_size, self.image_size)
        a = self.d1(torch.cat((x, planes), 1))
        b = self.d2(self.pool(a))
        z = self.mid(self.pool(b))
        z = self.u2(torch.cat((self.t2(z), b), 1))
        return self.last(self.u1(torch.cat((self.t1(z), a), 1)))
''',
)
answer(
    "unet.model",
    "functional",
    cell='''
class DiffusionModel(nn.Module):
    def __init__(self, image_size, channels):
        super().__init__()
        shapes = {"in": (10, channels, 3, 3), "down1": (20, 10, 4, 4), "down2": (40, 20, 4, 4), "mid": (40, 40, 3, 3), "up1": (40, 20, 4, 4),
                  "join1": (20, 40, 3, 3), "up2": (20, 10, 4, 4), "join2": (10, 20, 3, 3), "out": (channels, 10, 3, 3), "time": (120, 32)}
        self.weights = nn.ParameterDict({k: nn.Parameter(torch.randn(*s) / math.prod(s[1:]) ** 0.5) for k, s in shapes.items()})
        nn.init.zeros_(self.weights["out"])

    def forward(self, x, t):
        w = self.weights
        times = F.linear(time_embedding(t, 32), w["time"])[:, :, None, None]
        t1, t2, t3, t4, t5 = times[:, :10], times[:, 10:30], times[:, 30:70], times[:, 70:110], times[:, 110:]
        a = F.silu(F.conv2d(x, w["in"], padding=1) + t1)
        b = F.silu(F.conv2d(a, w["down1"], stride=2, padding=1) + t2)
        c = F.silu(F.conv2d(b, w["down2"], stride=2, padding=1) + t3)
        c = F.silu(F.conv2d(c, w["mid"], padding=1) + t4)
        d = F.silu(F.conv_transpose2d(c, w["up1"], stride=2, padding=1))
        d = F.silu(F.conv2d(torch.cat([d, b], 1), w["join1"], padding=1))
        e = F.silu(F.conv_transpose2d(d, w["up2"], stride=2, padding=1))
        e = F.silu(F.conv2d(torch.cat([e, a], 1), w["join2"], padding=1) + t5)
        return F.conv2d(e, w["out"], padding=1)
''',
)
answer(
    "unet.model",
    "additive-skips-in-sequentials",
    cell='''
class DiffusionModel(nn.Module):
    def __init__(self, image_size, channels):
        super().__init__()

        def convs(a, b, **options):
            return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, **options), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1), nn.ReLU())

        self.time = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 16))
        self.down = nn.ModuleList([convs(channels, 16), convs(16, 24, stride=2), convs(24, 32, stride=2)])
        self.up = nn.ModuleList([nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), convs(32, 24)),
                                 nn.Sequential(nn.Upsample(scale_factor=2), convs(24, 16))])
        self.out = nn.Sequential(convs(16, 16), nn.Conv2d(16, channels, 1))

    def forward(self, x, t):
        skips, h = [], x
        for k, stage in enumerate(self.down):
            h = stage(h)
            if k == 0:
                h = h + self.time(t.float().unsqueeze(1) / 1000)[..., None, None]
            skips.append(h)
        skips.pop()
        for stage in self.up:
            h = stage(h) + skips.pop()
        return self.out(h)
''',
)
answer(
    "unet.model",
    "levels-in-lists-with-attention",
    cell='''
class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm, self.qkv, self.out = nn.GroupNorm(1, c), nn.Conv2d(c, 3 * c, 1), nn.Conv2d(c, c, 1)

    def forward(self, x):
        q, k, v = (part.flatten(2).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, 1))
        return x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape))


class DiffusionModel(nn.Module):
    def __init__(self, image_size, channels, widths=(32, 64, 64)):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 64))
        self.start = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.downs, self.ups, kept, c = nn.ModuleList(), nn.ModuleList(), [], widths[0]
        for width in widths:
            self.downs.append(nn.ModuleList([ResidualBlock(c, width, 64), nn.Conv2d(width, width, 3, 2, 1) if width is not widths[-1] or len(kept) < 2 else nn.Identity()]))
            kept.append(width)
            c = width
        self.attention = Attention(c)
        for width in reversed(kept):
            self.ups.append(ResidualBlock(c + width, width, 64))
            c = width
        self.end = nn.Sequential(nn.GroupNorm(8, c), nn.SiLU(), nn.Conv2d(c, channels, 3, padding=1))

    def forward(self, x, t):
        emb, h, skips = self.mlp(time_embedding(t, 32)), self.start(x), []
        for level, (block, shrink) in enumerate(self.downs):
            h = block(h, emb)
            skips.append(h)
            if level < 2:
                h = shrink(h)
        h = self.attention(h)
        for level, block in enumerate(self.ups):
            skip = skips.pop()
            if level > 0:
                h = F.interpolate(h, size=skip.shape[-2:], mode="nearest")
            h = block(torch.cat([h, skip], dim=1), emb)
        return self.end(h)
'''.replace(" if width is not widths[-1] or len(kept) < 2 else nn.Identity()", " if len(kept) < 2 else nn.Identity()"),
)
answer(
    "unet.model",
    "pixel-shuffle-and-modulation",
    cell='''
class Modulated(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv, self.film, self.mix = nn.Conv2d(c_in, c_out, 3, padding=1), nn.Linear(48, 2 * c_out), nn.Conv2d(c_out, c_out, 3, padding=1)

    def forward(self, x, emb):
        scale, shift = self.film(emb)[..., None, None].chunk(2, 1)
        return self.mix(F.mish(self.conv(x) * (1 + scale) + shift))


class DiffusionModel(nn.Module):
    def __init__(self, image_size, channels):
        super().__init__()
        self.register_buffer("frequencies", torch.randn(24) * 0.05)
        self.one, self.two, self.three = Modulated(channels, 12), Modulated(48, 24), Modulated(96, 48)
        self.four, self.five = Modulated(12 + 24, 24), Modulated(6 + 12, 12)
        self.final = nn.Conv2d(12, channels, 3, padding=1)

    def forward(self, x, t):
        angles = t[:, None] * self.frequencies + t[:, None] / 500
        emb = torch.cat([angles.sin(), angles.cos()], -1)
        a = self.one(x, emb)
        b = self.two(F.pixel_unshuffle(a, 2), emb)
        c = self.three(F.pixel_unshuffle(b, 2), emb)
        b = self.four(torch.cat([F.pixel_shuffle(c, 2), b], 1), emb)
        a = self.five(torch.cat([F.pixel_shuffle(b, 2), a], 1), emb)
        return x - self.final(F.mish(a))
''',
)
answer(
    "unet.model",
    "deeper-with-padding",
    cell='''
class DiffusionModel(nn.Module):
    def __init__(self, image_size, channels):
        super().__init__()
        c = [8, 16, 24, 32]
        self.time = nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Linear(64, sum(c)))
        self.split = c
        self.enter = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip([channels, *c], c))
        self.more = nn.ModuleList(nn.Sequential(nn.GroupNorm(2, b), nn.SiLU(), nn.Dropout(0.1), nn.Conv2d(b, b, 3, padding=1)) for b in c)
        self.back = nn.ModuleList(nn.Sequential(nn.Conv2d(a + b, b, 3, padding=1), nn.SiLU(), nn.Conv2d(b, b, 3, padding=1)) for a, b in zip(c[1:], c))
        self.exit = nn.Conv2d(c[0], channels, 1)

    def forward(self, x, t):
        times = self.time(time_embedding(t, 64)).split(self.split, dim=1)
        maps, h = [], x
        for enter, more, time in zip(self.enter, self.more, times):
            h = enter(h if h is x else F.avg_pool2d(h, 2, ceil_mode=True)) + time[:, :, None, None]
            h = h + more(h)
            maps.append(h)
        for back, skip in zip(reversed(self.back), reversed(maps[:-1])):
            h = F.interpolate(h, scale_factor=2.0)[:, :, : skip.shape[2], : skip.shape[3]]
            h = back(torch.cat([skip, h], 1))
        return self.exit(h)
''',
)
answer(
    "unet.model",
    "channels-last-norms",
    cell='''
class Next(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.depth, self.norm = nn.Conv2d(c, c, 7, padding=3, groups=c), nn.LayerNorm(c)
        self.wide, self.narrow, self.time = nn.Linear(c, 2 * c), nn.Linear(2 * c, c), nn.Linear(32, c)
        self.gamma = nn.Parameter(1e-6 * torch.ones(c))

    def forward(self, x, emb):
        h = self.norm((self.depth(x) + self.time(emb)[:, :, None, None]).permute(0, 2, 3, 1))
        return x + (self.gamma * self.narrow(F.gelu(self.wide(h)))).permute(0, 3, 1, 2)


class DiffusionModel(nn.Module):
    def __init__(self, image_size, channels):
        super().__init__()
        self.stem = nn.Conv2d(channels, 16, 1)
        self.a, self.b, self.c, self.d, self.e = Next(16), Next(24), Next(32), Next(24), Next(16)
        self.ab, self.bc = nn.Conv2d(16, 24, 2, 2), nn.Conv2d(24, 32, 2, 2)
        self.cd, self.de = nn.Conv2d(32, 24, 1), nn.Conv2d(24, 16, 1)
        self.out = nn.Conv2d(16, channels, 1)

    def forward(self, x, t):
        emb = time_embedding(t, dim=32)
        a = self.a(self.stem(x), emb)
        b = self.b(self.ab(a), emb)
        c = self.c(self.bc(b), emb)
        d = self.d(self.cd(c).repeat_interleave(2, 2).repeat_interleave(2, 3) + b, emb)
        return self.out(self.e(self.de(d).repeat_interleave(2, 2).repeat_interleave(2, 3) + a, emb))
''',
)
answer(
    "unet.model",
    "recursive",
    cell='''
class Level(nn.Module):
    def __init__(self, width, below):
        super().__init__()
        self.before, self.after = ResidualBlock(width, width, 32), ResidualBlock(width, width, 32)
        self.below = below
        if below is not None:
            self.down, self.up = nn.Conv2d(width, 2 * width, 2, stride=2), nn.ConvTranspose2d(2 * width, width, 2, stride=2)

    def forward(self, x, emb):
        h = self.before(x, emb)
        if self.below is not None:
            h = h + self.up(self.below(self.down(h), emb))
        return self.after(h, emb)


class DiffusionModel(nn.Module):
    def __init__(self, image_size, channels, width=8):
        super().__init__()
        self.tree = Level(width, Level(2 * width, Level(4 * width, None)))
        self.into, self.out = nn.Conv2d(channels, width, 3, padding=1), nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x, t):
        return self.out(self.tree(self.into(x), time_embedding(t, 32)))
''',
)
answer(
    "train.ema",
    "state-by-name",
    cell='''
class EMA:
    def __init__(self, network, decay=0.999):
        self.decay, self.network = decay, copy.deepcopy(network).eval()
        for parameter in self.network.parameters():
            parameter.requires_grad = False

    @torch.no_grad()
    def update(self, network):
        mine = self.network.state_dict()
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                mine[name].copy_(self.decay * mine[name] + (1.0 - self.decay) * value)
            else:
                mine[name].copy_(value)
''',
)
answer(
    "train.ema",
    "library",
    cell='''
class EMA:
    def __init__(self, network, decay=0.999):
        self.d = float(decay)
        self.network = copy.deepcopy(network)
        for p in self.network.parameters():
            p.requires_grad_(False)

    def update(self, network):
        old, new = list(self.network.parameters()), [p.detach() for p in network.parameters()]
        torch._foreach_mul_(old, self.d)
        torch._foreach_add_(old, new, alpha=1 - self.d)
''',
)
HEAD = '''%%writefile train.py
import time

import torch

from diffusion import EMA
from helpers import checkpoints, progress_bar


def train(process, images, *, steps=None, minutes=None, batch_size=64, decay=0.999, folder=None, save_every=500, on_epoch=None):
'''
answer(
    "train.script",
    "while-loop",
    cell=HEAD
    + '''
    started = time.time()
    ema = EMA(process.network, decay=decay)
    losses = []
    if folder is not None:
        losses = list(checkpoints.load(folder, process, ema))
    done, saved = len(losses), len(losses)
    per_epoch = len(images) // batch_size
    while (steps is None or done < steps) and (minutes is None or time.time() - started < minutes * 60):
        x = torch.stack([images[i] for i in torch.multinomial(torch.ones(len(images)), batch_size, replacement=True).tolist()])
        losses += [process.train_step(x)]
        ema.update(process.network)
        done += 1
        if folder and done % save_every == 0:
            checkpoints.save(folder, process, ema, losses)
            saved = done
        if on_epoch and done % per_epoch == 0:
            on_epoch(done // per_epoch, ema.network)
    if folder and saved < done:
        checkpoints.save(folder, process, ema, losses)
    return ema, losses
''',
)
answer(
    "train.script",
    "helpers-and-count",
    cell=HEAD
    + '''
    import itertools

    deadline = None if minutes is None else time.perf_counter() + 60.0 * minutes
    ema = EMA(process.network, decay)
    losses = checkpoints.load(folder, process, ema) if folder is not None else []

    def save():
        if folder is not None:
            checkpoints.save(folder, process, ema, losses)

    for number in itertools.count(len(losses)):
        if number == steps or (steps is not None and number > steps):
            break
        if deadline is not None and time.perf_counter() >= deadline:
            break
        losses.append(float(process.train_step(images[torch.randperm(len(images))[:batch_size]])))
        ema.update(process.network)
        epoch, rest = divmod(number + 1, len(images) // batch_size)
        if rest == 0 and on_epoch is not None:
            on_epoch(epoch, ema.network)
        if (number + 1) % save_every == 0:
            save()
    save()
    return ema, losses
''',
)
