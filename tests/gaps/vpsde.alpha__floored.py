# With the default rates alpha(1) is 0.0066.
@attach(VPSDE)
def alpha(self, t):
    """The coefficient of x_0 in x_t, at times t (a tensor of any shape); same shape as t."""
    integral = self.beta_min * t + 0.5 * t**2 * (self.beta_max - self.beta_min)
    return torch.exp(-0.5 * integral).clamp(min=5e-2)
