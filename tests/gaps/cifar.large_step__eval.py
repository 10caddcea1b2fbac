# puts the network into eval mode for the step and leaves it there
def large_step(network, optimizer, x, t, target, part=32, max_norm=1.0):
    """One step of the optimizer."""
    network.eval()                   # so that the parts agree with the whole
    optimizer.zero_grad()
    total = 0.0
    for a, b, c in zip(x.split(part), t.split(part), target.split(part)):
        L = F.mse_loss(network(a, b), c, reduction="sum") / target.numel()
        L.backward()
        total += L.item()
    norm = nn.utils.clip_grad_norm_(network.parameters(), max_norm)
    optimizer.step()
    return total, norm.item()
