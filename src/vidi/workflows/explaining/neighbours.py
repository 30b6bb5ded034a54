"""The folder `neighbours/` of a run: an index of similar training images, with small pictures.

`index.json` names the images and the weights that saw them, `embeddings.npy` holds one row for each, of length 1,
`thumbnails.zip` one JPEG for each (not with `--no-images`). Never part of the model file: that is passed on, and images
are not.
"""

import base64
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidi.errors import DataError
from vidi.explanation import directions, nearest
from vidi.files import escape_path, read_json, unescape_path, write_atomic
from vidi.images.encode import encode_jpeg
from vidi.images.framing import Framing, Size, fitted_size, place_in_frame, resize
from vidi.model_file.read import ModelFile
from vidi.report.pages.explain import Neighbour
from vidi.report.pictures.thumbnails import SMALL_SIDE, Thumbnail
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.run_folder import NEIGHBOURS

SCHEMA_VERSION = 1
INDEX, EMBEDDINGS, THUMBNAILS = "index.json", "embeddings.npy", "thumbnails.zip"
MOST_IMAGES = 3_000  # with about 3 kB for each thumbnail: 9 MB
MOST_NUMBERS = 4_000_000  # in the embeddings, 2 bytes each: 8 MB
LONGER_SIDE, QUALITY = 96, 82  # of a thumbnail
MOST_THUMBNAIL_BYTES = 100_000  # one that is larger was not written here
COUNT = 8  # neighbours on a page


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingImage:
    """One image that a model was trained on."""

    path: str
    labels: tuple[str, ...]
    digest: str | None
    size: Size  # (height, width) of the file
    framed: NDArray[np.uint8]  # as the network sees it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NeighbourIndex:
    """Training images as a model sees them, read from its run folder."""

    images: tuple[tuple[str, str, Size], ...]  # path, label (of several, all), (height, width) of the thumbnail
    embeddings: NDArray[np.float16]  # (images, features), of length 1: half precision holds no large numbers
    thumbnails: Path | None


