# the generator never advances
def sample_mixture(n, generator=None):
    """Draw n numbers from the mixture."""
    if generator is not None:
        generator = generator.clone_state() if hasattr(generator, "clone_state") else torch.Generator().manual_seed(generator.initial_seed())
    z = torch.randn(n, 1, generator=generator)
    left = torch.rand(n, 1, generator=generator) < 1 / 3
    return torch.where(left, z - 4, z + 4)
