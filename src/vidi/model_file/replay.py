"""Whether this host gives the answers that a model file holds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vidi.errors import ModelError
from vidi.model_file.decisions import judge
from vidi.model_file.golden import ask, decode_golden
from vidi.model_file.golden_vector import GoldenTolerance, GoldenVector
from vidi.model_file.metadata import ModelMetadata

Ask = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """This host's answers about a file's golden vectors, compared with those in the file."""

    vector_count: int
    tolerance: GoldenTolerance
    probability_difference: float  # the largest
    novelty_difference: float | None  # the largest, as a share; None where the file's vectors hold no novelty
    differing: tuple[str, ...] = ()  # verdicts and candidates that are others, in words

    @property
    def passed(self) -> bool:
        """Whether all answers are those in the file, within its tolerance."""
        return (
            self.probability_difference <= self.tolerance.probability
            and (self.novelty_difference is None or self.novelty_difference <= self.tolerance.novelty)
            and not self.differing
        )

    def sentence(self) -> str:
        """Return the result in one sentence."""
        outcome = "passed" if self.passed else "failed"
        novelty = (
            ""
            if self.novelty_difference is None
            else f", of a novelty {self.novelty_difference:.1e} (allowed: {self.tolerance.novelty:.0e})"
        )
        return (
            f"self-test {outcome}: {self.vector_count} golden vectors, largest difference of a probability "
            f"{self.probability_difference:.1e} (allowed: {self.tolerance.probability:.0e}){novelty}"
            f"{''.join(f'; {what}' for what in self.differing)}"
        )


def replay_golden(session: onnxruntime.InferenceSession, metadata: ModelMetadata) -> Replay:
    """Ask a session about the golden vectors of its model file, and compare; costs about as much as four images.

    Args:
        session: of the model file, with any execution provider.
        metadata: of the same file.

    Raises:
        ModelError: the file holds no golden vectors, or damaged ones; or the graph fails on one.
    """
    return replay_answers(partial(ask, session), metadata)


def replay_answers(answer: Ask, metadata: ModelMetadata) -> Replay:
    """Compare anybody's answers about the golden vectors with those in the file.

    Args:
        answer: gives the probabilities (classes,) of an image (height, width, 3), and its novelty where there is one.
        metadata: of the model file.

    Raises:
        ModelError: the file holds no golden vectors, or damaged ones; or no answer is given to one.
    """
    if not metadata.golden:
        raise ModelError("the file holds no golden vectors", "Write it again from its run.")
    differences, strange, differing = [], [], []
    for number, vector in enumerate(metadata.golden, start=1):
        row, novelty = answer(decode_golden(vector))
        if len(row) != len(vector.probabilities) or (vector.novelty is not None and novelty is None):
            raise ModelError("a golden vector does not fit the model's outputs", "Use a file that vidi wrote.")
        differences.append(float(np.abs(row - np.array(vector.probabilities)).max()))
        if vector.novelty is not None and novelty is not None:
            strange.append(abs(novelty - vector.novelty) / max(abs(vector.novelty), 1.0))
        differing += [f"golden vector {number}: {what}" for what in _other_words(vector, row, novelty, metadata)]
    return Replay(
        vector_count=len(metadata.golden),
        tolerance=metadata.golden_tolerance,
        probability_difference=float(np.max(differences)),  # NaN where one is: then it is not passed
        novelty_difference=float(np.max(strange)) if strange else None,
        differing=tuple(differing),
    )


def _other_words(
    vector: GoldenVector, row: NDArray[np.float32], novelty: float | None, metadata: ModelMetadata
) -> Iterator[str]:
    """What is said of the image otherwise than in the file, beside the numbers."""
    judgement = judge(row, metadata, novelty=novelty)
    if vector.verdict is not None and judgement.verdict != vector.verdict:
        yield f"the verdict is {judgement.verdict}, not {vector.verdict}"
    if vector.candidates is not None and set(judgement.candidates) != set(vector.candidates):
        yield f"the candidates are {sorted(judgement.candidates)}, not {sorted(vector.candidates)}"
