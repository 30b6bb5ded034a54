"""Accuracy within a budget of minutes, through `vidi train` as a user runs it.

    VIDI_DATA=… python -m bench accuracy          all rows that have no result yet
    VIDI_DATA=… python -m bench cifar10-5         one row (again, if its result is deleted first)

Each row and seed leaves one JSON in bench/results/accuracy/, or in the folder that RESULTS names. Budgets are minutes
of a machine whose fastest matrix multiplication does 430 GFLOP/s: this machine's is measured, and every budget
multiplied by 430 / measured. They are for images that were read once before; a row without a budget begins cold.
Nothing is chosen on the test images; a row is run once. Beside its first seed a row's rival of benchmarks/ runs, where
benchmarks/.venv is there; rows on the same images share it.
"""

import json
import os
import platform
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from bench.processor import today
from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

from bench.engine import RIVALS, RIVALS_PYTHON, run  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.metrics.intervals import wilson_interval  # noqa: E402
from vidi.model_file.read import read_model  # noqa: E402
from vidi.model_file.write import write_model  # noqa: E402
from vidi.networks.build import build_network  # noqa: E402
from vidi.networks.to_onnx import to_onnx  # noqa: E402
from vidi.training.engine.rates import TYPES, Precision, matrix_rate  # noqa: E402
from vidi.training.loop.checkpoint import read_checkpoint  # noqa: E402
from vidi.training.recipe import Recipe  # noqa: E402
from vidi.workflows.evaluate import EvaluateRequest, evaluate  # noqa: E402
from vidi.workflows.interaction.events import SILENCE  # noqa: E402
from vidi.workflows.interaction.request import DataRequest  # noqa: E402
from vidi.workflows.run.plan import read_and_plan  # noqa: E402
from vidi.workflows.run.prepare import split_images  # noqa: E402
from vidi.workflows.train import TrainRequest, train  # noqa: E402

REFERENCE_RATE = 430.0  # GFLOP/s at 1024 x 1024 of the machine that the budgets are meant for
CLOTHING_PARTS = {"validation": "test", "test": "extra"}
THREE = ("dress", "shoes", "t-shirt")
HOG, FEATURES = ("hog.py",), ("frozen_features.py", "--variant", "lite0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    source: str  # a known set, or a file in VIDI_DATA
    minutes: float | None  # None: no budget
    least: float | None  # the bar; None: only reported
    figure: str = "accuracy"  # in metrics.json
    seeds: int = 1
    network: str | None = "compact"  # None: where `pretrained` says where the network comes from
    pretrained: str | None = None
    freeze: bool = False  # a head on frozen features, nothing else
    classes: tuple[str, ...] | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    image_size: tuple[int, int] | None = None  # None: the recipe's choice
    pooled: bool = False  # test and extra part together
    rival: tuple[str, ...] = ()  # script in benchmarks/ and its words


ROWS: Mapping[str, Row] = {
    "digits": Row(source="digits", minutes=0.5, least=0.985, seeds=5),
    "fashion-mnist-3": Row(source="fashion-mnist", minutes=3, least=0.94, seeds=3, rival=HOG),
    "cifar10-5": Row(source="cifar10", minutes=5, least=0.91, seeds=3, rival=HOG),
    "person": Row(
        source="person.zip", minutes=5, least=0.99, figure="balanced_accuracy", seeds=3, rival=(*HOG, "--test", "val")
    ),
    "clothing": Row(
        source="clothing.zip",
        minutes=10,
        least=0.86,
        parts=CLOTHING_PARTS,
        seeds=3,
        rival=(*HOG, "--test", "validation"),
    ),
    "three-clothes": Row(
        source="clothing.zip",
        minutes=5,
        least=0.91,
        classes=THREE,
        parts=CLOTHING_PARTS,
        image_size=(256, 256),
        seeds=3,
        pooled=True,
        rival=("keras_textbook.py", "--size", "256", "--classes", ",".join(THREE), "--test", "validation,test"),
    ),
    "clothing-head": Row(
        source="clothing.zip",
        minutes=None,
        least=0.88,
        parts=CLOTHING_PARTS,
        seeds=3,
        network=None,
        pretrained="auto",
        freeze=True,
        rival=(*FEATURES, "--test", "validation"),
    ),
    "clothing-fine-tuned": Row(
        source="clothing.zip",
        minutes=10,
        least=0.91,
        parts=CLOTHING_PARTS,
        seeds=3,
        network=None,
        pretrained="auto",
        rival=(*FEATURES, "--test", "validation"),
    ),
    "person-pretrained": Row(
        source="person.zip",
        minutes=5,
        least=0.996,
        seeds=3,
        network=None,
        pretrained="auto",
        rival=(*FEATURES, "--test", "val"),
    ),
    "three-clothes-textbook": Row(
        source="clothing.zip",
        minutes=None,
        least=None,
        classes=THREE,
        parts=CLOTHING_PARTS,
        network="textbook",
        pooled=True,
    ),
}


def main() -> None:
    data = Path(os.environ["VIDI_DATA"])
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "accuracy"))
    only = os.environ.get("ONLY", "")
    if only and only not in ROWS:
        sys.exit(f"{only}: no such bench or row. Rows: {', '.join(ROWS)}; benches: python -m bench --help")
    for seed in range(max(row.seeds for row in ROWS.values())):  # one of each first
        for name, row in ROWS.items():
            path = results / f"{name}-{seed}.json"
            if only in ("", name) and seed < row.seeds and not path.exists():
                write_atomic(path, json.dumps(measure(row, seed=seed, data=data), indent=1) + "\n")
            rival = rival_path(row, results)
            if only in ("", name) and row.rival and RIVALS_PYTHON.exists() and not rival.exists():
                write_atomic(rival, json.dumps(measure_rival(row, data), indent=1) + "\n")
    print_table(results)


