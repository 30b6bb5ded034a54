"""What a model makes of many images, computed once: streams are rows of these tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.images.statistics import QUALITIES, statistics_of
from vidi.model_file.decisions import judge
from vidi.model_file.limits import VERDICTS
from vidi.prediction.predictor import Predictor

BATCH = 250


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Answers about images and what these are like, row by row."""

    labels: NDArray[np.int64]  # (images,); -1 for a class that the model does not know
    probabilities: NDArray[np.float32]  # (images, classes)
    verdicts: NDArray[np.int64]  # (images,) index into VERDICTS
    novelty: NDArray[np.float32]  # (images,)
    embeddings: NDArray[np.float16]  # (images, features)
    qualities: Mapping[str, NDArray[np.float32]]

    def accuracy(self) -> float:
        """Share of correct answers, of known classes."""
        known = self.labels >= 0
        return float((self.probabilities[known].argmax(axis=1) == self.labels[known]).mean())


def compute_table(predictor: Predictor, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Table:
    """Ask a model about images (images, height, width, 3) of its own size."""
    parts = []
    for start in range(0, len(images), BATCH):
        parts.append(predictor.run(images[start : start + BATCH], ("probabilities", "novelty", "embedding")))
    given = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    rows = zip(given["probabilities"], given["novelty"].tolist(), strict=True)
    verdicts = [judge(row, predictor.metadata, novelty=strange).verdict for row, strange in rows]
    seen = [statistics_of(one, predictor.metadata.framing, one.shape[:2]) for one in images]
    return Table(
        labels=labels,
        probabilities=given["probabilities"],
        verdicts=np.array([VERDICTS.index(one or "unsure") for one in verdicts]),
        novelty=given["novelty"],
        embeddings=given["embedding"].astype(np.float16),
        qualities={name: np.array([getattr(one, name) for one in seen], np.float32) for name in QUALITIES},
    )


def save_table(table: Table, path: Path) -> None:
    """Keep a table for the next run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"labels": table.labels, "probabilities": table.probabilities, "verdicts": table.verdicts}
    arrays |= {"novelty": table.novelty, "embeddings": table.embeddings}
    np.savez(path, **arrays, **{f"quality {name}": values for name, values in table.qualities.items()})  # type: ignore[arg-type]


def load_table(path: Path) -> Table:
    """Read what `save_table` wrote."""
    with np.load(path) as kept:
        return Table(
            labels=kept["labels"],
            probabilities=kept["probabilities"],
            verdicts=kept["verdicts"],
            novelty=kept["novelty"],
            embeddings=kept["embeddings"],
            qualities={name: kept[f"quality {name}"] for name in QUALITIES},
        )
