"""Golden vectors as a model file holds them: drawn tiny images, the answers to them, and how far hosts may differ."""

from dataclasses import dataclass, field

from vidi.errors import ModelError
from vidi.model_file.limits import Verdict
from vidi.model_file.values import NEED


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenVector:
    """A drawn tiny image and the answer the file gave when it was written, so that any host can check itself."""

    image: str  # base64 of height * width * 3 bytes, row by row, RGB
    size: tuple[int, int]  # (height, width), pixels
    probabilities: tuple[float, ...]
    novelty: float | None = None  # None if the file has no such output, or an older vidi did not ask
    verdict: Verdict | None = None  # None if there is none, or it lies so near a limit that hosts may differ
    candidates: tuple[int, ...] | None = None  # indexes into the classes; None as for the verdict

    def __post_init__(self) -> None:
        if not all(0 <= index < len(self.probabilities) for index in self.candidates or ()):
            raise ValueError(f"golden candidates should be indexes of classes, not {self.candidates}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenTolerance:
    """How far another host's answers may lie from the golden ones."""

    # Processors add in different orders, and fp32 logits then differ by a few 1e-6.
    probability: float = field(default=1e-4, metadata=NEED)
    # Share of the golden novelty, or of 1 where that is less: it is a difference of large sums.
    novelty: float = field(default=1e-3, metadata=NEED)

    def __post_init__(self) -> None:
        if not (0 < self.probability < 1 and 0 < self.novelty < 1):
            raise ModelError(
                f"the golden vectors' tolerance is {self.probability} of a probability and {self.novelty} of a novelty",
                "Both must lie between 0 and 1.",
            )
