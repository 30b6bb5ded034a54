"""A model file as a model of MLflow: `mlflow.pyfunc.load_model` opens it by this module's name, without pickle."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.images.store import BytesStore
from vidi.prediction.prediction import Answer
from vidi.prediction.predictor import Predictor

if TYPE_CHECKING:
    from pandas import DataFrame

IMAGE = "image"  # the column of a question: an encoded image file, as bytes


class PyfuncModel:
    """What MLflow asks: a table of images in, a table of answers out."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, table: "DataFrame") -> "DataFrame":
        """Classify encoded images; one row for each, in order.

        Args:
            table: with a column `image` of bytes.

        Returns:
            A table with `label`, `probability`, `verdict`, `candidates` (separated by `|`), `probabilities` (a list,
            in the order of the model's classes) and `error`, which says why an image could not be used;
            it is empty for the others.
        """
        from pandas import DataFrame

        contents = {str(row): bytes(data) for row, data in enumerate(table[IMAGE])}
        answers = self.predictor.predict_files(list(contents), store=BytesStore(contents))
        return DataFrame([_row(one) for one in answers])


def _row(answer: Answer) -> dict[str, object]:
    said = answer.prediction
    if said is None:
        nothing = dict.fromkeys(("label", "verdict", "candidates"), "")
        return {**nothing, "probability": math.nan, "probabilities": [], "error": str(answer.error)}
    return {
        "label": "|".join(said.predicted),
        "probability": said.probability,
        "verdict": said.verdict or "",
        "candidates": "|".join(said.candidates),
        "probabilities": [round(float(value), 6) for value in said.probabilities],
        "error": "",
    }


def _load_pyfunc(path: str) -> PyfuncModel:
    """Open the model file: what MLflow calls, by this name."""
    return PyfuncModel(Predictor.load(Path(path)))
