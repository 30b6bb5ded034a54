"""A model's answers about every image of a data set that may be scored."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vidi.data.dataset import Dataset
from vidi.errors import DataError
from vidi.evaluation.answers import (
    EXTRA,
    TEST,
    Answers,
    SeveralCalled,
    as_called,
    as_column,
    name_truths,
)
from vidi.evaluation.match import ClassMatch
from vidi.evaluation.traits import measure_traits, traits_of
from vidi.files import escape_path
from vidi.images.account import Account, Entry
from vidi.metrics.outputs import SIGMOID
from vidi.prediction.prediction import Prediction
from vidi.prediction.predictor import Predictor
from vidi.prediction.stream import Answer
from vidi.workflows.evaluating.learnt import LEARNT_FROM, count_learnt
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.requests.evaluate import EvaluateRequest

SAID_EVERY = 500  # images


def parts_to_score(dataset: Dataset, parts: Mapping[str, str]) -> dict[int, str]:
    """Choose the images to score: image index → `test` or `extra`.

    Of a data set with parts its test and extra parts; without them all that is not `train`; without parts all.

    Args:
        dataset: the images, perhaps with parts.
        parts: what each named part is used as (`--parts`).
    """
    used = [parts.get(image.part or "", image.part or "") for image in dataset.images]
    scored = {index: part for index, part in enumerate(used) if part in (TEST, EXTRA)}
    others = {index: TEST for index, part in enumerate(used) if part != "train"}
    return scored or others or dict.fromkeys(range(len(used)), TEST)


def answer_images(
    predictor: Predictor,
    dataset: Dataset,
    request: EvaluateRequest,
    *,
    scored: Mapping[int, str],
    match: ClassMatch,
    learnt: Callable[[str], bool],
    account: Account,
    events: Events,
) -> Answers:
    """Predict every image that may be scored, and complete the account.

    Args:
        predictor: the model.
        dataset: the images.
        request: says how they are decoded.
        scored: image index → the part as which it is scored.
        match: which of the model's classes each of the data's is.
        learnt: whether the file with a digest is to be set aside.
        account: gets what is refused and set aside, and how many are used.
        events: receives progress and messages.

    Raises:
        DataError: no image is left to score.
    """
    rows: list[int] = []
    answered: list[tuple[Answer, Prediction]] = []
    stream = predictor.predict_files(
        [dataset.images[row].path for row in scored],
        store=dataset.store,
        options=decode_options(request.data),
        measure=measure_traits,
    )
    for done, (row, answer) in enumerate(zip(scored, stream, strict=True), start=1):
        if done % SAID_EVERY == 0 or done == len(scored):
            events.reading(done, len(scored))
        if answer.error is not None:
            account.refused.append(Entry(answer.path, answer.error.code, answer.error.cause))
        elif learnt(answer.digest):
            account.set_aside.append(Entry(answer.path, *LEARNT_FROM))
        elif answer.prediction is not None:
            rows.append(row)
            answered.append((answer, answer.prediction))
    account.used = len(rows)
    if not rows:
        raise _nothing_left(dataset, account)
    return _as_answers(predictor, dataset, rows, answered, scored=scored, match=match)


def _as_answers(
    predictor: Predictor,
    dataset: Dataset,
    rows: Sequence[int],
    answered: Sequence[tuple[Answer, Prediction]],
    *,
    scored: Mapping[int, str],
    match: ClassMatch,
) -> Answers:
    """What was said of these images, with what is known about them."""
    images, classes = [dataset.images[row] for row in rows], predictor.classes
    several = None
    if predictor.metadata.outputs == SIGMOID:
        shown = match.targets(classes, [image.labels for image in images])
        several = SeveralCalled(shown=shown, called=as_called([said.decision for _, said in answered], classes))
    return Answers(
        classes=classes,
        paths=tuple(image.path for image in images),
        truths=name_truths(match.names, [image.labels for image in images]),
        probabilities=np.array([said.probabilities for _, said in answered], dtype=np.float32),
        parts=tuple(scored[row] for row in rows),
        digests=tuple(answer.digest for answer, _ in answered),
        groups=tuple(image.group or "" for image in images),
        near_copies=(False,) * len(rows),
        novelty=as_column([said.novelty for _, said in answered]),
        several=several,
        traits=tuple(
            traits_of(answer, image, class_names=[dataset.classes[label] for label in image.labels])
            for image, (answer, _) in zip(images, answered, strict=True)
        ),
    )


def _nothing_left(dataset: Dataset, account: Account) -> DataError:
    return DataError(
        f"{escape_path(dataset.source)}: no image is left to score: {count_learnt(account):,} were used in training, "
        f"and {len(account.refused):,} cannot be read",
        "Use images that the model has not seen. `vidi check` lists unreadable files.",
    )
