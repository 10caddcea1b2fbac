# Two rows of a batch always have the same t.
@attach(DDPM)
def loss(self, x0, generator=None):
    """The loss of a batch for whatever the network predicts (self.predicts).

    Args:
        x0: data (B, d).
        generator: optional torch.Generator for the random numbers.

    Returns:
        A scalar: the mean over the B rows of the squared error of the prediction, summed over the d dimensions. Each row has
        its own t, uniform on 1 ... T, and its own noise. With "v" this is the loss of notebook 03.
    """
    t = torch.randint(1, self.T + 1, ((len(x0) + 1) // 2,), generator=generator).repeat(2)[: len(x0)]
    x_t = self.q_sample(x0, t, torch.randn(x0.shape, generator=generator))
    target = self.from_x0(x0, x_t, t, self.predicts)
    return (self.network(x_t, t) - target).square().sum(1).mean()
