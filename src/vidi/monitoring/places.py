"""Where images lie on a reference's axes, as scores that are compared, and the same of many images summed up."""

from dataclasses import dataclass

import numpy as np

from vidi.errors import ShapeError
from vidi.metrics.arrays import Floats
from vidi.model_file.drift_reference import ReferenceEmbeddings, StrangestImages, SummedPlaces, SummedScores
from vidi.monitoring.contrast import RunningSums, weights_of
from vidi.monitoring.scores import PlaceScale

STRANGEST = 0.8  # of the images are less strange than those that are also compared by themselves
LEAST_STRANGE = 20  # images; the sums of fewer tell nothing that traffic could be compared with


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownPlaces:
    """What a reference knows of its images' places."""

    scale: PlaceScale
    summed: SummedPlaces

    @classmethod
    def of(cls, kept: ReferenceEmbeddings) -> "KnownPlaces":
        """From the sums in the file; in the files of an older vidi, from the images that it holds."""
        summed = sum_places(kept.placed()) if kept.summed is None else kept.summed
        return cls(scale=PlaceScale(middle=np.array(summed.middle), spread=np.array(summed.spread)), summed=summed)

    def scores(self, places: Floats) -> Floats:
        """Places (images, components) in robust standard deviations from the reference's middle, and clipped.

        Raises:
            ShapeError: they are not on the reference's axes.
        """
        if places.shape[1] != len(self.summed.middle):
            raise ShapeError(
                f"embeddings have {places.shape[1]} components, other than the model's reference",
                "Place them by the projection of this very model.",
            )
        return self.scale.clip(places)


def sum_places(places: Floats, novelty: Floats | None = None) -> SummedPlaces:
    """Sum up where images lie, and where the strangest fifth of them does.

    Args:
        places: (images, components) on the reference's axes, of images that the axes were not found from.
        novelty: (images,); None: not known.
    """
    scale = PlaceScale.of(places)
    scores = scale.clip(places)
    return SummedPlaces(
        middle=_rounded(scale.middle),
        spread=_rounded(scale.spread),
        shift=sum_scores(scores),
        width=sum_scores(np.abs(scores)),
        strangest=None if novelty is None else _strangest(scores, novelty),
    )


def _strangest(scores: Floats, novelty: Floats) -> StrangestImages | None:
    limit = float(np.quantile(novelty.astype(np.float64), STRANGEST))
    some = scores[novelty > limit]
    return StrangestImages(limit=limit, scores=sum_scores(some)) if len(some) >= LEAST_STRANGE else None


def sum_scores(scores: Floats) -> SummedScores:
    """Sum up scores (images, scores), at least one image's."""
    exact = scores.astype(np.float64)
    return SummedScores(
        image_count=len(scores),
        means=_rounded(exact.mean(axis=0)),
        squares=_rounded((exact**2).mean(axis=0)),
        weights=_rounded(weights_of(exact)),
    )


def _rounded(values: Floats) -> tuple[float, ...]:
    """Numbers of eight digits: they take half the room in a file."""
    return tuple(float(f"{value:.8g}") for value in values.tolist())


def own_sums(parts: tuple[SummedScores, ...], share: float, stream: Floats) -> RunningSums:
    """Running sums of the parts' scores, and then of their squares, beside a reference's.

    Args:
        parts: of the same images.
        share: independent images among these, from 0 to 1.
        stream: (blocks + 1, scores) as `sum_up` gives them.
    """
    size = parts[0].image_count * share
    means = [value for part in parts for value in part.means]
    squares = [value for part in parts for value in part.squares]
    return RunningSums(size=size, own=np.array([*means, *squares]) * size, stream=stream)
