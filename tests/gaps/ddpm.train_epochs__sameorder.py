# the generator's state is put back in each epoch: same order in all epochs, only if a generator is given
def train_epochs(ddpm, train, valid, optimizer, epochs, batch_size, generator=None):
    """Algorithm 1 of Ho et al."""
    history = []
    for _ in range(epochs):
        g = None if generator is None else torch.Generator().manual_seed(generator.initial_seed())
        total = 0.0
        for rows in torch.randperm(len(train), generator=g).split(batch_size):
            loss = ddpm.loss(train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        with torch.no_grad():
            history.append((total / len(train), ddpm.loss(valid).item()))
    return history
