"""What is not a model file is refused with its reason, before any runtime sees it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.counts import count
from tests.model_file.hostile_models import cut_files, foreign_files, hostile_models
from tests.model_file.tiny import tiny_metadata, tiny_model, tiny_network
from vidi.errors import ModelError
from vidi.model_file.read import read_model
from vidi.model_file.walk import RefusedError, WireError, walk_model
from vidi.model_file.write import model_bytes

GOOD = model_bytes(tiny_network(), tiny_metadata())


def all_bad_files() -> Iterator[tuple[str, bytes, str]]:
    yield from foreign_files()
    yield from cut_files(GOOD)
    yield from hostile_models(GOOD)


@pytest.mark.fault
def test_every_made_model_is_refused_with_its_reason(tmp_path: Path):
    path = tmp_path / "model.onnx"
    unrefused, wrong_reason, tried = [], [], 0

    for name, data, says in all_bad_files():
        path.write_bytes(data)
        tried += 1
        try:
            read_model(path)
        except ModelError as error:
            if not re.search(says, error.cause):
                wrong_reason.append((name, error.cause))
        else:
            unrefused.append(name)

    assert tried >= 60
    assert unrefused == []
    assert wrong_reason == []


@pytest.mark.fault
def test_no_flipped_bit_goes_unnoticed(tmp_path: Path):
    path = tmp_path / "model.onnx"
    random = np.random.default_rng(0)
    unnoticed = []

    for bit in random.choice(len(GOOD) * 8, count(small=300, faults=1_000, soak=20_000), replace=False):
        data = bytearray(GOOD)
        data[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(data)
        try:
            read_model(path)
        except ModelError:
            continue
        unnoticed.append(int(bit))

    assert unnoticed == []


@pytest.mark.fault
def test_a_hostile_model_opens_no_file_but_itself(tmp_path: Path):
    names = []
    for index, (_, data, _) in enumerate(all_bad_files()):
        (tmp_path / f"{index}.onnx").write_bytes(data)
        names.append(str(tmp_path / f"{index}.onnx"))
    script = """
import sys
from pathlib import Path
from vidi.errors import ModelError
from vidi.prediction.predictor import Predictor
opened = []
watch = False
sys.addaudithook(lambda event, arguments: watch and event in ("open", "socket.connect", "subprocess.Popen",
    "os.system", "exec", "compile") and opened.append((event, str(arguments[0]))))
for name in sys.argv[1:]:
    watch = True
    try:
        Predictor.load(Path(name))
    except ModelError:
        pass
    watch = False
