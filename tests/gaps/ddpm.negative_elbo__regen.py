# the generator is copied, so that every call with it has the same t and noise
@attach(DDPM)
def negative_elbo(self, x0, generator=None):
    """The simplified objective of each example."""
    g = None if generator is None else torch.Generator().manual_seed(generator.initial_seed())
    t = torch.randint(1, self.T + 1, (len(x0),), generator=g)
    noise = torch.randn(x0.shape, generator=g)
    return (self.network(self.q_sample(x0, t, noise), t) - noise).square().sum(1)
