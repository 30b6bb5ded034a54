"""What the figures of the bench amount to: medians, ratios, and whether each promise is kept."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.serving.contestants import LIGHTER, LITSERVE, STARLETTE, TORCH, VARIANTS, VIDI, Contestant

LEAST_OVER = {LITSERVE.name: 1.0, STARLETTE.name: 1.15, TORCH.name: 2.8}  # images per processor second
LEAST_LIGHTER = 1.7  # over LitServe in 32 bits, where the processor has VNNI
LEAST_SHARE_OF_BOUND = 0.80
MOST_OF_LITSERVE_MEMORY = 0.60
MOST_MEGABYTES = 240.0
MOST_OVER_IMPORTS = 2.5
MOST_OVERLOADED = 2.0  # times the p99 at saturation
MOST_GROWTH = 20.0  # MB
# Two layouts that are one and the same at a load still differ by so much from round to round.
LEAST_OF_BETTER_LAYOUT = 0.97
BUSY, ALONE = "8", "1"


def summarise(document: Mapping[str, Any]) -> dict[str, Any]:
    """Medians of the rounds, and the ratios that are promised."""
    servers: dict[str, Any] = {
        name: {
            "memory_megabytes": median(visits, lambda one: one["memory_megabytes"]),
            "ready_seconds": median(visits, lambda one: one["ready_seconds"]),
            "ready_cpu_seconds": median(visits, lambda one: one["ready_cpu_seconds"]),
            "connections": {count: _of_load(visits, count) for count in (BUSY, ALONE)},
        }
        for name, visits in document["servers"].items()
    }
    ours = servers[VIDI.name]
    decode = statistics.median(one["decode"] for one in document["part_cpu_milliseconds"])
    session = statistics.median(one["session"] for one in document["part_cpu_milliseconds"])
    rate = ours["connections"][BUSY]["images_per_cpu_second"]
    overload = document["overload"]
    return {
        "servers": servers,
        "over": {name: _over(document["servers"], name) for name in LEAST_OVER if name in servers},
        "has_vnni": document["has_vnni"],
        "lighter_over": {
            one: _over(document["servers"], one, ours=LIGHTER) for one in (LITSERVE.name, VIDI.name) if one in servers
        },
        "decode_cpu_milliseconds": decode,
        "session_cpu_milliseconds": session,
        "share_of_bound": rate * (decode + session) / 1000,
        "layouts": {count: _layouts(servers, count) for count in (BUSY, ALONE)},
        "isolation_cpu_milliseconds": 1000 / rate - 1000 / _busy(servers, VARIANTS[2].name)["images_per_cpu_second"],
        "import_cpu_seconds": statistics.median(document["import_cpu_seconds"]),
        "ready_over_imports": ours["ready_cpu_seconds"] / statistics.median(document["import_cpu_seconds"]),
        "overloaded": {
            name: one["p99_milliseconds"] / overload["saturation"]["p99_milliseconds"]
            for name, one in overload.items()
            if name != "saturation"
        },
        "grown_megabytes": document["growth"]["grown"],
        "failed": sum(_failed(visits) for name, visits in document["servers"].items() if name.startswith(VIDI.name)),
    }


def judge(summary: Mapping[str, Any]) -> dict[str, bool]:
    """Every promise, kept or not."""
    ours = summary["servers"][VIDI.name]
    over = summary["over"]
    gates = {f"at least {LEAST_OVER[name]:g}x {name}": one["busy"] >= LEAST_OVER[name] for name, one in over.items()}
    if LITSERVE.name in over:
        theirs = summary["servers"][LITSERVE.name]
        share = ours["memory_megabytes"] / theirs["memory_megabytes"]
        gates["p99 no later than LitServe's"] = over[LITSERVE.name]["p99"] <= 1
        if summary["has_vnni"]:
            lighter = summary["lighter_over"][LITSERVE.name]["busy"]
            gates[f"in 8 bits at least {LEAST_LIGHTER:g}x {LITSERVE.name} in 32"] = lighter >= LEAST_LIGHTER
        gates[f"at most {MOST_OF_LITSERVE_MEMORY:.0%} of LitServe's memory"] = share <= MOST_OF_LITSERVE_MEMORY
    return gates | {
        f"at least {LEAST_SHARE_OF_BOUND:.0%} of the bound": summary["share_of_bound"] >= LEAST_SHARE_OF_BOUND,
        "as fast as the better layout at 8": summary["layouts"][BUSY] >= LEAST_OF_BETTER_LAYOUT,
        "as fast as the better layout at 1": summary["layouts"][ALONE] >= LEAST_OF_BETTER_LAYOUT,
        f"ready in at most {MOST_OVER_IMPORTS:g}x the imports": summary["ready_over_imports"] <= MOST_OVER_IMPORTS,
        f"at most {MOST_MEGABYTES:g} MB": ours["memory_megabytes"] <= MOST_MEGABYTES,
        f"overloaded p99 at most {MOST_OVERLOADED:g}x": max(summary["overloaded"].values()) <= MOST_OVERLOADED,
        f"less than {MOST_GROWTH:g} MB of growth": summary["grown_megabytes"] < MOST_GROWTH,
        "no request failed": summary["failed"] == 0,
    }


def median(visits: Sequence[Mapping[str, Any]], of: Callable[[Mapping[str, Any]], float]) -> float:
    """The median of a figure over the rounds."""
    return statistics.median(of(one) for one in visits)


def _of_load(visits: Sequence[Mapping[str, Any]], count: str) -> dict[str, float]:
    names = ("images_per_second", "images_per_cpu_second", "p50_milliseconds", "p99_milliseconds")
    return {name: median([one["connections"][count] for one in visits], lambda one: one[name]) for name in names}  # noqa: B023


def _busy(servers: Mapping[str, Any], name: str) -> Mapping[str, float]:
    load: Mapping[str, float] = servers[name]["connections"][BUSY]
    return load


def _over(visits: Mapping[str, Sequence[Mapping[str, Any]]], name: str, *, ours: Contestant = VIDI) -> dict[str, float]:
    """How vidi compares with another, round by round, and then the median: what disturbs a round disturbs both."""

    def ratio(count: str, figure: str) -> float:
        pairs = zip(visits[ours.name], visits[name], strict=True)
        return statistics.median(
            mine["connections"][count][figure] / theirs["connections"][count][figure] for mine, theirs in pairs
        )

    return {
        "busy": ratio(BUSY, "images_per_cpu_second"),
        "alone": ratio(ALONE, "images_per_cpu_second"),
        "p99": ratio(BUSY, "p99_milliseconds"),
    }


def _layouts(servers: Mapping[str, Any], count: str) -> float:
    """vidi's images a second at a load, compared with the better of the two fixed layouts."""
    fixed = (servers[one.name]["connections"][count]["images_per_second"] for one in VARIANTS[:2])
    best: float = max(fixed)
    share: float = servers[VIDI.name]["connections"][count]["images_per_second"] / best
    return share


def _failed(visits: Sequence[Mapping[str, Any]]) -> int:
    return sum(
        number
        for one in visits
        for load in one["connections"].values()
        for status, number in load["statuses"].items()
        if status != "200"
    )
