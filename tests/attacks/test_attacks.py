"""Nobody gains, nobody gets out, nobody who is honest loses: all through `nbgrader autograde`, in one batch."""

from __future__ import annotations

import pytest

from autograder import attack, sandbox

pytestmark = pytest.mark.slow
needs_sandbox = pytest.mark.skipif(sandbox.problem() is not None, reason=f"no sandbox here: {sandbox.problem()}")


@needs_sandbox
def test_no_attack_gains_and_no_honest_noise_loses():
    result = attack.run()
    told = attack.text(result)
    assert result.attacks >= 45 and result.honest >= 15
    assert (result.points_gained, result.escapes, result.points_lost, result.batches_stopped) == (0, 0, 0, 0), told
    assert result.not_graded == [], told


def test_the_canaries_see_what_escapes_where_there_is_no_sandbox():
    result = attack.run(caged=False)
    told = " ".join(result.seen)
    for what in ("a packet out: TCP", "a packet out: UDP", "a packet out: unix socket", "a file written", "a file read"):
        assert what in told, told
    for name in ("read-secret", "read-outside", "read-environment", "write-outside", "write-course", "daemon"):
        assert name in told, name
    assert result.points_gained > 0  # the solution's file is there to be executed


def test_live_pages_are_seen():
    page = "<head></head><img src=x onerror=a><script>1</script><a href='javascript:1'>x</a><img src='//far'><p style='a:url(x)'>"
    assert len(list(attack.live(page))) >= 6
