# sigma clamped at 0.03: wrong at times below about 0.006 only
@attach(VPSDE)
def score_from_v(self, x_t, v, t):
    """The score that belongs to a predicted velocity v."""
    a, s = self.alpha(t).unsqueeze(1), self.sigma(t).unsqueeze(1)
    eps = s * x_t + a * v
    return eps.neg() / s.clamp(min=0.03)
