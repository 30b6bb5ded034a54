"""Makes rows of a log from what a model answered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidi.errors import ImageError
from vidi.images.statistics import ImageStatistics
from vidi.log.records import LoggedModel, LoggedPrediction, Source, new_key
from vidi.model_file.drift_reference import Projection
from vidi.model_file.read import ModelFile
from vidi.prediction.prediction import Prediction

EMBEDDING, NOVELTY = "embedding", "novelty"


@dataclass(frozen=True, slots=True, eq=False)
class AnswerRows:
    """What all rows about one model's answers have in common."""

    model: LoggedModel
    projection: Projection | None  # None where the file's reference holds no embeddings
    outputs: tuple[str, ...]  # of the model, that rows are made of beside the probabilities

    @classmethod
    def of(cls, file: ModelFile, *, name: str, version: str) -> "AnswerRows":
        """For a model file."""
        metadata = file.metadata
        reference = None if metadata.drift_reference is None else metadata.drift_reference.images
        known = None if reference is None or EMBEDDING not in file.outputs else reference.embeddings
        outputs = [*([NOVELTY] if NOVELTY in file.outputs else []), *([EMBEDDING] if known is not None else [])]
        model = LoggedModel(
            model_id=file.model_id,
            name=name,
            version=version,
            classes=metadata.classes,
            multi_label=metadata.multi_label,
        )
        return cls(model, None if known is None else known.projection(), tuple(outputs))

    def row(
        self,
        outcome: Prediction | ImageError,
        *,
        digest: str,
        at: float,
        source: Source,
        embedding: NDArray[np.float32] | None = None,
        statistics: ImageStatistics | None = None,
    ) -> LoggedPrediction:
        """The row of one answer, with a new key.

        Args:
            at: when, seconds since 1970, UTC.
            embedding: (features,) as the model gave it; it is placed on the axes of its reference.
        """
        if isinstance(outcome, ImageError):
            return LoggedPrediction(
                key=new_key(), at=at, source=source, model=self.model, digest=digest, error=outcome.code
            )
        return LoggedPrediction(
            key=new_key(),
            at=at,
            source=source,
            model=self.model,
            digest=digest,
            probabilities=outcome.probabilities,
            label=outcome.label,
            verdict=outcome.verdict,
            candidates=outcome.candidates,
            decision=outcome.decision,
            novelty=outcome.novelty,
            embedding=self._placed(embedding),
            statistics=statistics,
        )

    def _placed(self, embedding: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        if self.projection is None or embedding is None:
            return None
        placed: NDArray[np.float32] = self.projection.place(embedding[None])[0]
        return placed
