"""What a run on images that may show several classes does otherwise, and what it cannot do."""

from dataclasses import replace

from vidi.errors import UsageError
from vidi.evaluation.limits import Promise
from vidi.workflows.ladder import Ladder
from vidi.workflows.train_request import TrainRequest


def refuse_for_labels(request: TrainRequest) -> None:
    """Refuse, before any work, what is made for images of one class each.

    Raises:
        UsageError: names the option.
    """
    costs = request.wish is not None and request.wish.costs is not None
    changed = {name: request.changes.get(name) for name in ("class_weights", "loss", "views")}
    given = {
        "--ensemble": request.ensemble is not None,
        "--from": request.weights is not None,
        "--find-label-errors": request.asked.find_label_errors,
        "--drop-suspects": request.asked.drop_suspects,
        "--learning-curve": request.asked.learning_curve,
        "--max-error and --coverage": request.promise != Promise(),
        "--costs": costs,
        "class_weights": changed["class_weights"] not in (None, "none"),
        "--loss": changed["loss"] not in (None, "cross-entropy"),
        "views": changed["views"] not in (None, "auto", "one"),
    }
    for flag, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{flag} is made for images of one class each, and --multi-label was given",
                "Leave one of the two out; per-class wishes are --recall, --precision and --false-alarms-per.",
            )


def first_rung(ladder: Ladder) -> Ladder:
    """The plan without what compares networks by one class each."""
    if len(ladder.rungs) == 1:
        return ladder
    return replace(ladder, rungs=ladder.rungs[:1], reason="a head on learnt features, one for each class")
