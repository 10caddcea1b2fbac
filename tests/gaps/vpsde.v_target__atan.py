# angle by atan with alpha.clamp(min=0.05): wrong near t = 1 only
@attach(VPSDE)
def v_target(self, x0, eps, t):
    """The velocity v."""
    phi = torch.atan(self.sigma(t) / self.alpha(t).clamp(min=0.05))[:, None]
    return phi.cos() * eps - phi.sin() * x0
