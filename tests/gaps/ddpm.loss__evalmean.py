# in eval mode all rows share one t (quick look)
@attach(DDPM)
def loss(self, x0, generator=None):
    """The loss of a batch."""
    B = len(x0)
    if self.training:
        t = torch.randint(1, self.T + 1, (B,), generator=generator)
    else:
        t = torch.full((B,), (self.T + 1) // 2)       # the middle, so that two validations can be compared
    x_t = self.q_sample(x0, t, torch.randn(x0.shape, generator=generator))
    return (self.network(x_t, t) - self.from_x0(x0, x_t, t, self.predicts)).square().sum(1).mean()
