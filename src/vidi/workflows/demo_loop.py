"""`vidi demo loop`: a model in use meets other images; alarm, labels, retraining, gate, and the way back."""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vidi.files import escape_path
from vidi.numbers import percent
from vidi.options import switched_off
from vidi.report.words.gate import gate_headline, gate_rows
from vidi.report.words.in_use.monitor import headline as monitor_headline
from vidi.report.words.sentences import headline
from vidi.workflows.demonstrating.month import LoopSize, Month, MonthImage, write_digits
from vidi.workflows.demonstrating.server import DemoServer, serve, wait_for_rows
from vidi.workflows.interaction.events import Events
from vidi.workflows.monitor import monitor
from vidi.workflows.promote import promote, roll_back
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.monitor import MonitorRequest
from vidi.workflows.requests.promote import PromoteRequest, RollbackRequest
from vidi.workflows.requests.retrain import RetrainRequest
from vidi.workflows.requests.review import ReviewRequest
from vidi.workflows.requests.shared import NO_IMAGES
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.retrain import GATE_PAGE, Retrained, retrain
from vidi.workflows.review import open_review
from vidi.workflows.train import train

NAME: Final = "digits"
MARK: Final = "demo-loop"  # the folder's name; only such a folder is replaced
RECIPE: Final[Mapping[str, object]] = {
    "options.width": 0.5,
    "optimizer": "adamw",
    "learning_rate": 0.003,
    "precision": "float32",
}


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the demo's files lie."""

    folder: Path

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def run(self) -> Path:
        return self.folder / "first"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def log(self) -> Path:
        return self.folder / "log.sqlite"

    @property
    def alarm(self) -> Path:
        return self.folder / "alarm.html"


USUAL: Final = LoopSize()


def run_loop(runs: Path, *, events: Events, size: LoopSize = USUAL) -> Iterator[str]:
    """Live through the loop, and tell it line by line.

    Args:
        runs: the folder in which `demo-loop` is written; an earlier one is replaced.
        events: receives progress and messages.
        size: how much there is of everything.

    Raises:
        MissingPackageError, UsageError, DataError, ModelError, ResourceError: as their names say.
    """
    places = _Places(runs / MARK)
    shutil.rmtree(places.folder, ignore_errors=True)
    yield f"1. Train: {size.learned} handwritten digits, light ink on dark paper."
    month = write_digits(places.images, size)
    request = TrainRequest(
        data=DataRequest(source=str(places.images)),
        network="compact",
        changes={**RECIPE, "epochs": size.epochs},
        output=places.run,
        images=not switched_off(NO_IMAGES),
    )
    run = train(request, events=events)
    if not run.finished or run.test is None:
        yield f"interrupted; continue with: vidi train --resume {escape_path(run.folder)}"
        return
    yield f"   {headline(run.test)}"
    promoted = promote(PromoteRequest(model=places.run, name=NAME, why="the first model"), root=places.models)
    yield f"\n2. Put it in use: vidi promote gives it the name {NAME}, version {promoted.decision.version}."
    with serve(NAME, models=places.models, log=places.log) as server:
        yield f"   vidi serve answers at {server.url}, and writes a prediction log."
        yield from _live(places, month, server, size, events)
    yield f"\nEverything lies in {escape_path(places.folder)}. For your own model:"
    yield "  vidi promote RUN --name NAME\n  vidi serve NAME --log log.sqlite --keep-images"


def _live(places: _Places, month: Month, server: DemoServer, size: LoopSize, events: Events) -> Iterator[str]:
    """The month, and what follows from it."""
    usual, other = len(month.as_before), len(month.changed)
    yield f"\n3. A month passes. {usual} digits come in as before, then {other} in dark ink on white paper."
    before, changed = server.ask(month.as_before), server.ask(month.changed)
    yield f"   Correct, which nobody knows without labels: {percent(before)}, then {percent(changed)}."
    wait_for_rows(places.log, usual + other)
    found = monitor(MonitorRequest(model=places.run, log=str(places.log), output=places.alarm), events=events)
    yield f"\n4. Notice: vidi monitor. {monitor_headline(found.document)}"
    yield f"   page: {escape_path(places.alarm)}"
    count = _label(places, month, size.labels, events)
    yield f"\n5. Label {count} images, the most informative ones first, as vidi review shows them."
    yield "   (Here the truth is known, and the demo answers for you.)"
    yield "\n6. Retrain: old images and new labels."
    done = retrain(
        RetrainRequest(
            run=places.run,
            feedback=str(places.log),
            name=NAME,
            output=places.folder / "second",
            why="dark ink on white paper",
        ),
        events=events,
        root=places.models,
    )
    if done.document is None:
        yield f"interrupted; continue with: vidi train --resume {escape_path(done.folder)}"
        return
    yield from _decision(done)
    if done.document["promoted"] is None:
        yield "\n7. The model in use stays: with so few labels nothing shows that the candidate is better."
        return
    yield from _exchange(places, done.document, server, month.later)


def _label(places: _Places, month: Month, most: int, events: Events) -> int:
    """Answer as a reviewer would; how many images."""
    truth, window, count = month.truth(), secrets.token_hex(8), 0
    request = ReviewRequest(log=str(places.log), model=places.run)
    with open_review(request, events=events, environment=os.environ) as desk:
        while count < most and (item := desk.next(window).item) is not None:
            label = truth[item.digest]
            desk.answer(window, item.digest, key=secrets.token_hex(16), kind="label", labels=(label,))
            count += 1
    return count


def _decision(done: Retrained) -> Iterator[str]:
    """What the gate says."""
    document = done.document or {}
    yield f"   {gate_headline(document)}"
    for rule, met, finding in gate_rows(document)[1:]:
        yield f"   {met:3}  {rule}: {finding}"
    yield f"   page: {escape_path(done.folder / GATE_PAGE)}"


def _exchange(
    places: _Places, document: Mapping[str, Any], server: DemoServer, later: Sequence[MonthImage]
) -> Iterator[str]:
    """The server with the new model, and with the old one again."""
    yield f"\n7. Promoted: {NAME} is now version {document['promoted']['version']}."
    if not server.wait_for(document["candidate"]["id"]):
        yield "   The running server has not taken it in time; `/readyz` says why."
        return
    right = percent(server.ask(later))
    yield f"   The running server has taken it. Of {len(later)} further digits on white paper, correct: {right}."
    back = roll_back(RollbackRequest(name=NAME, why="to show it"), root=places.models)
    server.wait_for(back.decision.model)
    right = percent(server.ask(later))
    yield f"\n8. Go back: vidi rollback {NAME}. Version {back.decision.version} answers again, correct: {right}."
