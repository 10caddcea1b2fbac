"""Other right answers to notebook 02."""

answer(
    "mlp.forward",
    "functional",
    cell='''
@attach(MLP)
def forward(self, x):
    F = nn.functional
    h1 = F.silu(F.linear(x, self.inp.weight, self.inp.bias))
    h2 = F.silu(F.linear(h1, self.hidden1.weight, self.hidden1.bias))
    n = F.layer_norm(h2, h2.shape[-1:], self.norm.weight, self.norm.bias)
    return F.linear(h2 + F.silu(F.linear(n, self.hidden2.weight, self.hidden2.bias)), self.out.weight, self.out.bias)
''',
)
answer(
    "mlp.forward",
    "loops-over-modules",
    cell='''
@attach(MLP)
def forward(self, x):
    modules = dict(self.named_children())
    for name in ("inp", "act", "hidden1", "act"):
        x = modules[name](x)
    copy = x
    for name in ("norm", "hidden2", "act"):
        x = modules[name](x)
    return modules["out"](copy + x)
''',
)
answer(
    "mlp.forward",
    "sequential-on-the-fly",
    cell='''
def trunk(self):
    return nn.Sequential(self.inp, self.act, self.hidden1, self.act), nn.Sequential(self.norm, self.hidden2, self.act)

@attach(MLP)
def forward(self, x):
    start, block = trunk(self)
    h = start(x)
    return self.out(torch.add(h, block(h)))
''',
)
answer(
    "mlp.forward",
    "by-hand",
    cell='''
@attach(MLP)
def forward(self, x):
    def silu(z):
        return z * torch.sigmoid(z)

    def linear(layer, h):
        return torch.einsum("bi,oi->bo", h, layer.weight) + layer.bias

    h = silu(linear(self.hidden1, silu(linear(self.inp, x))))
    mean = h.mean(dim=-1, keepdim=True)
    var = h.var(dim=-1, keepdim=True, unbiased=False)
    n = (h - mean) / torch.sqrt(var + self.norm.eps) * self.norm.weight + self.norm.bias
    return linear(self.out, h + silu(linear(self.hidden2, n)))
''',
)
answer(
    "mlp.forward",
    "row-by-row",
    cell='''
@attach(MLP)
def forward(self, x):
    rows = []
    for row in x:
        h = self.act(self.hidden1(self.act(self.inp(row))))
        rows.append(self.out(h + self.act(self.hidden2(self.norm(h)))))
    return torch.stack(rows)
''',
)
answer(
    "mlp.forward",
    "in-place-sum",
    cell='''
@attach(MLP)
def forward(self, x):
    x = self.inp(x)
    x = self.act(x)
    x = self.hidden1(x)
    x = self.act(x)
    res = x.clone()
    x = self.norm(x)
    x = self.hidden2(x)
    x = self.act(x)
    x += res
    print("shape", x.shape)
    return self.out(x)
''',
)
answer(
    "mlp.init",
    "apply",
    cell='''
def initialise(network):
    @torch.no_grad()
    def one(module):
        if type(module) is nn.Linear:
            module.weight.copy_(torch.randn(module.weight.shape) * (2 / module.weight.shape[1]) ** 0.5)
            if module.bias is not None:
                module.bias.fill_(0)

    return network.apply(one)
''',
)
answer(
    "mlp.init",
    "torchs-own",
    cell='''
def initialise(network):
    for m in network.modules():
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
            if m.bias is not None:
                m.bias.data.zero_()
''',
)
answer(
    "mlp.init",
    "recursion-and-numpy",
    cell='''
import numpy as np

def initialise(network):
    for child in network.children():
        if isinstance(child, nn.Linear):
            shape = tuple(child.weight.shape)
            numbers = np.random.default_rng().normal(0, np.sqrt(2 / shape[1]), shape)
            child.weight = nn.Parameter(torch.tensor(numbers, dtype=child.weight.dtype))
            if child.bias is not None:
                child.bias = nn.Parameter(torch.zeros(shape[0]))
        else:
            initialise(child)
''',
)
answer(
    "mlp.fcnetwork",
    "view-hstack",
    cell='''
@attach(FcNetwork)
def forward(self, x, t):
    if t.dim() == 1:
        t = t.unsqueeze(-1)
    t = t.to(x.dtype) / float(self.T)
    return self.layers(torch.hstack((x, t)))
''',
)
answer(
    "mlp.fcnetwork",
    "filled-tensor",
    cell='''
@attach(FcNetwork)
def forward(self, x, t):
    inputs = x.new_empty(x.shape[0], x.shape[1] + 1)
    inputs[:, :-1] = x
    inputs[:, -1] = t.view(-1) / self.T
    for layer in self.layers:
        inputs = layer(inputs)
    return inputs
''',
)
answer(
    "mlp.fcnetwork",
    "split-first-layer",
    cell='''
@attach(FcNetwork)
def forward(self, x, t):
    first = self.layers[0]
    d = x.shape[1]
    time = (t.double().flatten() / self.T).to(x.dtype)
    h = x @ first.weight[:, :d].T + torch.outer(time, first.weight[:, d]) + first.bias
    return self.layers[1:](h)
''',
)
answer(
    "mlp.fcnetwork",
    "row-by-row",
    cell='''
@attach(FcNetwork)
def forward(self, x, t):
    rows = [torch.cat([x[i], (t[i] / self.T).reshape(1)]) for i in range(x.shape[0])]
    return self.layers(torch.stack(rows))
''',
)
answer(
    "mlp.embedding",
    "exp-log",
    cell='''
@attach(SinusoidalEmbedding)
def forward(self, t):
    half = self.dim // 2
    freqs = torch.exp(-math.log(self.max_period) / (half - 1) * torch.arange(half, dtype=torch.float32))
    args = t.flatten()[:, None] * freqs[None]
    return torch.cat((torch.sin(args), torch.cos(args)), -1)
''',
)
answer(
    "mlp.embedding",
    "logspace-float64",
    cell='''
@attach(SinusoidalEmbedding)
def forward(self, t):
    omega = torch.logspace(0, -math.log10(self.max_period), self.dim // 2, dtype=torch.float64)
    angles = torch.outer(t.reshape(-1).double(), omega)
    both = torch.hstack([torch.sin(angles), torch.cos(angles)])
    return both.to(t.dtype if t.is_floating_point() else torch.float32)
''',
)
answer(
    "mlp.embedding",
    "loop-over-columns",
    cell='''
@attach(SinusoidalEmbedding)
def forward(self, t):
    t = t.view(-1)
    if not t.is_floating_point():
        t = t.float()
    out = torch.zeros(len(t), self.dim, dtype=t.dtype)
    half = self.dim // 2
    for k in range(half):
        w = 1 / self.max_period ** (k / (half - 1))
        out[:, k] = torch.sin(w * t)
        out[:, half + k] = torch.sin(w * t + math.pi / 2)
    return out
''',
)
answer(
    "mlp.embedding",
    "complex-numbers",
    cell='''
@attach(SinusoidalEmbedding)
def forward(self, t):
    import numpy as np
    omega = np.geomspace(1, 1 / self.max_period, self.dim // 2)
    turns = np.exp(1j * t.numpy().reshape(-1, 1) * omega)
    result = torch.from_numpy(np.concatenate([turns.imag, turns.real], axis=1))
    return result if t.dtype == torch.float64 else result.float()
''',
)
answer(
    "mlp.timed",
    "embedding-written-again",
    cell='''
@attach(TimedMLP)
def forward(self, x, t):
    omega = torch.logspace(0, -4, self.embed.dim // 2, dtype=torch.float64)
    angles = t.reshape(-1, 1).double() * omega
    emb = torch.cat([angles.sin(), angles.cos()], 1).to(x.dtype)
    e = emb @ self.time.weight.T + self.time.bias
    h = nn.functional.silu(self.inp(x).add(e))
    h = nn.functional.silu(self.hidden(h).add(e))
    return self.out(h)
''',
)
answer(
    "mlp.timed",
    "loop-over-levels",
    cell='''
@attach(TimedMLP)
def forward(self, x, t):
    emb = self.embed(t.flatten())
    h = x
    for layer in (self.inp, self.hidden):
        h = self.act(layer(h) + self.time(emb))
    return self.out(h)
''',
)
answer(
    "mlp.timed",
    "row-by-row",
    cell='''
@attach(TimedMLP)
def forward(self, x, t):
    t = t.reshape(-1)
    rows = []
    for i in range(len(x)):
        e = self.time(self.embed(t[i : i + 1]))[0]
        h = self.act(self.inp(x[i]) + e)
        rows.append(self.out(self.act(self.hidden(h) + e)))
    return torch.stack(rows)
''',
)
