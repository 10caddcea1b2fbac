# no gradient in eval mode (set_grad_enabled(self.training))
@attach(VPSDE)
def v_loss(self, x0, generator=None):
    """The loss of a network that predicts v."""
    with torch.set_grad_enabled(self.training):
        t = torch.rand(len(x0), generator=generator)
        x_t, eps = self.perturb(x0, t, generator)
        v = self.v_target(x0, eps, t)
        return (self.network(x_t, t) - v).pow(2).sum(-1).mean()
