"""Whether what comes in has changed: one alarm over a whole stream, with a stated false-alarm rate."""

import numpy as np

from vidi.metrics.arrays import Floats
from vidi.model_file.drift_reference import DriftReference
from vidi.monitoring.comparisons import compare_traffic
from vidi.monitoring.describe import Yardstick, describe_changes, draw_curves, find_loudest
from vidi.monitoring.finding import DriftFinding
from vidi.monitoring.looks import FIRST, plan_looks
from vidi.monitoring.search import find_beginning, search_all
from vidi.monitoring.traffic import ModelTraffic, as_stream

RATE = 0.01


def find_drift(traffic: ModelTraffic, reference: DriftReference, *, rate: float = RATE) -> DriftFinding:
    """Look for a change of embeddings, confidence, verdicts, classes and image qualities, from the first image on.

    The stream is compared at predetermined counts of images, so that asking often, or seldom, changes nothing: as a
    whole, and through windows of the latest images. Each comparison asks how often a random part of all images, those
    of the reference and of the stream so far, is so different from the rest. So the reference's own sampling error
    counts. The rate is shared out among all looks, windows and kinds of change: at most this share of streams that do
    not change ever raises the alarm, if their images are independent of one another. Images of one time are one sample,
    whatever their order: only images of different times are told apart by time.

    Args:
        traffic: of the model, from the first image on, in the order of arrival.
        reference: of the model file.
        rate: share of unchanged streams that may ever raise the alarm.

    Raises:
        ShapeError: the traffic is not of the model with this reference.

    Source: the comparisons are permutation tests (Fisher 1935, Wilcoxon 1945, Pearson 1900); the rate is shared out as
    in Lan and DeMets 1983, Discrete sequential boundaries for clinical trials.
    """
    rows, stream = as_stream(traffic)
    if len(stream) < FIRST:
        return DriftFinding(state="too few", rate=rate, image_count=len(stream))
    looks = plan_looks(len(stream))
    searched = search_all(compare_traffic(stream, reference), looks)
    alarms = np.flatnonzero(np.min([one.by_look for one in searched], axis=0) <= np.log(rate))
    evidence = {one.comparison.kind: float(np.exp(min(0.0, one.level))) for one in searched}
    yardstick = Yardstick.of(reference)
    changes = describe_changes(stream, yardstick, searched, looks, rate=rate)
    until = np.maximum.accumulate(rows)  # (images,) last row of the traffic that was seen by then
    curves = draw_curves(stream, yardstick, searched, until)
    if not len(alarms):
        return DriftFinding(
            state="quiet",
            rate=rate,
            image_count=len(stream),
            p_value=min(evidence.values()),
            evidence=evidence,
            curves=curves,
        )
    began = _nearest_beginning(stream.at, find_beginning(searched, looks))
    return DriftFinding(
        state="alarm",
        rate=rate,
        image_count=len(stream),
        alarmed_at=int(until[looks.ends[alarms[0]] - 1]),
        began=int(rows[began:].min()),
        p_value=min(evidence.values()),
        evidence=evidence,
        changes=changes,
        curves=curves,
        loudest=rows[find_loudest(stream, yardstick, changes, began)],
    )


def _nearest_beginning(at: Floats, image: int) -> int:
    """The image nearest to this one with which a new time begins."""
    beginnings = np.flatnonzero(np.diff(at, prepend=np.nan) != 0)
    return int(beginnings[np.abs(beginnings - image).argmin()])
