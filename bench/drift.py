"""How soon a change of what comes in is noticed, beside Kolmogorov-Smirnov with Bonferroni and MMD.

    VIDI_DATA=… python -m bench drift

The scenario is bench/drifting/scenario.json. Models are trained on one part of CIFAR-10's images; the strengths of the
drifts are found on a second; references and streams are drawn from a third, anew for each stream. The rivals test the
latest 100, 500 or 2,000 images every 100 images; each has the threshold that a hundredth of undisturbed streams of
10,000 images exceed, and the better of its windows counts. A delay is counted from the first changed image to the
alarm; an alarm before the change is none. WORK names a folder that keeps models and tables between runs. The result is
a JSON in bench/results/drift/, or in the folder that RESULTS names.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402
from scipy.stats import binom  # noqa: E402

from bench.drifting.prepare import NINE, Prepared, prepare  # noqa: E402
from bench.drifting.rivals import EVERY, KernelReference, discrepancy, smirnov  # noqa: E402
from bench.drifting.streams import Drawn, as_traffic, draw_reference, mix  # noqa: E402
from bench.drifting.tables import Table, load_table  # noqa: E402
from bench.processor import describe, kind  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.model_file.limits import VERDICTS  # noqa: E402
from vidi.monitoring.drift import find_drift  # noqa: E402
from vidi.monitoring.traffic import ModelTraffic  # noqa: E402

SCENARIO = Path(__file__).parent / "drifting" / "scenario.json"
SHORT = 1_000  # images after the change that are tried first
NEVER = 10**9
WORKERS = 2
Scenario = Mapping[str, Any]
Statistics = dict[str, list[float]]  # a rival's name to its statistic at each look


def main() -> int:
    """Measure and print; 1 where a bar is not reached."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    if not (data / "cifar10").exists() or not (data / "clothing.zip").exists():
        print(f"the sets are not in {data}: left out", file=sys.stderr)
        return 0
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "drift")) / f"{kind()}.json"
    scenario = json.loads(SCENARIO.read_text())
    if not results.exists():
        with tempfile.TemporaryDirectory() as name:
            found = measure(scenario, data, Path(os.environ.get("WORK", name)))
        write_atomic(results, json.dumps(found, indent=1) + "\n")
    found = json.loads(results.read_text())
    print(f"{found['processor']}; {found['date']}")
    print(f"undisturbed: {found['quiet']}")
    for onset in scenario["onsets"]:
        print_table(found["drifts"], onset["after"], onset["costs"])
    bars = judge(found, scenario)
    print("; ".join(f"{bar}: {'met' if is_met else 'NOT met'}" for bar, is_met in bars.items()))
    return 0 if all(bars.values()) else 1


def measure(scenario: Scenario, data: Path, work: Path) -> dict[str, Any]:
    """Prepare, learn the rivals' thresholds, and run all streams; what a former run has kept in `work` is used."""
    bench = Bench(scenario, prepare(scenario, data, work), work)
    prepared = bench.prepared
    print(prepared.accuracies, prepared.strengths, file=sys.stderr, flush=True)
    with ProcessPoolExecutor(WORKERS) as pool:
        run = partial(run_quiet, bench)
        quiet = summarise_quiet(list(pool.map(run, range(scenario["quiet_streams"]), chunksize=5)), scenario["rate"])
        print(quiet, file=sys.stderr, flush=True)
        limits, drifts = {}, {}
        for model, count in scenario["quiet_streams_of_rivals"].items():
            highest = list(pool.map(partial(run_rivals, bench, model), range(count), chunksize=5))
            limits[model] = learn_limits(highest, scenario["rate"])
            print(model, limits[model], file=sys.stderr, flush=True)
            for case in cases_of(bench, model):
                run_one = partial(run_drift, bench, limits[model], case)
                delays = list(pool.map(run_one, range(scenario["streams"])))
                methods = {name: [one[name] for one in delays] for name in delays[0]}
                by_onset = drifts.setdefault(case.drift, {}).setdefault(str(case.cost), {})
                by_onset[str(case.onset)] = summarise(methods)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": describe(),
        "scenario": scenario,
        "models": prepared.accuracies,
        "strengths": prepared.strengths,
        "quiet": quiet,
        "limits": limits,
        "drifts": drifts,
    }


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What every stream needs."""

    scenario: Scenario
    prepared: Prepared
    work: Path


def kept(path: Path, compute: Callable[[], Any]) -> Any:
    """What a former run kept, or what is computed and kept now."""
    if not path.exists():
        write_atomic(path, json.dumps(compute()))
    return json.loads(path.read_text())


def draw_quiet(scenario: Scenario, clean: Table, number: int) -> tuple[Drawn, ModelTraffic]:
    """One undisturbed stream with a reference of its own."""
    drawn = draw_reference(clean, scenario["streams_of"]["reference_images"], seed=[scenario["seed"], 0, number])
    rows = mix(drawn.left, drawn.left, 0, onset=0, count=scenario["most_images"], random=drawn.random)
    return drawn, as_traffic(clean, clean, rows, onset=0, projection=drawn.projection)


def run_quiet(bench: Bench, number: int) -> bool:
    """Whether vidi raises the alarm on an undisturbed stream."""

    def compute() -> bool:
        drawn, traffic = draw_quiet(bench.scenario, table(bench.prepared.tables["all clean"]), number)
        return find_drift(traffic, drawn.reference, rate=bench.scenario["rate"]).is_alarm

    return bool(kept(bench.work / "quiet" / f"{number}.json", compute))


def run_rivals(bench: Bench, model: str, number: int) -> dict[str, float]:
    """The rivals' maxima over an undisturbed stream."""

    def compute() -> dict[str, float]:
        clean = table(bench.prepared.tables[f"{model} clean"])
        drawn, traffic = draw_quiet(bench.scenario, clean, number)
        kernel = kernel_reference(clean, drawn)
        rivals = rival_statistics(clean, drawn, traffic, bench.scenario["windows"], kernel)
        return {name: max(values) for name, values in rivals.items()}

    found: dict[str, float] = kept(bench.work / f"rivals {model}" / f"{number}.json", compute)
    return found


