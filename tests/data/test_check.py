import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.scenes import jpeg, scene
from tests.draw import class_folders, encoded

from vidi.data.cache import PixelCache, pixels_key
from vidi.data.checked import DataCheck
from vidi.data.checking import check as checking
from vidi.data.checking.check import check_dataset
from vidi.data.read import read_dataset
from vidi.data.splitting.split import split_dataset
from vidi.images.decode import DEFAULT, DecodeJob, ReadImage, read_one
from vidi.images.framing import Framing
from vidi.images.store import ImageStore


def photographs(root: Path, *, each: int = 12, classes: tuple[str, ...] = ("cats", "dogs")) -> Path:
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(each):
            (root / name / f"{index:02}.jpg").write_bytes(jpeg(scene(100 * number + index)))
    return root


def checked(root: Path) -> DataCheck:
    return check_dataset(read_dataset(str(root)), workers=1)


def found(check: DataCheck) -> dict[str, list[set[str]]]:
    return {finding.kind: [set(group) for group in finding.paths] for finding in check.findings}


def test_a_set_with_nothing_wrong_has_only_its_small_classes_named(tmp_path):
    check = checked(photographs(tmp_path))

    assert [finding.kind for finding in check.findings] == ["classes-small-to-learn"]
    assert (check.account.found, check.account.used) == (24, 24)


def test_files_that_cannot_be_used_are_in_the_account_with_their_reason(tmp_path):
    photographs(tmp_path)
    (tmp_path / "cats" / "text.jpg").write_bytes(b"<html>not found</html>")
    (tmp_path / "dogs" / "cut.jpg").write_bytes(jpeg(scene(50))[:2000])

    check = checked(tmp_path)

    assert {(entry.path, entry.code) for entry in check.account.refused} == {
        ("cats/text.jpg", "not-an-image"),
        ("dogs/cut.jpg", "truncated"),
    }
    assert check.account.found == check.account.used + 2 == 26
    assert found(check)["unreadable"] == [{"cats/text.jpg"}, {"dogs/cut.jpg"}]


@pytest.mark.fault
def test_the_same_image_under_two_labels_is_named_and_kept_out(tmp_path):
    photographs(tmp_path)
    image = scene(7)
    (tmp_path / "cats" / "same.jpg").write_bytes(jpeg(image))
    (tmp_path / "dogs" / "same.jpg").write_bytes(jpeg(image, quality=70))
    (tmp_path / "dogs" / "copy.jpg").write_bytes((tmp_path / "cats" / "03.jpg").read_bytes())

    check = checked(tmp_path)
    split = split_dataset(read_dataset(str(tmp_path)), check)

    groups = [{"cats/03.jpg", "dogs/copy.jpg"}, {"cats/07.jpg", "cats/same.jpg", "dogs/same.jpg"}]
    assert sorted(found(check)["conflicting-labels"], key=len) == groups
    assert {entry.path for entry in split.set_aside} == groups[0] | groups[1]
    assert {entry.code for entry in split.set_aside} == {"conflicting-labels"}
    assert check.account.set_aside == list(split.set_aside)
    assert check.account.found == len(check.records)


def test_with_the_users_parts_the_check_sets_aside_what_the_split_does(tmp_path):
    photographs(tmp_path / "train", each=4)
    (tmp_path / "test" / "cats").mkdir(parents=True)
    (tmp_path / "test" / "cats" / "1.jpg").write_bytes(jpeg(scene(900)))
    for place in ("dogs/a.jpg", "cats/b.jpg"):
        (tmp_path / "train" / place).write_bytes(jpeg(scene(800)))
    (tmp_path / "train" / "dogs" / "c.jpg").write_bytes((tmp_path / "test" / "cats" / "1.jpg").read_bytes())

    check = checked(tmp_path)
    split = split_dataset(read_dataset(str(tmp_path)), check)

    assert {entry.path for entry in split.set_aside} == {"train/cats/b.jpg", "train/dogs/a.jpg", "train/dogs/c.jpg"}
    assert check.account.set_aside == list(split.set_aside)
    assert check.account.found == len(check.records)
    assert "leak-exact-copies" not in found(check)


def test_a_cut_of_a_photograph_may_stand_under_another_label(tmp_path):
    photographs(tmp_path)
    (tmp_path / "dogs" / "cut.jpg").write_bytes(jpeg(scene(5)[10:, 12:]))

    check = checked(tmp_path)

    assert found(check)["near-copies"] == [{"cats/05.jpg", "dogs/cut.jpg"}]
    assert check.conflicting == frozenset()


