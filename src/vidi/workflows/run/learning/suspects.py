"""Labels that may be wrong, before any training: held-out answers of heads on the features of a pretrained network."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.data.cache import PixelCache, cache_folder
from vidi.data.checked import DataCheck, SuspectLabels
from vidi.data.checking.check import check_dataset
from vidi.data.checking.suspects import keep_suspects, suspects_finding
from vidi.data.dataset import Dataset
from vidi.errors import DataError
from vidi.groups import split_learnable_folds
from vidi.images.framing import choose_framing
from vidi.training.heads.features import embed_here
from vidi.training.heads.transfer import fit_again, try_heads
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.run.budget import Budget, Session
from vidi.workflows.run.learning.backbones import groups_of
from vidi.workflows.run.learning.label_errors import find_suspects, too_inaccurate
from vidi.workflows.run.learning.learn import training_data
from vidi.workflows.run.learning.studies import usual_candidate, usual_features
from vidi.workflows.run.prepare import SplitImages, split_images
from vidi.workflows.run.read import FoundData, look_at_sizes, traits_of

NEVER_LEARNED = ("test", "extra")  # parts whose images are answered, and never learned from


def check_labels(dataset: Dataset, request: DataRequest, *, with_images: bool, events: Events) -> DataCheck:
    """Check a data set as `check_dataset` does, with the labels that are likely wrong as a further finding.

    They are looked for in every part of the split that a training would make.

    Args:
        with_images: False keeps nothing of its images in the cache.

    Raises:
        MissingPackageError: cleanlab, or the weights of the network are not installed.
        ResourceError: no room for the pixels.
    """
    sizes = look_at_sizes(dataset)
    found = FoundData(
        request=replace(request, allow_leaks=True),  # leaks are findings of the check
        dataset=dataset,
        sizes=sizes,
        traits=traits_of(dataset, sizes),
    )
    size, cache = usual_candidate(found.traits).size, PixelCache(cache_folder(), go_on=events.say)
    check = check_dataset(
        dataset,
        options=decode_options(request),
        framing=choose_framing(sizes, size, mode=request.framing),
        cache=cache,
        on_progress=events.reading,
    )
    try:
        suspects = _find_in(found, size, events=events)
    except DataError as error:  # the findings say more
        events.say(f"labels are not checked: {error.cause}")
        return check
    finally:
        if not with_images:
            cache.remove_used()
    if with_images:
        keep_suspects(cache, dataset, suspects)
    return check.with_finding(suspects_finding(suspects))


def _find_in(found: FoundData, size: tuple[int, int], *, events: Events) -> SuspectLabels:
    """The labels that are likely wrong, by the network that sees images at this size."""
    with tempfile.TemporaryDirectory(prefix="vidi-") as place:  # a run's folder; nothing of it is kept
        images = split_images(found, Path(place), image_size=size)  # of what the check has just kept
        session = Session(folder=Path(place), budget=Budget(), events=events)
        rows = np.flatnonzero(np.array([bool(part) for part in images.split.parts]))
        values = usual_features(session, images, rows, embed=embed_here)
    rows, probabilities = answer_unseen(images, rows, values)
    suspects = find_suspects(images, rows, probabilities) if len(rows) else []
    return SuspectLabels(
        images=len(rows),
        suspects=tuple(suspect for _, suspect in suspects),
        accuracy=too_inaccurate(images.truth.at(rows), probabilities) if len(rows) else None,
    )


def answer_unseen(
    images: SplitImages, rows: NDArray[np.int64], values: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Answers about images, each by a head that has seen neither the image nor another one of its group.

    Images of the parts test and extra are answered by a head on all the others, which answer one another in folds.

    Args:
        values: (rows, features) their features.

    Returns:
        The images that could be answered, ascending, and (rows, classes) probabilities.
    """
    is_apart = np.isin(np.array(images.split.parts)[rows], NEVER_LEARNED)
    groups = np.array(groups_of(images, rows), object)
    learned, apart = np.flatnonzero(~is_apart), np.flatnonzero(is_apart)
    truth = images.truth.at(rows)
    fold_of = split_learnable_folds(groups[learned].tolist(), labels=truth.strata[learned], seed=0)
    chosen = try_heads(values[learned], truth.at(learned), fold_of=fold_of)
    answered = learned[chosen.held_out]
    probabilities = chosen.probabilities
    fitted = learned[~np.isin(groups[learned], groups[apart])]
    apart = apart[np.isin(truth.strata[apart], truth.strata[fitted])]  # nobody can answer a class that he never saw
    if len(answered) and len(apart):
        head = chosen.head
        if len(fitted) < len(learned):
            head = fit_again(values[fitted], rows[fitted], training_data(images), chosen.best)
        answers = truth.outputs.probabilities(head.logits(values[apart])).astype(np.float32)
        answered, probabilities = np.concatenate([answered, apart]), np.concatenate([probabilities, answers])
    order = np.argsort(answered)
    return rows[answered[order]], probabilities[order]
