"""`python -m bench [NAME [OPTION …]]`: measure what the docs claim. NAME is a bench, or a row of the accuracy table.

Without VIDI_DATA (see docs/how-to/data.md) the accuracy table is measured on the digits alone.
"""

import os
import subprocess
import sys

BENCHES = {
    "predict": "bench.predict",
    "decode": "bench.decode",
    "precisions": "bench.precisions",
    "serve": "bench.serve",
    "ray": "bench.ray",
    "log": "bench.log",
    "page": "bench.page",
    "agreement": "bench.agreement",
    "check": "bench.check",
    "spinning": "bench.spinning",
    "engine": "bench.engine",
    "explain": "bench.explain",
    "locate": "bench.locate",
    "watch": "bench.watch",
    "unknown": "bench.unknown",
    "estimate": "bench.estimate",
    "promises": "bench.promises",
    "several_labels": "bench.several_labels",
    "operating_points": "bench.operating_points",
    "shortcuts": "bench.shortcuts",
    "drift": "bench.drift",
    "label_errors": "bench.label_errors",
    "choose": "bench.choose",
    "hostile": "bench.hostile",
    "heads": "bench.heads",
    "time_to_accuracy": "bench.time_to_accuracy",
    "budget": "bench.budget",
    "year": "bench.year",
    "walk": "bench.walk",
    "accuracy": "bench.accuracy",
}


def main() -> int:
    """Run the benches that were asked for, one process each; the first failure's exit code is the outcome."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    environment = dict(os.environ)
    chosen = [wanted] if wanted in BENCHES else ["accuracy"] if wanted else list(BENCHES)
    if wanted in BENCHES or not wanted:
        environment.pop("ONLY", None)
    if "VIDI_DATA" not in environment and chosen[-1] == "accuracy":
        environment |= {"ONLY": "digits", "VIDI_DATA": "."}
    options = sys.argv[2:] if wanted in BENCHES else []  # a bench's own
    codes = [
        subprocess.run([sys.executable, "-m", BENCHES[name], *options], env=environment, check=False).returncode
        for name in chosen
    ]
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
