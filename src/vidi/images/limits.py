"""How much one image may ask of the machine, and the rules by which its pixels become RGB."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MEGABYTE = 1_000_000
REASONS: Mapping[str, str] = {
    "empty": "The file has no bytes.",
    "not-an-image": "The content is not an image of any kind.",
    "unsupported-format": "The format, or this kind of it, is not one that is read.",
    "truncated": "The file ends before the image is complete.",
    "broken": "The content contradicts its own format.",
    "no-pixels": "The image is 0 pixels wide or high.",
    "too-many-pixels": "The image has more pixels than the limit.",
    "too-many-scans": "The JPEG is coded in more passes than the limit.",
    "metadata-too-large": "Text or profiles beside the pixels are larger than the limit.",
    "not-a-file": "The path is a folder, pipe, socket or device.",
    "unreadable": "The system does not let the file be read.",
    "link-outside": "The path leads out of the data folder.",
    "too-slow": "Decoding took longer than the limit.",
    "too-much-memory": "The file or its decoding needs more memory than the limit.",
    "decoder-died": "The decoding process ended unexpectedly on this file.",
}
NOTES: Mapping[str, str] = {
    "truncated": "Incomplete; what is there was used, because it was asked for.",
    "end-missing": "The end mark is missing; all pixels are there.",
    "bytes-after-end": "Other data follows the image.",
    "stray-bytes": "Bytes that belong to no segment of the JPEG were skipped; the picture is whole.",
    "decoder-warned": "The decoder met damaged data; some pixels may be wrong.",
    "profile-applied": "The colour profile was applied: colours are now sRGB.",
    "profile-unusable": "The colour profile does not fit the image or is damaged; it was left alone.",
    "first-frame": "Several frames or pages; the first was used.",
    "range-scaled": "Values beyond 16 bits or with fractions; their smallest became 0 and their largest 255.",
    "format-differs": "The content is of another format than the file name says.",
    "size-differs": "A length in the header differs from the data.",
    "library-warned": "The image library gave a warning.",
}
IGNORED: Mapping[str, str] = {
    "hidden": "Hidden or left by the system.",
    "other-file": "The name is that of a document, table or program.",
    "folder-link": "A link to a folder whose files are counted where they lie.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one image may ask for; judged from the header, before any memory for pixels is taken."""

    pixels: int = 64_000_000
    baseline_jpeg_pixels: int = 250_000_000  # over `pixels` such a file is decoded at reduced size
    file_bytes: int = 64 * MEGABYTE
    jpeg_scans: int = 100
    metadata_bytes: int = 1 * MEGABYTE  # one text or profile after inflation
    memory_bytes: int = 500 * MEGABYTE  # one decoding
    seconds: float = 10.0  # of processor time for one image: a safety stop in worker processes
    thread_pixels: int = 25_000_000  # larger images are decoded in a worker process, never in a thread


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """The rules of decoding that a user may change."""

    limits: Limits = field(default_factory=Limits)
    background: tuple[int, int, int] = (255, 255, 255)  # RGB that shows through transparent pixels
    keep_truncated: bool = False  # use what is there of a cut file, with the note `truncated`
