"""`--engine auto`: the engine that answers fastest here among those that agree, measured once and remembered."""

import contextlib
import json
import math
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from vidi.data.cache import cache_folder
from vidi.errors import ModelError, ResourceError
from vidi.files import digest_of, read_json, write_atomic
from vidi.machine import core_count, processor_name
from vidi.model_file.read import ModelFile
from vidi.prediction.engines import ENGINES, USUAL, GraphEngine, batch_size, is_installed, open_engine

FOLDER = "engines"  # in the cache's folder
LAYOUT = 1
LEAST_GAIN = 1.05  # over the usual engine; what lies nearer changes from run to run
ROUNDS = 5
ROUND_SECONDS = 0.15  # of each engine in each round
Measuring = Callable[[Mapping[str, GraphEngine], ModelFile], dict[str, float]]  # images per second


@dataclass(frozen=True, slots=True, kw_only=True)
class Fastest:
    """Which engine was taken for a model on this processor, and what speaks for it."""

    name: str
    rates: Mapping[str, float]  # images per second of each engine that agrees; empty where one alone does
    refused: Mapping[str, str]  # engine → why it was not taken, in words
    processor: str

    def sentence(self) -> str:
        """Which engine, and why."""
        rates = " and ".join(f"{rate:,.0f} images/s by {name}" for name, rate in self.rates.items())
        others = "; ".join(f"{name}: {why}" for name, why in self.refused.items())
        return f"engine: {self.name}: {'; '.join(filter(None, [rates, others])) or 'no other is installed'}"


def open_fastest(
    model: ModelFile, *, say: Callable[[str], None], folder: Path | None = None, measure: Measuring | None = None
) -> GraphEngine:
    """Open the fastest engine that gives the file's golden answers, and say which it is.

    Args:
        folder: where choices are remembered; in the cache's folder by default.
        measure: gives images per second of engines; `measure_rates` by default.

    Raises:
        ModelError: not even the usual engine takes the graph.
    """
    key = _key(model)
    path = (folder or cache_folder() / FOLDER) / f"{key}.json"
    known = _remembered(path, key)
    if known is not None:
        with contextlib.suppress(ModelError):  # what agreed does so no longer: it is measured anew
            engine = open_engine(known.name, model)
            say(f"{known.sentence()} (remembered)")
            return engine
    chosen, engine = choose_fastest(model, measure=measure)
    say(chosen.sentence())
    with contextlib.suppress(ResourceError):  # a cache that cannot be written costs the next call its time, no more
        write_atomic(path, json.dumps({"layout": LAYOUT, "key": key, **asdict(chosen)}, indent=1) + "\n")
    return engine


def choose_fastest(model: ModelFile, *, measure: Measuring | None = None) -> tuple[Fastest, GraphEngine]:
    """Open every engine that is installed and agrees, and take the fastest; the usual one where it is nearly as fast.

    Raises:
        ModelError: not even the usual engine takes the graph.
    """
    agreeing = {USUAL: open_engine(USUAL, model)}
    refused = {}
    for name in ENGINES:
        if name == USUAL:
            continue
        if not is_installed(name):
            refused[name] = "not installed"
            continue
        try:
            agreeing[name] = open_engine(name, model)
        except ModelError as error:
            refused[name] = error.cause
    rates = (measure or measure_rates)(agreeing, model) if len(agreeing) > 1 else {}
    best = max(rates, key=lambda name: rates[name], default=USUAL)
    name = best if best != USUAL and rates[best] >= LEAST_GAIN * rates[USUAL] else USUAL
    return Fastest(name=name, rates=rates, refused=refused, processor=processor_name()), agreeing[name]


def measure_rates(engines: Mapping[str, GraphEngine], model: ModelFile) -> dict[str, float]:
    """Images per second of each engine as `predict` uses it, in alternating rounds; the median of the rounds."""
    framing = model.metadata.framing
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (batch_size(framing), *framing.size, 3), dtype=np.uint8)
    runs = {name: partial(engine.run, images, ["probabilities"]) for name, engine in engines.items()}
    timed = take_turns(runs, rounds=ROUNDS, seconds=ROUND_SECONDS, threads=core_count())
    return {name: one.rate * len(images) for name, one in timed.items()}


def _key(model: ModelFile) -> str:
    """The name of a choice: 64 hex digits of everything that could make another one right."""
    versions = {name: version(name) for name in ENGINES if is_installed(name)}
    return digest_of(json.dumps([LAYOUT, model.digest, processor_name(), versions], sort_keys=True).encode())


def _remembered(path: Path, key: str) -> Fastest | None:
    """What an earlier call found; None where it found nothing, or its file is damaged."""
    try:
        document = read_json(path)
        rates, refused = document["rates"], document["refused"]
        is_sound = (
            (document["layout"], document["key"]) == (LAYOUT, key)
            and document["name"] in ENGINES
            and is_installed(document["name"])
            and all(name in ENGINES and math.isfinite(rate) and rate > 0 for name, rate in rates.items())
            and all(name in ENGINES and str(why).isprintable() for name, why in refused.items())
            and str(document["processor"]).isprintable()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not is_sound:
        return None
    return Fastest(name=document["name"], rates=rates, refused=refused, processor=document["processor"])


def remembered_count(folder: Path) -> int:
    """How many choices are remembered under the cache's folder."""
    return sum(1 for _ in (folder / FOLDER).glob("*.json"))


def forget(folder: Path) -> int:
    """Forget them all, and return how many there were."""
    count = 0
    for path in (folder / FOLDER).glob("*.json"):
        with contextlib.suppress(OSError):
            path.unlink()
            count += 1
    return count


Clock = Callable[[], float]  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often something ran, and how long each run took."""

    rate: float  # runs per second, of all threads together: the median of the rounds
    seconds: tuple[float, ...]  # of each run of each thread


def take_turns(
    runs: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    seconds: float,
    threads: int = 1,
    clock: Clock = time.perf_counter,
    turn: Callable[[], object] = lambda: None,
) -> dict[str, Timing]:
    """Run each for a moment, several times in turn. Before that each runs once in every thread, which is not counted.

    Args:
        rounds: of all of them.
        seconds: that each runs in each round, at least once.
        threads: that run it side by side; 1: the calling thread.
        clock: that the rate and each run are measured by.
        turn: is called after each turn, for progress or to end.

    >>> list(take_turns({"nothing": lambda: None}, rounds=2, seconds=0.001))
    ['nothing']
    """
    rates: dict[str, list[float]] = {name: [] for name in runs}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    with ThreadPoolExecutor(threads, thread_name_prefix="vidi-timed") as pool:

        def once(run: Callable[[], object], length: float) -> list[list[float]]:
            if threads == 1:
                return [_repeat(run, length, clock)]
            return list(pool.map(_repeat, [run] * threads, [length] * threads, [clock] * threads))

        for run in runs.values():
            once(run, 0.0)
        for _ in range(rounds):
            for name, run in runs.items():
                begun = clock()
                lengths = [one for thread in once(run, seconds) for one in thread]
                rates[name].append(len(lengths) / (clock() - begun))
                taken[name] += lengths
                turn()
    return {name: Timing(rate=statistics.median(rates[name]), seconds=tuple(taken[name])) for name in runs}


def _repeat(run: Callable[[], object], seconds: float, clock: Clock) -> list[float]:
    """Run it for so long, at least once: how long each run took."""
    lengths: list[float] = []
    begun = last = clock()
    while not lengths or last - begun < seconds:
        run()
        now = clock()
        lengths.append(now - last)
        last = now
    return lengths
