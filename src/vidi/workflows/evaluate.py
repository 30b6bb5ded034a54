"""A model file scored on any data set: classes matched by name, what it learnt from left out, one folder of results."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    write_predictions,
)
from vidi.evaluation.document import evaluate_parts, metrics_document, promise_figures, write_metrics
from vidi.evaluation.evaluation import Evaluation
from vidi.evaluation.match import ClassMatch, match_classes
from vidi.evaluation.traits import measure_traits, traits_of
from vidi.evaluation.uses import digest_of_images, record_use
from vidi.files import escape_path, write_whole
from vidi.images.account import Account, Entry
from vidi.metrics.outputs import SIGMOID
from vidi.prediction.prediction import Prediction
from vidi.prediction.predictor import Predictor
from vidi.prediction.stream import Answer
from vidi.report.pages.run import write_report
from vidi.report.words.accuracy import accuracy_line
from vidi.workflows.evaluating.learnt import LEARNT_FROM, count_learnt, find_learnt
from vidi.workflows.evaluating.trust import measure_trust
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import decode_options, read_for_model
from vidi.workflows.interaction.run_folder import (
    EVALUATION,
    METRICS,
    PREDICTIONS,
    SPLITS,
    open_run_folder,
    require_free,
    safe_name,
)
from vidi.workflows.requests.evaluate import EvaluateRequest

if TYPE_CHECKING:
    from vidi.figures.drawing import Drawing

SAID_EVERY = 500  # images


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """What an evaluation left behind."""

    folder: Path  # with metrics.json, predictions.csv and report.html
    figures: Mapping[str, Evaluation] = field(repr=False)  # `test`, and `extra` where the data has such a part
    match: ClassMatch
    account: Account = field(repr=False)
    test_uses: int  # how often these images were used to score models of this run, this time included

    def __repr__(self) -> str:
        """The folder, and the accuracy with its interval and n; of a further part too."""
        parts = [f"{accuracy_line(one)}{' on ' + name if name != 'test' else ''}" for name, one in self.figures.items()]
        return f"<Evaluated {escape_path(self.folder)}: {'; '.join(parts)}>"

    def plot(self) -> "Drawing":
        """Reliability, ROC and precision-recall; a notebook shows them, their `save` writes them."""
        from vidi.report.pages.notebook import draw_folder

        return draw_folder(self.folder)

    def _repr_html_(self) -> str:
        from vidi.report.pages.notebook import folder_as_html

        return folder_as_html(self.folder)


def evaluate(request: EvaluateRequest, *, events: Events = SILENCE) -> Evaluated:
    """Score a model file on a data set.

    Images of classes that the model lacks are left out of accuracy and counted; images that the model learnt from
    (by the splits.csv of its run folder, or by the model file) are set aside.

    Raises:
        ModelError: no model file, or not one to trust.
        DataError: no class in common, or no image left to score; says why.
        UsageError: a rename, a class or the output folder is wrong.
        ResourceError: the results cannot be written.
    """
    if request.output is not None:
        require_free(request.output, kind="evaluation", overwrite=request.overwrite)
    predictor = Predictor.load(request.model)
    dataset = read_for_model(request.data, predictor.metadata)
    match = match_classes(predictor.classes, dataset.classes, renames=request.renames)
    account = dataset.account.of_scan()
    scored, learnt = parts_to_score(dataset, request.data.parts), find_learnt(predictor)
    answers = answer_images(
        predictor, dataset, request, scored=scored, match=match, learnt=learnt.holds, account=account, events=events
    )
    figures = evaluate_parts(answers, seed=request.seed)
    for sentence in match.remarks(Counter(answers.truths) if answers.several is None else Counter()):
        events.say(sentence)
    folder = open_folder(request, dataset)
    write_whole(folder / EVALUATION, json.dumps(as_plain(request), indent=1) + "\n")
    uses = _count_use(folder, predictor, answers)
    about = {
        **_about(predictor, dataset, match),
        **promise_figures(answers, predictor.metadata, seed=request.seed),
        "account": account.as_json(),
        "learnt_from": learnt.as_json(answers.digests, account),
        "test_uses": uses,
        **measure_trust(
            predictor, answers, dataset.store, options=decode_options(request.data), seed=request.seed,
            workers=request.workers, wanted=request.robustness, events=events,
        ),
    }  # fmt: skip
    write_predictions(folder / PREDICTIONS, answers, predictor.metadata)
    write_metrics(folder / METRICS, metrics_document(answers, figures, about=about, limits=predictor.metadata.verdict))
    write_report(
        folder,
        model=predictor.model,
        store=dataset.store,
        options=decode_options(request.data),
        with_images=request.images,
    )
    return Evaluated(folder=folder, figures=figures, match=match, account=account, test_uses=uses)


def _count_use(folder: Path, predictor: Predictor, answers: Answers) -> int:
    """How often these images were used by now; counted in the model's run, where it lies in one."""
    run = predictor.model.path.parent
    return record_use(
        run if (run / SPLITS).exists() else folder,
        images=digest_of_images(answers.digests),
        model_id=predictor.model.model_id,
        date=datetime.now(UTC),
    )


def parts_to_score(dataset: Dataset, parts: Mapping[str, str]) -> dict[int, str]:
    """Which images are scored, and as what: image index → `test` or `extra`.

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
    """The model's answers about every image that may be scored; the account is completed.

    Args:
        predictor: the model.
        dataset: the images.
        request: says how they are decoded.
        scored: image index → the part as which it is scored.
        match: which of the model's classes each of the data's is.
        learnt: whether the file with a digest is to be set aside.
        account: gets what is refused and set aside, and how many are used.
        events: told how far it is.

    Raises:
        DataError: no image is left to score.
    """
    rows: list[int] = []
    answered: list[tuple[Answer, Prediction]] = []
    stream = predictor.predict_files(
        [dataset.images[row].path for row in scored],
        store=dataset.store,
        options=decode_options(request.data),
        workers=request.workers,
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
        f"{dataset.source}: no image is left to score; the model learnt from {count_learnt(account):,} of them, "
        f"and {len(account.refused):,} cannot be used",
        "Give images that the model has not seen; `vidi check` lists the unusable ones.",
    )


def open_folder(request: EvaluateRequest, dataset: Dataset) -> Path:
    """The folder asked for, or the next free `evaluations/NAME`."""
    name, source = safe_name(dataset.name), Path(request.data.source)
    inside = source if source.is_dir() else None
    return open_run_folder(request.output, name=name, source=inside, kind="evaluation", overwrite=request.overwrite)


def _about(predictor: Predictor, dataset: Dataset, match: ClassMatch) -> dict[str, object]:
    return {
        "model": {
            "id": predictor.model.model_id,
            "run": predictor.metadata.run,
            "weights_digest": predictor.metadata.weights_digest,
        },
        "data": {"name": dataset.name, "source": escape_path(dataset.source), "reader": dataset.reader},
        "absent_classes": list(match.absent),
        "foreign_classes": list(match.foreign),
    }


def as_plain(request: EvaluateRequest) -> dict[str, Any]:
    """What an evaluation was asked for, so that its report can be made again."""
    return {
        "schema": 1,
        "model": escape_path(request.model),
        "data": asdict(request.data),
        "renames": dict(request.renames),
        "seed": request.seed,
        "images": request.images,
    }
