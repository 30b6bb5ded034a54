"""One `vidi` command, or another one, as a user runs it: with an empty cache, timed from the start of its process."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def run_timed(words: Sequence[str], *, cache: Path) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run Python with some words; ends this process, with what was printed, where that fails.

    Args:
        words: behind the interpreter: `-m`, `vidi`, `train` …
        cache: where vidi keeps what it has read.

    Returns:
        (seconds, the ended process)
    """
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "VIDI_CACHE": str(cache)},
    )
    seconds = time.monotonic() - began
    if done.returncode:
        command = " ".join(words)
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds, done
