# a generator that is given never advances
@attach(VPSDE)
def perturb(self, x0, t, generator=None):
    """x0 with the noise of time t."""
    if generator is None:
        eps = torch.randn_like(x0)
    else:
        state = generator.get_state()
        eps = torch.randn(x0.shape, generator=generator)
        generator.set_state(state)         # leave the caller's generator as it was
    return torch.einsum("b,bd->bd", self.alpha(t), x0) + torch.einsum("b,bd->bd", self.sigma(t), eps), eps
