"""`vidi benchmark`: how fast, large and light models are on this processor, by engine, precision and threads."""

import json
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from vidi.errors import MissingPackageError
from vidi.files import write_whole
from vidi.machine import core_count, processor_name
from vidi.workflows.benchmarking.cold import STARTS, start_cold
from vidi.workflows.benchmarking.document import MARK, Benchmark, Measured
from vidi.workflows.benchmarking.measure import drawn_images, given_images, measure_speeds, turn_count
from vidi.workflows.benchmarking.subjects import find_models, open_subjects
from vidi.workflows.interaction.places import require_own
from vidi.workflows.requests.model_file import BenchmarkRequest

DOCUMENT, PICTURE = "benchmark.json", "benchmark.svg"

Progress = Callable[[int, int], object]  # turns done, turns in all


def benchmark(request: BenchmarkRequest, *, progress: Progress = lambda _done, _total: None) -> Benchmark:
    """Time models in turn, each by each engine, and start each in a new process.

    Args:
        request: which, on what, and for how long.
        progress: is told after each turn.

    Raises:
        ModelError: no model file, or no engine takes it.
        DataError: there is no image.
        UsageError: an engine is unknown or not installed, or the output would replace something else.
        MissingPackageError: a picture is wanted, and its package is not installed.
        ResourceError: the figures cannot be written.
    """
    if request.output is not None:
        _require_output(request.output)
    models = find_models(request.models)
    subjects, refused = open_subjects(models, request.engines)
    threads = sorted({1, core_count()})
    size = subjects[0].predictor.metadata.framing.size
    images = drawn_images(size) if request.data is None else given_images(request.data)
    turn = _counter(progress, turn_count(subjects, threads) + STARTS * len(subjects))
    speeds = measure_speeds(subjects, images, threads=threads, seconds=request.seconds, turn=turn)
    with tempfile.TemporaryDirectory(prefix="vidi-") as place:
        image = Path(place) / "image"
        image.write_bytes(next(iter(images.contents.values())))
        measured = [
            Measured(
                model=one.name,
                engine=one.engine,
                cold=start_cold(one.predictor.model.path, one.engine, image, turn=turn),
                speeds=speeds[one.key],
            )
            for one in subjects
        ]
    done = Benchmark(
        processor=processor_name(),
        images=f"{len(images.contents)} images: {images.source}",
        models=models,
        measured=measured,
        refused=refused,
    )
    if request.output is not None:
        picture = done.drawing()
        write_whole(request.output / DOCUMENT, json.dumps(done.as_json(), indent=1) + "\n")
        picture.save(request.output / PICTURE)
    return done


def _require_output(folder: Path) -> None:
    """Refuse, before any work, what could not be written in the end."""
    if find_spec("matplotlib") is None:
        raise MissingPackageError(
            "--output writes a picture, which needs matplotlib", 'Install it: pip install "vidi[report]"'
        )
    require_own(folder / DOCUMENT, mark=f'"{MARK}"'.encode())


def _counter(progress: Progress, total: int) -> Callable[[], None]:
    done = 0

    def turn() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    return turn
