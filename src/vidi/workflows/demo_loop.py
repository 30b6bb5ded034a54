"""`vidi demo loop`: a model in use meets other images; alarm, labels, retraining, gate, and the way back."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vidi.data.known_sets.named import NAMED_SETS
from vidi.errors import ResourceError
from vidi.files import digest_of, escape_path, write_atomic
from vidi.images.encode import encode_png
from vidi.log.store import PredictionLog
from vidi.model_file.registered import MODELS_VARIABLE
from vidi.numbers import percent
from vidi.report.pages.gate import gate_headline, gate_rows
from vidi.report.pages.monitor import headline as monitor_headline
from vidi.report.words.sentences import headline
from vidi.workflows.interaction.events import Events
from vidi.workflows.monitor import monitor
from vidi.workflows.promote import promote, roll_back
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import (
    MonitorRequest,
    PromoteRequest,
    RetrainRequest,
    ReviewRequest,
    RollbackRequest,
)
from vidi.workflows.requests.shared import wants_pictures
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.retrain import RetrainResult, retrain
from vidi.workflows.review import open_review
from vidi.workflows.train import train

GREYEST: Final = 60  # level of the new ink; the new paper is white
LISTENING: Final = "listening on "
START_SECONDS: Final = 60.0
TAKEN_SECONDS: Final = 60.0  # until a server has taken another model, at most
_LOOK_SECONDS: Final = 0.2
NAME: Final = "digits"
MARK: Final = "demo-loop"  # the folder's name; only such a folder is replaced
RECIPE: Final[Mapping[str, object]] = {
    "options.width": 0.5,
    "optimizer": "adamw",
    "learning_rate": 0.003,
    "precision": "float32",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSize:
    """How much there is of everything."""

    learned: int = 900  # digits that the first model learns from
    as_before: int = 150  # that come in as the model knows them
    changed: int = 300  # that come in afterwards
    later: int = 200  # changed ones, too, on which both models are compared in the end
    labels: int = 30
    epochs: int = 12  # of each training


@dataclass(frozen=True, slots=True)
class MonthImage:
    """One image of the month, and what it shows."""

    data: bytes  # of its file
    digit: str

    @property
    def digest(self) -> str:
        """As the log names it."""
        return digest_of(self.data)


@dataclass(frozen=True, slots=True)
class Month:
    """What comes in, in this order."""

    as_before: Sequence[MonthImage]
    changed: Sequence[MonthImage]
    later: Sequence[MonthImage]

    def truth(self) -> Mapping[str, str]:
        """Digest → digit."""
        return {one.digest: one.digit for one in (*self.as_before, *self.changed)}


def write_digits(folder: Path, size: LoopSize) -> Month:
    """Write the digits to learn from into class folders; the others are the month."""
    load = NAMED_SETS["digits"].load
    assert load is not None  # noqa: S101  # it comes from an installed package
    images, digits = load()
    rows = iter(np.random.default_rng(0).permutation(len(images)).tolist())
    for row in islice(rows, size.learned):
        write_atomic(folder / str(digits[row]) / f"{row:04}.png", encode_png(images[row]))

    def take(count: int, *, is_changed: bool) -> list[MonthImage]:
        return [
            MonthImage(encode_png(other_paper(images[row]) if is_changed else images[row]), str(digits[row]))
            for row in islice(rows, count)
        ]

    return Month(
        as_before=take(size.as_before, is_changed=False),
        changed=take(size.changed, is_changed=True),
        later=take(size.later, is_changed=True),
    )


def other_paper(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same writing in dark ink on white paper.

    >>> other_paper(np.array([[0, 255]], np.uint8)).tolist()
    [[255, 60]]
    """
    return np.round(255 - image * ((255 - GREYEST) / 255)).astype(np.uint8)