def test_empty_folders_are_named(tmp_path):
    photographs(tmp_path, each=2)
    (tmp_path / "birds").mkdir()

    check = checked(tmp_path)

    assert "empty folders, which make no class: birds" in [finding.sentence for finding in check.findings]


def test_exact_copies_are_named_and_stay_together(tmp_path):
    photographs(tmp_path)
    for number in range(3):
        (tmp_path / "cats" / f"copy{number}.jpg").write_bytes((tmp_path / "cats" / "00.jpg").read_bytes())

    check = checked(tmp_path)
    split = split_dataset(read_dataset(str(tmp_path)), check)

    copies = {"cats/00.jpg", "cats/copy0.jpg", "cats/copy1.jpg", "cats/copy2.jpg"}
    assert found(check)["exact-copies"] == [copies]
    parts = {part for record, part in zip(check.records, split.parts, strict=True) if record.path in copies}
    assert len(parts) == 1


@pytest.mark.slow  # two checks by processes that decode
def test_odd_images_are_named_once_for_what_they_are(tmp_path):
    photographs(tmp_path, each=20)
    odd = tmp_path / "cats"
    (odd / "blank.png").write_bytes(encoded(np.full((120, 160, 3), 200, np.uint8)))
    (odd / "dark.jpg").write_bytes(jpeg((scene(60) * 0.08).astype(np.uint8)))
    soft = Image.fromarray(scene(61)).resize((12, 9)).resize((320, 240), Image.Resampling.BICUBIC)
    (odd / "soft.jpg").write_bytes(jpeg(np.asarray(soft)))
    (odd / "tiny.png").write_bytes(encoded(scene(62, size=(20, 26))))
    (odd / "long.jpg").write_bytes(jpeg(scene(63, size=(100, 600))))

    kinds = {kind: groups for kind, groups in found(checked(tmp_path)).items() if kind[:7] != "classes"}

    assert kinds == {
        "blank": [{"cats/blank.png"}],
        "dark": [{"cats/dark.jpg"}],
        "blurred": [{"cats/soft.jpg"}],
        "tiny": [{"cats/tiny.png"}],
        "odd-shape": [{"cats/long.jpg"}],
    }


@pytest.mark.slow  # checks twice
def test_a_set_of_small_images_is_not_called_tiny_or_blurred(tmp_path):
    check = checked(class_folders(tmp_path, each=30))

    assert not {"tiny", "blurred"} & set(found(check))


@pytest.mark.fault
def test_copies_across_the_parts_of_the_users_split_are_findings(tmp_path):
    photographs(tmp_path / "train")
    (tmp_path / "test" / "cats").mkdir(parents=True)
    (tmp_path / "test" / "cats" / "a.jpg").write_bytes((tmp_path / "train" / "cats" / "00.jpg").read_bytes())
    (tmp_path / "test" / "cats" / "b.jpg").write_bytes(jpeg(scene(1), quality=60))
    (tmp_path / "test" / "cats" / "c.jpg").write_bytes(jpeg(scene(900)))

    check = checked(tmp_path)

    assert found(check)["leak-exact-copies"] == [{"train/cats/00.jpg", "test/cats/a.jpg"}]
    assert found(check)["leak-near-copies"] == [{"train/cats/01.jpg", "test/cats/b.jpg"}]
    assert [finding.severity for finding in check.findings[:2]] == ["problem", "warning"]


@pytest.mark.slow  # a check by processes that decode
def test_the_json_is_json_and_names_no_camera(tmp_path):
    check = checked(photographs(tmp_path))

    document = json.loads(json.dumps(check.as_json(), allow_nan=False))

    assert document["account"]["used"] == 24
    assert "capture" not in json.dumps(document)


@pytest.mark.slow  # over half a second of processor time: three checks, in processes
def test_the_number_of_workers_changes_nothing(tmp_path):
    dataset = read_dataset(str(photographs(tmp_path)))

    assert check_dataset(dataset, workers=1) == check_dataset(dataset, workers=2)


