"""What many images take: the rates of one core, the load of the one driver, copies and the split of a million.

    python -m bench scale [--output FILE]             about eight minutes on two free cores
    python -m bench scale --again copies --output FILE    that part alone; FILE has the others
    SCALE=0.1 python -m bench scale                   a tenth of the images of every part

Rates are images for each second of processor time of one core. The gates: the near-copy search of `vidi check` takes at
most 0.3 times the processor time of decoding as many images, so that the check stays within 1.3 times; what it takes
beyond the table of digests and fingerprints does not grow with it by more than a quarter of the table.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.processor import measured_here

SCALE = float(os.environ.get("SCALE", "1"))
PHOTOGRAPHS = 400
IMAGES = 1_000_000  # of the near-copy search and the split
WORKERS, SHARDS = 1_000, 20_000
MOST_OF_DECODING = 0.3
MOST_BEYOND_TABLE = 0.25
PACKAGES = ("vidi", "numpy", "onnxruntime", "torch", "pillow")
LARGE = {"10 million": 10_000_000, "1 billion": 1_000_000_000}
PHOTOGRAPH_BYTES = 75_000
ONE_CORE = {"VIDI_CORES": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main() -> int:
    """Measure and print; 1 where a gate fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="also write the figures to a JSON file")
    parser.add_argument("--again", choices=PARTS, help="measure one part again; --output has the others")
    given = parser.parse_args()
    if given.again and (given.output is None or not given.output.is_file()):
        parser.error("--again needs --output with the file of a whole run")
    known = json.loads(given.output.read_text()) if given.again else {}

    def measured(name: str) -> Any:
        return known[PARTS[name][0]] if given.again not in (None, name) else PARTS[name][1]()

    rates, driver, (quarter, whole) = (measured(name) for name in PARTS)
    decoding = whole["images"] / rates["check_per_second"]
    grown = whole["beyond_table_bytes"] - quarter["beyond_table_bytes"]
    gates = {
        "search_of_decoding": whole["cpu_seconds"] / decoding,
        "growth_beyond_table": grown / (whole["table_bytes"] - quarter["table_bytes"]),
    }
    is_met = gates["search_of_decoding"] <= MOST_OF_DECODING
    if SCALE >= 1:  # fewer images are described all at once, so that memory still grows with them
        is_met &= gates["growth_beyond_table"] <= MOST_BEYOND_TABLE
    document = {
        **measured_here(),
        "scale": SCALE,
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "versions": {name: version(name) for name in PACKAGES},
        "rates_of_one_core": rates,
        "driver": driver,
        "copies": [quarter, whole],
        "gates": gates,
        "met": is_met,
        "projected": {name: projected(count, rates, driver) for name, count in LARGE.items()},
    }
    text = json.dumps(rounded(document), indent=1)
    print(text)
    if given.output is not None:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(text + "\n")
    return int(not is_met)


def measure_copies() -> list[dict[str, Any]]:
    """The search among a quarter of the images, and among all."""
    return [part("copies", count) for count in (scaled(IMAGES) // 4, scaled(IMAGES))]


def scaled(count: int) -> int:
    """A count, made smaller by SCALE."""
    return max(8, round(count * SCALE))


def part(name: str, *counts: int) -> dict[str, Any]:
    """What a part prints, in a process of its own; rates on one core."""
    print(f"{name} {' '.join(f'{count:,}' for count in counts)} …", file=sys.stderr, flush=True)
    words = [sys.executable, "-m", f"bench.scaling.{name}", *map(str, counts)]
    environment = os.environ | (ONE_CORE if name == "rates" else {})
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def projected(images: int, rates: dict[str, Any], driver: dict[str, Any]) -> dict[str, float]:
    """Core hours of the workers, hours of the one driver, and gigabytes, for so many photographs of 75 kB."""
    ray = driver["ray"] or {"per_second": float("inf")}
    shards = images / 256
    taking_in = images / rates["taken_in_per_second"] + shards / driver["simulated"]["with_files_per_second"]
    return {
        "core_hours_check": images / rates["check_per_second"] / 3600,
        "core_hours_predict": images / rates["predict_per_second"] / 3600,
        "core_hours_features": images * (1 / rates["features_per_second"] + 1 / rates["frame_per_second"]) / 3600,
        "core_hours_training_an_epoch": images / rates["training_per_second"] / 3600,
        "driver_hours_predict": (taking_in + shards / ray["per_second"]) / 3600,
        "gigabytes_photographs": images * PHOTOGRAPH_BYTES / 1e9,
        "gigabytes_table": images * rates["table_bytes"] / 1e9,
        "gigabytes_answers": images * rates["answer_bytes"] / 1e9,
        "gigabytes_log": images * rates["log"] / 1e9,
    }


def rounded(value: Any) -> Any:
    """Numbers with four digits that say something."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


PARTS: Mapping[str, tuple[str, Callable[[], Any]]] = {  # with the name of their figures
    "rates": ("rates_of_one_core", lambda: part("rates", scaled(PHOTOGRAPHS))),
    "driver": ("driver", lambda: part("driver", scaled(WORKERS), scaled(SHARDS))),
    "copies": ("copies", measure_copies),
}

if __name__ == "__main__":
    sys.exit(main())
