"""report.html: one file that loads nothing and runs nothing, whole without pictures, honest without figures."""

import json
import re
from itertools import pairwise

import pytest

from tests.report.pages import Page
from tests.report.runs import KINDS, DrawnStore, add_model, make_run
from vidi.errors import DataError
from vidi.report.pages.run import write_report

HOSTILE = (
    "<script>alert(1)</script>.png",
    '"><img src=x onerror=alert(1)>.png',
    "'); drop.png",
    "new\nline\ttab.png",
    "\u202egnp.exe",
    "{{ 7 * 7 }}{% raw %}.png",
    "b\udcffytes.png",
    "javascript:alert(1)",
)


def page_of(folder, **options):
    return Page(write_report(folder, **options).read_text("utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_of(add_model(make_run(tmp_path_factory.mktemp("run"))), store=DrawnStore())


def test_page_loads_nothing_and_runs_nothing(page):
    sources = [attributes.get("src", "") for tag, attributes in page.elements if "src" in attributes]

    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    assert all(source.startswith("data:image/") for source in sources)
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    policy = next(attributes for attributes in page.all("meta") if attributes.get("http-equiv"))
    assert "default-src 'none'" in policy["content"]
    assert "script-src" not in policy["content"]


def test_every_link_leads_to_a_place_on_the_page(page):
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}

    assert {attributes["href"] for attributes in page.all("a")} <= {f"#{one}" for one in ids}


def test_no_id_stands_twice(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]

    assert len(ids) == len(set(ids))


def test_page_says_the_finding_first(page):
    headings = [tag for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]

    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    assert "The model classified 20 of 30 held-out images correctly: 67" in page.text.replace("\u00a0", " ")


def test_headings_skip_no_level(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]

    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_picture_has_a_text_and_every_table_a_caption(page):
    assert all(attributes.get("alt") for attributes in page.all("img"))
    assert len(page.all("caption")) == len(page.all("table"))


def test_cells_of_the_confusion_matrix_open_their_images(page):
    opened = [attributes["href"] for attributes in page.all("a") if attributes["href"].startswith("#cell-")]

    assert opened
    assert len(opened) == len([one for one in page.all("div") if str(one.get("id", "")).startswith("cell-")])


def test_page_shows_all_that_a_run_knows(page):
    for title in (
        "What it says",
        "Where it errs",
        "Class by class",
        "Can its confidence be believed?",
        "How it learned",
        "Would more images help?",
        "The data",
        "Labels that may be wrong",
        "The network, layer by layer",
        "The recipe",
        "Provenance",
    ):
        assert title in page.text
    assert "Convolution 3×3" in page.text
    assert "1 image is blurred" in page.text
    assert "left out of training" in page.text


@pytest.mark.slow  # writes the page twice
def test_same_run_gives_the_same_bytes(tmp_path):
    folder = add_model(make_run(tmp_path))

    first = write_report(folder, store=DrawnStore()).read_bytes()

    assert write_report(folder, store=DrawnStore()).read_bytes() == first


@pytest.mark.slow  # over a second of processor time
def test_without_images_no_picture_is_written(tmp_path):
    page = page_of(add_model(make_run(tmp_path)), store=DrawnStore(), with_images=False)

    assert not page.all("img")
    assert not any("data:" in str(value) for tag, one in page.elements if tag != "meta" for value in one.values())
    assert "--no-images" in page.text


@pytest.mark.slow  # over a second of processor time
def test_images_that_are_gone_are_named_by_path(tmp_path):
    page = page_of(make_run(tmp_path))

    assert "could not be read" in page.text
    assert "disc/000.png" in page.text


@pytest.mark.slow  # over a second of processor time
def test_image_that_changed_since_is_not_shown(tmp_path):
    folder = make_run(tmp_path)
    for table in (folder / "predictions.csv", folder / "label_errors.csv"):
        table.write_text(re.sub(r"[0-9a-f]{64}", "0" * 64, table.read_text()))
    (folder / "check.json").unlink()

    assert not page_of(folder, store=DrawnStore()).all("img")


@pytest.mark.integration  # 300 pictures are drawn and encoded
def test_at_most_300_pictures_and_10_megabytes(tmp_path):
    folder = add_model(make_run(tmp_path, images=900, classes=tuple(f"kind {number}" for number in range(16))))

    page = page_of(folder, store=DrawnStore())

    assert 280 < len(page.all("img")) <= 300
    assert (folder / "report.html").stat().st_size < 10_000_000


@pytest.mark.fault
def test_hostile_names_run_nothing_and_show_every_sign(tmp_path):
    classes = ("<script>alert('c')</script>", '"><svg onload=alert(1)>', "{{ 7 * 7 }}")
    paths = tuple(HOSTILE[row % len(HOSTILE)] + str(row) for row in range(30))
    folder = add_model(make_run(tmp_path, classes=classes, paths=paths), classes=classes)
    (folder / "recipe.toml").write_text('"<script>" = "<img src=x onerror=alert(1)>"\n')

    page = page_of(folder, store=DrawnStore())

    assert not page.all("script")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert all(source.startswith("data:") for source in (one.get("src") or "" for one in page.all("img")))
    assert "<script>alert(1)</script>.png" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "\u202e" not in page.text
    assert "new%0Aline%09tab.png" in page.text


def test_unfinished_model_is_called_so_and_no_figure_is_invented(tmp_path):
    folder = add_model(tmp_path, unfinished="training was interrupted.")

    page = page_of(folder)

    assert "This model is not finished." in page.text
    assert "This model has not been tested yet" in page.text
    assert "Where it errs" not in page.text


@pytest.mark.fault
def test_untested_class_is_called_no_data(tmp_path):
    folder = make_run(tmp_path, classes=(*KINDS, "unicorn"), images=3)

    page = page_of(folder)

    assert "No test image shows “unicorn”" in page.text
    assert "no data" in page.text
    assert "nan" not in page.text.lower().split()


@pytest.mark.slow  # 400 classes need 800 drawn images
@pytest.mark.fault
def test_page_of_many_classes_stays_small_and_says_where_the_rest_is(tmp_path):
    classes = tuple(f"kind {number}" for number in range(400))
    folder = make_run(tmp_path, classes=classes, images=800)

    page = page_of(folder, store=DrawnStore())

    assert "The most frequent mistakes" in page.text
    assert (folder / "report.html").stat().st_size < 10_000_000


@pytest.mark.parametrize("name", ["metrics.json", "check.json", "recipe.toml", "results.csv", "predictions.csv"])
def test_damaged_file_is_named(tmp_path, name):
    folder = make_run(tmp_path)
    (folder / name).write_text("{" if name.endswith("json") else "epoch,path\nx,\n" if name.endswith("csv") else "= 1")

    with pytest.raises(DataError, match=name):
        write_report(folder)


def test_a_damaged_section_of_the_metrics_is_named(tmp_path):
    folder = make_run(tmp_path)
    (folder / "metrics.json").write_text('{"test": {"images": 3}}')

    with pytest.raises(DataError, match=r"metrics\.json cannot be read: KeyError"):
        write_report(folder)


@pytest.mark.slow  # writes a report of its own
def test_empty_test_part_gives_a_page_without_figures(tmp_path):
    folder = make_run(tmp_path, images=0)

    page = page_of(folder)

    assert "This model has not been tested yet" in page.text


@pytest.mark.slow  # over a second of processor time
def test_figures_with_and_without_copies_stand_side_by_side(tmp_path):
    folder = make_run(tmp_path)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test_without_near_duplicates"] = metrics["extra"] = metrics["test"]
    (folder / "metrics.json").write_text(json.dumps(metrics))

    page = page_of(folder)

    assert "Test, without copies" in page.text
    assert "Extra" in page.text


def test_the_operating_point_stands_on_the_page_and_on_the_curves(page):
    text = page.text.replace("\u00a0", " ")

    assert "Where it draws the line" in text
    assert "Target: recall of at least 90 %." in text
    assert "At the operating point of disc:" in text


@pytest.mark.slow  # over a second of processor time
def test_a_run_without_operating_points_says_nothing_of_them(tmp_path):
    run = make_run(tmp_path)
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**metrics, "operating_points": None}))

    assert "Where it draws the line" not in page_of(run).text
