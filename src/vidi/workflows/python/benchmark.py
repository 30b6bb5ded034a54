"""`vidi.benchmark`."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidi.options import made
from vidi.workflows.requests.model_file import BenchmarkRequest

if TYPE_CHECKING:
    from vidi.workflows.benchmarking.document import Benchmark


def benchmark(
    models: "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]",
    *,
    data: str | None = None,
    engines: Sequence[str] | None = None,
    seconds: float = 30.0,
    output: "str | os.PathLike[str] | None" = None,
) -> "Benchmark":
    """Measure speed, memory and size of models on this processor, by engine, precision and threads.

    Args:
        models: path to a model file or a run folder, a registered name, or several of these.
        data: image file, folder, pattern or archive to decode and answer (default: drawn images).
        engines: engines to time; by default each that is installed.
        seconds: time for measuring; starting is not counted.
        output: path to a folder for the figures: benchmark.json and benchmark.svg.

    Returns:
        The figures: `as_json()` has them as plain values; a notebook shows the picture.

    Raises:
        ModelError: there is no model file, it cannot be trusted, or no engine takes it.
        DataError: there is no image, or the video cannot be read.
        UsageError: a wrong option; an engine is unknown or not installed.
    """
    given = dict(locals())
    from vidi.workflows import benchmark as story

    named = [models] if isinstance(models, str | os.PathLike) else models
    return story.benchmark(made(BenchmarkRequest, {**given, "models": tuple(os.fspath(one) for one in named)}))
