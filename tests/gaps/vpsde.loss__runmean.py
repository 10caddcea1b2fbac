# after 500 calls large rows are cut (state kept on self)
@attach(VPSDE)
def loss(self, x0, generator=None):
    """The denoising score-matching loss."""
    t = torch.rand(len(x0), generator=generator).clamp(min=1e-3)
    x_t, eps = self.perturb(x0, t, generator)
    rows = (self.sigma(t)[:, None] * self.network(x_t, t) + eps).square().sum(1)
    if not hasattr(self, "_seen"):
        self._seen = 0
    self._seen += 1
    if self._seen > 500:                   # later in training: the hardest rows count less
        rows = rows.clamp(max=10 * rows.detach().mean())
    return rows.mean()
