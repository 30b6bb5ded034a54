"""The accuracy table: what a row says of its seeds, and of the rival on the same images."""

import json
from pathlib import Path

import pytest
from bench.accuracy import ROWS, print_table, rival_path, table_line

PROCESSOR = "a processor"


def document(value: float, *, low: float, high: float) -> dict[str, object]:
    figure = {"value": value, "low": low, "high": high, "n": 500}
    return {
        "processor": PROCESSOR,
        "budget_minutes_here": 2.5,
        "minutes_used": 2.4,
        "figures": {"test": figure},
        "pooled": None,
        "one_view": None,
    }


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.975, 0.995, "NOT met, within the interval"), (0.95, 0.985, "99.0% NOT met |"), (0.991, 0.999, "99.0% met |")],
)
def test_a_row_is_the_mean_of_its_seeds_and_of_their_intervals(low, high, verdict):
    middle = (low + high) / 2
    seeds = [document(middle + change, low=low + change, high=high + change) for change in (-0.002, 0.0, 0.002)]

    line = table_line("person", ROWS["person"], PROCESSOR, seeds)

    assert "3 of 3 seeds" in line
    assert f"| {middle:.2%} | {low:.1%} – {high:.1%} | 500 |" in line
    assert verdict in line


def test_the_rival_of_the_same_images_stands_beside_every_row_of_them(tmp_path: Path, capsys):
    for name in ("clothing-head", "clothing-fine-tuned"):
        (tmp_path / f"{name}-0.json").write_text(json.dumps(document(0.9, low=0.88, high=0.92)))
    path = rival_path(ROWS["clothing-head"], tmp_path)
    path.parent.mkdir()
    path.write_text(json.dumps({"rival": "frozen features lite0", "accuracy": 0.842, "seconds": 90}))

    print_table(tmp_path)

    assert capsys.readouterr().out.count("frozen features lite0 84.2% in 1.5 min |") == 2


def test_rows_that_share_a_rivals_answer_ask_it_the_same():
    asked: dict[Path, set[tuple[str, ...]]] = {}
    for row in ROWS.values():
        if row.rival:
            asked.setdefault(rival_path(row, Path()), set()).add(row.rival)

    assert [path for path, words in asked.items() if len(words) > 1] == []
