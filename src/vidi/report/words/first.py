"""The first lines about a model: its accuracy, and what to know before believing that number."""

import json
from pathlib import Path

from vidi.evaluation.document import Metrics
from vidi.report.words.sentences import headline
from vidi.report.words.two_parts import differing, differing_details, differing_headline, refutations

UNSTATED = (
    "Neither the model file nor its run folder lists the training images. On images that it was trained on, a model is "
    "more accurate than on others."
)


def first_line(metrics: Metrics) -> str:
    """The result in one sentence, for the terminal, the report and the model card.

    Args:
        metrics: of a run or an evaluation.
    """
    parts = differing(metrics)
    return headline(metrics.test, unseen=is_unseen(metrics)) if parts is None else differing_headline(parts)


def is_unseen(metrics: Metrics) -> bool:
    """Whether the model surely learned from none of the test images; older evaluations do not say."""
    return metrics.learnt_from is None or metrics.learnt_from.unseen


def reservations(metrics: Metrics) -> tuple[str, ...]:
    """What must be known before the first line is believed; empty where nothing stands against it.

    Args:
        metrics: of a run or an evaluation.
    """
    parts = differing(metrics)
    return (
        *(() if is_unseen(metrics) else (UNSTATED,)),
        *refutations(metrics),
        *(() if parts is None else differing_details(parts)),
    )


def other_tested(metrics: Metrics, model_id: str) -> tuple[str, ...]:
    """That the figures were measured before the model file was calibrated again; empty where they were not.

    Args:
        metrics: of a run.
        model_id: of the model file that lies there now.
    """
    tested = metrics.model
    if tested is None or not tested.id or tested.id == model_id:
        return ()
    return (f"The figures are of model {tested.id}. This is model {model_id}, with another calibration.",)


def read_first(folder: Path) -> tuple[str, ...]:
    """The first line and the reservations, one line each for a terminal.

    Args:
        folder: of a run or an evaluation, with its metrics.json.
    """
    metrics = Metrics.from_json(json.loads((folder / "metrics.json").read_text("utf-8")))
    return first_line(metrics), *reservations(metrics)
