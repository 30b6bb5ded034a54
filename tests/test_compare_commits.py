"""Two runs are compared value by value, apart from what differs between any two."""

import json
from pathlib import Path

import numpy as np
import onnx
from tools.compare_commits import RUNS, differences, values_of, with_needed

METRICS = {"model": {"id": "0123456789ab", "date": "2026-01-02T03:04:05+00:00"}, "seconds": {"to ONNX": 0.1}}


def written(folder: Path, *, weight: float = 1.5, accuracy: float = 0.975, **metrics: object) -> Path:
    """A small run in its folder."""
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({**METRICS, "accuracy": [accuracy], **metrics}))
    (folder / "results.csv").write_text("epoch,seconds\n1,0.25\n")
    (folder / "note.md").write_text(f"# Model 0123456789ab\nin {folder}/x\n")
    tensor = onnx.numpy_helper.from_array(np.array([weight], np.float32), "head")
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [tensor]))
    onnx.helper.set_model_props(model, {"vidi": json.dumps({"classes": ["cat"]}), "names": "{0: 'cat'}"})
    onnx.save(model, folder / "model.onnx")
    return folder


def test_dates_speeds_ids_and_the_names_of_the_folders_are_no_difference(tmp_path: Path):
    one = written(tmp_path / "base" / "head")
    two = written(
        tmp_path / "other" / "head", model={"id": "ba9876543210", "date": "2027-01-02"}, seconds={"to ONNX": 3}
    )
    (two / "results.csv").write_text("epoch,seconds\n1,7.5\n")
    (two / "note.md").write_text(f"# Model ba9876543210\nin {two}/x\n")

    assert differences(values_of(one), values_of(two)) == []


def test_one_digit_is_found_with_its_place_and_both_values(tmp_path: Path):
    one = written(tmp_path / "base" / "head")
    two = written(tmp_path / "other" / "head", accuracy=0.9750000000000001, weight=np.nextafter(1.5, 2, dtype="f4"))

    metrics, model = differences(values_of(one), values_of(two))

    assert metrics == "metrics.json:accuracy[0]: 0.975 → 0.9750000000000001"
    assert model.startswith("model.onnx:head: ")


def test_white_space_between_the_elements_of_a_page_is_no_difference(tmp_path: Path):
    lines = (
        "<table>\n<tr><td>0.5</td>\n<td>two words</td></tr></table>",
        "<table><tr><td>0.5</td><td>two\nwords</td></tr></table>",
    )
    for name, text in zip(("one", "two", "other"), (*lines, lines[0].replace("0.5", "0.6")), strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / "page.html").write_text(text)

    one, two, other = (values_of(tmp_path / name) for name in ("one", "two", "other"))

    assert differences(one, two) == []
    assert len(differences(one, other)) == 1


def test_what_only_one_of_them_has_is_found(tmp_path: Path):
    one, two = written(tmp_path / "base" / "head"), written(tmp_path / "other" / "head", more=1)
    (one / "note.md").unlink()

    assert differences(values_of(one), values_of(two)) == [
        "note.md: only in head",
        "metrics.json:more: 'absent' → 1",
    ]


def test_a_run_brings_those_that_it_reads_and_stands_below_them():
    names = list(RUNS)

    assert with_needed(["lighter"]) == ["scratch", "lighter"]
    assert with_needed(names) == names
    assert all(set(with_needed([name])) <= {*names[: names.index(name) + 1]} for name in names)
