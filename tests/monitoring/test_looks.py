"""A stream is looked at at the same counts whenever, and however often, somebody asks."""

import numpy as np
import pytest

from vidi.monitoring.contrast import plan_looks


@pytest.mark.parametrize("count", [50, 99, 100, 730, 6_400])
def test_a_longer_stream_adds_looks_and_changes_none(count):
    short, long = plan_looks(count), plan_looks(10_000)

    here = long.ends <= count
    assert np.array_equal(short.starts, long.starts[here])
    assert np.array_equal(short.ends, long.ends[here])
    assert np.array_equal(short.shares, long.shares[here])


def test_the_shares_of_all_looks_stay_below_one():
    assert 0.6 < plan_looks(1_000_000).shares.sum() < 1.0


def test_every_doubling_is_shared_half_by_the_whole_and_half_by_its_windows():
    looks = plan_looks(1_599)

    of_last = looks.ends >= 800
    whole = looks.starts == 0

    assert looks.shares[of_last & whole].sum() == pytest.approx(looks.shares[of_last & ~whole].sum())
    assert set((looks.ends - looks.starts)[of_last & ~whole].tolist()) == {50, 100, 200, 400}


def test_fewer_than_fifty_images_are_never_looked_at():
    assert len(plan_looks(49).ends) == 0
