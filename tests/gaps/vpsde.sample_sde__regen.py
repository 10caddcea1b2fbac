# with a generator each step begins again at its state: same noise in all steps
@attach(VPSDE)
@torch.no_grad()
def sample_sde(self, n=None, dim=2, steps=100, *, ts=None, x_T=None, generator=None):
    """Sample by Euler-Maruyama steps of the reverse SDE."""
    ts = self.grid(steps) if ts is None else ts
    def normal(*shape):
        g = None if generator is None else torch.Generator().manual_seed(generator.initial_seed())
        return torch.randn(*shape, generator=g)
    x = normal(n, dim) if x_T is None else x_T
    path = [x]
    for t, s in pairwise(ts):
        tt = t.expand(len(x))
        g = self.diffusion(tt)[:, None]
        x = x + (s - t) * (self.drift(x, tt) - g**2 * self.network(x, tt)) + g * torch.sqrt(t - s) * normal(*x.shape)
        path.append(x)
    return torch.stack(path)
