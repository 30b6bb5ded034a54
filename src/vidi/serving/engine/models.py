"""The models that are served: opened, self-tested, and exchanged whole while requests go on."""

import json
import os
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from vidi.errors import ModelError, UsageError, VidiError
from vidi.files import escape_path
from vidi.machine import core_count, give_memory_back, limit_memory
from vidi.model_file.golden import replay_golden
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile, find_model, name_of, read_model, read_model_bytes
from vidi.model_file.registered import follows_name
from vidi.prediction.engines import CPU, USUAL, OnnxRuntime, open_engine, open_graph
from vidi.prediction.predictor import Predictor
from vidi.prediction.words import warning_about
from vidi.serving.problems import Problem

PIECE_BYTES = 1 << 20  # that are held at once while a file is sent
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class ModelSource:
    """A model file that is held open, so that it can be read again after another was put in its place."""

    def __init__(self, path: Path) -> None:
        """Open it; where an open file cannot be replaced (Windows), it is only looked for again.

        Raises:
            ModelError: it is not there.
        """
        self.path = find_model(path)
        self.byte_count = self.path.stat().st_size
        self._stream: BinaryIO | None = None
        self._lock = threading.Lock()
        if os.name == "posix":
            try:
                self._stream = self.path.open("rb")
            except OSError as error:
                raise ModelError(f"{escape_path(self.path)}: {error.strerror}", "Check its permissions.") from error
            weakref.finalize(self, self._stream.close)

    def read(self, digest: str) -> ModelFile:
        """The file, judged again. Safe to call from several threads.

        Args:
            digest: that it must have.

        Raises:
            ModelError: it was changed or is gone.
        """
        try:
            model = read_model_bytes(self._bytes(), self.path)
        except OSError as error:
            raise ModelError(f"{escape_path(self.path)}: {error.strerror}", "Put the model file back.") from error
        if model.digest != digest:
            raise ModelError(
                f"{escape_path(self.path)} is no longer the model that is served", "Replace model files by renaming."
            )
        return model

    def parts(self) -> Iterator[bytes]:
        """The file's bytes as they stand now, piece by piece and not judged. Safe to call from several threads.

        Raises:
            OSError: the file is gone.
        """
        position = 0
        while piece := self._piece(position):
            yield piece
            position += len(piece)

    def _piece(self, position: int) -> bytes:
        if self._stream is None:
            with self.path.open("rb") as stream:
                stream.seek(position)
                return stream.read(PIECE_BYTES)
        with self._lock:
            self._stream.seek(position)
            return self._stream.read(PIECE_BYTES)

    def _bytes(self) -> bytes:
        if self._stream is None:
            return self.path.read_bytes()
        with self._lock:
            self._stream.seek(0)
            return self._stream.read()


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A model file that passed its self-test, under the name by which requests ask for it."""

    name: str
    path: Path  # as the user named it: where it is looked for when it may have been replaced
    predictor: Predictor  # one thread for each run: several runs side by side use all cores
    alone: Predictor  # all cores for one run: the faster one where nothing else is under way
    source: ModelSource | None = None  # where the file's bytes are, which the predictors are then without

    @property
    def model(self) -> ModelFile:
        """The model file."""
        return self.predictor.model

    @property
    def metadata(self) -> ModelMetadata:
        """What the model file says about itself."""
        return self.model.metadata

    @property
    def model_id(self) -> str:
        """The first 12 digits of the file's digest."""
        return self.model.model_id

    @property
    def version(self) -> str:
        """The run's name; `1` where the file states none."""
        return self.metadata.provenance.run or "1"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that the file gives."""
        return self.model.outputs

    def lines(self) -> Iterator[str]:
        """What is said of the model when it is served."""
        engine, warning = self.predictor.engine.name, warning_about(self.model)
        by = "" if engine == USUAL else f", by {engine}"
        place = escape_path(self.model.path)
        yield f"{self.name}: {len(self.metadata.classes)} classes, model {self.model_id} ({place}){by}"
        if follows_name(self.path):
            yield "  a version that is promoted or rolled back to is taken within about a second"
        if warning:
            yield f"  {warning}"

    @property
    def byte_count(self) -> int:
        """The size of the model file."""
        return len(self.model.data) if self.source is None else self.source.byte_count

    def predictor_for(self, *, is_alone: bool) -> Predictor:
        """The session that is faster for the load."""
        return self.alone if is_alone else self.predictor

    def whole(self) -> Predictor:
        """The predictor with all bytes of the model file, for what takes the graph apart.

        Raises:
            ModelError: the file was changed where it stands, or is gone.
        """
        if self.source is None:
            return self.predictor
        return Predictor(self.predictor.engine, self.source.read(self.model.digest))


def open_served(
    name: str,
    path: Path,
    providers: Sequence[str] = CPU,
    *,
    engine: str = USUAL,
) -> ServedModel:
    """Open a model file and hold it to its own golden vectors, in both sessions.

    Args:
        providers: of `usual_providers`; any but the processor has one session for every load.
        engine: executes the graph; any but onnxruntime has one form for every load.

    Raises:
        ModelError: the file is damaged or not vidi's, or answers other than when it was written.
    """
    found = find_model(path)  # once: a registered name may stand for another file a moment later
    source = ModelSource(found)
    model = read_model(found)
    if engine != USUAL:
        other = Predictor(open_engine(engine, model), _without_bytes(model))
        give_memory_back()
        return ServedModel(name, path, other, other, source)
    threads = core_count() if providers == CPU else 1
    sessions = [
        open_graph(model.data, name=name, threads=count, shared=True, providers=providers)
        for count in sorted({1, threads})
    ]
    for number, session in enumerate(sessions):
        # The second session runs the same kernels on more threads, and one vector shows whether it does. The vectors
        # differ in size alone, which the graph evens out before its first layer. The other three would take 35 ms of
        # an EfficientNet-Lite0: a tenth of what importing takes, of which being ready may cost no more than 2.5 times.
        golden = model.metadata.golden[: 1 if number else None]
        replay = replay_golden(session, replace(model.metadata, golden=golden))
        if not replay.passed:
            raise ModelError(
                f"{escape_path(path)}: on this computer the model answers other than when it was written; "
                f"{replay.sentence()}",
                "Update onnxruntime, or serve it on a processor where `vidi inspect MODEL --self-test` passes.",
            )
    # The sessions hold the weights in a form of their own; the file's bytes would take as much again.
    model = _without_bytes(model)
    give_memory_back()
    predictors = [Predictor(OnnxRuntime(session), model) for session in sessions]
    return ServedModel(name, path, predictors[0], predictors[-1], source)


def _without_bytes(model: ModelFile) -> ModelFile:
    return replace(model, data=b"", contents=replace(model.contents, tensors=()))


def name_models(words: Sequence[str]) -> dict[str, Path]:
    """The models that a user names, as `NAME=PATH` or `PATH`; the latter is called after its run folder or file.

    Raises:
        UsageError: a name is odd, or stands there twice.

    >>> name_models(["cats=a/model.onnx", "runs/dogs"])
    {'cats': PosixPath('a/model.onnx'), 'dogs': PosixPath('runs/dogs')}
    """
    named: dict[str, Path] = {}
    for word in words:
        head, sign, rest = word.partition("=")
        path = Path(rest if sign and NAME.fullmatch(head) else word)
        name = head if sign and NAME.fullmatch(head) else name_of(path)
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be a model's name", "Use letters, digits, `.`, `_`, `-`, at most 64: NAME=PATH"
            )
        if name in named:
            raise UsageError(f"two models are called {name!r}", "Give them names of their own: NAME=PATH")
        named[name] = path
    return named


class ModelTable:
    """Models by name. A request holds the model that it began with; the next one gets the new model."""

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self._models = {model.name: model for model in models}
        self.refusals: dict[str, str] = {}  # name → why a newer file was not taken; the model before it goes on

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    def __len__(self) -> int:
        return len(self._models)

    def replace(self, model: ServedModel) -> None:
        """Put a model in the place of the one of its name."""
        self._models = {**self._models, model.name: model}
        self.refusals.pop(model.name, None)

    def find(self, name: str | None, version: str | None = None) -> ServedModel:
        """The model of a name; the only one where no name is given.

        Raises:
            Problem: there is none of this name or version, or there are several and none was named.
        """
        if name is None:
            if len(self._models) > 1:
                raise Problem("no-such-model", "The request names no model, and several are served.", self._names())
            return next(iter(self._models.values()))
        model = self._models.get(name)
        if model is None:
            raise Problem("no-such-model", "No model of this name is served.", self._names())
        if version is not None and version != model.version:
            raise Problem(
                "no-such-model", "The model of this name has another version.", f"It is version {model.version!r}."
            )
        return model

    def _names(self) -> str:
        return f"Name one of: {', '.join(self._models)}."


_COMMAND = "from vidi.serving.engine.models import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLimits:
    """What a model file may cost when it is tried."""

    seconds: int = 10  # of processor time
    wall_seconds: float = 30.0
    memory_bytes: int = 1 << 30  # beyond what the interpreter has taken when it begins


def try_model(path: Path, limits: TrialLimits = TrialLimits(), *, engine: str = USUAL) -> None:
    """Open a model file and replay its golden vectors in another process.

    Raises:
        ModelError: it is refused, or costs too much time or memory.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _COMMAND, str(path), str(limits.seconds), str(limits.memory_bytes), engine],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limits.wall_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        cause = f"{path}: its first answers took over {limits.wall_seconds:g} s"
        raise ModelError(cause, "Use a smaller model.") from error
    if done.returncode == 0:
        return
    try:
        said = json.loads(done.stdout)
    except ValueError as error:
        raise ModelError(
            f"{path}: its first answers ended with code {done.returncode}: too much time or memory, or a crash",
            "Check it with `vidi inspect MODEL --self-test`.",
        ) from error
    raise ModelError(said["cause"], said["remedy"])


