"""Whether decoding keeps up with a stream, and what is left out where it does not."""

from collections import deque
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from vidi.video.opening import Opened

Skip = Literal["DEFAULT", "NONREF", "NONKEY"]  # FFmpeg's words: decode all, what others rest on, whole pictures alone

# Formats whose pictures carry the sender's times; those of others are made up at a rate that is only stated.
TIMED: Final = {"rtsp", "mpegts", "flv", "matroska", "webm", "mov", "mp4", "asf", "ogg", "nut"}
MEMORY_SECONDS: Final = 60.0  # clocks drift apart by less in this time than matters here
LATE, VERY_LATE, IN_TIME = 0.5, 2.0, 0.2  # seconds behind the best of the last minute


class DecodingPace:
    """Compares when pictures are decoded with when they were taken."""

    def __init__(self) -> None:
        self._offsets: deque[tuple[float, float]] = deque()  # increasing: when, and how much later than taken
        self.skip: Skip = "DEFAULT"

    def note(self, arrived: float, taken: float) -> Skip:
        """What to leave out from now on.

        Args:
            arrived: when a picture was decoded, by a steady clock, seconds.
            taken: by the sender's clock.

        >>> pace = DecodingPace()
        >>> [pace.note(10.0 + number, 0.04 * number) for number in range(4)]
        ['DEFAULT', 'NONREF', 'NONREF', 'NONKEY']
        >>> pace.note(13.0, 2.95)
        'DEFAULT'
        """
        offset = arrived - taken
        while self._offsets and self._offsets[-1][1] >= offset:
            self._offsets.pop()
        self._offsets.append((arrived, offset))
        while self._offsets[0][0] < arrived - MEMORY_SECONDS:
            self._offsets.popleft()
        lag = offset - self._offsets[0][1]
        if lag > VERY_LATE:
            self.skip = "NONKEY"
        elif lag > LATE and self.skip == "DEFAULT":
            self.skip = "NONREF"
        elif lag < IN_TIME:
            self.skip = "DEFAULT"
        return self.skip


def is_timed(opened: "Opened") -> bool:
    """Whether the pictures of a source carry the sender's times."""
    name = getattr(getattr(opened.container, "format", None), "name", "")
    return bool(TIMED & set(name.split(",")))
