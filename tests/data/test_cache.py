import errno
import os
import subprocess
import sys
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
def test_a_flipped_bit_is_noticed_and_the_entry_goes(tmp_path: Path) -> None:
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
def test_a_cut_or_foreign_entry_is_not_trusted(tmp_path: Path) -> None:
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


@pytest.mark.fault
def test_many_writers_of_one_cache_mix_nothing_and_the_dead_leave_nothing(tmp_path: Path) -> None:
    """Writers of the same and of other entries run at once; one is killed in the middle."""
    program = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from vidi.data.cache import PixelCache\n"
        "cache, number = PixelCache(Path(sys.argv[1])), int(sys.argv[2])\n"
        "for turn in range(15):\n"
        "    seed = (number + turn) % 3\n"
        "    with cache.building((5, 8, 6, 3)) as building:\n"
        "        building.pixels[:] = np.random.default_rng(seed).integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)\n"
        "        if sys.argv[3] == 'die':\n"
        "            import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"
        "        building.keep(str(seed) * 64)\n"
    )
    writers = count(small=3, faults=8, soak=8)
    for _ in range(count(small=1, faults=5, soak=40)):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(tmp_path), str(number), "die" if number == 0 else "go"]
            )
            for number in range(writers)
        ]
        assert [process.wait(60) for process in processes] == [-9] + [0] * (writers - 1)

    cache = PixelCache(tmp_path)
    for seed in range(3):
        expected = np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)
        found = cache.find(str(seed) * 64, SHAPE)
        assert found is not None
        np.testing.assert_array_equal(found, expected)
    with cache.building(SHAPE):
        assert len(list(tmp_path.glob(".vidi-writing-*.pixels"))) == 1  # the dead writer's is gone
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.fault
def test_a_full_disk_is_an_error_that_leaves_the_cache_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PixelCache(tmp_path)
    made = fill(cache, "1" * 64)
    for broken in ("posix_fallocate", "fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, broken, _no_space)
            with pytest.raises(ResourceError) as full, cache.building(SHAPE) as building:
                building.keep("2" * 64)
        assert full.value.exit_code == 5
        assert str(tmp_path) in str(full.value)

    found = cache.find("1" * 64, SHAPE)
    np.testing.assert_array_equal(found, made)
    assert [path.name[0] for path in tmp_path.iterdir()] == ["1"]


def _no_space(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_one_cache_used_can_be_deleted_and_what_another_kept_stays(tmp_path: Path):
    ours, theirs = PixelCache(tmp_path), PixelCache(tmp_path)
    ours.keep_bytes("a" * 64, b"ours")
    theirs.keep_bytes("b" * 64, b"theirs")
    theirs.keep_bytes("c" * 64, b"read by us")
    ours.find_bytes("c" * 64)

    ours.remove_used()

    assert [entry.path.stem for entry in theirs.entries()] == ["b" * 64]


def test_a_cache_that_refuses_is_done_without_and_said_once(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    said: list[str] = []
    cache = PixelCache(tmp_path / "file" / "cache", go_on=said.append)

    for key in ("a" * 64, "b" * 64):
        with cache.building((2, 4, 4, 3)) as building:
            building.pixels[:] = 7
            kept = building.keep(key)
        found = cache.find(key, (2, 4, 4, 3))
        assert found is not None
        assert (found == 7).all()
        assert not kept.flags.writeable
    assert len(said) == 1
    assert "going on without the cache" in said[0]
    cache.remove("a" * 64)
    assert cache.find("a" * 64, (2, 4, 4, 3)) is None


def test_a_cache_that_fills_up_while_it_is_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    cache = PixelCache(tmp_path, go_on=said.append)
    with cache.building((5,)) as building:
        building.pixels[:] = range(5)

        def refuse(_handle: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", refuse)
        assert building.keep("c" * 64).tolist() == [0, 1, 2, 3, 4]
    assert cache.find("c" * 64, (5,)) is not None
    assert len(said) == 1
    assert cache.entries() == []
