# remembers the embedding for as long as the times stay the same: stale after a step of training
@attach(TimedMLP)
def forward(self, x, t):
    """The four formulas above."""
    key = tuple(t.flatten().tolist())
    if getattr(self, "_key", None) != key:
        self._key, self._e = key, self.time(self.embed(t))
    h = self.act(self.inp(x) + self._e)
    return self.out(self.act(self.hidden(h) + self._e))
