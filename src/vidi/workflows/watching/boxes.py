"""Boxes on the best frame of an event."""

from collections.abc import Sequence
from dataclasses import replace

from vidi.detection.locate import Located
from vidi.prediction.predictor import Predictor
from vidi.workflows.locating.search import finder, search_image
from vidi.workflows.requests.locate import LocateRequest
from vidi.workflows.watching.notices import EventNotice

EVIDENCE = "evidence"


class BestFrameBoxes:
    """Finds boxes on the best frames, once on each."""

    def __init__(self, predictor: Predictor, classes: Sequence[int]) -> None:
        """Choose the faster search that the model allows.

        Args:
            predictor: the loaded model.
            classes: indexes of those that are looked for.
        """
        by = EVIDENCE if EVIDENCE in predictor.model.outputs else "windows"
        names = tuple(predictor.classes[one] for one in classes)
        self._find = finder(predictor, LocateRequest(classes=names, by=by))  # type: ignore[arg-type]
        self._known: dict[str, tuple[int, list[Located]]] = {}  # event → frame, boxes

    def added(self, notice: EventNotice) -> EventNotice:
        """The event with the boxes of its class on its best frame."""
        event = notice.event
        number, boxes = self._known.get(event.id, (-1, []))
        if number != event.best.number:
            found = search_image(self._find, event.id, notice.image).boxes
            boxes = [one for one in found if one.label == event.label]
        self._known[event.id] = (event.best.number, boxes)
        if event.state == "end":
            del self._known[event.id]
        return replace(notice, boxes=boxes)
