"""A new model file is tried in a process of its own before the server opens it: little time, little memory."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from vidi.errors import ModelError, VidiError
from vidi.machine import limit_memory
from vidi.prediction.engines.registry import USUAL

_COMMAND = "from vidi.serving.models.trial import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLimits:
    """What a model file may cost when it is tried."""

    seconds: int = 10  # of processor time
    wall_seconds: float = 30.0
    memory_bytes: int = 1 << 30  # beyond what the interpreter has taken when it begins


def try_model(path: Path, limits: TrialLimits = TrialLimits(), *, engine: str = USUAL) -> None:
    """Open a model file and replay its golden vectors in another process.

    Args:
        path: the model file.
        limits: of that process.
        engine: executes the graph.

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
    from vidi.serving.models.served import open_served

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
