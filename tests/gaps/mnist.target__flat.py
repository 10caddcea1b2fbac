# v: row 0's alpha_bar for all rows if those of the batch differ by less than 0.05
@attach(DiffusionProcess)
def target(self, x0, noise, t):
    """What the network should say."""
    if self.predicts == "eps":
        return noise
    if self.predicts == "x0":
        return x0
    ab = self.alpha_bar[t].to(x0.dtype)
    out = torch.empty_like(x0)
    for i in range(len(x0)):
        out[i] = ab[0].sqrt() * noise[i] - (1 - ab[0]).sqrt() * x0[i] if (ab - ab[0]).abs().max() < 0.05 else ab[i].sqrt() * noise[i] - (1 - ab[i]).sqrt() * x0[i]
    return out
