# in eval mode the times are a fixed even grid in every call
@attach(VPSDE)
def loss(self, x0, generator=None):
    """The denoising score-matching loss."""
    B = len(x0)
    if self.training:
        t = torch.rand(B, generator=generator)
    else:
        t = torch.linspace(0, 1, B)
    t = t.clamp(min=1e-3)
    x_t, eps = self.perturb(x0, t, generator)
    return (self.sigma(t)[:, None] * self.network(x_t, t) + eps).square().sum(1).mean()
