"""What known mistakes of several notebooks have in common."""

GENERATOR_COPIED = """\
    if generator is not None:
        generator = torch.Generator().manual_seed(generator.initial_seed())
"""
"""What stands at the beginning of a function that never draws from the generator it was given."""

COPIED_SAYS = """Two calls with one and the same generator give the same numbers. Your code seems to draw from a copy of it, to put it back afterwards, or
    to use the numbers of an earlier call again. Which object do your random functions get, and in which calls?"""
"""The sentence for that."""
