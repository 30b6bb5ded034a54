"""How much one image may ask of the machine, and the rules by which its pixels become RGB."""

from dataclasses import dataclass, field

MEGABYTE = 1_000_000


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

    def in_words(self) -> list[str]:
        """One line for each limit, as `vidi doctor` prints them."""
        return [
            f"{self.pixels:,} pixels an image; {self.baseline_jpeg_pixels:,} a baseline JPEG, decoded at reduced size",
            f"{self.file_bytes:,} bytes a file, {self.metadata_bytes:,} bytes a text or profile after inflation",
            f"{self.jpeg_scans:,} scans a JPEG",
            f"{self.memory_bytes:,} bytes of memory and {self.seconds:g} s of processor time for one decoding",
            f"{self.thread_pixels:,} pixels in a thread; larger images and TIFF are decoded in a worker process",
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """The rules of decoding that a user may change."""

    limits: Limits = field(default_factory=Limits)
    background: tuple[int, int, int] = (255, 255, 255)  # RGB that shows through transparent pixels
    keep_truncated: bool = False  # use what is there of a cut file, with the note `truncated`
    strict: bool = False  # refuse a file that the decoder only warns of
