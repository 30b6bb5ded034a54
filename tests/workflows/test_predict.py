"""From what the user names to rows, an account and copies."""

import csv
import io
import json
import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.draw import class_folders, draw, encoded
from tests.model_file.tiny import tiny_metadata, tiny_model, tiny_network

from vidi.data.inputs import find_paths
from vidi.errors import DataError, ImageError, ResourceError, UsageError
from vidi.files import folder_name, unescape_path
from vidi.images.account import Account
from vidi.images.store import BytesStore
from vidi.metrics.novelty import fit_novelty
from vidi.model_file.limits import ClassPoint, OperatingPoints, VerdictLimits
from vidi.model_file.read import read_model
from vidi.model_file.write import set_metadata, write_model
from vidi.prediction.prediction import Answer
from vidi.prediction.predictor import Predictor
from vidi.report.words.text import set_aside_lines
from vidi.workflows.interaction.inputs import exit_code, interruption, read_list
from vidi.workflows.interaction.output import write_csv, write_json, write_json_lines, write_table
from vidi.workflows.interaction.run_folder import check_folder_apart
from vidi.workflows.interaction.stopping import until_stopped
from vidi.workflows.predict import copy_by_class, predict_inputs


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    return Predictor.load(tiny_model(tmp_path / "model" / "model.onnx").path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six good images, a broken one, and what a system leaves behind."""
    root = class_folders(tmp_path / "images", each=3)
    (root / "broken.jpg").write_bytes(b"nothing")
    (root / ".DS_Store").write_bytes(b"x")
    return root


def predict(predictor: Predictor, inputs: list[str], **options: Path) -> tuple[list, Account]:
    account = Account()
    answers = list(predict_inputs(predictor, find_paths(inputs), account, **options))
    return answers, account


def test_every_path_stands_in_the_account_once(predictor: Predictor, folder: Path):
    answers, account = predict(predictor, [str(folder), str(folder / "missing.jpg")])

    assert (account.used, len(account.refused), len(account.ignored)) == (6, 2, 1)
    assert account.found == 9
    assert len(answers) == 8
    assert exit_code(account) == 6


def test_good_images_alone_end_with_zero_and_bad_ones_alone_with_three(predictor: Predictor, folder: Path):
    _, good = predict(predictor, [str(folder / "disc")])
    _, bad = predict(predictor, [str(folder / "broken.jpg")])

    assert (exit_code(good), exit_code(bad)) == (0, 3)


def test_a_folder_without_images_is_refused(predictor: Predictor, tmp_path: Path):
    (tmp_path / "empty").mkdir()

    with pytest.raises(DataError, match="no image was found"):
        predict(predictor, [str(tmp_path / "empty")])


def test_files_folders_patterns_archives_and_standard_input_give_the_same_answers(
    predictor: Predictor, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    archive = folder.parent / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(folder / "disc" / "001.png", "disc/001.png")
    one = folder / "disc" / "001.png"
    with one.open("rb") as stream:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        groups = find_paths(["-"])
    from_stdin = list(predict_inputs(predictor, groups, Account()))

    answers, _ = predict(predictor, [str(one)])
    from_pattern, _ = predict(predictor, [str(folder / "disc" / "*1.png")])
    from_folder, _ = predict(predictor, [str(folder / "disc")])
    from_archive, _ = predict(predictor, [str(archive)])

    expected = answers[0].prediction.probabilities
    for answer in (from_stdin[0], from_pattern[0], from_folder[1], from_archive[0]):
        np.testing.assert_allclose(answer.prediction.probabilities, expected, atol=1e-6)


def test_an_address_on_the_web_is_refused(predictor: Predictor):
    with pytest.raises(UsageError, match="https://example"):
        predict(predictor, ["https://example.org/cat.jpg"])


def test_json_holds_one_object_for_each_image_and_the_account(predictor: Predictor, folder: Path):
    account, stream = Account(), io.StringIO()
    answers = predict_inputs(predictor, find_paths([str(folder)]), account)

    write_json(answers, stream, model=predictor.model, account=account)

    document = json.loads(stream.getvalue())
    assert set(document) == {"schema", "model", "account", "predictions"}
    assert document["model"]["id"] == predictor.model.model_id
    assert document["account"]["found"] == 8
    assert document["account"]["refused"][0]["code"] == "not-an-image"
    for row in document["predictions"]:
        columns = [
            "path",
            "label",
            "probability",
            "verdict",
            "candidates",
            "decision",
            "novelty",
            "probabilities",
            "error",
            "notes",
        ]
        assert list(row) == columns
        if row["error"] is None:
            assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
            assert row["probability"] == row["probabilities"][row["label"]]
            assert row["verdict"] is None  # of a model file without limits
            assert row["candidates"] == [row["label"]]
        else:
            assert row["label"] is row["probability"] is row["probabilities"] is None
            assert set(row["error"]) == {"code", "message"}


def test_json_of_nothing_is_still_a_document(predictor: Predictor):
    stream = io.StringIO()

    write_json([], stream, model=predictor.model, account=Account())

    assert json.loads(stream.getvalue())["predictions"] == []


def test_json_lines_are_the_same_objects_with_the_account_last(predictor: Predictor, folder: Path):
    account, lines, whole = Account(), io.StringIO(), io.StringIO()
    write_json_lines(
        predict_inputs(predictor, find_paths([str(folder)]), account), lines, model=predictor.model, account=account
    )
    account = Account()
    write_json(
        predict_inputs(predictor, find_paths([str(folder)]), account), whole, model=predictor.model, account=account
    )

    *rows, last = map(json.loads, lines.getvalue().splitlines())

    document = json.loads(whole.getvalue())
    assert rows == document["predictions"]
    assert last["account"] == document["account"]


def test_top_gives_the_most_probable_classes_alone(predictor: Predictor, folder: Path):
    answers, account = predict(predictor, [str(folder / "disc" / "000.png")])
    document, table, rows = io.StringIO(), io.StringIO(), io.StringIO()

    write_json(answers, document, model=predictor.model, account=account, top=2)
    write_table(answers, table, paths=[answers[0].path], top=2)
    write_csv(answers, rows, classes=predictor.classes, top=2)

    names = [name for name, _ in answers[0].prediction.top(2)]
    assert list(json.loads(document.getvalue())["predictions"][0]["probabilities"]) == names
    assert table.getvalue().count("%") == 2
    (row,) = csv.DictReader(io.StringIO(rows.getvalue()))
    assert (row["label_1"], row["label_2"]) == tuple(names)


def test_csv_rows_have_a_column_for_each_class(predictor: Predictor, folder: Path):
    answers, _ = predict(predictor, [str(folder)])
    stream = io.StringIO()

    write_csv(answers, stream, classes=predictor.classes)

    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    columns = ["path", "label", "probability", "verdict", "candidates", "decision", "error", "notes"]
    assert list(rows[0])[:9] == [*columns, "p:class 0"]
    assert [row["error"] for row in rows if row["error"]] == ["not-an-image"]
    assert all(float(row["probability"]) > 1 / 4 for row in rows if not row["error"])


def promising(path: Path, *, sure: float, candidate: float | None) -> Predictor:
    """A model file that states limits."""
    limits = VerdictLimits(
        basis="calibration",
        image_count=100,
        max_error=0.05,
        level=0.95,
        sure=sure,
        coverage=0.95,
        candidate=candidate,
    )
    model = tiny_model(path / "model.onnx", classes=4)
    set_metadata(model.path, replace(model.metadata, verdict=limits))
    return Predictor.load(model.path)


def test_people_read_the_verdict_first_and_a_percentage_only_where_they_ask(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(encoded(draw("disc")))
    (answer,), _ = predict(promising(tmp_path, sure=1.0, candidate=0.0), [str(tmp_path / "a.png")])
    strange = replace(answer, outcome=replace(answer.outcome, verdict="unknown"))
    names, lines = [name for name, _ in answer.prediction.top(4)], {}
    for top in (1, 2):
        for verdict, one in {"unsure": answer, "unknown": strange}.items():
            table = io.StringIO()
            write_table([one], table, paths=["a.png"], top=top)
            lines[verdict, top] = table.getvalue().strip().partition("a.png  ")[2]

    candidates = f"unsure   {names[0]}, {names[1]}, {names[2]} or {names[3]}"
    assert lines["unsure", 1] == candidates
    assert lines["unsure", 2].startswith(f"{candidates}  ({names[0]} ")
    assert lines["unknown", 1] == lines["unknown", 2]
    assert lines["unknown", 1] == f"unknown  strange image, unlike the training images; nearest: {names[0]}"


def test_verdict_and_candidates_stand_in_every_form(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(encoded(draw("disc")))
    predictor = promising(tmp_path, sure=0.0, candidate=0.0)
    answers, account = predict(predictor, [str(tmp_path / "a.png")])
    table, document, rows = io.StringIO(), io.StringIO(), io.StringIO()

    write_table(answers, table, paths=["a.png"])
    write_json(answers, document, model=predictor.model, account=account)
    write_csv(answers, rows, classes=predictor.classes)

    names = [name for name, _ in answers[0].prediction.top(4)]
    assert table.getvalue() == f"{tmp_path}/a.png  sure     {names[0]}\n"  # nothing else, and no second scale
    row = json.loads(document.getvalue())["predictions"][0]
    assert (row["verdict"], row["candidates"]) == ("sure", names)
    (cells,) = csv.DictReader(io.StringIO(rows.getvalue()))
    assert (cells["verdict"], cells["candidates"]) == ("sure", "|".join(names))


def deciding(path: Path, threshold: float, *, positive: str | None = None) -> Predictor:
    """A model file with a threshold for `class 1`."""
    point = ClassPoint(
        name="class 1",
        threshold=threshold,
        is_promised=True,
        bound=0.9,
        image_count=50,
        found=49,
        other_count=150,
        alarms=3,
    )
    points = OperatingPoints(
        measure="recall",
        share=0.9,
        level=0.95,
        basis="calibration",
        image_count=200,
        positive=positive,
        points=(point,),
    )
    model = tiny_model(path / "model.onnx", classes=4)
    set_metadata(model.path, replace(model.metadata, operating_points=points))
    return Predictor.load(model.path)


def test_the_decision_stands_in_every_form(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(encoded(draw("disc")))
    answers, account = predict(deciding(tmp_path, 0.0, positive="class 1"), [str(tmp_path / "a.png")])
    model = read_model(tmp_path / "model.onnx")
    table, document, rows = io.StringIO(), io.StringIO(), io.StringIO()

    write_table(answers, table, paths=["a.png"])
    write_json(answers, document, model=model, account=account)
    write_csv(answers, rows, classes=model.metadata.classes)

    assert table.getvalue().rstrip().endswith("%  → class 1")
    assert json.loads(document.getvalue())["predictions"][0]["decision"] == ["class 1"]
    (cells,) = csv.DictReader(io.StringIO(rows.getvalue()))
    assert cells["decision"] == "class 1"


def test_images_are_sorted_as_the_operating_point_decides(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(encoded(draw("disc")))
    predictor = deciding(tmp_path, 0.0, positive="class 1")
    found = find_paths([str(tmp_path / "a.png")])

    list(predict_inputs(predictor, found, Account(), sort_into=tmp_path / "sorted"))

    assert (tmp_path / "sorted" / "class 1" / "a.png").exists()


def test_no_class_reaches_its_threshold(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(encoded(draw("disc")))

    answers, _ = predict(deciding(tmp_path, 1.0), [str(tmp_path / "a.png")])

    table = io.StringIO()
    write_table(answers, table, paths=["a.png"])
    assert answers[0].prediction.decision == ()
    assert table.getvalue().rstrip().endswith("→ none")


def test_an_answer_below_the_limit_is_unsure_and_keeps_itself_as_a_candidate(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(encoded(draw("disc")))

    answers, _ = predict(promising(tmp_path, sure=1.0, candidate=None), [str(tmp_path / "a.png")])

    (answer,) = answers
    assert answer.prediction.verdict == "unsure"
    assert answer.prediction.candidates == (answer.prediction.label,)


def test_what_is_stranger_than_the_limit_is_unknown(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(encoded(draw("disc")))
    score = fit_novelty(np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 4)
    limits = VerdictLimits(
        basis="calibration", image_count=100, max_error=0.05, level=0.95, sure=0.0, coverage=0.95, novelty=1e9
    )
    verdicts = []
    for limit in (1e9, -1e9):
        metadata = replace(tiny_metadata(classes=4), verdict=replace(limits, novelty=limit))
        path = write_model(tmp_path / "model.onnx", tiny_network(classes=4), metadata, novelty=score).path
        answers, _ = predict(Predictor.load(path), [str(tmp_path / "a.png")])
        verdicts.append(answers[0].prediction.verdict)
        assert answers[0].prediction.novelty == pytest.approx(
            float(Predictor.load(path).run(draw("disc")[None])["novelty"][0]), rel=1e-4
        )

    assert verdicts == ["sure", "unknown"]


def test_the_table_is_aligned(predictor: Predictor):
    files = {"a.png": encoded(draw("disc")), "longer/猫.png": encoded(draw("disc"))}
    answers = list(predictor.predict_files(list(files), store=BytesStore(files)))
    stream = io.StringIO()

    write_table(answers, stream, paths=list(files))

    first, second = stream.getvalue().splitlines()
    assert first.startswith("a.png          class ")
    assert second.startswith("longer/猫.png  class ")


@pytest.mark.fault
def test_odd_names_come_back_from_every_output_and_no_control_sign_goes_out(predictor: Predictor, tmp_path: Path):
    names = [b"new\nline.png", b"tab\t.png", b"\x1b[31mred.png", b'"quotes", %41.png', b"\xff\xfe.png", b"-dash.png"]
    names += ["\u202eright.png".encode(), "Köln 猫.png".encode(), b"x" * 251 + b".png", b"=1+1.png"]
    data = encoded(draw("disc"))
    (tmp_path / "odd").mkdir()
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path / "odd"), name), "wb") as file:
            file.write(data)
    answers, account = predict(predictor, [str(tmp_path / "odd")])
    document, rows, table = io.StringIO(), io.StringIO(), io.StringIO()

    write_json(answers, document, model=predictor.model, account=account)
    write_csv(answers, rows, classes=predictor.classes)
    write_table(answers, table, paths=[answer.path for answer in answers])

    expected = {os.path.join(os.fsencode(tmp_path / "odd"), name) for name in names}
    from_json = [row["path"] for row in json.loads(document.getvalue())["predictions"]]
    from_csv = [row["path"] for row in csv.DictReader(io.StringIO(rows.getvalue()))]
    assert {os.fsencode(unescape_path(path)) for path in from_json} == expected
    assert {os.fsencode(unescape_path(path)) for path in from_csv} == expected
    assert len(table.getvalue().splitlines()) == len(names)
    assert all(sign.isprintable() or sign == "\n" for sign in table.getvalue() + rows.getvalue())


def test_sorting_copies_every_used_image_into_its_class(predictor: Predictor, folder: Path, tmp_path: Path):
    answers, _ = predict(predictor, [str(folder)], sort_into=tmp_path / "sorted")

    copies = [path.read_bytes() for path in (tmp_path / "sorted").rglob("*.*")]
    assert sorted(copies) == sorted(path.read_bytes() for path in folder.rglob("*.png"))
    labels = {answer.prediction.label for answer in answers if answer.prediction}
    assert {path.name for path in (tmp_path / "sorted").iterdir()} == labels


def test_sorting_twice_adds_nothing_and_another_image_of_that_name_gets_a_number(predictor: Predictor, tmp_path: Path):
    target = tmp_path / "sorted"
    files = {"one/cat.png": encoded(draw("disc", seed=1)), "two/cat.png": encoded(draw("disc", seed=2))}
    store = BytesStore(files)
    answers = list(predictor.predict_files(list(files), store=store))
    assert answers[0].prediction.label == answers[1].prediction.label

    for _ in range(2):
        for answer in answers:
            copy_by_class(answer, store, target)

    assert sorted(path.name for path in target.rglob("*.png")) == ["cat-2.png", "cat.png"]


def test_a_file_that_stands_there_is_never_overwritten(predictor: Predictor, tmp_path: Path):
    store = BytesStore({"cat.png": encoded(draw("disc"))})
    (answer,) = predictor.predict_files(["cat.png"], store=store)
    taken = tmp_path / "sorted" / answer.prediction.label / "cat.png"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"the user's own")

    copied = copy_by_class(answer, store, tmp_path / "sorted")

    assert taken.read_bytes() == b"the user's own"
    assert copied.name == "cat-2.png"


@pytest.mark.fault
def test_a_full_disk_leaves_no_half_copy(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(handle: int) -> None:
        raise OSError(28, "No space left on device")

    store = BytesStore({"cat.png": encoded(draw("disc"))})
    (answer,) = predictor.predict_files(["cat.png"], store=store)
    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(ResourceError, match="No space left"):
        copy_by_class(answer, store, tmp_path / "sorted")

    assert not [path for path in (tmp_path / "sorted").rglob("*") if path.is_file()]


def test_copies_do_not_go_into_what_is_read_from(folder: Path):
    with pytest.raises(UsageError, match="is inside the input folder"):
        check_folder_apart(folder / "sorted", [str(folder)], flag="--sort-into")

    check_folder_apart(folder.parent / "sorted", [str(folder)], flag="--sort-into")


@pytest.mark.parametrize("label", ["..", ".", "a/b", "a\\b", "C:", "NUL\0", "line\n", "-x", "\udcff", "猫"])
def test_a_class_name_is_one_folder_and_reads_back(label: str, tmp_path: Path):
    name = folder_name(label)

    assert unescape_path(name) == label
    (tmp_path / name).mkdir()
    assert (tmp_path / name).parent == tmp_path
    assert (tmp_path / name).resolve() != tmp_path.resolve()


@pytest.mark.parametrize("data", [b"a.jpg\nb c.jpg\n", b"a.jpg\0b c.jpg\0"])
def test_a_list_of_paths_has_one_a_line_or_ends_each_with_nul(tmp_path, data):
    (tmp_path / "list").write_bytes(data)

    assert read_list(str(tmp_path / "list")) == ["a.jpg", "b c.jpg"] == read_list("-", stdin=io.BytesIO(data))
    with pytest.raises(UsageError, match="--files-from"):
        read_list(str(tmp_path / "missing"))


def test_a_file_of_something_else_is_no_list_of_paths(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"\x08\x0a\0\x0a" + b"w" * 5000 + b"\0a.jpg\0")

    with pytest.raises(UsageError, match=r"model\.onnx is no list of paths: a line has 5,001 bytes"):
        read_list(str(tmp_path / "model.onnx"))


def test_after_an_interruption_the_rest_is_set_aside_and_the_last_line_says_so():
    answers = [Answer(path=path, outcome=ImageError("broken", "It is cut off.", "Mend it.")) for path in ("a", "b")]
    account = Account()

    passed = list(until_stopped(answers, lambda: True, paths=["a", "b", "c"], account=account))

    assert [one.path for one in passed] == ["a"]
    assert [entry.path for entry in account.set_aside] == ["b", "c"]
    assert interruption(account) == "interrupted: 2 images were not reached; the results so far are written"
    assert set_aside_lines(account) == ["set aside 2: The command was interrupted before it."]
    assert interruption(Account()) == ""
