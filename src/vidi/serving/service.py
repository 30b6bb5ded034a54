"""What stands behind the routes of one app: models, engine, slots, counters and log."""

import asyncio
from dataclasses import dataclass, field

from vidi.log.writer import WriterState
from vidi.model_file.values import Json
from vidi.serving.engine.engine import AnswerEngine
from vidi.serving.engine.slots import Slots
from vidi.serving.log import RequestLog
from vidi.serving.metrics import ServerMetrics
from vidi.serving.models.table import ModelTable
from vidi.serving.problems import Problem
from vidi.serving.protocol.incoming import Lifecycle
from vidi.serving.recording import Recorder
from vidi.serving.settings import Settings
from vidi.serving.training import Trainer

QUEUED = 3  # requests for each thread while others are turned away: one that it answers, two that wait


@dataclass(slots=True, kw_only=True)
class Service:
    """The parts of one app that its requests share."""

    models: ModelTable
    engine: AnswerEngine
    settings: Settings
    lifecycle: Lifecycle
    log: RequestLog
    recorder: Recorder | None = None  # None: no prediction is logged
    trainer: Trainer | None = None  # None: the page cannot start a training
    metrics: ServerMetrics = field(default_factory=ServerMetrics)
    slots: Slots = field(init=False)
    _starting: "asyncio.Task[None] | None" = None

    def __post_init__(self) -> None:
        self.slots = Slots(
            self.settings.in_flight,
            short=QUEUED * self.engine.threads,
            waiting=lambda: self.lifecycle.waiting,
            changed=self.metrics.in_flight.set,
        )

    async def start(self) -> None:
        """Start what answers, once."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(asyncio.to_thread(self.engine.start))
        await asyncio.shield(self._starting)

    async def stand(self) -> None:
        """Refuse requests until everything stands; in an app that never started it, the first request does.

        Raises:
            Problem: it does not stand yet.
        """
        if self._starting is None:
            await self.start()
        elif not self._starting.done():
            raise Problem(
                "not-ready", "The workers do not stand yet.", "Try again in a second.", headers={"Retry-After": "1"}
            )
        else:
            self._starting.result()

    def readiness(self) -> tuple[bool, dict[str, Json]]:
        """Whether requests should be sent here, and the document that says why."""
        crew = self.engine.crew
        has_started = self._starting is not None and self._starting.done()
        reasons = [
            *(["stopping"] if self.lifecycle.is_stopping else []),
            *([] if has_started and crew.standing == crew.count else ["a decoding process does not stand"]),
        ]
        document: dict[str, Json] = {
            "ready": not reasons,
            "reasons": [*reasons],
            "models": [
                {
                    "name": one.name,
                    "version": one.version,
                    "id": one.model_id,
                    "refused_file": self.models.refusals.get(one.name),  # why a newer file was not taken
                }
                for one in self.models
            ],
            "workers": {"standing": crew.standing, "wanted": crew.count, "deaths": crew.deaths},
        }
        if self.recorder is not None:  # it stands against no request: answers go on without it
            document["log"] = log_document(self.recorder.writer.state())
        return not reasons, document

    def metrics_text(self) -> bytes:
        """All counters, as Prometheus reads them."""
        log = None if self.recorder is None else self.recorder.writer.state()
        return self.metrics.text(self.models, self.engine, log)


def log_document(log: WriterState) -> dict[str, Json]:
    """How the prediction log stands, for `/readyz`."""
    return {
        "state": log.state,
        "why": log.why,
        "written": log.written,
        "lost": log.lost,
        "waiting": log.waiting,
        "images_lost": log.images_lost,
    }
