# the generator is copied for each draw: same noise in all steps, only if a generator is given
@attach(DDPM)
@torch.no_grad()
def sample(self, shape, *, x_T=None, generator=None):
    """Algorithm 2."""
    def normal():
        g = None if generator is None else torch.Generator().manual_seed(generator.initial_seed())
        return torch.randn(shape, generator=g)
    x = normal() if x_T is None else x_T
    for t in range(self.T, 0, -1):
        eps = self.network(x, torch.full((len(x),), t))
        x = (x - self.beta[t] / (1 - self.alpha_bar[t]).sqrt() * eps) / self.alpha[t].sqrt()
        if t > 1:
            x = x + self.beta[t].sqrt() * normal()
    return x