def main() -> None:
    """The inside of the trial's process: `sys.argv` holds model file, processor seconds, bytes of memory, engine."""
    _limit(seconds=int(sys.argv[2]), memory_bytes=int(sys.argv[3]))
    try:
        open_served("model", Path(sys.argv[1]), engine=sys.argv[4])
    except VidiError as error:
        sys.stdout.write(json.dumps({"cause": error.cause, "remedy": error.remedy}))
        sys.exit(error.exit_code)


def _limit(*, seconds: int, memory_bytes: int) -> None:
    """Bound time and memory, where the system can."""
    limit_memory(memory_bytes)
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


Stamp = tuple[int, int, int] | None  # inode, bytes, nanoseconds; None where there is no file
Report = Callable[[str, ServedModel | None, str], None]  # name, the new model or None, why it was refused

WATCH_SECONDS = 1.0  # between two looks at the files


class Reloader:
    """Keeps a table as new as its files. Safe to call from any thread; one file is tried at a time."""

    def __init__(
        self,
        table: ModelTable,
        report: Report,
        *,
        tried: Callable[[Path], None] = try_model,
        opened: Callable[[str, Path], ServedModel] = open_served,
    ) -> None:
        """
        Args:
            tried: opens a file where it can do no harm, and raises a ModelError where it does not pass.
        """
        self.table, self._report = table, report
        self._try, self._open = tried, opened
        # Of the file that was opened: what was promoted since then is another.
        self._seen = {model.name: _stamp_of(model.model.path) for model in table}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def look(self, names: frozenset[str] | None = None) -> None:
        """Take every file that has changed since it was last looked at, and is whole.

        Args:
            names: of the models to look at; all by default.
        """
        with self._lock:
            for model in [one for one in self.table if names is None or one.name in names]:
                stamp = _stamp_of(model.path)
                if stamp is not None and stamp != self._seen[model.name]:
                    self._seen[model.name] = stamp
                    self._take(model)

    def read_anew(self) -> None:
        """Take every file that is another than the model in use, whatever its date."""
        with self._lock:
            for model in list(self.table):
                self._seen[model.name] = _stamp_of(model.path)
                self._take(model)

    def read_anew_soon(self) -> None:
        """As `read_anew`, in a thread of its own: what a signal may call."""
        threading.Thread(target=self.read_anew, name="vidi-reload", daemon=True).start()

    def _take(self, model: ServedModel) -> None:
        try:
            self._try(model.path)
            new = self._open(model.name, model.path)
        except VidiError as error:
            self.table.refusals[model.name] = error.cause
            self._report(model.name, None, error.cause)
            return
        if new.model.digest != model.model.digest:
            self.table.replace(new)
            self._report(model.name, new, "")
        else:
            self.table.refusals.pop(model.name, None)

    def watch(self, names: Iterable[str] | None = None) -> None:
        """Look at the files about once a second, until `stop`.

        Args:
            names: of the models to look at; all by default.
        """
        chosen = None if names is None else frozenset(names)
        self._watcher = threading.Thread(target=self._watch, args=(chosen,), name="vidi-watch", daemon=True)
        self._watcher.start()

    def _watch(self, names: frozenset[str] | None) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            self.look(names)

    def stop(self) -> None:
        """End the watching."""
        self._ended.set()
        if self._watcher is not None:
            self._watcher.join()


def _stamp_of(path: Path) -> Stamp:
    """What changes when a file is replaced."""
    try:
        status = os.stat(find_model(path))
    except (OSError, ModelError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