@dataclass(frozen=True, slots=True)
class Case:
    """One drift at one cost, from one image on."""

    drift: str
    cost: int
    onset: int


def cases_of(bench: Bench, model: str) -> list[Case]:
    """The cases of a model, in the order of the tables."""
    onsets = [(cost, onset["after"]) for onset in bench.scenario["onsets"] for cost in onset["costs"]]
    return [Case(drift, cost, onset) for drift, (cost, onset) in product(bench.prepared.drifts_of(model), onsets)]


def run_drift(bench: Bench, limits: Mapping[str, float], case: Case, number: int) -> dict[str, int]:
    """One stream: how many images after the change each method needed."""

    def compute() -> dict[str, int]:
        clean = table(bench.prepared.tables["nine clean" if case.drift == NINE else "all clean"])
        drawn = draw_reference(
            clean, bench.scenario["streams_of"]["reference_images"], seed=[bench.scenario["seed"], 1, number]
        )
        stream, delays = draw_stream(bench.prepared, clean, drawn, case), {}
        kernel = kernel_reference(clean, drawn)
        for length in (SHORT, bench.scenario["most_images"]):
            traffic = stream(case.onset + length)
            rivals = rival_statistics(clean, drawn, traffic, bench.scenario["windows"], kernel)
            drift = find_drift(traffic, drawn.reference, rate=bench.scenario["rate"])
            delays = {"vidi": _delay(None if drift.alarmed_at is None else drift.alarmed_at + 1, case.onset)}
            for name, statistic in rivals.items():
                above = np.flatnonzero(np.array(statistic) > limits[name])
                delays[name] = _delay(EVERY * (int(above[0]) + 1) if len(above) else None, case.onset)
            if max(delays.values()) < NEVER:
                break
        return delays

    name = f"{case.drift} {case.cost} {case.onset}"
    found: dict[str, int] = kept(bench.work / name / f"{number}.json", compute)
    return found


def draw_stream(prepared: Prepared, clean: Table, drawn: Drawn, case: Case) -> Callable[[int], ModelTraffic]:
    """A stream, of which the first images are the same however many are asked for, up to 10,000 after the change."""
    strength = prepared.strengths[case.drift][str(case.cost)]["strength"]
    after, special, share = clean, drawn.left, 0.0
    if case.drift == "class shares":
        special, share = np.intersect1d(drawn.left, np.flatnonzero(np.isin(clean.labels, prepared.weakest))), strength
    elif case.drift == NINE:
        special, share = np.flatnonzero(clean.labels < 0), strength
    elif case.drift == "a new class":
        after, share = table(prepared.tables["all and clothes"]), strength
        special = np.arange(len(clean.labels), len(after.labels))
    else:
        after = table(prepared.tables[f"{case.drift} {case.cost}"])
    random = np.random.default_rng([int(drawn.answers[0]), case.onset, case.cost])
    rows = mix(drawn.left, special, share, onset=case.onset, count=case.onset + 10 * SHORT, random=random)

    def begin(count: int) -> ModelTraffic:
        return as_traffic(clean, after, rows[:count], onset=case.onset, projection=drawn.projection)

    return begin


def _delay(alarmed: int | None, onset: int) -> int:
    return NEVER if alarmed is None or alarmed <= onset else alarmed - onset


def kernel_reference(clean: Table, drawn: Drawn) -> KernelReference:
    """What MMD makes of the very embeddings that the reference was made of."""
    return KernelReference.of(drawn.projection.place(clean.embeddings[drawn.placed]))


