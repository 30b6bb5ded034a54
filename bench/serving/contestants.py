"""The servers that are measured: how each is started, and when it is ready."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from bench.serving.processes import cpu_seconds, process_tree

READY_SECONDS = 60.0  # at most, from start to the first answer
RIVALS = os.environ.get("RIVALS", "")  # a folder of `pip install --target`, where they are not in this environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A server, and where it answers."""

    name: str
    module: str = ""
    arguments: tuple[str, ...] = ()
    path: str = "/predict"
    is_vidi: bool = False
    model: str = "plain"  # of the bench's files
    needs: tuple[str, ...] = ()  # packages of the group `rivals`


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready."""

    pid: int
    port: int
    ready_seconds: float
    ready_cpu_seconds: float  # of all its processes


VIDI = Contestant(name="vidi", path="/v1/predict?top=5", is_vidi=True, model="fp32")
LIGHTER = replace(VIDI, name="vidi, int8", model="int8")
VARIANTS = tuple(
    replace(VIDI, name=f"vidi, {layout}", module="bench.serving.vidi_app", arguments=(layout,))
    for layout in ("one-thread", "all-cores", "unisolated")
)
LITSERVE = Contestant(name="LitServe", module="bench.serving.litserve_app", needs=("litserve", "fastapi"))
STARLETTE = Contestant(name="Starlette", module="bench.serving.starlette_app")
TORCH = Contestant(name="FastAPI and torch", module="bench.serving.torch_app", needs=("fastapi",))
OTHERS = (LITSERVE, STARLETTE, TORCH)


def environment_of(contestant: Contestant) -> Mapping[str, str]:
    """The rivals' packages are seen by those alone that need them: some change what others do."""
    paths = [path or os.getcwd() for path in sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, *([RIVALS] if contestant.needs and RIVALS else [])])}


def command_of(contestant: Contestant, model: Path, port: int) -> list[str]:
    """How a server is started: vidi as its users do, the others and vidi with a fixed part from this folder."""
    if not contestant.module:
        return [sys.executable, "-m", "vidi", "serve", str(model), "--port", str(port)]
    return [sys.executable, "-m", contestant.module, str(model), str(port), *contestant.arguments]


def missing_packages(contestant: Contestant) -> list[str]:
    """What a server needs and this environment has not."""
    return [name for name in contestant.needs if find_spec(name) is None and not Path(RIVALS or "?", name).is_dir()]


@contextmanager
def running(contestant: Contestant, models: Mapping[str, Path], photograph: bytes) -> Iterator[Running]:
    """Start a server, wait until it answers, and stop it at the end.

    Args:
        contestant: which.
        models: the file of each kind.
        photograph: what is asked for first.
    """
    port = free_port()
    command = command_of(contestant, models[contestant.model], port)
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=environment_of(contestant),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answers(contestant, port, photograph):
            if process.poll() is not None or time.perf_counter() - began > READY_SECONDS:
                sys.exit(f"{' '.join(command)} did not become ready.")
            time.sleep(0.01)
        ready = time.perf_counter() - began
        yield Running(process.pid, port, ready, cpu_seconds(process.pid))
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a server and all its processes; some leave theirs behind, which would disturb whoever is measured next."""
    tree = process_tree(process.pid)
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in tree:
        with suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


def answers(contestant: Contestant, port: int, photograph: bytes) -> bool:
    """Whether a server answers with 200: vidi's readiness, the others' first prediction."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        if contestant.is_vidi:
            connection.request("GET", "/readyz")
        else:
            connection.request("POST", contestant.path, photograph, {"Content-Type": "image/jpeg"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
