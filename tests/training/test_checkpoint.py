import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.counts import count

from vidi.errors import ModelError, ResourceError
from vidi.files import TEMPORARY_PREFIX, remove_leftovers
from vidi.training.loop import checkpoint as module
from vidi.training.loop.checkpoint import NAME, PREVIOUS_NAME, decode, encode, read_checkpoint, write_checkpoint


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {"network/a": torch.full((3, 4), value), "network/b": torch.arange(5)}


class KilledError(BaseException):
    """The process ends here: nothing after this point happens."""


def test_a_checkpoint_reads_back_as_written(tmp_path):
    write_checkpoint(tmp_path, tensors(1.5), values={"step": 3})

    checkpoint = read_checkpoint(tmp_path)

    assert checkpoint.values["step"] == 3
    assert checkpoint.fault == ""
    assert torch.equal(checkpoint.tensors["network/a"], torch.full((3, 4), 1.5))


def test_the_one_before_is_kept(tmp_path):
    for step in (1, 2, 3):
        write_checkpoint(tmp_path, tensors(step), values={"step": step})

    previous = decode((tmp_path / PREVIOUS_NAME).read_bytes(), name="previous")

    assert (read_checkpoint(tmp_path).values["step"], previous.values["step"]) == (3, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [PREVIOUS_NAME, NAME]


def test_without_hard_links_the_one_before_is_kept_as_well(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    for step in (1, 2):
        write_checkpoint(tmp_path, tensors(step), values={"step": step})

    assert read_checkpoint(tmp_path).values["step"] == 2
    assert decode((tmp_path / PREVIOUS_NAME).read_bytes(), name="previous").values["step"] == 1


@pytest.mark.fault
def test_every_flipped_or_missing_byte_is_noticed():
    data = encode(tensors(1), {"step": 1})
    random = np.random.default_rng(0)

    for place in random.integers(0, len(data), count(small=200, faults=500, soak=5000)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(random.integers(8))
        with pytest.raises(ModelError):
            decode(bytes(flipped), name="checkpoint")
    for length in random.integers(0, len(data), 50):
        with pytest.raises(ModelError):
            decode(data[:length], name="checkpoint")


@pytest.mark.fault
def test_a_damaged_checkpoint_falls_back_and_says_so(tmp_path):
    for step in (1, 2):
        write_checkpoint(tmp_path, tensors(step), values={"step": step})
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:-7])

    checkpoint = read_checkpoint(tmp_path)

    assert checkpoint.values["step"] == 1
    assert "checkpoint.safetensors is damaged" in checkpoint.fault


@pytest.mark.fault
def test_two_damaged_checkpoints_are_named(tmp_path):
    for step in (1, 2):
        write_checkpoint(tmp_path, tensors(step), values={"step": step})
    for name in (NAME, PREVIOUS_NAME):
        (tmp_path / name).write_bytes(b"junk")

    with pytest.raises(ModelError, match=r"checkpoint\.safetensors is damaged.*checkpoint-previous\.safetensors is"):
        read_checkpoint(tmp_path)


@pytest.mark.fault
def test_another_version_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SCHEMA", 99)
    write_checkpoint(tmp_path, tensors(1), values={"step": 1})
    monkeypatch.undo()

    with pytest.raises(ModelError, match="has schema 99; this version of vidi reads schema 1"):
        read_checkpoint(tmp_path)


class WritesMarker:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.fault
def test_a_pickle_in_the_checkpoints_place_is_never_run(tmp_path):
    (tmp_path / NAME).write_bytes(pickle.dumps(WritesMarker(tmp_path / "marker")))

    with pytest.raises(ModelError, match="damaged"):
        read_checkpoint(tmp_path)

    assert not (tmp_path / "marker").exists()


@pytest.mark.fault
def test_killed_at_any_call_of_a_write_the_old_or_the_new_one_is_whole(tmp_path, monkeypatch):
    outcomes = []
    for point in range(40):
        folder = tmp_path / str(point)
        folder.mkdir()
        for step in (1, 2):
            write_checkpoint(folder, tensors(step), values={"step": step})

        was_killed = die_at(point, monkeypatch, folder)

        remove_leftovers(folder)
        outcomes.append(read_checkpoint(folder).values["step"])
        assert not list(folder.glob(f"{TEMPORARY_PREFIX}*"))
        if not was_killed:
            break
    assert len(outcomes) > 5
    assert set(outcomes) == {2, 3}


def die_at(point: int, monkeypatch: pytest.MonkeyPatch, folder: Path) -> bool:
    """Write a third checkpoint and die before the n-th call to the system; true if it came to that."""
    calls = iter(range(1000))

    def guarded(original):
        def call(*arguments: object, **keywords: object) -> object:
            if next(calls) == point:
                raise KilledError
            return original(*arguments, **keywords)

        return call

    with monkeypatch.context() as patch:
        for name in ("link", "replace", "fsync", "open", "unlink"):
            patch.setattr(os, name, guarded(getattr(os, name)))
        original_write = Path.write_bytes

        def write(path: Path, data: bytes) -> int:
            if next(calls) == point:
                original_write(path, data[: len(data) // 2])
                raise KilledError
            return original_write(path, data)

        patch.setattr(Path, "write_bytes", write)
        try:
            write_checkpoint(folder, tensors(3), values={"step": 3})
        except KilledError:
            return True
    return False


@pytest.mark.fault
def test_a_full_disk_leaves_the_earlier_checkpoints_whole(tmp_path, monkeypatch):
    for step in (1, 2):
        write_checkpoint(tmp_path, tensors(step), values={"step": step})

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ResourceError, match="No space left on device"):
        write_checkpoint(tmp_path, tensors(3), values={"step": 3})

    assert read_checkpoint(tmp_path).values["step"] == 2


def test_the_file_is_plain_safetensors(tmp_path):
    write_checkpoint(tmp_path, tensors(1), values={"step": 1})
    data = (tmp_path / NAME).read_bytes()

    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])

    assert json.loads(header["__metadata__"]["vidi"]) == {"schema": 1, "step": 1}
