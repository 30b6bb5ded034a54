"""Corrections: an image and what somebody says of it, kept in the project."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from vidi.data.labels import Answer, LabelsFile, Opinion
from vidi.data.project import IMAGES, Project
from vidi.errors import ImageError, VidiError
from vidi.files import digest_of, write_atomic
from vidi.images.decode import DecodedImage, decode_image
from vidi.images.formats.registry import FORMATS
from vidi.serving.problems import Problem
from vidi.workflows.interaction.request import labels_of
from vidi.workflows.interaction.run_folder import safe_name
from vidi.workflows.requests.data import DataRequest

MOST_NAME: Final = 60  # signs of a file's name
SHOWN_DIGITS: Final = 12  # of a digest, in a file's name


def keep_image(project: Project, data: bytes, answer: Answer, *, name: str, who: str, known: Sequence[str] = ()) -> str:
    """Keep an image and what somebody says of it in the project; both are on the disk when this returns.

    The image lies in PROJECT/images; the line is in the file of the project's labels. Images in place stay as they are:
    what is kept beside them is read with them where the project is named as data.

    Args:
        data: of the image file.
        name: of the file, as the person knows it.
        known: paths at which the data has this image already: only the line is written.

    Returns:
        The file's path among the project's images.

    Raises:
        Problem: the image cannot be used.
        ResourceError: the disk refuses; then nothing is kept.
    """
    file = labels_of(DataRequest(source=str(project.source)))
    if file is None:
        raise Problem("not-found", f"{project.source} is not there.", "Bring the images back, or open another project.")
    folder, digest = project.folder / IMAGES, digest_of(data)
    ending = FORMATS[decoded(data).format].extensions[0]
    path = next(folder.glob(f"*-{digest[:SHOWN_DIGITS]}{ending}"), None)
    is_new = path is None and not known
    path = path or folder / f"{safe_name(Path(name).stem[:MOST_NAME])}-{digest[:SHOWN_DIGITS]}{ending}"
    if is_new:
        write_atomic(path, data)
    paths = known or [path.name if project.owns_images else f"feedback-1:{path.name}"]
    said = Opinion(
        key=secrets.token_hex(16),
        digest=digest,
        at=time.time(),
        source=who,
        via="review",
        kind=answer[0],
        labels=answer[1],
    )
    try:
        LabelsFile(file).add([replace(said, path=one) for one in paths])
    except VidiError:
        if is_new:
            path.unlink(missing_ok=True)
        raise
    return paths[0]


def decoded(data: bytes) -> DecodedImage:
    """An image file's pixels; raises `Problem` where it cannot be used."""
    try:
        return decode_image(data)
    except ImageError as error:
        raise Problem("unusable-image", error.cause, error.remedy) from error
