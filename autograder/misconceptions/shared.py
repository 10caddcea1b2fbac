"""What known mistakes of several notebooks have in common."""

GENERATOR_COPIED = """\
    if generator is not None:
        generator = torch.Generator().manual_seed(generator.initial_seed())
"""
"""What stands at the beginning of a function that never draws from the generator it was given."""

COPIED_SAYS = """Two calls with one and the same generator give the same numbers. Your code seems to draw from a copy of it, or to put it back
    afterwards, so that the caller's own one never moves on. Which object do your random functions get?"""
"""The sentence for that."""
