"""An event: a class that was in view for some time."""

from dataclasses import dataclass
from typing import Literal

from vidi.errors import UsageError

State = Literal["new", "update", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRules:
    """When something counts as seen, and for how long. All times in seconds."""

    start: float = 0.6  # an event begins where the smoothed score is at least this
    end: float = 0.4  # and ends where it is below this
    window: float = 1.0  # the smoothed score of a frame is the median of the frames around it, half before, half after
    shortest: float = 0.5  # an event that is shorter is none
    absence: float = 0.5  # an event ends when nothing was seen for this long; a shorter absence is none
    gap: float = 10.0  # nothing is known across a longer time without frames that tell, so events end before it
    update_every: float = 10.0  # between two words about an event that goes on

    def __post_init__(self) -> None:
        if not 0 < self.end <= self.start <= 1:
            raise UsageError(
                f"an event cannot begin at a score of {self.start:g} and end below {self.end:g}",
                "Use two numbers above 0, at most 1, of which the one for the end is not the greater.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFrame:
    """The frame that shows an event best: its score is the highest so far."""

    number: int  # of the source
    seconds: float  # since the source's first frame
    score: float  # of this frame alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A class that is in view, or was, as far as it is known."""

    state: State
    id: str  # the same for all that is said of one event
    label: str
    began: float  # seconds since the source's first frame: the first frame that shows it
    last_seen: float  # the last frame that shows it; of an event that is over, its end
    best: SeenFrame

    @property
    def duration(self) -> float:
        """For how long it was seen, seconds."""
        return self.last_seen - self.began
