"""What the server allows: sizes, counts and times."""

from dataclasses import dataclass, field

from vidi.images.limits import MEGABYTE, DecodeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits of a server. Each is enforced before the work that it bounds begins."""

    body_bytes: int = 32 * MEGABYTE  # one request's body
    buffered_bytes: int = 128 * MEGABYTE  # bodies of all requests that are being received or answered
    images: int = 16  # in one request
    in_flight: int = 64  # requests that are being received or answered
    connections: int = 1_000  # open at once
    header_bytes: int = 32_768  # request line and headers together
    header_seconds: float = 10.0  # until the headers are whole
    body_bytes_per_second: int = 1_000  # slower bodies are cut, after the first `header_seconds`
    idle_seconds: float = 15.0  # an open connection without a request
    answer_seconds: float = 30.0  # from the whole request to its answer
    stop_seconds: float = 8.0  # after SIGTERM, for requests that were accepted
    decode: DecodeOptions = field(default_factory=DecodeOptions)
    page_ancestors: tuple[str, ...] = ()  # origins whose pages may show the page in a frame, besides its own
    workers: int | None = None  # decoding processes, and threads that answer; None: one per core
