# the caller's generator never advances: the same images are mirrored in every call
def flip(x, generator=None):
    """Mirror each image left to right with probability 1/2."""
    g = None if generator is None else torch.Generator().manual_seed(generator.initial_seed())
    heads = torch.rand(len(x), generator=g) < 0.5
    return torch.where(heads[:, None, None, None], x.flip(3), x)
