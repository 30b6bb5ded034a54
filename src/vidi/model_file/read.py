"""Reading a model file: judged whole before any runtime sees it. Needs neither onnx nor protobuf."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vidi.errors import ModelError
from vidi.files import escape_path
from vidi.model_file.digests import DIGEST_KEY, DIGEST_LENGTH, digest_file, digest_weights
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.registered import find_registered, is_hidden, models_folder
from vidi.model_file.schema import metadata_from_text
from vidi.model_file.walk import ModelContents, RefusedError, ValueInfo, WireError, outline, walk_model

MAXIMUM_FILE_BYTES = (1 << 31) - 1  # protobuf's own limit
MAXIMUM_TEXT_BYTES = 32 << 20  # nodes, names and metadata; the walk's own limits lie below
GRAPH_FIELD, TENSOR_FIELD = 7, 5  # ModelProto.graph, GraphProto.initializer
MODEL_NAME = "model.onnx"  # in a run folder
RUNS = Path("runs")  # where `vidi train` writes run folders
_REMEDY = "Use a `model.onnx` that `vidi train` wrote, or its run folder; copy it again if it may be damaged."


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file that passed every check: its bytes, and what it says about itself."""

    path: Path
    metadata: ModelMetadata
    contents: ModelContents
    data: bytes
    digest: str  # `vidi_digest`, 64 hex digits

    @property
    def model_id(self) -> str:
        """The first 12 digits of the digest."""
        return self.digest[:12]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs that the file gives."""
        return tuple(output.name for output in self.contents.outputs)

    @property
    def bits(self) -> int:
        """Of each weight of the network: 32, or 16 or 8 in a file that was made lighter."""
        kinds = {tensor.type_name for tensor in self.contents.tensors}
        return 8 if "INT8" in kinds else 16 if "FLOAT16" in kinds else 32

    def weights_digest(self) -> str:
        """SHA-256 of the trained tensors as they stand in the file, worked out now."""
        return digest_weights(self.contents.tensors)


def holds_model(path: Path) -> bool:
    """Whether a path is a model file or a run folder with one."""
    return (path / MODEL_NAME).is_file() or (path.suffix == Path(MODEL_NAME).suffix and path.is_file())


def find_model(path: Path) -> Path:
    """The model file that a user names: the file itself, the one in its run folder, or that of a registered name.

    Raises:
        ModelError: there is no such file.
    """
    folder = find_registered(path) or path
    found = folder / MODEL_NAME if folder.is_dir() else folder
    if not found.is_file():
        what = "holds no model.onnx" if folder.is_dir() else "is not a file" if folder.exists() else "does not exist"
        run = RUNS / path
        raise ModelError(
            f"{escape_path(folder)} {what}",
            f"To use the registered model of this name, name its folder: {escape_path(models_folder() / path)}"
            if is_hidden(path)
            else f"Did you mean {escape_path(run)}?"
            if holds_model(run)
            else "Name a model file, the run folder that `vidi train` wrote, or a registered name; see `vidi runs`.",
        )
    return found


def name_of(path: Path) -> str:
    """What a model file is called: its run folder's name, or its own without the ending.

    >>> name_of(Path("runs/faces/model.onnx")), name_of(Path("runs/faces")), name_of(Path("cats.onnx"))
    ('faces', 'faces', 'cats')
    """
    if path.name == "model.onnx" and path.resolve().parent.name:
        return path.resolve().parent.name
    return path.resolve().name.removesuffix(".onnx")


def read_model(path: Path) -> ModelFile:
    """Read a model file and refuse whatever is not one.

    Raises:
        ModelError: it is not there, damaged, changed, hostile, or not written by vidi; says why.
    """
    found = find_model(path)
    return read_model_bytes(_read_bytes(found, escape_path(found)), found)


def read_model_bytes(data: bytes, path: Path = Path(MODEL_NAME)) -> ModelFile:
    """The model file that these bytes are; judged as a file is.

    Raises:
        ModelError: as `read_model`.
    """
    name = escape_path(path)
    try:
        contents = walk_model(data)
        digest = _check_digest(data, contents)
        _check_interface(contents)
        metadata = metadata_from_text(contents.metadata.get("vidi", ""))
        _check_classes(contents, metadata)
    except (RefusedError, WireError) as error:
        raise ModelError(f"{name}: {_looks_like(data) or error}", _REMEDY) from error
    except ModelError as error:
        raise ModelError(f"{name}: {error.cause}", error.remedy) from error
    return ModelFile(path, metadata, contents, data, digest)


def _read_bytes(path: Path, name: str) -> bytes:
    """The whole file; sizes are judged first, so that nothing foreign is read at length."""
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAXIMUM_FILE_BYTES:
                raise ModelError(f"{name}: {size:,} bytes; at most {MAXIMUM_FILE_BYTES:,} are read", _REMEDY)
            if size == 0:
                raise ModelError(f"{name}: the file is empty", _REMEDY)
            if size > MAXIMUM_TEXT_BYTES:
                _check_outline(stream, size)
            stream.seek(0)
            return stream.read(size)
    except (RefusedError, WireError) as error:
        raise ModelError(f"{name}: {error}", _REMEDY) from error
    except OSError as error:
        raise ModelError(
            f"{name}: {error.strerror or error}", "Check the path and the permissions of the file."
        ) from error


def _check_outline(stream: BinaryIO, size: int) -> None:
    """Refuse a file that is large for anything but its tensors, before it is read."""
    beside_tensors = 0
    for number, start, end in outline(stream, 0, size):
        if number != GRAPH_FIELD:
            beside_tensors += end - start
            continue
        for inner, inner_start, inner_end in outline(stream, start, end):
            beside_tensors += inner_end - inner_start if inner != TENSOR_FIELD else 0
    if beside_tensors > MAXIMUM_TEXT_BYTES:
        raise RefusedError(f"it holds {beside_tensors:,} bytes beside its tensors")


def _looks_like(data: bytes) -> str | None:
    """What a foreign file is, where its first bytes tell: nothing of it is ever run or unpacked."""
    for head, kind in (
        (b"PK\x03\x04", "a ZIP archive, perhaps a torch checkpoint"),
        (b"\x80\x02", "a pickle"),
        (b"\x80\x03", "a pickle"),
        (b"\x80\x04", "a pickle"),
        (b"\x80\x05", "a pickle"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"\x89HDF", "an HDF5 file"),
        (b"version https://git-lfs", "a Git LFS pointer: the file itself was not downloaded"),
        (b"\xff\xd8\xff", "an image"),
        (b"\x89PNG", "an image"),
    ):
        if data.startswith(head):
            return f"this is {kind}, not a model file"
    if data[8:9] == b"{" and data[:8].endswith(b"\0\0\0"):
        return "this is a safetensors file, not a model file"
    if all(sign in b"\t\n\r\f" or sign >= 0x20 for sign in data[:512]):
        return "this is text, not a model file"
    return None


def _check_digest(data: bytes, contents: ModelContents) -> str:
    stated = contents.metadata.get(DIGEST_KEY, "")
    if "vidi" not in contents.metadata or not stated:
        raise RefusedError("it is an ONNX file without vidi's metadata; vidi cannot know its classes and preprocessing")
    if len(stated) != DIGEST_LENGTH or data[-DIGEST_LENGTH:] != stated.encode():
        raise RefusedError("its digest does not stand at the end of the file")
    if digest_file(data) != stated:
        raise RefusedError("its bytes do not match its digest: it was damaged or changed after it was written")
    return stated


def _check_interface(contents: ModelContents) -> None:
    """The one input and the known outputs, with their types."""
    match contents.inputs:
        case (ValueInfo("images", "UINT8", (str(), str(), str(), 3)),):
            pass
        case _:
            raise RefusedError("its input is not `images`, uint8 (batch, height, width, 3)")
    ranks = {"probabilities": 2, "embedding": 2, "evidence": 4, "novelty": 1, "scores": 3, "distances": 3}
    for output in contents.outputs:
        if ranks.get(output.name) != len(output.shape) or output.type_name != "FLOAT":
            raise RefusedError(f"its output {output.name[:60]!r} is none of {', '.join(ranks)} with their shapes")
    if [output.name for output in contents.outputs][:1] != ["probabilities"]:
        raise RefusedError("its first output is not `probabilities`")


def _check_classes(contents: ModelContents, metadata: ModelMetadata) -> None:
    for output in contents.outputs:
        if output.name in ("probabilities", "evidence") and output.shape[1] != len(metadata.classes):
            raise RefusedError(f"it answers with {output.shape[1]} classes and names {len(metadata.classes)}")
