"""`vidi check --suspects`: labels that may be wrong, in every part, before anything is trained."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.command import vidi
from tests.draw import class_folders, draw, encoded

from vidi.errors import MissingPackageError
from vidi.metrics.truth import OneClass
from vidi.workflows.check import CheckReport, CheckRequest, check
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.run.learning.suspects import NEVER_LEARNED, answer_unseen
from vidi.workflows.run.prepare import SplitImages, split_images
from vidi.workflows.run.read import find_images

KINDS = ("disc", "square", "stripes")


def swapped(root: Path, *, each: int = 40) -> Path:
    """Drawn images in parts `train` and `test`; four of each part lie in a folder that is not theirs: `wrong-*`."""
    class_folders(root, kinds=KINDS, each=each, parts=("train", "train", "train", "test"))
    for part in ("train", "test"):
        for number, kind in enumerate((*KINDS, KINDS[0])):
            path = sorted((root / part / kind).glob("0*"))[number]
            path.rename(root / part / KINDS[(KINDS.index(kind) + 1) % 3] / f"wrong-{kind}-{path.name}")
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swapped(tmp_path_factory.mktemp("data") / "drawn")


@pytest.fixture(scope="module")
def looked(data: Path) -> CheckReport:
    page = data.parent / "check.html"
    return check(CheckRequest(data=DataRequest(source=str(data)), suspects=True, page=page))


@pytest.mark.slow  # computes features
@pytest.mark.parametrize("part", ["train", "test"])
def test_wrong_labels_are_found_in_every_part_the_worst_first(looked: CheckReport, part: str):
    (finding,) = (one for one in looked.findings if one.kind == "suspect-labels")
    found = {one.path for one in finding.suspects if one.path.startswith(part)}
    planted = {path for path in found if "wrong-" in path}

    assert len(planted) >= 3  # of four
    assert len(planted) / len(found) >= 0.6
    beliefs = [one.confidence for one in finding.suspects]
    assert beliefs == sorted(beliefs)
    assert finding.paths == tuple((one.path,) for one in finding.suspects)


@pytest.mark.slow  # the same features
def test_they_stand_in_the_summary_the_document_and_the_page(looked: CheckReport):
    (finding,) = (one for one in looked.as_json()["findings"] if one["kind"] == "suspect-labels")
    worst = finding["suspects"][0]
    lines = [*looked.summary()]
    page = (looked.page or Path()).read_text("utf-8")

    assert finding["message"] == f"{len(finding['suspects'])} labels of 120 may be wrong"
    assert f"look at  {finding['message']}" in lines
    share = f"({100 * worst['suggested_confidence']:.0f} %)"
    assert any(worst["path"] in line and f"looks like {worst['suggested']} {share}" in line for line in lines)
    section = page.split('id="suspect-labels"')[1].split("</section>")[0]
    assert section.count("looks like") == section.count("data:image/webp") == len(finding["suspects"])
    assert worst["label"] == worst["path"].split("/")[1]
    assert looked.has_findings


def split_of(root: Path, folder: Path) -> SplitImages:
    """The images with their parts, framed small."""
    request = DataRequest(source=str(root), allow_leaks=True)
    return split_images(find_images(request), folder, image_size=(16, 16))


def features(images: SplitImages) -> np.ndarray:
    """(images, 8) float32 that tell the classes apart, more or less."""
    labels, random = images.truth.strata, np.random.default_rng(0)
    return (np.eye(8)[labels] * 2 + random.normal(size=(len(labels), 8))).astype(np.float32)


def test_nothing_is_learned_from_test_images(data: Path, tmp_path: Path):
    images = split_of(data, tmp_path)
    rows, values = np.arange(len(images.dataset.images)), features(images)
    is_test = np.isin(images.split.parts, NEVER_LEARNED)
    labels = images.truth.strata.copy()
    labels[is_test] = (labels[is_test] + 1) % len(KINDS)
    other = replace(images, truth=OneClass(labels=labels, class_count=len(KINDS)))

    answered, before = answer_unseen(images, rows, values)
    again, after = answer_unseen(other, rows, values)

    assert is_test.sum() == 30
    assert answered.tolist() == again.tolist() == rows.tolist()
    assert np.array_equal(before, after)


def test_a_test_image_is_not_answered_by_a_head_that_has_seen_its_copy(tmp_path: Path):
    root = swapped(tmp_path / "drawn")
    for number in range(10):  # images of noise under a label of their own, each in both parts
        for part in ("train", "test"):
            path = root / part / "noise" / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(encoded(draw("noise", seed=number)))
    images = split_of(root, tmp_path)

    answered, _ = answer_unseen(images, np.arange(len(images.dataset.images)), features(images))

    parts = {images.split.parts[row] for row in answered if "noise" in images.dataset.images[row].path}
    assert parts == {"train", "validation"}  # without the copies nobody has seen noise


def test_without_torch_the_extra_is_named(data: Path, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.startswith("vidi.workflows.run.learning.suspects")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith(("vidi.training", "vidi.workflows.run.learning"))]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(MissingPackageError) as raised:
        check(CheckRequest(data=DataRequest(source=str(data)), suspects=True))

    assert raised.value.remedy == 'Install it: pip install "vidi[train]"'


@pytest.mark.slow  # imports torch
def test_of_too_few_images_it_says_so(tmp_path: Path):
    class_folders(tmp_path / "few", each=1)

    done = vidi("check", "few", "--suspects", "--json", folder=tmp_path)

    assert "labels are not checked" in done.stderr
    assert "suspect-labels" not in [one["kind"] for one in json.loads(done.stdout)["findings"]]
