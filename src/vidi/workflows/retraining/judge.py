"""The candidate and the model in use, asked about the same images: the frozen test part and held-back feedback."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.data.dataset import Dataset
from vidi.data.joined import is_feedback_path
from vidi.data.splitting.split_plan import Assignment, read_assignments
from vidi.errors import DataError
from vidi.evaluation.answers import CHANGED, EXTRA, TEST, Answers, Reason, Want, answer_alike
from vidi.evaluation.comparison import PairedAnswers
from vidi.evaluation.gate import GateDecision, GateRules, judge_candidate
from vidi.evaluation.guarantees.refuted import hold_to_guarantees
from vidi.evaluation.sections import CorrectedTest
from vidi.evaluation.uses import carry_uses, digest_of_images, record_use
from vidi.files import escape_path
from vidi.model_file.read import ModelFile
from vidi.prediction.predictor import Predictor
from vidi.workflows.evaluating.corrected import score_as_given
from vidi.workflows.evaluating.learned import LEARNED_FROM, find_learned
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.request import decode_options, read_source
from vidi.workflows.interaction.run_folder import REQUEST, SPLITS, read_request, understood
from vidi.workflows.requests.train import TrainRequest

LEAST_FROZEN = 0.99  # share of the test images that still have to be there


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What the gate says of a candidate, and the images that it rests on."""

    decision: GateDecision
    candidate: ModelFile
    new_classes: tuple[str, ...]  # that the champion does not know
    feedback: Mapping[str, int]  # part → images of the feedback
    missing_test_images: int  # of the frozen test part, gone or unreadable
    test_uses: int  # how often these test images were used by now
    corrected: tuple[CorrectedTest, CorrectedTest] | None  # test labels that people corrected, and both without that
    answers: tuple[Answers, Answers]  # of champion and candidate, about the same images in the same order


def judge_run(
    champion_file: ModelFile, run: Path, candidate_run: Path, *, rules: GateRules, events: Events
) -> Verdicts:
    """Ask both models about the test part and the held-back feedback of the candidate's run, and judge.

    Images that the champion was trained on are left out, where it comes from another run than these.

    Args:
        run: whose test part is frozen; it counts the use of its images.

    Raises:
        DataError: the test part is not that of the run, or too few of its images are left.
    """
    with understood(candidate_run / REQUEST):
        request = TrainRequest.from_dict(read_request(candidate_run))
    champion, candidate = Predictor.load(champion_file.path), Predictor.load(candidate_run)
    dataset = read_source(request.data)
    assigned = {row.path: row for row in read_assignments(candidate_run / SPLITS)}
    left_out = {row.digest for row in assigned.values() if row.part != TEST and row.own_part == TEST}
    all_rows = read_assignments(run / SPLITS)
    rows = [row for row in all_rows if row.own_part == TEST]
    frozen = {row.digest for row in rows} - left_out
    known, challenger = _answer_both(
        champion,
        candidate,
        dataset,
        request,
        assigned=assigned,
        learned=_learned_by(
            champion,
            {row.digest for row in rows if row.part == TEST},
            held_back={row.digest for row in assigned.values() if row.part == EXTRA},
        ),
        events=events,
    )
    tested = [digest for digest, part in zip(known.digests, known.parts, strict=True) if part == TEST]
    _require_frozen(run, frozen, tested)
    shown = dataset.targets()[challenger.rows]
    with understood(run / REQUEST):
        before = TrainRequest.from_dict(read_request(run)).data
    new_feedback = {path for path in assigned if is_feedback_path(path)} - {row.path for row in all_rows}
    decision = judge_candidate(
        _paired(known, challenger, shown, dataset.classes, part=TEST),
        _paired(known, challenger, shown, dataset.classes, part=EXTRA),
        guarantees=hold_to_guarantees(
            challenger.only(_in_part(challenger, TEST)), candidate.metadata.verdict, candidate.metadata.operating_points
        ),
        corrected=not new_feedback and request.data.labels_state != before.labels_state,
        rules=rules,
    )
    own_parts = {path: row.own_part for path, row in assigned.items()}
    without = [image for image in dataset.left_out if own_parts.get(image.path) == TEST]
    want = Want(options=decode_options(request.data))
    first, second = (
        score_as_given(predictor, dataset, answers, without, want=want)
        for predictor, answers in ((champion, known), (candidate, challenger))
    )
    images = digest_of_images(tested)
    record_use(run, images=images, model_id=candidate.model.model_id, date=datetime.now(UTC))
    return Verdicts(
        decision=decision,
        candidate=candidate.model,
        new_classes=tuple(name for name in candidate.classes if name not in champion.classes),
        feedback=dict(Counter(row.part for row in assigned.values() if is_feedback_path(row.path))),
        missing_test_images=len(frozen) - len(set(tested)),
        test_uses=carry_uses(run, candidate_run, images=images),
        corrected=None if first is None or second is None else (first, second),
        answers=(known, challenger),
    )


