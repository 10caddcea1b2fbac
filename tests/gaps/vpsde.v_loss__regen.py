# the generator is copied, so that every call with it has the same times and noise
@attach(VPSDE)
def v_loss(self, x0, generator=None):
    """The loss of a network that predicts v."""
    g = None if generator is None else torch.Generator().manual_seed(generator.initial_seed())
    t = torch.rand(len(x0), generator=g)
    x_t, eps = self.perturb(x0, t, g)
    return (self.network(x_t, t) - self.v_target(x0, eps, t)).square().sum(1).mean()
