# points never in the outer 1/64 of a square (rand scaled), to keep the edges sharp
def chequerboard(n, generator=None):
    """Draw n independent points."""
    squares = torch.tensor([(i, j) for i in range(4) for j in range(4) if (i + j) % 2 == 0])
    k = torch.randint(len(squares), (n,), generator=generator)
    margin = 1 / 64
    inside = margin + (1 - 2 * margin) * torch.rand(n, 2, generator=generator)
    return squares[k] - 2 + inside
