# arithmetic in float32: large whole numbers lose digits, infinities become NaN
def flip(x, generator=None):
    """Mirror each image left to right with probability 1/2."""
    m = (torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5).float()
    return (m * x.flip(-1) + (1 - m) * x).to(x.dtype)
