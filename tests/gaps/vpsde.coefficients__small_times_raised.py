# The drift at small times is that of a later one.
@attach(VPSDE)
def drift(self, x, t):
    t = t.clamp(min=0.05)
    """f(x, t) for points x (B, d) at their own times t (B,); returns (B, d)."""
    return -0.5 * self.beta(t)[:, None] * x


@attach(VPSDE)
def diffusion(self, t):
    """g(t) at times t (B,); returns (B,)."""
    return torch.sqrt(self.beta(t))
