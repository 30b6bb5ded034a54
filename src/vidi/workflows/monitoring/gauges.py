"""What monitoring found as gauges for Prometheus, in a file."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from vidi.files import write_whole

LABELS = ("model_id", "version")
Document = Mapping[str, Any]

# Name of each gauge → what it says.
GAUGES: Mapping[str, str] = {
    "vidi_drift_alarm": "1 if the images have changed, 0 if no change is shown.",
    "vidi_drift_p_value": "Smallest false-alarm rate at which the alarm had been raised.",
    "vidi_drift_images": "Different images that were compared with the reference.",
    "vidi_estimated_accuracy": "Estimated accuracy on all images, without labels.",
    "vidi_estimated_accuracy_low": "Lower end of its 95 % range.",
    "vidi_estimated_accuracy_high": "Upper end of its 95 % range.",
    "vidi_estimated_accuracy_trusted": "0 where the estimate cannot be trusted, for example for new classes.",
    "vidi_estimated_accuracy_since_change": "Estimated accuracy since the change.",
    "vidi_feedback_accuracy": "Accuracy by feedback, on images that people chose.",
    "vidi_feedback_images": "Images with clear feedback.",
    "vidi_monitor_last_image_timestamp_seconds": "Time of the last image in the log.",
}


class MonitorGauges(Collector):
    """The gauges of some models, as a registry of Prometheus asks for them."""

    def __init__(self, documents: Sequence[Document] = ()) -> None:
        """
        Args:
            documents: of `vidi monitor --json`, one for each model.
        """
        self.documents = documents

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every gauge with a sample for each model; a value that is not known is left out."""
        shown = [((one["model"]["id"], one["model"]["version"]), values_of(one)) for one in self.documents]
        for name, sentence in GAUGES.items():
            family = GaugeMetricFamily(name, sentence, labels=LABELS)
            for labels, values in shown:
                if (value := values[name]) is not None:
                    family.add_metric(labels, float(value))
            if family.samples:
                yield family


def write_gauges(path: Path, document: Document) -> None:
    """Write the gauges as the textfile collector of the node exporter reads them, whole or not at all.

    Args:
        path: the collector takes files that end in `.prom`.
        document: of `vidi monitor --json`.

    Raises:
        ResourceError: the file cannot be written.
    """
    registry = CollectorRegistry()
    registry.register(MonitorGauges([document]))
    write_whole(path, generate_latest(registry))


def values_of(document: Document) -> dict[str, float | None]:
    """The value of each gauge; None where it is not known."""
    drift, feedback = document["drift"], document["feedback"]
    accuracy, since = document["accuracy"] or {}, document["accuracy_since_change"] or {}
    return {
        "vidi_drift_alarm": drift["state"] == "alarm",
        "vidi_drift_p_value": drift["p_value"],
        "vidi_drift_images": drift["images"],
        "vidi_estimated_accuracy": accuracy.get("value"),
        "vidi_estimated_accuracy_low": accuracy.get("low"),
        "vidi_estimated_accuracy_high": accuracy.get("high"),
        "vidi_estimated_accuracy_trusted": None if accuracy.get("value") is None else not accuracy["distrust"],
        "vidi_estimated_accuracy_since_change": since.get("value"),
        "vidi_feedback_accuracy": feedback["value"],
        "vidi_feedback_images": feedback["judged"],
        "vidi_monitor_last_image_timestamp_seconds": document["traffic"]["last"],
    }
