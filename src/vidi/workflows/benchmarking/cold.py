"""A cold start: a new process that opens a model and answers one image; how long that takes, and how much memory.

python -m vidi.workflows.benchmarking.cold MODEL ENGINE IMAGE
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vidi.errors import ModelError
from vidi.files import escape_path

STARTS = 3
SECONDS = 120.0  # at most, for one


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """From the start of a process to its first answer: the median of three."""

    seconds: float
    peak_bytes: int | None  # of memory; None where the system does not say


def start_cold(model: Path, engine: str, image: Path, *, turn: Callable[[], object] = lambda: None) -> ColdStart:
    """Start processes one after another that answer about an image.

    Args:
        model: the model file.
        engine: executes the graph.
        image: a file.
        turn: is called after each.

    Raises:
        ModelError: a process gives no answer.
    """
    command = [sys.executable, "-P", "-m", "vidi.workflows.benchmarking.cold", str(model), engine, str(image)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    seconds, peaks = [], []
    for _ in range(STARTS):
        begun = time.perf_counter()
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=True)
        except (subprocess.SubprocessError, OSError) as error:
            raise ModelError(
                f"{escape_path(model)}: a new process gives no answer by {engine}", "Try `vidi predict` with it."
            ) from error
        seconds.append(time.perf_counter() - begun)
        peaks.append(json.loads(done.stdout)["peak_bytes"])
        turn()
    known = [peak for peak in peaks if peak is not None]
    return ColdStart(seconds=statistics.median(seconds), peak_bytes=int(statistics.median(known)) if known else None)


def peak_bytes() -> int | None:
    """The most memory that this process has held so far; None where the system does not say."""
    try:  # what `resource` says of a new process may be its parent's
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Answer, and print the memory that it took."""
    from vidi.prediction.predictor import Predictor

    model, engine, image = sys.argv[1:]
    list(Predictor.load(model, engine=engine).predict_files([image], workers=1))
    sys.stdout.write(json.dumps({"peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
