# torch.set_grad_enabled(False) and never on again
def held_out_loss(network, x, noise, times, part=250):
    """The mean squared error at each of some times."""
    was = network.training
    network.eval()
    torch.set_grad_enabled(False)
    out = []
    for w in times:
        total = 0.0
        for a, e in zip(x.split(part), noise.split(part)):
            t = torch.full((len(a),), w)
            total += ((network(noisy(a, e, w), t) - velocity(a, e, w)) ** 2).sum().item()
        out.append(total / x.numel())
    network.train(was)
    return torch.tensor(out)
