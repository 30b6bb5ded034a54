"""What a benchmark found: rows for people, plain values for programs, and a picture."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vidi.figures.bars import SpeedBar, draw_speeds
from vidi.figures.drawing import Drawing, side_by_side
from vidi.files import escape_path
from vidi.model_file.read import ModelFile
from vidi.model_file.values import Json
from vidi.numbers import percent
from vidi.workflows.benchmarking.cold import ColdStart
from vidi.workflows.benchmarking.measure import BATCHES, Speed
from vidi.workflows.benchmarking.subjects import PRECISIONS

SCHEMA = 1
MARK = "vidi_benchmark"  # by which its own earlier files are known
HEAD = ("model", "engine", "threads", "p50", "p99", *(f"batch {size}" for size in BATCHES), "from files", "of decoding")
RIGHT = tuple(range(2, len(HEAD)))  # columns of numbers
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A model by an engine."""

    model: str
    engine: str
    cold: ColdStart
    speeds: Sequence[Speed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """Speed, memory and size of models on this processor."""

    processor: str
    images: str  # what was decoded and answered
    models: Mapping[str, ModelFile]
    measured: Sequence[Measured]
    refused: Mapping[str, str]  # model and engine → why it is left out

    def as_json(self) -> dict[str, Json]:
        """Plain values: seconds, bytes, images per second."""
        return {
            MARK: SCHEMA,
            "processor": self.processor,
            "images": self.images,
            "models": {
                name: {
                    "path": escape_path(model.path),
                    "id": model.model_id,
                    "bytes": len(model.data),
                    "precision": PRECISIONS[model.bits],
                    "network": model.metadata.network,
                    "image_size": list(model.metadata.framing.size),
                }
                for name, model in self.models.items()
            },
            "measured": [
                {
                    "model": one.model,
                    "engine": one.engine,
                    "cold_start_seconds": round(one.cold.seconds, 4),
                    "peak_memory_bytes": one.cold.peak_bytes,
                    "speeds": [_speed_as_json(speed) for speed in one.speeds],
                }
                for one in self.measured
            ],
            "refused": dict(self.refused),
        }

    def rows(self) -> list[tuple[str, ...]]:
        """The table: a head, and a row for each model, engine and number of threads."""
        return [HEAD, *self._rows()]

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for one in self.measured:
            for speed in one.speeds:
                rates = [f"{speed.images_per_second[size]:,.0f}" for size in BATCHES]
                p99 = "–" if speed.latency_p99 is None else _milliseconds(speed.latency_p99)
                p50, share = _milliseconds(speed.latency_p50), percent(speed.share_of_decoding)
                yield one.model, one.engine, str(speed.threads), p50, p99, *rates, f"{speed.from_files:,.0f}", share

    def sentences(self) -> list[str]:
        """What stands above and below the table."""
        lines = [
            f"{self.processor}; {self.images}",
            *(
                f"{name}: {PRECISIONS[model.bits]}, {len(model.data) / MEGABYTE:,.1f} MB, "
                f"images of {model.metadata.framing.size[0]}×{model.metadata.framing.size[1]}"
                for name, model in self.models.items()
            ),
        ]
        for one in self.measured:
            peak = "" if one.cold.peak_bytes is None else f", {one.cold.peak_bytes / MEGABYTE:,.0f} MB of memory"
            lines.append(
                f"{one.model} by {one.engine}: first answer of a new process in {one.cold.seconds:.2f} s{peak}"
            )
        lines += [f"{escape_path(key)} is left out: {escape_path(why)}" for key, why in self.refused.items()]
        return lines

    def drawing(self) -> Drawing:
        """Throughput and latency, with as many threads as were tried.

        Raises:
            MissingPackageError: matplotlib is not installed.
        """
        last = [(f"{one.model}, {one.engine}", one.speeds[-1]) for one in self.measured]
        first = [(f"{one.model}, {one.engine}", one.speeds[0]) for one in self.measured]
        rates = [
            SpeedBar(label=label, value=max(speed.images_per_second.values()), mark=speed.from_files)
            for label, speed in last
        ]
        waits = [
            SpeedBar(
                label=label,
                value=1000 * speed.latency_p50,
                mark=None if speed.latency_p99 is None else 1000 * speed.latency_p99,
            )
            for label, speed in first
        ]
        return side_by_side(
            [
                draw_speeds(
                    rates,
                    axis=f"images per second, threads: {last[0][1].threads}",
                    value="best batch",
                    mark="from files",
                    title="Throughput",
                    name="throughput",
                ),
                draw_speeds(
                    waits,
                    axis=f"milliseconds for one image, threads: {first[0][1].threads}",
                    value="median",
                    mark="99th percentile",
                    title="Latency",
                    name="latency",
                ),
            ]
        )

    def _repr_html_(self) -> str:
        return self.drawing()._repr_html_()


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.3g} ms"


def _speed_as_json(speed: Speed) -> dict[str, Json]:
    p99 = speed.latency_p99
    return {
        "threads": speed.threads,
        "latency_seconds": {
            "p50": round(speed.latency_p50, 7),
            "p99": None if p99 is None else round(p99, 7),
            "runs": speed.runs,
        },
        "images_per_second": {str(size): round(rate, 2) for size, rate in speed.images_per_second.items()},
        "from_files_per_second": round(speed.from_files, 2),
        "share_of_decoding": round(speed.share_of_decoding, 4),
    }
