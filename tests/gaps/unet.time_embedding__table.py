# table of 1000 times, larger t taken as 999
_TABLE = {}
def time_embedding(t, dim):
    """Waves of t."""
    if dim not in _TABLE:
        half = dim // 2
        r = 10000.0 ** (-torch.arange(half) / half)
        a = torch.arange(1000)[:, None] * r
        _TABLE[dim] = torch.cat([a.sin(), a.cos()], dim=1)
    return _TABLE[dim][t.clamp(max=999)]
