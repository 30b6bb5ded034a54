"""Workers on a Ray cluster, or on this computer's cores: each holds one model, and answers about shards of paths."""

import contextlib
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from vidi.distributed.shards import WorkerLostError
from vidi.errors import MissingPackageError, ResourceError, VidiError
from vidi.files import escape_path
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore
from vidi.machine import core_count
from vidi.report.words.counting import count_of

LOCAL: Final = "local"
ONE_CORE: Final = "1"
KNOCK_SECONDS: Final = 10.0  # for the head's port; Ray itself tries for minutes


@dataclass(frozen=True, slots=True)
class Shard:
    """Paths of one store, for one worker."""

    store: ImageStore
    paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What the answers hold, and how images are decoded."""

    decoding: DecodeOptions
    embedding: bool = False
    statistics: bool = False


class ShardAnswerer:
    """Answers about shards; runs in a worker's process."""

    def __init__(self, model: bytes, folder: str, options: AnswerOptions) -> None:
        """
        Args:
            model: bytes of the model file.
            folder: what relative paths are relative to.
            options: of the answers.
        """
        from vidi.prediction.predictor import Predictor

        with contextlib.suppress(OSError):  # another computer may not have it: absolute paths need none
            os.chdir(folder)
        self._predictor = Predictor.from_bytes(model)
        self._options = options

    def answer(self, shard: Shard) -> bytes:
        """The answers about a shard's paths, in their order, as `vidi.prediction.answer_lines` writes them."""
        from vidi.prediction.answer_lines import encode_answers

        wanted = self._options
        return encode_answers(
            self._predictor.predict_files(
                shard.paths,
                store=shard.store,
                options=wanted.decoding,
                workers=core_count(),
                embedding=wanted.embedding,
                statistics=wanted.statistics,
            )
        )


class RayWorkers:
    """Ray's actors, one core each."""

    def __init__(self, ray: Any, model: bytes, options: AnswerOptions) -> None:
        self._ray = ray
        self._model = ray.put(model)
        self._options = options
        made = ray.remote(ShardAnswerer)
        self._class = made.options(num_cpus=1, runtime_env={"env_vars": {"VIDI_CORES": ONE_CORE}})

    def room(self) -> int:
        """As many workers as there are cores now."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def start(self) -> Any:
        """A new actor; it starts when a core is free."""
        return self._class.remote(self._model, os.getcwd(), self._options)

    def submit(self, worker: Any, task: Shard) -> Any:
        """Give an actor a shard."""
        return worker.answer.remote(task)

    def wait(self, running: Sequence[Any], seconds: float) -> list[Any]:
        """Those that are done."""
        done, _ = self._ray.wait(list(running), num_returns=1, timeout=seconds)
        return list(done)

    def result(self, running: Any) -> bytes:
        """What came out.

        Raises:
            WorkerLostError: the actor or its computer is gone.
            VidiError: the work failed.
        """
        errors = self._ray.exceptions
        try:
            data: bytes = self._ray.get(running)
        except errors.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, VidiError):
                raise cause from error
            raise ResourceError(f"a worker failed: {cause}", "Look at Ray's logs on its computer.") from error
        except errors.RayError as error:
            raise WorkerLostError(type(error).__name__) from error
        return data

    def end(self, worker: Any) -> None:
        """Kill an actor."""
        with contextlib.suppress(Exception):  # it is gone already
            self._ray.kill(worker, no_restart=True)


@contextlib.contextmanager
def connected(address: str, *, say: Callable[[str], None]) -> Iterator[Any]:
    """Ray, connected to a cluster while the context lasts.

    Args:
        address: of the cluster's head, or `local` for this computer's cores.
        say: receives what it is connected to.

    Raises:
        MissingPackageError: the extra `ray` is not installed.
        ResourceError: no cluster answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise MissingPackageError(
            "--ray needs Ray, which is not installed", 'Install it: pip install "vidi[ray]"'
        ) from error
    _knock(address)
    own = {"num_cpus": core_count(), "include_dashboard": False} if address == LOCAL else {"address": address}
    try:
        ray.init(**own, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _no_cluster(address, error) from error
    try:
        cores = int(ray.cluster_resources().get("CPU", 1))
        nodes = sum(one["Alive"] for one in ray.nodes())
        say(f"Ray: {count_of(cores, 'core')} on {count_of(nodes, 'node')}")
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Find out soon whether anything listens at an address of the form HOST:PORT."""
    found = re.fullmatch(r"(?:ray://)?\[?([^\[\]]+)\]?:(\d{1,5})", address)
    if found is None:
        return
    try:
        socket.create_connection((found[1], int(found[2])), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> ResourceError:
    why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return ResourceError(
        f"no Ray cluster answers at {escape_path(address)}: {why}",
        "Give the address of its head, such as 10.0.0.5:6379, or use --ray local.",
    )
