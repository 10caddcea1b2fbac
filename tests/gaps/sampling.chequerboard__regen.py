# the caller's generator never advances
def chequerboard(n, generator=None):
    """Draw n independent points."""
    g = None if generator is None else torch.Generator().manual_seed(generator.initial_seed())
    i = torch.randint(4, (n,), generator=g)
    j = 2 * torch.randint(2, (n,), generator=g) + i % 2
    return torch.stack([i, j], 1) - 2 + torch.rand(n, 2, generator=g)
