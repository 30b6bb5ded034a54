"""Where notices go: lines, a folder, a log, a webhook. One that fails for a while ends none of the others."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

from vidi.errors import VidiError
from vidi.log.address import parse_address
from vidi.log.records import LoggedEvent
from vidi.log.store import PredictionLog
from vidi.report.pages.watch import notice_line
from vidi.workflows.requests.watch import WatchOutputs
from vidi.workflows.watching.clips import ClipRecorder
from vidi.workflows.watching.folder import EventFolder
from vidi.workflows.watching.notices import EventNotice, Notice
from vidi.workflows.watching.session import AnsweredFrame
from vidi.workflows.watching.webhook import Webhook, parse_webhook, read_secret

Notify = Callable[[Notice], None]
Show = Callable[[AnsweredFrame], None]
Say = Callable[[str], None]


def printing(stream: TextIO, *, as_json: bool) -> Notify:
    """What prints each event as it comes.

    Args:
        stream: where to.
        as_json: documents, one a line; else lines for people.
    """

    def notify(notice: Notice) -> None:
        document = notice.as_json()
        stream.write((json.dumps(document, ensure_ascii=True) if as_json else notice_line(document)) + "\n")
        stream.flush()

    return notify


def steady(notify: Notify, what: str, say: Say) -> Notify:
    """The same, but it raises nothing: what goes wrong is said once, and once that it works again.

    Args:
        notify: that may fail.
        what: its name for people.
        say: receives a sentence.
    """
    troubles: list[str] = []

    def attempt(notice: Notice) -> None:
        try:
            notify(notice)
        except VidiError as error:
            if troubles != [error.cause]:
                say(f"{what}: {error.cause}; watching goes on")
            troubles[:] = [error.cause]
        else:
            if troubles:
                say(f"{what}: works again")
            troubles.clear()

    return attempt


class OpenedOutputs:
    """What receives frames and events, besides the terminal."""

    def __init__(self) -> None:
        self.receivers: list[Notify] = []  # in a thread of their own, so that they may take their time
        self._at_once: list[Notify] = []
        self._shows: list[Show] = []
        self.folder: EventFolder | None = None

    def add(self, *, show: Show | None = None, notify: Notify | None = None, at_once: Notify | None = None) -> None:
        """Add what receives frames, events, or events in the thread that looks at frames."""
        self._shows += [] if show is None else [show]
        self.receivers += [] if notify is None else [notify]
        self._at_once += [] if at_once is None else [at_once]

    def show(self, answered: AnsweredFrame) -> None:
        """Hand a frame over."""
        for show in self._shows:
            show(answered)

    def notify_at_once(self, notice: Notice) -> None:
        """Hand an event over to what must know it before the next frame."""
        for notify in self._at_once:
            notify(notice)


@contextlib.contextmanager
def open_outputs(request: WatchOutputs, environment: Mapping[str, str], *, say: Say) -> Iterator[OpenedOutputs]:
    """What receives events besides the terminal.

    Args:
        request: where they go.
        environment: variables of the process, for secrets.
        say: receives messages.

    Raises:
        UsageError: a place is wrong.
        ResourceError: one cannot be opened.
    """
    opened = OpenedOutputs()
    with contextlib.ExitStack() as stack:
        if request.output is not None:
            folder = EventFolder(request.output, with_images=request.images, days=request.keep_days)
            opened.add(notify=steady(folder.keep, "the folder", say))
            opened.folder = folder
            if request.clips:
                clips = stack.enter_context(ClipRecorder(request.output, say=say))
                opened.add(show=clips.show, at_once=clips.notify)
        if request.log is not None:
            from vidi.log.store import PredictionLog  # a database's driver, only where one is named
            from vidi.workflows.watching.outputs import EventLogger

            address = parse_address(request.log, environment=environment)
            log = stack.enter_context(PredictionLog.open(address))
            opened.add(notify=steady(EventLogger(log).notify, "the log", say))
        if request.webhook is not None:
            secret = read_secret(environment)
            if secret is None:
                say("webhook: events are not signed; VIDI_WEBHOOK_SECRET or VIDI_WEBHOOK_SECRET_FILE gives a secret")
            webhook = Webhook(parse_webhook(request.webhook), secret, say=say)
            opened.add(notify=stack.enter_context(webhook).notify)
        yield opened


class EventLogger:
    """Writes each event to the log, one row for all that is said of it."""

    def __init__(self, log: PredictionLog, *, now: Callable[[], float] = time.time) -> None:
        self._log, self._now = log, now

    def notify(self, notice: Notice) -> None:
        """Write an event; what happens to the source itself is not logged.

        Raises:
            LogUnavailableError: the log cannot be written now.
        """
        if not isinstance(notice, EventNotice):
            return
        event, began_at = notice.event, notice.watched.began_at
        self._log.note_events(
            [
                LoggedEvent(
                    id=event.id,
                    at=self._now() if began_at is None else began_at + event.began,
                    state=event.state,
                    source=notice.watched.source,
                    model_id=notice.watched.model_id,
                    label=event.label,
                    began=event.began,
                    last_seen=event.last_seen,
                    best=event.best.seconds,
                    score=event.best.score,
                )
            ]
        )
