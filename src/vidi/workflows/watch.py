"""`vidi watch`: the frames of a source, the events they make, and where notices of them go."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from vidi.background import Background
from vidi.errors import INTERRUPTED, SOME_BAD
from vidi.files import escape_path
from vidi.model_file.values import as_plain
from vidi.prediction.predictor import Predictor
from vidi.report.pages.watch import ending_lines
from vidi.video.sources import VideoSource, parse_source, watch_source
from vidi.workflows.interaction.events import Events
from vidi.workflows.interaction.stopping import event_on_signal
from vidi.workflows.locating import choose_classes
from vidi.workflows.requests.in_use import WatchOutputs, WatchRequest
from vidi.workflows.watching.outputs import PAGE, Notify, open_outputs
from vidi.workflows.watching.session import BestFrameBoxes, EventNotice, LivePicture, Notice, WatchSession, WatchSummary

RATE = 5.0  # frames a second that are looked at, at most
MOST_WAITING = 50  # events
LAST_SECONDS = 30.0  # for what waits at the end

Page = Callable[[LivePicture], contextlib.AbstractContextManager[object]]


def watch_with(
    predictor: Predictor,
    request: WatchRequest,
    outputs: WatchOutputs,
    *,
    tell: Notify,
    environment: Mapping[str, str],
    events: Events,
    page: Page | None = None,
) -> int:
    """Watch a source until it ends or the user does, and report what is seen.

    Args:
        tell: receives each event as it comes, such as `printing`.

    Returns:
        The exit code: 0, 6 for a damaged file, 130 for a file that was not watched to its end.

    Raises:
        UsageError: a source, a class, a number or a place is wrong.
        DataError: a file is no video.
        MissingPackageError: the extra `video` is not installed.
        ResourceError: an output cannot be opened.
    """
    source = parse_source(request.source)
    chosen = choose_classes(predictor.classes, request.classes)
    labels = tuple(predictor.classes[one] for one in chosen)
    boxes = BestFrameBoxes(predictor, chosen) if request.locate else None
    picture = None if page is None else LivePicture(source.name, labels, with_images=outputs.images)
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(open_outputs(outputs, environment, say=events.say))
        if page is not None and picture is not None:
            stack.enter_context(page(picture))
            opened.add(show=picture.show, notify=picture.notify)
        stop = stack.enter_context(event_on_signal())
        session = WatchSession(
            predictor, source, classes=chosen, rules=request.rules(), run=os.urandom(4).hex(), show=opened.show
        )
        if source.is_live:
            events.say(f"watching {source.name} for {', '.join(map(escape_path, labels))}; Ctrl-C ends it")
        receivers = [*opened.receivers, tell]
        with notifying(receivers, boxes, stop) as notify:
            for notice in session.notices(watch_source(source, stop, rate=RATE)):
                opened.notify_at_once(notice)
                notify(notice)
        was_stopped = stop.is_set()
        if opened.folder is not None:
            opened.folder.write_page(source.name, session.summary.seconds)
            events.say(f"events: {escape_path(opened.folder.folder / PAGE)}")
    for line in ending_lines(as_plain(session.summary), took=time.perf_counter() - began):
        events.say(line)
    return _exit_code(source, session.summary, was_stopped=was_stopped)


@contextlib.contextmanager
def notifying(
    receivers: Sequence[Notify], boxes: BestFrameBoxes | None, stop: threading.Event
) -> Iterator[Callable[[Notice], object]]:
    """What hands notices over; frames are looked at meanwhile.

    Args:
        stop: is set where one fails.

    Raises:
        Exception: what one of them raised.
    """
    failed: list[Exception] = []

    def take(together: Sequence[Notice]) -> None:
        for notice in together:
            if failed:
                return
            try:
                found = boxes.added(notice) if boxes is not None and isinstance(notice, EventNotice) else notice
                for notify in receivers:
                    notify(found)
            except Exception as error:
                failed.append(error)
                stop.set()

    with Background[Notice](
        take, name="vidi-events", most_waiting=MOST_WAITING, most_together=1, last_seconds=LAST_SECONDS
    ) as waiting:
        yield waiting.put_patiently
    if failed:
        raise failed[0]


def _exit_code(source: VideoSource, summary: WatchSummary, *, was_stopped: bool) -> int:
    if source.is_live:
        return 0
    if was_stopped:
        return INTERRUPTED
    return SOME_BAD if summary.damage else 0
