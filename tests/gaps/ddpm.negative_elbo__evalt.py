# in eval mode t = 1, 2, ... T in turn instead of random
@attach(DDPM)
def negative_elbo(self, x0, generator=None):
    """The simplified objective of each example."""
    if self.training:
        t = torch.randint(1, self.T + 1, (len(x0),), generator=generator)
    else:
        t = torch.arange(len(x0)) % self.T + 1
    noise = torch.randn(x0.shape, generator=generator)
    return (self.network(self.q_sample(x0, t, noise), t) - noise).square().sum(1)