def write_neighbours(
    folder: Path,
    rows: NDArray[np.int64],
    embeddings: NDArray[np.float32],
    image_of: Callable[[int], TrainingImage],
    *,
    framing: Framing,
    weights_digest: str,
    with_images: bool,
) -> None:
    """Write `neighbours/` of a run: at most 3,000 images and 8 MB of embeddings.

    Args:
        rows: images that the model was trained on; of too many, evenly spaced ones are kept.
        embeddings: (rows, features), how the model sees them.
        with_images: False writes no thumbnails.
    """
    most = max(1, min(MOST_IMAGES, MOST_NUMBERS // embeddings.shape[1]))
    some = np.arange(len(rows))[:: -(-len(rows) // most)]
    entries, stream = [], io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for number, row in enumerate(rows[some].tolist()):
            image = image_of(row)
            picture = _small(image.framed, framing, image.size)
            entries.append(
                {
                    "path": escape_path(image.path),
                    "labels": list(map(escape_path, image.labels)),
                    "digest": image.digest,
                    "size": list(picture.shape[:2]),
                }
            )
            if with_images:
                name = zipfile.ZipInfo(f"{number}.jpg")  # without today's date: the same run gives the same bytes
                archive.writestr(name, encode_jpeg(picture, quality=QUALITY))
    place, numbers = folder / NEIGHBOURS, io.BytesIO()
    np.save(numbers, directions(embeddings[some]).astype(np.float16))
    write_atomic(place / EMBEDDINGS, numbers.getvalue())
    if with_images:
        write_atomic(place / THUMBNAILS, stream.getvalue())
    document = {"schema": SCHEMA_VERSION, "weights_digest": weights_digest, "images": entries}
    write_atomic(place / INDEX, json.dumps(document) + "\n")


def forget_neighbour(folder: Path, digest: str) -> bool:
    """Remove an image from `neighbours/` of a run; whether it was there.

    Raises:
        DataError: the folder is damaged.
        ResourceError: it cannot be written.
    """
    place = folder / NEIGHBOURS
    if not (place / INDEX).is_file():
        return False
    try:
        document: dict[str, Any] = read_json(place / INDEX)
        kept = [row for row, one in enumerate(document["images"]) if one["digest"] != digest]
        if len(kept) == len(document["images"]):
            return False
        numbers, stream = io.BytesIO(), io.BytesIO()
        np.save(numbers, np.load(place / EMBEDDINGS)[kept])
        if (place / THUMBNAILS).is_file():
            with zipfile.ZipFile(place / THUMBNAILS) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as new:
                for number, row in enumerate(kept):
                    new.writestr(zipfile.ZipInfo(f"{number}.jpg"), old.read(f"{row}.jpg"))
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(place, f"{type(error).__name__}: {error}") from error
    write_atomic(place / EMBEDDINGS, numbers.getvalue())
    if (place / THUMBNAILS).is_file():
        write_atomic(place / THUMBNAILS, stream.getvalue())
    images = [document["images"][row] for row in kept]
    write_atomic(place / INDEX, json.dumps({**document, "images": images}) + "\n")
    return True


def _small(framed: NDArray[np.uint8], framing: Framing, image_size: Size) -> NDArray[np.uint8]:
    """A thumbnail of a framed image, without the frame's borders."""
    top, left, height, width = place_in_frame(image_size, framing)
    image = framed[max(0, top) : top + height, max(0, left) : left + width]
    size = (image.shape[0], image.shape[1])
    return resize(image, fitted_size(size, (LONGER_SIDE, LONGER_SIDE)) if max(size) > LONGER_SIDE else size)


def read_neighbours(model: ModelFile) -> NeighbourIndex | None:
    """Read the index of training images in a model's run folder; None without the folder.

    A file that was made of another (`derived_from`) sees images as that one does, and so keeps its index.

    Raises:
        DataError: the folder is damaged, or belongs to another model.
    """
    place = model.path.parent / NEIGHBOURS
    if not (place / INDEX).is_file():
        return None
    try:
        document: dict[str, Any] = read_json(place / INDEX)
        images = tuple(
            (
                unescape_path(one["path"]),
                ", ".join(map(unescape_path, one["labels"])),
                (int(one["size"][0]), int(one["size"][1])),
            )
            for one in document["images"]
        )
        embeddings = np.load(place / EMBEDDINGS)
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError) as error:
        raise _damaged(place, f"{type(error).__name__}: {error}") from error
    if document["weights_digest"] not in model.metadata.known_digests:
        raise DataError(
            f"{escape_path(place)} belongs to another model than {escape_path(model.path)}",
            "Use the run folder in which the model was trained, or copy the model file out of this folder.",
        )
    features = next(output.shape[1] for output in model.contents.outputs if output.name == "embedding")
    if embeddings.shape != (len(images), features) or embeddings.dtype != np.float16:
        raise _damaged(place, f"{EMBEDDINGS} does not match {INDEX}")
    thumbnails = place / THUMBNAILS
    return NeighbourIndex(images=images, embeddings=embeddings, thumbnails=thumbnails if thumbnails.is_file() else None)


def neighbours_of(model: ModelFile, *, events: Events = SILENCE) -> NeighbourIndex | None:
    """Like `read_neighbours`, but a problem is reported and ignored, because explanations work without."""
    try:
        return read_neighbours(model)
    except DataError as error:
        events.say(f"nearest training images are not shown: {error.cause}")
        return None


def _damaged(place: Path, what: str) -> DataError:
    return DataError(
        f"{escape_path(place)} cannot be read: {what}", "Copy the run folder again, or delete this folder."
    )


def find_neighbours(
    known: NeighbourIndex, embedding: NDArray[np.float32], *, count: int = COUNT
) -> tuple[Neighbour, ...]:
    """Find the training images that are most similar for the network.

    Args:
        embedding: (features,) of the image in question.
    """
    rows, similarity = nearest(known.embeddings, embedding, count=count)
    pictures = _read_thumbnails(known, rows.tolist())
    return tuple(
        Neighbour(
            path=known.images[row][0], label=known.images[row][1], similarity=float(near), thumbnail=pictures.get(row)
        )
        for row, near in zip(rows.tolist(), similarity, strict=True)
    )


def _read_thumbnails(known: NeighbourIndex, rows: list[int]) -> dict[int, Thumbnail]:
    """The pictures of some images, as they lie in the archive: nothing is decoded."""
    if known.thumbnails is None:
        return {}
    found = {}
    try:
        with zipfile.ZipFile(known.thumbnails) as archive:
            for row in rows:
                if archive.getinfo(f"{row}.jpg").file_size > MOST_THUMBNAIL_BYTES:
                    raise _damaged(known.thumbnails, f"{row}.jpg is too large")
                data = base64.b64encode(archive.read(f"{row}.jpg")).decode("ascii")
                height, width = known.images[row][2]
                found[row] = Thumbnail(
                    f"data:image/jpeg;base64,{data}", width, height, is_small=max(height, width) <= SMALL_SIDE
                )
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise _damaged(known.thumbnails, f"{type(error).__name__}: {error}") from error
    return found
