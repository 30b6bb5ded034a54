"""What hostile feedback does to a retrained model, and what is held back of it.

    VIDI_DATA=… python -m bench hostile

A head on features of EfficientNet-Lite0 learns from old labels and from the confirmed part of feedback that comes
through the server from five sources. First one of them flips 30 % of its labels; the same feedback without a flip is
what it is compared with. Then a hostile source is added to five honest ones, in five ways, with 1, 5 and 20 % of all
labels. "Undefended" learns from everything. Sizes, seeds and bars were fixed before any result was seen.
Each set leaves one JSON in bench/results/hostile/, or in the folder that RESULTS names.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402

from bench.choosing.attacks import ATTACKS, HOSTILE, Outcome, Stage, flipped, honest, retrain, set_stage  # noqa: E402
from bench.choosing.features import ImageSet, image_sets  # noqa: E402
from bench.processor import measured_here  # noqa: E402
from vidi.data.labels import Opinion  # noqa: E402
from vidi.files import write_atomic  # noqa: E402

SEEDS = 5
SOURCES = 5
FLIPPED = 0.3  # of one source's labels
SHARES = (0.01, 0.05, 0.2)  # of all labels, old ones and feedback, that an attacker sends
MOST_LOST = 0.01  # of the accuracy
MOST_TRIGGERED = 0.05  # of patched images, beyond those that the model takes for the class without the attack


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackScenario:
    """How much there is to learn from."""

    old: int  # labels that the model in use was made of
    each: int  # labels of each source


SCENARIOS = {
    "fashion-mnist": FeedbackScenario(old=1_000, each=400),
    "clothing": FeedbackScenario(old=600, each=300),
}


def main() -> int:
    """Measure the sets that are there; 1 where a bar is not met."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "hostile"))
    met = True
    for name, read in image_sets(data).items():
        if os.environ.get("SET", name) != name:
            continue
        found = measure(name, read())
        write_atomic(results / f"{name}.json", json.dumps(found, indent=1) + "\n")
        tell(found)
        met &= bool(found["met"])
    return 0 if met else 1


def measure(name: str, images: ImageSet) -> dict[str, Any]:
    """All outcomes of one set."""
    scenario, began = SCENARIOS[name], time.monotonic()
    stages = [set_stage(images, old=scenario.old, seed=seed) for seed in range(SEEDS)]
    rows = [_flips(stages, scenario), *_attacks(stages, scenario)]
    return {
        "set": name,
        "test_images": len(images.test.labels),
        "seeds": SEEDS,
        "scenario": asdict(scenario),
        "rows": rows,
        "met": all(row["met"] for row in rows),
        "seconds": round(time.monotonic() - began, 1),
        **measured_here(),
        "versions": {package: version(package) for package in ("vidi", "scikit-learn", "numpy")},
    }


@dataclass(frozen=True, slots=True)
class RetrainResult:
    """The outcome of each seed, with the defence and without."""

    held: list[Outcome]
    free: list[Outcome]


def _retrained(stages: list[Stage], opinions: list[list[Opinion]]) -> RetrainResult:
    pairs = list(zip(stages, opinions, strict=True))
    return RetrainResult(
        held=[retrain(stage, said, defended=True) for stage, said in pairs],
        free=[retrain(stage, said, defended=False) for stage, said in pairs],
    )


def _flips(stages: list[Stage], scenario: FeedbackScenario) -> dict[str, Any]:
    """One of five sources flips a part of its labels."""
    clean, hostile = [], []
    for stage in stages:
        mine = [part.tolist() for part in np.array_split(stage.fresh[: SOURCES * scenario.each], SOURCES)]
        others = [one for number, rows in enumerate(mine[:-1]) for one in honest(stage, rows, f"source-{number}")]
        clean.append(others + honest(stage, mine[-1], HOSTILE))
        hostile.append(others + flipped(stage, mine[-1], HOSTILE, share=FLIPPED))
    return _row("one of five sources flips 30 %", None, _retrained(stages, clean), _retrained(stages, hostile))


