import os
from pathlib import Path

import numpy as np
import pytest
from tests.counts import count

from vidi.data.cache import HEADER_BYTES, PixelCache, pixels_key
from vidi.errors import ResourceError
from vidi.images.framing import Framing

SHAPE = (5, 8, 6, 3)
FRAMING = Framing(size=(8, 6))


def fill(cache: PixelCache, key: str, *, seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)
    with cache.building(SHAPE) as building:
        building.pixels[:] = made
        building.keep(key)
    return made


def test_kept_pixels_are_found_again(tmp_path: Path) -> None:
    cache = PixelCache(tmp_path)
    key = pixels_key(["a", "b"], FRAMING)

    made = fill(cache, key)

    found = PixelCache(tmp_path).find(key, SHAPE)
    assert found is not None
    np.testing.assert_array_equal(found, made)
    assert not found.flags.writeable


def test_what_was_not_kept_leaves_nothing(tmp_path: Path) -> None:
    cache = PixelCache(tmp_path)

    with pytest.raises(RuntimeError), cache.building(SHAPE):
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_the_key_holds_content_framing_and_order() -> None:
    keys = {
        pixels_key(["a", "b"], FRAMING),
        pixels_key(["b", "a"], FRAMING),
        pixels_key(["a", None], FRAMING),
        pixels_key(["a", "b"], Framing(size=(6, 8))),
        pixels_key(["a", "b"], FRAMING, decoding="strict"),
    }

    assert len(keys) == 5


@pytest.mark.fault
def test_b73_a_flipped_bit_is_noticed_and_the_entry_goes(tmp_path: Path) -> None:
    cache = PixelCache(tmp_path)
    key = pixels_key(["a"], FRAMING)
    random = np.random.default_rng(0)
    for _ in range(count(small=100, faults=500, soak=2_000)):
        fill(cache, key)
        (path,) = tmp_path.glob("*.pixels")
        data = bytearray(path.read_bytes())
        data[random.integers(len(data))] ^= 1 << int(random.integers(8))
        path.write_bytes(data)

        assert cache.find(key, SHAPE) is None
        assert not path.exists()


@pytest.mark.fault
def test_b73_a_cut_or_foreign_entry_is_not_trusted(tmp_path: Path) -> None:
    cache = PixelCache(tmp_path)
    key, other = pixels_key(["a"], FRAMING), pixels_key(["b"], FRAMING)
    fill(cache, key)
    (path,) = tmp_path.glob("*.pixels")
    path.rename(tmp_path / f"{other}.pixels")

    assert cache.find(other, SHAPE) is None

    fill(cache, key)
    os.truncate(path, HEADER_BYTES + 10)
    assert cache.find(key, SHAPE) is None
    assert cache.find(key, (4, 8, 6, 3)) is None


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    size = HEADER_BYTES + int(np.prod(SHAPE))
    cache = PixelCache(tmp_path, limit_bytes=2 * size)
    fill(cache, "1" * 64)
    fill(cache, "2" * 64)
    assert cache.find("1" * 64, SHAPE) is not None

    fill(cache, "3" * 64)

    assert sorted(entry.path.name[0] for entry in cache.entries()) == ["1", "3"]


def test_pixels_beyond_the_bound_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="may hold 100"), PixelCache(tmp_path, limit_bytes=100).building(SHAPE):
        pass


def test_clearing_says_what_it_freed(tmp_path: Path) -> None:
    cache = PixelCache(tmp_path)
    fill(cache, "1" * 64)

    assert cache.clear() == HEADER_BYTES + int(np.prod(SHAPE))
    assert list(tmp_path.iterdir()) == []