foreign = [one for one in opened if one[1] not in sys.argv and "encodings" not in one[1]]
assert not foreign, foreign[:5]
assert len(opened) >= len(names := sys.argv[1:]), len(opened)
print("refused", len(names))
"""

    done = subprocess.run(
        [sys.executable, "-c", script, *names], capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"refused {len(names)}\n"


HEADS = {
    "pickle 0": b"",
    "pickle 2": b"\x80\x02",
    "pickle 3": b"\x80\x03",
    "pickle 4": b"\x80\x04",
    "pickle 5": b"\x80\x05",
    "zip": b"PK\x03\x04",
    "array": b"\x93NUMPY",
    "hdf5": b"\x89HDF\r\n\x1a\n",
    "safetensors": b"\x10\0\0\0\0\0\0\0{}",
    "model": GOOD[:4],
}


@pytest.mark.fault
@pytest.mark.parametrize("ending", ["pt", "pth", "pkl", "npy", "onnx"])
@pytest.mark.parametrize("kind", HEADS)
def test_a_pickle_given_as_a_model_is_refused_and_never_run(tmp_path: Path, kind: str, ending: str):
    marker, path = tmp_path / "marker", tmp_path / f"model.{ending}"
    path.write_bytes(HEADS[kind] + b"cposix\nsystem\n(S'touch %s'\ntR." % str(marker).encode())

    with pytest.raises(ModelError, match=path.name) as refused:
        read_model(path)

    assert refused.value.exit_code == 4
    assert not marker.exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"path,label\na.jpg,cat\n", "this is text"),
        (b"\xff\xd8\xff\xe0 a photograph", "this is an image"),
        (b"\x10\0\0\0\0\0\0\0{}", "this is a safetensors file"),
    ],
)
def test_what_a_foreign_file_is_stands_in_the_message(tmp_path: Path, data: bytes, said: str):
    (tmp_path / "given").write_bytes(data)

    with pytest.raises(ModelError, match=said):
        read_model(tmp_path / "given")


@given(
    position=st.integers(0, len(GOOD) - 1),
    removed=st.integers(0, 40),
    inserted=st.binary(max_size=40),
    copied=st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 200)),
)
@settings(max_examples=count(small=150, faults=2_000, soak=50_000), deadline=None, derandomize=True)
def test_what_the_walk_accepts_onnx_reads_alike(
    position: int, removed: int, inserted: bytes, copied: tuple[int, int]
) -> None:
    piece = GOOD[copied[0] : copied[0] + copied[1]]
    data = GOOD[:position] + inserted + piece + GOOD[position + removed :]

    try:
        contents = walk_model(data)
    except (RefusedError, WireError):
        return

    proto = onnx.load_model_from_string(data)
    assert dict(contents.metadata) == {entry.key: entry.value for entry in proto.metadata_props}
    assert_same_tensors(data)


def assert_same_tensors(data: bytes) -> None:
    contents, proto = walk_model(data), onnx.load_model_from_string(data)
    assert [t.name for t in contents.tensors] == [t.name for t in proto.graph.initializer]
    assert [t.shape for t in contents.tensors] == [tuple(t.dims) for t in proto.graph.initializer]
    assert [bytes(t.data) for t in contents.tensors] == [t.raw_data for t in proto.graph.initializer]
    assert sum(contents.operators.values()) == len(proto.graph.node)
    assert contents.opset == proto.opset_import[0].version
    for mine, theirs in (
        *zip(contents.inputs, proto.graph.input, strict=True),
        *zip(contents.outputs, proto.graph.output, strict=True),
    ):
        shape = theirs.type.tensor_type.shape.dim
        assert mine.name == theirs.name
        assert mine.shape == tuple(side.dim_param or side.dim_value for side in shape)


@pytest.mark.fault
@pytest.mark.parametrize("head", [b"\x32", b"\x3a\x86\x80\x80\x80\x04\x52"], ids=["in the model", "in the graph"])
def test_a_gigabyte_of_text_is_refused_unread(tmp_path: Path, head: bytes):
    path = tmp_path / "model.onnx"
    with path.open("wb") as stream:
        stream.write(head + b"\x80\x80\x80\x80\x04")  # one field of 1 GiB: a hole in the file, no disk taken
        stream.truncate(len(head) + 5 + (1 << 30))
    script = """
import resource, sys
from pathlib import Path
from vidi.errors import ModelError
from vidi.model_file.read import read_model
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_model(Path(sys.argv[1]))
except ModelError as error:
    print(error.cause)
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
"""

    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "1,073,741,824 bytes beside its tensors" in done.stdout


def test_the_walk_finds_what_onnx_finds_in_a_good_file():
    assert_same_tensors(GOOD)


def test_what_onnx_cannot_read_the_walk_refuses():
    for _, data, _ in (*foreign_files(), *cut_files(GOOD)):
        try:
            onnx.load_model_from_string(data)
        except DecodeError:
            with pytest.raises((RefusedError, WireError)):
                walk_model(data)


def test_the_refusal_names_the_file_and_what_to_do(tmp_path: Path):
    path = tiny_model(tmp_path / "model.onnx").path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(ModelError, match=r"model\.onnx.*(digest|name|tensor)") as refused:
        read_model(path)

    assert "vidi train" in refused.value.remedy
