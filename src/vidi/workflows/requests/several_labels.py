"""Options that do not work for images with several classes, and what to use instead."""

from vidi.errors import UsageError
from vidi.workflows.requests.train import TrainRequest

OWN_THRESHOLDS = "Leave it out; --recall, target.precision and target.false_alarms_per set a threshold for each class."


def refuse_for_labels(request: TrainRequest) -> None:
    """Refuse, before any work, options that need images of one class each.

    Raises:
        UsageError: names the option.
    """
    target = request.guarantees.target
    changed = {name: request.changes.get(name) for name in ("class_weights", "loss", "views")}
    given = {
        "--background": (
            request.data.background is not None,
            "List those photographs in the table, with 0 for every class. They are trained on like any others.",
        ),
        "studies.learning_curve": (
            request.diagnostics.learning_curve,
            "Leave it out. Compare a model of half the images with one of all, using `vidi compare`.",
        ),
        "target.costs": (target is not None and target.costs is not None, OWN_THRESHOLDS),
        "class_weights": (changed["class_weights"] not in (None, "none"), OWN_THRESHOLDS),
        "--loss": (
            changed["loss"] not in (None, "cross-entropy"),
            "Leave it out: each class is trained with its own cross-entropy.",
        ),
        "views": (changed["views"] not in (None, "auto", "one"), "Leave it out."),
    }
    for flag, (is_given, remedy) in given.items():
        if is_given:
            raise UsageError(f"{flag} needs images of one class each, so it excludes --multi-label", remedy)