class DemoServer:
    """Answers over HTTP on this computer."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, images: Iterable[MonthImage]) -> float:
        """Send images, one after the other; the share of right answers."""
        right = [self._label(one.data) == one.digit for one in images]
        return sum(right) / max(1, len(right))

    def model_id(self) -> str:
        """Which model answers now."""
        with urllib.request.urlopen(f"{self.url}/v1/models", timeout=START_SECONDS) as reply:  # noqa: S310  # loopback
            return str(json.load(reply)["models"][0]["id"])

    def wait_for(self, model_id: str) -> bool:
        """Wait until this model answers; whether it does."""
        until = time.monotonic() + TAKEN_SECONDS
        while self.model_id() != model_id:
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _label(self, data: bytes) -> str:
        asked = urllib.request.Request(  # noqa: S310  # loopback
            f"{self.url}/v1/predict?top=1", data=data, headers={"Content-Type": "image/png"}
        )
        with urllib.request.urlopen(asked, timeout=START_SECONDS) as reply:  # noqa: S310
            return str(json.load(reply)["predictions"][0]["label"])


def wait_for_rows(log: Path, count: int) -> bool:
    """Wait until a log holds this number of predictions, which come a moment after the answers; whether it does."""
    until = time.monotonic() + TAKEN_SECONDS
    with PredictionLog.open(str(log), create=False) as opened:
        while opened.contents().predictions < count:
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_SECONDS)
    return True


@contextlib.contextmanager
def serve(name: str, *, models: Path, log: Path) -> Iterator[DemoServer]:
    """A server of a registered model, which writes a log and keeps images; stopped at the end.

    Raises:
        ResourceError: it does not start; says what it said.
    """
    options = ["--port", "0", "--log", str(log), "--keep-images"]
    process = subprocess.Popen(
        [sys.executable, "-m", "vidi", "serve", name, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, MODELS_VARIABLE: str(models), "NO_COLOR": "1"},
    )
    assert process.stderr is not None  # noqa: S101  # it is a pipe
    reader = threading.Thread(target=_read_on, args=(process.stderr,), daemon=True)
    try:
        address = _address(process.stderr)
        reader.start()
        yield DemoServer(address)
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if reader.is_alive():
            reader.join()
        process.stderr.close()


def _address(lines: Iterable[str]) -> str:
    """The server's address, as it says it."""
    said: list[str] = []
    for line in lines:
        said.append(line)
        if line.startswith(LISTENING):
            return line.removeprefix(LISTENING).strip()
    raise ResourceError(f"the demo's server did not start: {''.join(said)[-500:].strip()}", "Run `vidi doctor`.")


def _read_on(lines: Iterable[str]) -> None:
    """Take what else the server says, so that it never waits for a reader."""
    for _ in lines:
        pass


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the demo's files lie."""

    folder: Path
    images: Path
    run: Path
    models: Path
    log: Path
    alarm: Path


USUAL: Final = LoopSize()


def run_loop(runs: Path, *, events: Events, size: LoopSize = USUAL) -> Iterator[str]:
    """Live through the loop, and tell it line by line.

    Args:
        runs: the folder in which `demo-loop` is written; an earlier one is replaced.

    Raises:
        MissingPackageError, UsageError, DataError, ModelError, ResourceError: as their names say.
    """
    folder = runs / MARK
    places = _Places(
        folder=folder,
        images=folder / "images",
        run=folder / "first",
        models=folder / "models",
        log=folder / "log.sqlite",
        alarm=folder / "alarm.html",
    )
    shutil.rmtree(places.folder, ignore_errors=True)
    yield f"1. Train: {size.learned} handwritten digits, light ink on dark paper."
    month = write_digits(places.images, size)
    request = TrainRequest(
        data=DataRequest(source=str(places.images)),
        network="compact",
        changes={**RECIPE, "epochs": size.epochs},
        output=places.run,
        images=wants_pictures(),
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


def _decision(done: RetrainResult) -> Iterator[str]:
    """What the gate says."""
    document = done.document or {}
    yield f"   {gate_headline(document)}"
    for rule, met, finding in gate_rows(document)[1:]:
        yield f"   {met:3}  {rule}: {finding}"
    yield f"   page: {escape_path(done.page)}"


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
