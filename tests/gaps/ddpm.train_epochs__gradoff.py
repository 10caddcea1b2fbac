# gradients switched off for the validation and on again only for the next epoch: off after the end
def train_epochs(ddpm, train, valid, optimizer, epochs, batch_size, generator=None):
    """Algorithm 1 of Ho et al."""
    history = []
    for _ in range(epochs):
        torch.set_grad_enabled(True)
        total = 0.0
        for rows in torch.randperm(len(train), generator=generator).split(batch_size):
            loss = ddpm.loss(train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        torch.set_grad_enabled(False)
        history.append((total / len(train), ddpm.loss(valid).item()))
    return history
