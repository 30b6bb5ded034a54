"""Turns a row of probabilities into a prediction, and holds it as the answer about a file."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError, ShapeError
from vidi.files import escape_path
from vidi.images.decode import Measured
from vidi.images.statistics import ImageStatistics
from vidi.model_file.decisions import judge
from vidi.model_file.limits import Verdict
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.values import Json, as_plain
from vidi.numbers import percent
from vidi.prediction.words import describe_answer

SCHEMA_VERSION = 1  # of the documents in which answers are written


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Prediction:
    """The answer for one image; as text its verdict and what it says, as in `unsure: ant or bee`."""

    label: str  # the most probable class
    label_index: int  # its index into `classes`
    probability: float  # of `label`, calibrated
    probabilities: NDArray[np.float32]  # (classes,), of all classes in the model's order; sums to 1 for one label each
    classes: tuple[str, ...]  # the model's classes
    verdict: Verdict | None  # None if the model file has no limits
    candidates: tuple[str, ...]  # possible classes, most probable first; never empty for one label each
    novelty: float | None  # distance from the training images; None if the model has no measure of it
    decision: tuple[str, ...] | None = None  # classes at the operating point; None if the model has none
    multi_label: bool = False  # several classes or none per image; the probabilities are independent
    embedding: NDArray[np.float32] | None = None  # (features,), the layer before the head; None unless asked for

    @property
    def predicted(self) -> tuple[str, ...]:
        """Predicted classes of the image: `label`, or any number of classes for a model with several labels."""
        return self.decision or () if self.multi_label else (self.label,)

    @property
    def others(self) -> tuple[str, ...]:
        """Candidates other than the predicted classes, most probable first."""
        return tuple(name for name in self.candidates if name not in self.predicted)

    def describe(self) -> str:
        """What the image shows, as far as the verdict allows it to be said; safe to print."""
        said = (self.label,) if self.verdict == "unknown" else self.predicted
        return describe_answer(
            self.verdict, [*map(escape_path, said)], [*map(escape_path, self.others)], several=self.multi_label
        )

    def __str__(self) -> str:
        if self.verdict is not None:
            return f"{self.verdict}: {self.describe()}"
        return f"{escape_path(self.label)} {percent(self.probability, digits=1)}"

    def __repr__(self) -> str:
        return f"<Prediction {self}>"

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the most probable classes with their probabilities, highest first; ties in the model's order."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[index], float(self.probabilities[index])) for index in order]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """Answer for one file: a prediction or an error, never both."""

    path: str  # as it was given
    outcome: Prediction | ImageError  # the prediction, or why there is none
    notes: tuple[str, ...] = ()  # codes of `vidi.images.limits.NOTES`
    digest: str = ""  # SHA-256 of the file's bytes; empty if they could not be read
    size: tuple[int, int] | None = None  # (height, width) of the full upright image
    measured: Measured | None = None  # array from `measure`; None without one
    statistics: ImageStatistics | None = None  # of the image as the network sees it; None unless asked for

    @property
    def prediction(self) -> Prediction | None:
        """Prediction; None if the file could not be used."""
        return None if isinstance(self.outcome, ImageError) else self.outcome

    @property
    def embedding(self) -> NDArray[np.float32] | None:
        """Embedding of the image, (features,); None if it was not asked for, or the file could not be used."""
        return None if isinstance(self.outcome, ImageError) else self.outcome.embedding

    @property
    def error(self) -> ImageError | None:
        """Reason why the file could not be used; None if it was classified."""
        return self.outcome if isinstance(self.outcome, ImageError) else None

    def written(self, *, top: int | None = None) -> "WrittenAnswer":
        """The answer as `vidi predict --json` and the server write it.

        Args:
            top: number of most probable classes; all classes in the model's order by default.
        """
        found, error = self.prediction, self.error
        probabilities: dict[str, float] | None = None
        if found is not None:
            pairs = zip(found.classes, found.probabilities.tolist(), strict=True) if top is None else found.top(top)
            probabilities = {label: _rounded(value) for label, value in pairs}
        return WrittenAnswer(
            path=escape_path(self.path),
            label=None if found is None else found.label,
            probability=None if found is None else _rounded(found.probability),
            verdict=None if found is None else found.verdict,
            candidates=None if found is None else list(found.candidates),
            decision=None if found is None or found.decision is None else list(found.decision),
            novelty=None if found is None or found.novelty is None else _rounded(found.novelty),
            probabilities=probabilities,
            error=None if error is None else WrittenError(code=error.code, message=error.cause),
            notes=list(self.notes),
        )


@dataclass(frozen=True, kw_only=True)
class WrittenError:
    """Why an image could not be used, as JSON has it."""

    code: str  # of `vidi.images.limits.REASONS`
    message: str


@dataclass(frozen=True, kw_only=True)
class WrittenAnswer:
    """An answer in plain values, as JSON has it; the server's schema is made from it. Numbers have seven digits."""

    path: str  # safe on a terminal, and can be read back exactly (`vidi.files.unescape_path`)
    label: str | None
    probability: float | None
    verdict: Verdict | None
    candidates: list[str] | None
    decision: list[str] | None
    novelty: float | None
    probabilities: dict[str, float] | None  # class → probability
    error: WrittenError | None
    notes: list[str]  # codes of `vidi.images.limits.NOTES`

    def as_json(self) -> dict[str, Json]:
        """Every member, in this order."""
        return {**vars(self), "error": None if self.error is None else vars(self.error)}


def decide(
    probabilities: NDArray[np.float32],
    metadata: ModelMetadata,
    *,
    novelty: float | None = None,
    embedding: NDArray[np.float32] | None = None,
) -> Prediction:
    """Turn a row of probabilities into an answer; evaluation and prediction both use it.

    Args:
        probabilities: (classes,) float32; sums to 1, unless the model is a multi-label one.
        novelty: of the same image; None if the model has no measure of it.
        embedding: (features,) of the same image, where it was asked for.

    Raises:
        ShapeError: there is not one probability for each class.
    """
    if probabilities.shape != (len(metadata.classes),):
        raise ShapeError(
            f"probabilities of shape {probabilities.shape} for {len(metadata.classes)} classes",
            "Give one row, with one probability for each class of the model.",
        )
    index, judgement = int(probabilities.argmax()), judge(probabilities, metadata, novelty=novelty)
    decision = judgement.decision
    return Prediction(
        label=metadata.classes[index],
        label_index=index,
        probability=float(probabilities[index]),
        probabilities=probabilities,
        classes=metadata.classes,
        verdict=judgement.verdict,
        candidates=tuple(metadata.classes[row] for row in judgement.candidates),
        novelty=novelty,
        decision=None if decision is None else tuple(metadata.classes[row] for row in decision),
        multi_label=metadata.multi_label,
        embedding=embedding,
    )


def model_as_json(model: ModelFile) -> dict[str, Json]:
    """Which model answered."""
    return {
        "id": model.model_id,
        "version": model.metadata.provenance.run,
        "weights_digest": model.metadata.weights_digest,
        "unfinished": model.metadata.unfinished,
        **({} if model.metadata.refuted is None else {"refuted": as_plain(model.metadata.refuted)}),
    }


def _rounded(value: float) -> float:
    """Seven significant digits: all that float32 holds."""
    return float(f"{value:.7g}")
