"""The images of the app: listed at once, found again at the next start, labelled in bulk, and never lost."""

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.draw import class_folders, draw, encoded
from vidi.app.columns import FLAGS, find_kept
from vidi.app.gallery import Gallery
from vidi.app.view import Query, Snapshot, choose_rows, columns, counts
from vidi.data.cache import PixelCache, cache_folder
from vidi.data.checked import SuspectLabel, SuspectLabels
from vidi.data.checking.suspects import keep_suspects
from vidi.data.labels import LabelsFile, labels_beside, read_labels
from vidi.data.read import ReadOptions, read_dataset
from vidi.data.thumbnails import Thumbnails
from vidi.errors import UsageError
from vidi.files import digest_of_file
from vidi.images.pool import read_images
from vidi.workflows.forget import forget

Open = Callable[[], Gallery]
KEYS = (f"{number:032x}" for number in count())
SIZE = (96, 128)


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidi.app.gallery.REST_SECONDS", 0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two classes; an exact copy, a larger near-copy, one photograph of two classes, a broken, a dark, a new image."""
    root = class_folders(tmp_path / "photos", kinds=("disc", "stripes"), each=8, size=SIZE)
    shutil.copy(root / "disc/000.png", root / "disc/copy.png")
    Image.open(root / "disc/001.png").resize((256, 192)).save(root / "disc/larger.png")
    shutil.copy(root / "disc/002.png", root / "stripes/two.png")
    (root / "stripes/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (root / "stripes/dark.png").write_bytes(encoded(np.full((*SIZE, 3), 3, np.uint8)))
    (root / "new.png").write_bytes(encoded(draw("square", size=SIZE, seed=5)))
    return root


def opened(source: Path, *, who: str = "ana") -> Gallery:
    return Gallery.open(source, labels_beside(source), who=who).wait()


def now(gallery: Gallery) -> Snapshot:
    found = gallery.now()
    assert found is not None
    return found


def paths(gallery: Gallery, *filters: str, sort: str = "", text: str = "", classes: tuple[str, ...] = ()) -> list[str]:
    found = now(gallery)
    rows = choose_rows(found, Query(filters=filters, sort=sort, text=text, classes=classes))
    return [found.images.paths[row] for row in rows.tolist()]


def rows(gallery: Gallery, *names: str) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array([now(gallery).images.row_of[name] for name in names], np.int64)


def label(gallery: Gallery, *names: str, to: str) -> tuple[int, int]:
    return gallery.answer(rows(gallery, *names), "label", [to], key=next(KEYS))


def labels(gallery: Gallery) -> dict[str, str]:
    found = now(gallery)
    return {
        path: found.names[index] if index >= 0 else ""
        for path, index in zip(found.images.paths, found.labels.tolist(), strict=True)
    }


def test_each_filter_gives_the_images_that_a_check_finds(source):
    gallery = opened(source)

    assert paths(gallery, "unreadable") == ["stripes/broken.png"]
    assert paths(gallery, "exact-copies") == ["disc/000.png", "disc/copy.png", "disc/002.png", "stripes/two.png"]
    assert set(paths(gallery, "near-copies")) >= {"disc/001.png", "disc/larger.png"}
    assert paths(gallery, "conflicting-labels") == ["disc/002.png", "stripes/two.png"]
    assert paths(gallery, "blank") == paths(gallery, "odd") == ["stripes/dark.png"]
    assert paths(gallery, "unlabelled") == ["new.png"]
    assert paths(gallery, "exact-copies", text="TWO") == ["stripes/two.png"]
    assert paths(gallery, classes=("stripes",), text="dark") == ["stripes/dark.png"]
    assert len(paths(gallery)) == len(now(gallery).images) == 22


def test_a_process_of_its_own_finds_the_same(source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    inside = now(opened(source))
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "another cache"))
    monkeypatch.setattr("vidi.app.gallery.APART", 0)

    apart = now(opened(source))

    for name in ("digests", "is_known", "sizes", "flags", "groups", "alike"):
        assert np.array_equal(getattr(apart.found, name), getattr(inside.found, name)), name
    assert apart.found.notes == inside.found.notes