def test_the_framed_pixels_are_kept_where_a_cache_is_given(tmp_path):
    dataset = read_dataset(str(photographs(tmp_path / "data")))
    (tmp_path / "data" / "cats" / "02.jpg").write_bytes(b"broken")
    framing, cache = Framing(size=(24, 32)), PixelCache(tmp_path / "cache")

    check = check_dataset(dataset, framing=framing, cache=cache, workers=1)

    key = pixels_key([record.digest for record in check.records], framing, decoding=repr(DEFAULT))
    pixels = cache.find(key, (24, 24, 32, 3))
    assert pixels is not None
    for index, image in enumerate(dataset.images):
        data = (tmp_path / "data" / image.path).read_bytes()
        expected = 0 if data == b"broken" else read_one(data, DecodeJob(framing=framing)).pixels()
        off = abs(pixels[index].astype(int) - expected)
        assert off.max() <= 8  # large JPEGs are decoded at another scale where they are measured too
        assert off.mean() <= 0.6


@pytest.mark.slow  # checks three times
def test_a_check_with_and_without_a_cache_finds_the_same(tmp_path):
    dataset = read_dataset(str(photographs(tmp_path / "data")))
    (tmp_path / "data" / "dogs" / "11.jpg").write_bytes(jpeg(scene(3)[5:, 9:]))

    kept = check_dataset(dataset, framing=Framing(size=(16, 16)), cache=PixelCache(tmp_path / "cache"), workers=1)

    assert kept == check_dataset(dataset, workers=1)


def kept_check(root: Path, cache: PixelCache) -> DataCheck:
    return check_dataset(read_dataset(str(root)), framing=Framing(size=(16, 16)), cache=cache, workers=1)


def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    read = checking.read_images

    def refuse(store: ImageStore, paths: list[str], job: DecodeJob) -> Iterator[ReadImage]:
        assert paths == ["dogs/text.jpg"], "a file was decoded again"  # a refused one is asked again: it may be mended
        return read(store, paths, job)

    monkeypatch.setattr(checking, "read_images", refuse)


@pytest.mark.slow  # over a second of processor time
def test_the_same_files_are_not_decoded_twice(tmp_path, monkeypatch):
    data, cache = photographs(tmp_path / "data", each=70), PixelCache(tmp_path / "cache")
    (data / "cats" / "copy.jpg").write_bytes((data / "cats" / "03.jpg").read_bytes())
    (data / "dogs" / "cut.jpg").write_bytes(jpeg(scene(3)[5:, 9:]))
    (data / "dogs" / "text.jpg").write_bytes(b"<html>not found</html>")
    first = kept_check(data, cache)
    seen: list[int] = []
    no_decoding(monkeypatch)

    again = check_dataset(
        read_dataset(str(data)),
        framing=Framing(size=(16, 16)),
        cache=cache,
        on_progress=lambda done, _: seen.append(done),
    )

    assert again == first
    assert again.near_duplicates
    assert seen == [64, 128, 143]


@pytest.mark.slow  # over a second of processor time
@pytest.mark.parametrize(
    "change",
    [
        lambda data: (data / "cats" / "02.jpg").write_bytes(jpeg(scene(900))),
        lambda data: (data / "cats" / "02.jpg").unlink(),
        lambda data: (data / "cats" / "12.jpg").write_bytes(jpeg(scene(900))),
        lambda data: (data / "dogs" / "text.jpg").write_bytes(jpeg(scene(901))),
        lambda data: (data / "dogs" / "text.jpg").write_bytes(jpeg(scene(50))[:2000]),
    ],
    ids=["changed", "gone", "new", "mended", "refused for another reason"],
)
def test_what_has_changed_since_the_last_check_is_seen(tmp_path, change):
    data, cache = photographs(tmp_path / "data"), PixelCache(tmp_path / "cache")
    (data / "dogs" / "text.jpg").write_bytes(b"<html>not found</html>")
    kept_check(data, cache)

    change(data)

    assert kept_check(data, cache) == kept_check(data, PixelCache(tmp_path / "another"))


@pytest.mark.slow  # checks twice
def test_a_damaged_reading_is_made_again(tmp_path):
    data, cache = photographs(tmp_path / "data"), PixelCache(tmp_path / "cache")
    first = kept_check(data, cache)
    entries = list((tmp_path / "cache").iterdir())
    assert len(entries) == 3  # pixels, fingerprints, and what was told
    for entry in entries:
        damaged = bytearray(entry.read_bytes())
        damaged[-1] ^= 1
        entry.write_bytes(damaged)

    assert kept_check(data, cache) == first


@pytest.mark.slow  # checks twice
def test_a_cache_without_room_keeps_the_pixels_alone(tmp_path):
    data, cache = photographs(tmp_path / "data"), PixelCache(tmp_path / "cache", limit_bytes=30_000)

    first = kept_check(data, cache)

    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert kept_check(data, cache) == first