def _attacks(stages: list[Stage], scenario: FeedbackScenario) -> Iterator[dict[str, Any]]:
    """A hostile source beside five honest ones, in each way and size."""
    count = SOURCES * scenario.each
    clean = [
        [
            one
            for number, rows in enumerate(np.array_split(stage.fresh[:count], SOURCES))
            for one in honest(stage, rows.tolist(), f"honest-{number}")
        ]
        for stage in stages
    ]
    without = _retrained(stages, clean)
    for attack, send in ATTACKS.items():
        for share in SHARES if attack != "patch trigger" or stages[0].patched_views else ():
            sent = round(share / (1 - share) * (scenario.old + count))
            sending = [send(stage, stage.fresh[count : count + sent]) for stage in stages]
            both = [said + more for said, more in zip(clean, sending, strict=True)]
            yield _row(attack, share, without, _retrained(stages, both))


def _row(attack: str, share: float | None, before: RetrainResult, after: RetrainResult) -> dict[str, Any]:
    lost = [one.accuracy - other.accuracy for one, other in zip(before.held, after.held, strict=True)]
    gained = _triggered_more(before.held, after.held)
    mean, half = statistics.mean(lost), 2.776 * statistics.stdev(lost) / len(lost) ** 0.5  # Student's t, 4 degrees
    return {
        "attack": attack,
        "share": share,
        "accuracy_without": round(_accuracy(before.held), 4),
        "lost": round(mean, 4),
        "lost_interval": [round(mean - half, 4), round(mean + half, 4)],
        "lost_by_seed": [round(one, 4) for one in lost],
        "lost_undefended": round(_accuracy(before.free) - _accuracy(after.free), 4),
        "accuracy_without_undefended": round(_accuracy(before.free), 4),
        "triggered_more": round(gained, 4),
        "triggered_more_undefended": round(_triggered_more(before.free, after.free), 4),
        "confirmed_without": round(statistics.mean(one.confirmed for one in before.held), 1),
        "confirmed": round(statistics.mean(one.confirmed for one in after.held), 1),
        "hostile_wrong_labels_learned": round(statistics.mean(float(one.hostile_wrong) for one in after.held), 1),
        "hostile_wrong_labels_sent": round(statistics.mean(float(one.hostile_wrong) for one in after.free), 1),
        "met": mean <= MOST_LOST and gained <= MOST_TRIGGERED,
    }


def _accuracy(outcomes: list[Outcome]) -> float:
    return statistics.mean(one.accuracy for one in outcomes)


def _triggered_more(before: list[Outcome], after: list[Outcome]) -> float:
    """By how much more often the patch makes the model say the first class; 0 where no image was patched."""
    pairs = zip(before, after, strict=True)
    return statistics.mean((b.triggered or 0.0) - (a.triggered or 0.0) for a, b in pairs)


def share_of(row: dict[str, Any]) -> str:
    """The attacker's share of all labels, as text."""
    return "" if row["share"] is None else f"{row['share']:.0%}"


def tell(found: dict[str, Any]) -> None:
    """A table of one set."""
    print(f"{found['set']}: {found['test_images']:,} test images, {SEEDS} seeds")
    print("| attack | share | accuracy without | lost (95 %) | undefended | wrong labels learned | of | bar |")
    print("|---|---|---|---|---|---|---|---|")
    for row in found["rows"]:
        low, high = (100 * end for end in row["lost_interval"])
        print(
            f"| {row['attack']} | {share_of(row)} "
            f"| {row['accuracy_without']:.1%} | {100 * row['lost']:.2f} ({low:.2f} – {high:.2f}) "
            f"| {100 * row['lost_undefended']:.2f} | {row['hostile_wrong_labels_learned']} "
            f"| {row['hostile_wrong_labels_sent']} | {'met' if row['met'] else 'NOT met'} |"
        )
    print(f"bars: {'met' if found['met'] else 'NOT met'} ({found['seconds']} s)")


if __name__ == "__main__":
    sys.exit(main())
