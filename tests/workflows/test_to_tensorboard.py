"""Event files, read back by a reader that shares nothing with what wrote them."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("tensorboardX", reason="needs:tensorboardx")

from vidi.workflows.tracking.to_tensorboard import open_run
from vidi.workflows.tracking.tracker import TrackedResult, TrackedRun

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # wire types of protocol buffers
STEP, SUMMARY = 2, 5  # fields of an Event
TAG, SIMPLE, TENSOR = 1, 2, 8  # fields of a Summary.Value
TEXTS = 8  # field of a TensorProto


def crc(data: bytes) -> int:
    """CRC-32C, masked as TFRecord files have it, bit by bit."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 & -(value & 1))
    value ^= 0xFFFFFFFF
    return (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file; their checks hold."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        length, of_length = struct.unpack_from("<QI", data, at)
        record = data[at + 12 : at + 12 + length]
        (of_record,) = struct.unpack_from("<I", data, at + 12 + length)
        assert of_length == crc(data[at : at + 8])
        assert of_record == crc(record)
        yield record
        at += 16 + length


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return value, at


def message(data: bytes) -> list[tuple[int, bytes | int]]:
    """Field numbers and raw values of one message."""
    found: list[tuple[int, bytes | int]] = []
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == VARINT:
            value, at = varint(data, at)
            found.append((key >> 3, value))
            continue
        size, at = varint(data, at) if kind == LENGTH else ({EIGHT_BYTES: 8, FOUR_BYTES: 4}[kind], at)
        found.append((key >> 3, data[at : at + size]))
        at += size
    return found


def read_events(folder: Path) -> dict[str, list[tuple[int, object]]]:
    """tag → (step, number or text), of every event file in a folder."""
    found: dict[str, list[tuple[int, object]]] = {}
    for path in sorted(folder.iterdir()):
        for record in records(path):
            event = dict(message(record))
            for number, value in message(event.get(SUMMARY, b"")):
                entry = dict(message(value)) if number == 1 else {}
                tag = entry.get(TAG, b"").decode()
                if SIMPLE in entry:
                    held: object = struct.unpack("<f", entry[SIMPLE])[0]
                elif TENSOR in entry:
                    held = dict(message(entry[TENSOR]))[TEXTS].decode()
                else:
                    continue
                found.setdefault(tag, []).append((event.get(STEP, 0), held))
    return found


def test_the_check_sum_is_the_one_of_the_standard():
    plain = ((crc(b"123456789") - 0xA282EAD8) & 0xFFFFFFFF) << 15  # of RFC 3720's example, before the mask
    assert ((plain | plain >> 32) & 0xFFFFFFFF) == 0xE3069283


def test_what_was_told_can_be_read_from_the_files(tmp_path: Path):
    run = open_run(TrackedRun(folder=tmp_path, facts={"vidi.data": "photos"}, noted={}))
    assert run.place == f"tensorboard --logdir {tmp_path}"
    run.parameters({"epochs": "2"})
    run.epoch(1, {"train_loss": 0.5})
    run.epoch(2, {"train_loss": 0.25, "member-2.train_loss": 0.75})
    run.result(
        TrackedResult(
            parameters={"epochs": "2"},
            figures={"test.accuracy": 0.875},
            files=(),
            model=tmp_path / "model.onnx",
            sentence="7 of 8 are right.",
        )
    )
    run.close("finished")
    told = read_events(tmp_path / "tensorboard")
    assert told["train_loss"] == [(1, 0.5), (2, 0.25)]
    assert told["member-2/train_loss"] == [(2, 0.75)]
    assert told["test/accuracy"] == [(2, 0.875)]
    assert [step for step, _ in told["recipe/text_summary"]] == [0, 2]
    assert "| epochs | 2 |" in told["recipe/text_summary"][0][1]
    assert told["result/text_summary"][0][1] == "7 of 8 are right."