def _answer_both(
    champion: Predictor,
    candidate: Predictor,
    dataset: Dataset,
    request: TrainRequest,
    *,
    assigned: Mapping[str, Assignment],
    learned: Callable[[str], bool],
    events: Events,
) -> tuple[Answers, Answers]:
    """Answers of both about the images of the parts `test` and `extra`, as they were when they were assigned."""
    rows = {image.path: row for row, image in enumerate(dataset.images)}
    wanted = {rows[path]: row for path, row in assigned.items() if row.part in (TEST, EXTRA) and path in rows}

    def leave_out(row: int, digest: str) -> Reason | None:
        return LEARNED_FROM if learned(digest) else CHANGED if digest != wanted[row].digest else None

    want = Want(options=decode_options(request.data), leave_out=leave_out, on_progress=events.reading)
    parts = {row: one.part for row, one in wanted.items()}
    first, second = (
        replace(answers, groups=tuple(wanted[row].group for row in answers.rows.tolist()))
        for answers in answer_alike((champion, candidate), dataset, parts, (want, want))
    )
    return first, second


def _learned_by(champion: Predictor, frozen: set[str], *, held_back: set[str]) -> Callable[[str], bool]:
    """Whether the champion was trained on a file; of one with the same test part the test images need not be asked for.

    The list in a model file is wrong for one in a thousand other files, which would cost test images.
    """
    learned = find_learned(champion)
    if learned.test_digest != digest_of_images(frozen):
        return learned.holds
    return lambda digest: digest in held_back and learned.holds(digest)


def _in_part(answers: Answers, part: str) -> NDArray[np.bool_]:
    return np.array([one == part for one in answers.parts], np.bool_)


def _paired(
    champion: Answers, candidate: Answers, shown: NDArray[np.bool_], classes: tuple[str, ...], *, part: str
) -> PairedAnswers:
    """Both on one part; an image of a class that a model does not know is one that it has wrong."""
    rows = _in_part(candidate, part)
    first, second = champion.only(rows), candidate.only(rows)
    return PairedAnswers(
        classes=classes,
        shown=shown[rows],
        first_is_right=_is_right(first, shown[rows], classes),
        second_is_right=_is_right(second, shown[rows], classes),
        groups=second.group_numbers,
    )


def _is_right(answers: Answers, shown: NDArray[np.bool_], classes: Sequence[str]) -> NDArray[np.bool_]:
    """(images,) bool: whether a model knows all that an image shows, and says it."""
    is_foreign = ~np.isin(classes, answers.classes)
    return answers.is_right & ~(shown & is_foreign).any(axis=1)


def _require_frozen(run: Path, frozen: set[str], tested: Sequence[str]) -> None:
    """Refuse a candidate that was tested on other images.

    Raises:
        DataError: a test image is not of the run's test part, or too many of those are gone.
    """
    others = len(set(tested) - frozen)
    if others:
        raise DataError(
            f"{others:,} test images of the candidate are not in the test part of {escape_path(run)}",
            f"Train it on the same split: vidi train DATA --split {escape_path(run)}",
        )
    if len(set(tested)) < LEAST_FROZEN * len(frozen):
        raise DataError(
            f"only {len(set(tested)):,} of the {len(frozen):,} test images of {escape_path(run)} are left",
            "Restore the images. A model that was trained on them cannot be compared on them: name another run.",
        )