def rival_path(row: Row, results: Path) -> Path:
    """Where a rival's answer is kept: the same for all rows on the same images, as each of them asks it the same."""
    script = Path(row.rival[0]).stem if row.rival else "none"
    return results / "rivals" / f"{Path(row.source).stem}-{script}.json"


def measure_rival(row: Row, data: Path) -> dict[str, object]:
    """The answer of the row's rival on the row's images."""
    with tempfile.TemporaryDirectory() as folder:
        source = data / row.source
        if source.is_file():
            with zipfile.ZipFile(source) as archive:
                source = Path(folder) / source.stem
                archive.extractall(source)
        script, *words = row.rival
        return run(str(RIVALS_PYTHON), str(RIVALS / script), str(source), *words)


def measure(row: Row, *, seed: int, data: Path) -> dict[str, object]:
    """Train once within the budget and read what the run's own test says."""
    rates = fastest_rates()
    rate = max(rates.values())
    minutes = None if row.minutes is None else row.minutes * REFERENCE_RATE / rate
    path = data / row.source
    changes: dict[str, object] = {"seed": seed}
    if row.image_size is not None:
        changes["image_size"] = row.image_size
    if row.freeze:
        changes["freeze"] = True
    with tempfile.TemporaryDirectory() as folder:
        request = TrainRequest(
            data=DataRequest(
                source=str(path) if path.is_file() else row.source,
                classes=row.classes,
                parts=row.parts,
                data_dir=str(data),
            ),
            network=row.network,
            pretrained=row.pretrained,
            changes=changes,
            minutes=minutes,
            output=Path(folder) / "run",
        )
        os.environ["VIDI_CACHE"] = str(Path(folder) / "cache")  # nothing of another row lies there
        if row.minutes is not None:
            fill_cache(request)
        start = time.monotonic()
        train(request)
        seconds = time.monotonic() - start
        metrics = json.loads((Path(folder) / "run" / "metrics.json").read_text())
        recipe = Recipe.from_toml((Path(folder) / "run" / "recipe.toml").read_text())
        alone = one_view(Path(folder), request.data, row.figure) if recipe.views == "both" else None
        history = Path(folder) / "run" / "results.csv"  # a head alone leaves none
        results = history.read_text().splitlines() if history.exists() else [""]
    return {
        "seed": seed,
        "budget_minutes": row.minutes,
        "gflops": {name: round(value) for name, value in rates.items()},
        "budget_minutes_here": None if minutes is None else round(minutes, 2),
        "minutes_used": round(seconds / 60, 2),
        "epochs": len(results) - 1,
        "kept": {
            name: recipe.value(name)
            for name in ("network", "image_size", "freeze", "head", "views", "precision", "features")
        },
        "width": recipe.options.width,
        "date": today(),
        "processor": processor(),
        "versions": {name: version(name) for name in ("vidi", "torch", "numpy", "onnxruntime")},
        "python": platform.python_version(),
        "figures": {part: metrics[part][row.figure] for part in ("test", "extra") if part in metrics},
        "one_view": alone,  # the same figures without the mirror image, where the model averages both
        "pooled": pooled(metrics) if row.pooled else None,
    }


def fill_cache(request: TrainRequest) -> None:
    """Read the images once before the time begins: a budget is for images that are in the cache."""
    job = read_and_plan(request, events=SILENCE)
    with tempfile.TemporaryDirectory() as folder:
        split_images(job.found, Path(folder), image_size=job.recipe.image_size)


