"""A new model file is tried in a process of its own before the server opens it: little time, little memory."""

import json
import subprocess
import sys
from pathlib import Path

from vidi.errors import ModelError, VidiError
from vidi.machine import limit_memory

SECONDS = 10.0  # of processor time
WALL_SECONDS = 30.0
MEMORY_BYTES = 1 << 30  # beyond what the interpreter has taken when it begins
_COMMAND = "from vidi.serving.models.trial import main; main()"


def try_model(path: Path) -> None:
    """Open a model file and replay its golden vectors in another process.

    Raises:
        ModelError: it is refused, or costs too much time or memory.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _COMMAND, str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{path}: its first answers took over {WALL_SECONDS:g} s", "Use a smaller model.") from error
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
    """The inside of the trial's process: `sys.argv[1]` is the model file."""
    from vidi.serving.models.served import open_served

    _limit()
    try:
        open_served("model", Path(sys.argv[1]))
    except VidiError as error:
        sys.stdout.write(json.dumps({"cause": error.cause, "remedy": error.remedy}))
        sys.exit(error.exit_code)


def _limit() -> None:
    """Bound time and memory, where the system can."""
    limit_memory(MEMORY_BYTES)
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS) + 1))
