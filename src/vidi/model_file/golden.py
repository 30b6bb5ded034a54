"""Golden vectors: drawn tiny images and their answers, by which any host can check itself."""

import base64
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vidi.errors import ModelError
from vidi.metrics.outputs import SIGMOID
from vidi.model_file.decisions import judge
from vidi.model_file.limits import Verdict
from vidi.model_file.metadata import GoldenTolerance, GoldenVector, ModelMetadata

SIZES = ((12, 16), (21, 9), (1, 1), (32, 32))  # (height, width): wide, tall, the smallest, and square
MOST_SHIFTED = 100  # classes of an answer, the most probable ones, whose shifts within the tolerance are tried


def draw_golden_image(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A drawn image (height, width, 3): ramps and a checkerboard, by whole-number arithmetic alone.

    >>> draw_golden_image((1, 2)).tolist()
    [[[0, 128, 40], [181, 91, 40]]]
    """
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    red = (columns * 181 + rows * 13) % 256
    green = (rows * 97 - columns * 37 + 128) % 256
    blue = ((rows // 3 + columns // 4) % 2) * 170 + 40
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def encode_image(image: NDArray[np.uint8]) -> str:
    """The pixels as base64."""
    return base64.b64encode(np.ascontiguousarray(image).tobytes()).decode("ascii")


def decode_golden(vector: GoldenVector) -> NDArray[np.uint8]:
    """The image (height, width, 3) of a golden vector.

    Raises:
        ModelError: it does not hold as many bytes as its size says.
    """
    height, width = vector.size
    try:
        data = base64.b64decode(vector.image, validate=True)
    except ValueError as error:
        raise ModelError("a golden vector's image is not base64", "Use a file that vidi wrote.") from error
    if len(data) != height * width * 3 or not data:
        raise ModelError(
            f"a golden vector of {height} x {width} pixels has {len(data):,} bytes", "Use a file that vidi wrote."
        )
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def make_golden(session: onnxruntime.InferenceSession, metadata: ModelMetadata) -> tuple[GoldenVector, ...]:
    """Ask the model about the drawn images.

    Verdict and candidates are those that follow from calibration and limits as the metadata states them. Where they
    would be others within the tolerance, hosts may differ, and they are left out.

    Raises:
        ModelError: an answer is not finite, has not one probability for each class, or that of a model of one label
            each does not sum to 1.
    """
    vectors = []
    for size in SIZES:
        image = draw_golden_image(size)
        row, novelty = ask(session, image)
        _check_answer(row, novelty, metadata, size)
        vectors.append(
            GoldenVector(
                image=encode_image(image),
                size=size,
                probabilities=readable(row),
                novelty=None if novelty is None else readable([novelty])[0],
                verdict=_firm_verdict(row, novelty, metadata),
                candidates=_firm_candidates(row, metadata),
            )
        )
    return tuple(vectors)


def _check_answer(
    row: NDArray[np.float32], novelty: float | None, metadata: ModelMetadata, size: tuple[int, int]
) -> None:
    sums_to_one = metadata.outputs == SIGMOID or math.isclose(float(row.sum()), 1, abs_tol=1e-3)
    if not np.isfinite(row).all() or not sums_to_one:
        raise ModelError(
            f"the network's probabilities for a drawn image of {size[0]} x {size[1]} pixels sum to {row.sum()}",
            "Its weights hold values that are not finite; train it again from the last good checkpoint.",
        )
    if novelty is not None and not math.isfinite(novelty):
        raise ModelError(
            f"the novelty of a drawn image of {size[0]} x {size[1]} pixels is {novelty}",
            "The model's measure of novelty holds values that are not finite; calibrate it again.",
        )
    if len(row) != len(metadata.classes):
        raise ModelError(
            f"the network answers with {len(row)} classes, the metadata names {len(metadata.classes)}",
            "Build the network for as many classes as the data set has.",
        )


def _firm_verdict(row: NDArray[np.float32], novelty: float | None, metadata: ModelMetadata) -> Verdict | None:
    """The verdict, unless it could be another within the tolerance."""
    found = {judge(one, metadata, novelty=novelty).verdict for one in _shifted(row, metadata.golden_tolerance)}
    if novelty is not None:
        step = metadata.golden_tolerance.novelty * max(abs(novelty), 1.0)
        found |= {judge(row, metadata, novelty=novelty + sign * step).verdict for sign in (-1, 1)}
    return found.pop() if len(found) == 1 else None


def _firm_candidates(row: NDArray[np.float32], metadata: ModelMetadata) -> tuple[int, ...] | None:
    """The candidates, unless others could be among them within the tolerance."""
    candidates = judge(row, metadata).candidates
    others = {frozenset(judge(one, metadata).candidates) for one in _shifted(row, metadata.golden_tolerance)}
    return candidates if others == {frozenset(candidates)} else None


def _shifted(row: NDArray[np.float32], tolerance: GoldenTolerance) -> NDArray[np.float32]:
    """Rows as other hosts may give them: each of the most probable classes by twice the tolerance more, or less."""
    most = np.argsort(-row, kind="stable")[:MOST_SHIFTED]
    steps = np.zeros((len(most), len(row)), np.float32)
    steps[np.arange(len(most)), most] = 2 * tolerance.probability
    shifted: NDArray[np.float32] = np.clip(np.concatenate([row[None], row + steps, row - steps]), 0, 1)
    return shifted


def ask(session: onnxruntime.InferenceSession, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float | None]:
    """The probabilities (classes,) of one image (height, width, 3), and its novelty, if the graph gives it.

    Raises:
        ModelError: the graph fails on it.
    """
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4  # fatal only: the error itself says what is wrong
    measured = "novelty" in [output.name for output in session.get_outputs()]
    wanted = ["probabilities", "novelty"] if measured else ["probabilities"]
    try:
        row, *novelty = (given[0] for given in session.run(wanted, {"images": image[None]}, options))
    except Exception as error:  # onnxruntime's own errors have no common class below Exception
        raise ModelError(
            f"the model fails on an image of {image.shape[0]} x {image.shape[1]} pixels: {str(error)[:300]}",
            "The network's layers do not fit its image size; build it for the framing's size.",
        ) from error
    return row, float(novelty[0]) if novelty else None


def readable(row: Sequence[float] | NDArray[np.float32]) -> tuple[float, ...]:
    """Numbers with seven significant digits: all that float32 holds, and short in JSON."""
    return tuple(float(f"{float(value):.7g}") for value in row)


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

    Raises:
        ModelError: the file holds no golden vectors, or damaged ones; or the graph fails on one.
    """
    return replay_answers(partial(ask, session), metadata)


def replay_answers(answer: Ask, metadata: ModelMetadata) -> Replay:
    """Compare anybody's answers about the golden vectors with those in the file.

    Args:
        answer: gives the probabilities (classes,) of an image (height, width, 3), and its novelty where there is one.

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