def rival_statistics(
    clean: Table, drawn: Drawn, traffic: ModelTraffic, windows: Sequence[int], kernel: KernelReference
) -> Statistics:
    """Both rivals at every look: they see the very rows that the reference was made of."""
    predicted = clean.probabilities[drawn.answers].argmax(axis=1)
    assert traffic.embeddings is not None
    assert traffic.novelty is not None
    placed = drawn.projection.place(clean.embeddings[drawn.placed])
    verdicts = np.array([VERDICTS.index(one or "unsure") for one in traffic.verdicts])
    said = traffic.probabilities.argmax(axis=1)
    references = [clean.probabilities[drawn.answers].max(axis=1)]
    streams = [traffic.probabilities.max(axis=1)]
    references.append(clean.novelty[drawn.answers])
    streams.append(traffic.novelty)
    references += [values[drawn.images] for values in clean.qualities.values()]
    streams += list(traffic.qualities.values())
    references += list(placed.T)
    streams += list(traffic.embeddings.T)
    references += [(predicted == one).astype(float) for one in range(traffic.said.shape[1])]
    streams += [(said == one).astype(float) for one in range(traffic.said.shape[1])]
    references += [(clean.verdicts[drawn.answers] == one).astype(float) for one in range(len(VERDICTS))]
    streams += [(verdicts == one).astype(float) for one in range(len(VERDICTS))]
    found = {f"KS {window}": values.tolist() for window, values in smirnov(references, streams, windows).items()}
    both = discrepancy(kernel, traffic.embeddings, windows)
    return found | {f"MMD {window}": values.tolist() for window, values in both.items()}


@cache
def table(path: str) -> Table:
    """A table, read once by each process."""
    return load_table(Path(path))


def summarise_quiet(alarmed: Sequence[bool], rate: float) -> dict[str, Any]:
    """How many undisturbed streams raised the alarm, and what the stated rate allows in 99 of 100 such benches."""
    count = len(alarmed)
    return {"streams": count, "alarms": int(sum(alarmed)), "bound": int(binom.ppf(0.99, count, rate))}


def learn_limits(highest: Sequence[Mapping[str, float]], rate: float) -> dict[str, float]:
    """By rival, what the stated share of undisturbed streams exceeds."""
    rank = int(len(highest) * rate)
    return {name: sorted((one[name] for one in highest), reverse=True)[rank] for name in highest[0]}


def summarise(delays: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Share of streams that were noticed, and the median delay over all streams (None where most were not)."""
    found = {}
    for name, values in delays.items():
        median = float(np.median(values))
        found[name] = {
            "noticed": sum(value < NEVER for value in values),
            "of": len(values),
            "median_delay": median if median < NEVER / 2 else None,
            "late_delay": float(np.quantile(values, 0.9)) if np.quantile(values, 0.9) < NEVER / 2 else None,
        }
    return found


def better(row: Mapping[str, Any], rival: str) -> dict[str, Any]:
    """The window of a rival that is best here: the shortest median delay, else the most streams noticed."""
    windows = [one for name, one in row.items() if name.startswith(rival)]
    found: dict[str, Any] = min(windows, key=lambda one: (one["median_delay"] or NEVER, -one["noticed"]))
    return found


def print_table(drifts: Mapping[str, Any], onset: int, costs: Sequence[int]) -> None:
    """One table in Markdown."""
    print(f"\nchange after {onset:,} images: streams noticed, median delay in images\n")
    print("| drift | points | vidi | KS, Bonferroni | MMD |\n| --- | --- | --- | --- | --- |")
    for drift, cost in product(drifts, costs):
        row = drifts[drift].get(str(cost), {}).get(str(onset))
        if row is None:  # a run that was cut short
            print(f"| {drift} | {cost} | not measured | | |")
            continue
        texts = [
            f"{one['noticed']}, {'–' if one['median_delay'] is None else format(one['median_delay'], ',.0f')}"
            for one in (row["vidi"], better(row, "KS"), better(row, "MMD"))
        ]
        print(f"| {drift} | {cost} | {' | '.join(texts)} |")


def judge(found: Mapping[str, Any], scenario: Scenario) -> dict[str, bool]:
    """The bars, at 5 points, with the change at the beginning."""
    bars = scenario["bars"]
    rows = {name: costs["5"]["0"] for name, costs in found["drifts"].items() if name != NINE}
    noticed = {name: row["vidi"]["noticed"] >= bars["found_at_5_points"] for name, row in rows.items()}
    soon = 0
    for row in rows.values():
        rivals = [better(row, name)["median_delay"] or NEVER for name in ("KS", "MMD")]
        mine = row["vidi"]["median_delay"]
        soon += mine is not None and mine <= bars["delay_beside_the_better_rival"] * min(rivals)
    return {
        "false alarms": found["quiet"]["alarms"] <= found["quiet"]["bound"],
        **{f"{name} at 5 points": is_met for name, is_met in noticed.items()},
        f"delay in {soon} of {len(rows)}": soon >= bars["drifts_that_keep_it"],
    }


if __name__ == "__main__":
    sys.exit(main())