def test_a_check_in_a_process_that_ends_early_is_a_trouble(source, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vidi.app.gallery.APART", 0)
    monkeypatch.setattr("vidi.app.checking._check_and_tell", os._exit)  # refuses its arguments: it ends at once

    gallery = opened(source)

    assert gallery.progress.stage == "done"
    assert "ended early" in str(gallery.progress.trouble)


def test_a_gallery_that_is_closed_ends_the_process_of_its_check(source, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vidi.app.gallery.APART", 0)

    Gallery.open(source, labels_beside(source), who="ana").close()

    assert multiprocessing.active_children() == []


def test_a_conflict_and_copies_are_settled_by_what_is_said_of_them(source):
    gallery = opened(source)

    label(gallery, "stripes/two.png", to="disc")  # the same bytes as disc/002.png: it is about both
    assert paths(gallery, "conflicting-labels") == []
    assert paths(gallery, "changed") == ["disc/002.png", "stripes/two.png"]

    gallery.keep_one(rows(gallery, "disc/copy.png"), key=next(KEYS), exact=True)
    assert paths(gallery, "exact-copies") == []
    assert paths(gallery, "excluded") == ["disc/000.png"]


def test_of_copies_the_largest_stays_or_the_one_that_is_chosen(source):
    gallery = opened(source)
    near = rows(gallery, "disc/001.png", "disc/larger.png")

    gallery.keep_one(near, key=next(KEYS), exact=False)
    assert paths(gallery, "excluded") == ["disc/001.png"]
    gallery.undo()
    gallery.keep_one(near[:1], key=next(KEYS), exact=False)
    assert paths(gallery, "excluded") == ["disc/larger.png"]

    gallery.undo()
    gallery.keep_one(np.arange(len(now(gallery).images)), key=next(KEYS), exact=True)
    assert paths(gallery, "excluded") == ["disc/copy.png"], "images of two classes are no copies of one another"


def test_a_bulk_is_one_line_that_training_reads_and_one_undo_takes_back(source):
    gallery = opened(source)
    some = [f"disc/{number:03}.png" for number in range(3, 8)]

    assert label(gallery, *some, to="bark") == (5, 0)

    (line,) = map(json.loads, labels_beside(source).read_text().splitlines())
    assert (line["how"], line["who"], len(line["images"])) == ("bulk", "ana", 5)
    dataset = read_dataset(source)
    read = {image.path: dataset.classes[image.label] for image in dataset.images}
    assert {path for path, name in read.items() if name == "bark"} == set(some)
    assert paths(gallery, "bulk") == paths(gallery, classes=("bark",)) == some

    gallery.undo()
    assert paths(gallery, "changed") == paths(gallery, "bulk") == []
    assert set(labels(gallery).values()) == {"disc", "stripes", ""}


def test_undo_goes_back_through_what_one_person_said_also_after_a_restart(source):
    first, one = opened(source), "disc/005.png"
    label(first, one, to="stripes")
    label(first, one, to="bark")
    label(opened(source, who="bo"), "disc/006.png", to="stripes")

    again = opened(source)
    assert labels(again)[one] == "bark"
    again.undo()
    assert labels(again)[one] == "stripes"
    again.undo()
    assert labels(again)[one] == "disc"
    assert len(again.undo()) == 0
    assert labels(again)["disc/006.png"] == "stripes"


def test_what_the_gallery_shows_is_what_every_verb_reads_of_the_same_file(source):
    gallery = opened(source)
    label(gallery, "disc/003.png", "new.png", to="stripes")
    label(opened(source, who="bo"), "disc/003.png", to="disc")
    gallery.answer(rows(gallery, "disc/004.png"), "exclude", key=next(KEYS))
    gallery.answer(rows(gallery, "disc/006.png"), "none", key=next(KEYS))
    gallery.answer(rows(gallery, "stripes/000.png"), "unclear", key=next(KEYS))

    dataset, found = read_dataset(source), now(gallery)

    shown = {
        found.images.paths[row]: found.names[found.labels[row]]
        for row in np.flatnonzero(~found.is_left_out & (found.labels >= 0)).tolist()
    }
    assert shown == {image.path: dataset.classes[image.label] for image in dataset.images}
    assert paths(gallery, "disputed") == ["disc/003.png"]
    assert read_labels(labels_beside(source)).answers.keys() >= {digest_of_file(source / "new.png")}


def test_lines_that_another_process_writes_are_seen_at_the_next_look(source):
    gallery, other = opened(source), opened(source, who="bo")

    label(other, "disc/003.png", to="stripes")

    assert paths(gallery, "changed") == ["disc/003.png"]


def test_a_suggestion_is_taken_in_a_line_for_each_class_and_undone_as_one(source):
    dataset = read_dataset(source, ReadOptions(labels="none"))
    doubted = {"disc/003.png": ("disc", "stripes"), "stripes/004.png": ("stripes", "disc")}
    suspects = tuple(
        SuspectLabel(
            path=path,
            digest=digest_of_file(source / path),
            part="train",
            label=given,
            suggested=suggested,
            confidence=0.1,
            suggested_confidence=0.8 if given == "disc" else 0.9,
        )
        for path, (given, suggested) in doubted.items()
    )
    keep_suspects(PixelCache(cache_folder()), dataset, SuspectLabels(images=20, suspects=suspects))
    gallery = opened(source)
    assert paths(gallery, "suspect-labels") == ["stripes/004.png", "disc/003.png"], "the most doubtful first"

    gallery.take_suggestions(rows(gallery, *doubted), key=next(KEYS))

    assert [labels(gallery)[path] for path in doubted] == ["stripes", "disc"]
    assert paths(gallery, "suspect-labels") == []
    assert {one.how for one in LabelsFile(labels_beside(source)).opinions()} == {"suggested"}
    assert len(gallery.undo()) == 2
    assert len(paths(gallery, "suspect-labels")) == 2


def test_the_next_start_reads_no_image_and_adding_one_reads_that_one_alone(source, monkeypatch):
    opened(source)
    with monkeypatch.context() as patch:
        patch.setattr("vidi.app.checking.read_images", None)  # nothing is decoded
        again = opened(source)
    assert again.progress.trouble is None
    assert paths(again, "blank") == ["stripes/dark.png"]

    decoded = list[str]()

    def counted(store, wanted, job):
        decoded.extend(wanted)
        return read_images(store, wanted, job)

    monkeypatch.setattr("vidi.app.checking.read_images", counted)
    shutil.copy(source / "disc/005.png", source / "disc/more.png")
    more = opened(source)
    assert decoded == ["disc/more.png", "stripes/broken.png"], "a file that was refused is tried again"
    assert {"disc/005.png", "disc/more.png"} <= set(paths(more, "exact-copies"))


def test_of_an_archive_nothing_is_decoded_again_either(source, monkeypatch):
    archive = Path(shutil.make_archive(str(source), "zip", source))
    opened(archive)

    monkeypatch.setattr("vidi.app.checking.read_images", None)
    again = opened(archive)

    assert again.progress.trouble is None
    assert paths(again, "blank") == ["stripes/dark.png"]


def test_a_changed_file_is_looked_at_again_and_a_deleted_one_is_gone(source):
    opened(source)
    (source / "disc/005.png").write_bytes(encoded(np.full((*SIZE, 3), 200, np.uint8)))
    os.utime(source / "disc/005.png", ns=(10**18, 10**18))
    (source / "stripes/dark.png").unlink()

    gallery = opened(source)

    assert paths(gallery, "blank") == ["disc/005.png"]
    kept = find_kept(PixelCache(cache_folder()), source, at_once=True)
    assert kept is not None
    assert "stripes/dark.png" not in kept[0].paths


def test_sorting_keeps_every_image_and_puts_worst_or_similar_ones_together(source):
    gallery = opened(source)

    by = {sort: paths(gallery, sort=sort) for sort in ("path", "name", "class", "odd", "alike")}

    assert {tuple(sorted(found)) for found in by.values()} == {tuple(sorted(by["path"]))}
    assert by["name"][:2] == ["disc/000.png", "stripes/000.png"]
    assert by["class"][-1] == "new.png"
    assert by["odd"][:3] == ["stripes/broken.png", "disc/002.png", "stripes/two.png"]
    places = {path: place for place, path in enumerate(by["alike"])}
    assert abs(places["disc/000.png"] - places["disc/copy.png"]) <= 2
    with pytest.raises(UsageError, match="sort=size is unknown"):
        Query(sort="size")


def test_images_without_any_class_and_none_at_all_are_welcome(tmp_path):
    pile, empty = tmp_path / "pile", tmp_path / "empty"
    pile.mkdir()
    empty.mkdir()
    for seed in range(3):
        (pile / f"{seed}.png").write_bytes(encoded(draw("disc", size=SIZE, seed=seed)))

    gallery = opened(pile)
    assert counts(now(gallery))["classes"] == []
    label(gallery, "0.png", "1.png", to=" Bark ")
    label(gallery, "2.png", to="bark")

    assert counts(now(gallery))["classes"] == [{"name": "Bark", "count": 3}], "one name on other file systems"
    assert counts(now(opened(empty)))["images"] == 0
    with pytest.raises(UsageError, match="needs a name"):
        label(gallery, "0.png", to=" ")


def test_an_image_that_is_not_checked_yet_is_labelled_by_its_own_digest(source, monkeypatch):
    monkeypatch.setattr(Gallery, "_check", lambda *_, **__: None)
    gallery = opened(source)
    page = columns(now(gallery), rows(gallery, "disc/003.png", "disc/004.png"), stamp=gallery.stamp)
    assert page["id"] == [f"{gallery.stamp}.{row}" for row in page["row"]]

    label(gallery, "disc/003.png", to="stripes")

    assert LabelsFile(labels_beside(source)).opinions()[0].digest == digest_of_file(source / "disc/003.png")
    assert gallery.row(digest_of_file(source / "disc/003.png")) == gallery.row(page["id"][0])
    with pytest.raises(UsageError, match="no image has the digest"):
        gallery.row("0.1")


def test_forgetting_an_image_deletes_its_thumbnail(source):
    digest, thumbnails = digest_of_file(source / "new.png"), Thumbnails.in_cache()
    thumbnails.keep(digest, b"picture")
    assert thumbnails.find(digest) == b"picture"

    found = forget(digest, [str(source)], environment={})

    assert "its thumbnail in the cache" in found.removed
    assert thumbnails.find(digest) is None


def test_every_flag_has_its_own_bit():
    assert len(set(FLAGS)) == len(FLAGS) <= 16
