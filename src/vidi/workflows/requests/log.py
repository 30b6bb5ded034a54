"""The options of the prediction log: where it lies, what is kept in it, and what `vidi log` shows or deletes."""

from dataclasses import dataclass
from typing import Annotated

from vidi.errors import UsageError
from vidi.options import Argument, Option, switched_off
from vidi.workflows.requests.shared import NO_IMAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """Whether answers are logged, and for how long their images are kept."""

    log: Annotated[
        str | None,
        Option("Log each prediction there: a file, or postgresql://USER@HOST/DATABASE.", metavar="URL"),
    ] = None
    keep_images: Annotated[bool, Option("Keep the images in the log, too.")] = False
    keep_days: Annotated[float, Option("Keep an image for at most this time.", metavar="DAYS", least=0)] = 30.0

    def __post_init__(self) -> None:
        if self.keep_images and switched_off(NO_IMAGES):
            raise UsageError("--keep-images and VIDI_NO_IMAGES exclude each other", "Use only one of them.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogContentsRequest:
    """What to show of a log, or to delete from it."""

    log: Annotated[str, Argument("LOG", "The log: a file, or postgresql://USER@HOST/DATABASE.")]
    digests: Annotated[
        tuple[str, ...], Argument("DIGEST…", "Only what is known of these images, by SHA-256.", several=True)
    ] = ()
    before: Annotated[
        str | None, Option("Only what came before this day or time, for example 2026-03-01.", metavar="DATE")
    ] = None
    images: Annotated[bool, Option("Only the images that are kept, and no other row.")] = False
    delete: Annotated[bool, Option("Delete what is named by DIGEST, --before or --images.")] = False