def fastest_rates() -> dict[Precision, float]:
    """The processor's rate in each precision: the best of some rounds, for another process may disturb one."""
    rounds = []
    for _ in range(5):
        rounds.append({precision: matrix_rate(precision, side=1024, repeats=20) for precision in TYPES})
        time.sleep(1)
    return {precision: max(rates[precision] for rates in rounds) for precision in TYPES}


def one_view(folder: Path, data: DataRequest, figure: str) -> dict[str, object]:
    """What the same weights reach in a model file that looks at the image alone."""
    run, copy = folder / "run", folder / "one-view.onnx"
    checkpoint, metadata = read_checkpoint(run), read_model(run).metadata
    recipe = Recipe.from_dict(checkpoint.values["recipe"])
    network = build_network(
        recipe.network,
        image_size=recipe.image_size,
        class_count=len(metadata.classes),
        options=recipe.options,
    )
    best = {name.removeprefix("best/"): tensor for name, tensor in checkpoint.tensors.items() if name[:5] == "best/"}
    network.load_state_dict(best)
    write_model(copy, to_onnx(network.eval(), recipe.image_size), metadata)
    figures = evaluate(EvaluateRequest(model=copy, data=data, output=folder / "one-view", images=False)).figures
    document = json.loads((folder / "one-view" / "metrics.json").read_text())
    return {part: document[part][figure] for part in figures}


def pooled(metrics: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, float]:
    """Accuracy over two parts together, with its Wilson interval."""
    count = sum(int(metrics[part]["accuracy"]["n"]) for part in ("test", "extra"))
    right = sum(
        round(metrics[part]["accuracy"]["value"] * metrics[part]["accuracy"]["n"]) for part in ("test", "extra")
    )
    interval = wilson_interval(right, count)
    return {"value": right / count, "low": interval.low, "high": interval.high, "n": count}


def processor() -> str:
    """The processor's name and the vector instructions that decide how it trains."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    flags = [
        flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {flag} " in text or f" {flag}\n" in text
    ]
    return f"{names[0] if names else platform.machine()}, {len(names)} cores, {' '.join(flags)}"


def print_table(results: Path) -> None:
    """What is there so far, against the bars; rows of two kinds of processor are not averaged."""
    print("| row | processor | budget here (min) | used (min) | reached | 95 % interval | n | bar | rival |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, row in ROWS.items():
        kinds: dict[str, list[dict[str, object]]] = {}
        for path in sorted(results.glob(f"{name}-[0-9]*.json")):
            document = json.loads(path.read_text())
            kinds.setdefault(document["processor"], []).append(document)
        for kind, documents in kinds.items():
            path = rival_path(row, results)
            rival = json.loads(path.read_text()) if path.exists() else None
            beside = (
                "" if rival is None else f"{rival['rival']} {rival['accuracy']:.1%} in {rival['seconds'] / 60:.1f} min"
            )
            print(f"{table_line(name, row, kind, documents)} {beside} |")


def table_line(name: str, row: Row, kind: str, documents: list[dict[str, object]]) -> str:
    """One line without its rival: means over the seeds, of the intervals' ends too, as all saw the same images."""
    figures = [document["pooled"] or document["figures"]["test"] for document in documents]  # type: ignore[index]
    mean = sum(figure["value"] for figure in figures) / len(figures)
    extra = documents[0]["figures"].get("extra")  # type: ignore[attr-defined]
    beside = f" (extra {extra['value']:.1%})" if extra and not row.pooled else ""
    alone = [document["one_view"]["test"]["value"] for document in documents if document.get("one_view")]  # type: ignore[index]
    beside += f" (one view {sum(alone) / len(alone):.2%})" if alone else ""
    low, high = (sum(figure[end] for figure in figures) / len(figures) for end in ("low", "high"))
    verdict = "reported"
    if row.least is not None:
        outcome = "met" if mean >= row.least else "NOT met, within the interval" if high >= row.least else "NOT met"
        verdict = f"{row.least:.1%} {outcome}"
    budgets = "–" if documents[0]["budget_minutes_here"] is None else f"{documents[0]['budget_minutes_here']}"
    used = max(document["minutes_used"] for document in documents)
    return (
        f"| {name}, {len(documents)} of {row.seeds} seeds | {kind} | {budgets} | {used} | {mean:.2%}{beside} "
        f"| {low:.1%} – {high:.1%} | {figures[0]['n']} | {verdict} |"
    )


if __name__ == "__main__":
    main()
