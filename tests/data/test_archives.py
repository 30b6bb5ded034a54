"""Archives: read in place where they are honest, refused whole where they are not."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.measured import cost_of_reading
from tests.data.on_disk import IMAGE, put, shown

from vidi.data.archives.open import open_archive
from vidi.data.read import read_dataset
from vidi.errors import DataError, ImageError, ResourceError

PATHS = ("train/cat/1.png", "train/dog/1.png", "test/cat/2.png", "test/dog/2.png")
Entries = dict[str, bytes]
GOOD: Entries = dict.fromkeys(PATHS, IMAGE)


def write_zip(path: Path, entries: Entries, *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip archive of these files."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, data)
    return path


def write_tar(path: Path, entries: Entries, *extra: tarfile.TarInfo) -> Path:
    """A tar archive, packed as its name says, of these files and of bare headers."""
    mode = {".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return path


def header(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A link or device for a tar archive."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def tree(folder: Path) -> dict[str, int]:
    """Every path below a folder with its size."""
    return {str(path): path.lstat().st_size for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tar.gz", "set.tar.bz2", "set.tar.xz", "set.tgz"])
def test_an_archive_is_read_like_the_folder_that_it_holds(tmp_path, name):
    folder = put(tmp_path / "set", *PATHS, "train/.DS_Store", "__MACOSX/x.png", "notes.txt")
    entries = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if name == "set.tgz":
        (tmp_path / name).write_bytes(write_tar(tmp_path / "x.tar.gz", entries).read_bytes())
    else:
        (write_zip if name == "set.zip" else write_tar)(tmp_path / name, entries)

    dataset = read_dataset(tmp_path / name)

    assert shown(dataset) == shown(read_dataset(folder))
    assert [image.path for image in dataset.images] == [image.path for image in read_dataset(folder).images]
    store = pickle.loads(pickle.dumps(dataset.store))
    assert {store.read(image.path) for image in dataset.images} == {IMAGE}
    assert len(dataset.account.ignored) == 3


def test_stored_entries_and_names_without_the_utf8_mark_are_read(tmp_path):
    path = write_zip(tmp_path / "set.zip", {"cat/1.png": IMAGE, "dog/1.png": IMAGE}, method=zipfile.ZIP_STORED)
    marked = write_zip(tmp_path / "marked.zip", {"Kö/1.png": IMAGE, "dog/1.png": IMAGE})
    data = bytearray(marked.read_bytes())
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # clear the mark, as many programs leave it
        place = data.index(signature) + at
        data[place : place + 2] = struct.pack("<H", struct.unpack("<H", data[place : place + 2])[0] & ~0x800)
    marked.write_bytes(data)

    assert read_dataset(path).classes == ("cat", "dog")
    assert read_dataset(marked).classes == ("Kö", "dog")


BAD_NAMES = ["../evil.png", "a/../../evil.png", "/etc/evil.png", "\\evil.png", "C:\\evil.png", "c:evil.png"]
BAD_NAMES += ["a\\..\\..\\evil.png", "..", "TRAIN/cat/1.png", "train/cat/1.PNG"]


@pytest.mark.fault
@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_out_or_fold_together_are_refused(tmp_path, kind, name):
    write = write_zip if kind == "zip" else write_tar
    path = write(tmp_path / f"set.{kind}", GOOD | {name: IMAGE})
    before = tree(tmp_path)

    with pytest.raises(DataError, match=r"link-outside.*nothing of it was used") as raised:
        read_dataset(path)

    assert raised.value.exit_code == 3
    assert tree(tmp_path) == before


@pytest.mark.fault
@pytest.mark.parametrize(
    "info",
    [
        header("link.png", tarfile.SYMTYPE, "/etc/passwd"),
        header("link.png", tarfile.SYMTYPE, "train/cat/1.png"),
        header("link.png", tarfile.LNKTYPE, "../../etc/passwd"),
        header("link.png", tarfile.LNKTYPE, "/etc/passwd"),
        header("link.png", tarfile.LNKTYPE, "nowhere.png"),
        header("device.png", tarfile.CHRTYPE),
        header("disk.png", tarfile.BLKTYPE),
        header("pipe.png", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.type!r}-{info.linkname}",
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, info):
    path = write_tar(tmp_path / "set.tar", GOOD, info)

    with pytest.raises(DataError, match=f"{info.name} is a link .*link-outside"):
        read_dataset(path)


@pytest.mark.fault
def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        info = zipfile.ZipInfo("cat/link.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")

    with pytest.raises(DataError, match=r"cat/link.png is a link or a device"):
        read_dataset(tmp_path / "set.zip")


def test_a_hard_link_inside_a_tar_is_the_file_that_it_names(tmp_path):
    path = write_tar(tmp_path / "set.tar", GOOD, header("train/cat/again.png", tarfile.LNKTYPE, "train/cat/1.png"))

    dataset = read_dataset(path)

    assert dataset.store.read("train/cat/again.png") == IMAGE


@pytest.mark.fault
@pytest.mark.parametrize("name", ["bomb.zip", "bomb.tar.gz", "bomb.tar.bz2", "bomb.tar.xz"])
def test_an_archive_that_grows_a_hundredfold_stops_early(tmp_path, name):
    zeros = {"cat/1.png": bytes(40_000_000)}
    path = (write_zip if name.endswith("zip") else write_tar)(tmp_path / name, zeros)
    cache = Path(os.environ["VIDI_CACHE"])
    tracemalloc.start()

    with pytest.raises(ResourceError, match="over 100 times its size") as raised:
        read_dataset(path)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert raised.value.exit_code == 5
    assert peak < 50_000_000
    assert not any(entry.is_file() for entry in cache.rglob("*"))


@pytest.mark.fault
def test_a_bomb_of_many_small_entries_is_known_by_their_sum(tmp_path):
    path = write_zip(tmp_path / "set.zip", {f"cat/{number}.png": bytes(5_000_000) for number in range(4)})

    with pytest.raises(ResourceError, match="it grows to 20,000,000 bytes"):
        read_dataset(path)


@pytest.mark.fault
@pytest.mark.parametrize("inner", ["deep.zip", "x/deep.tar.gz", "deep.7z"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_in_an_archive_is_refused(tmp_path, kind, inner):
    path = (write_zip if kind == "zip" else write_tar)(tmp_path / f"set.{kind}", GOOD | {inner: b"PK"})

    with pytest.raises(ResourceError, match=f"{inner} in it is an archive again"):
        read_dataset(path)


@pytest.mark.fault
def test_overlapping_entries_are_refused(tmp_path):
    path = write_zip(tmp_path / "set.zip", {"cat/1.png": IMAGE, "dog/1.png": IMAGE})
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    data[second + 42 : second + 46] = struct.pack("<I", 0)  # the second entry now begins where the first does
    data[second + 46 : second + 46 + 9] = b"cat/1.pn2"
    path.write_bytes(data)

    with pytest.raises((DataError, ResourceError), match=r"overlap|another name"):
        read_dataset(path)


def with_field(path: Path, offset: int, value: int, *, local: int | None = None) -> Path:
    """Overwrite a 4-byte field of the first entry, in the list and if wanted in its own header."""
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\1\2") + offset
    data[place : place + 4] = struct.pack("<I", value)
    if local is not None:
        data[local : local + 4] = struct.pack("<I", value)
    path.write_bytes(data)
    return path


@pytest.mark.fault
def test_a_size_that_is_a_lie_is_found_before_anything_is_used(tmp_path):
    honest = {"cat/1.png": bytes(range(256)) * 40, "dog/1.png": IMAGE}

    both = with_field(write_zip(tmp_path / "both.zip", honest), 24, 100, local=22)
    with pytest.raises(ResourceError, match="unpacks to more than the 100 bytes"):
        read_dataset(both)
    one = with_field(write_zip(tmp_path / "one.zip", honest), 24, 100)
    with pytest.raises(DataError, match=r"cat/1.png is damaged: its header has another size than the list"):
        read_dataset(one)
    large = {"cat/1.png": os.urandom(3_000_000), "dog/1.png": IMAGE}
    pieces = with_field(write_zip(tmp_path / "pieces.zip", large), 24, 2_000_000, local=22)
    with pytest.raises(ResourceError, match="unpacks to more than the 2,000,000 bytes"):
        read_dataset(pieces)


def write_many(path: Path, count: int) -> Path:
    """A zip archive of one-byte files, put together by hand because the library takes ten times as long."""
    files, listed = bytearray(), bytearray()
    sizes = struct.pack("<III", zlib.crc32(b"x"), 1, 1)
    for number in range(count):
        name = f"class{number % 10}/{number:06}.png".encode()
        fixed = bytes(8) + sizes + struct.pack("<HH", len(name), 0)  # flags, method and date are zero
        listed += b"PK\1\2" + bytes([20, 0, 20, 0]) + fixed + bytes(10) + struct.pack("<I", len(files)) + name
        files += b"PK\3\4" + bytes([20, 0]) + fixed + name + b"x"
    end = struct.pack("<HHHHIIH", 0, 0, min(count, 65535), min(count, 65535), len(listed), len(files), 0)
    wide = struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(listed), len(files))
    locator = struct.pack("<IQI", 0, len(files) + len(listed), 1)
    end = (
        b"PK\6\6"
        + wide
        + b"PK\6\7"
        + locator
        + b"PK\5\6"
        + (end if count < 65535 else end[:8] + b"\xff" * 8 + end[16:])
    )
    path.write_bytes(files + listed + end)
    return path


@pytest.mark.fault
@pytest.mark.integration  # lists 100,000 entries, which is what the row asks
def test_an_archive_of_100_000_entries_is_listed_within_its_time_and_memory(tmp_path):
    cost = cost_of_reading(write_many(tmp_path / "set.zip", 100_000))

    assert (cost.images, cost.classes) == (100_000, 10)
    assert cost.seconds < 30
    assert cost.memory_bytes < 200_000_000


def flip_checksum(path: Path) -> Path:
    """Damage the packed bytes of the first entry of a stored zip."""
    data = bytearray(path.read_bytes())
    data[data.index(IMAGE) + 20] ^= 1
    path.write_bytes(data)
    return path


def cut(path: Path, keep: float) -> Path:
    """Keep the first part of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def twice(path: Path) -> Path:
    """Two entries of one name."""
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train/cat/1.png", IMAGE)
    return path


def compressed_by(path: Path, method: int) -> Path:
    """The first entry claims another packing method."""
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 10] = method
    path.write_bytes(data)
    return path


def encrypted(path: Path) -> Path:
    """The first entry claims to be encrypted."""
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    return path


@pytest.mark.fault
@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (encrypted, "train/cat/1.png is encrypted"),
        (lambda path: compressed_by(path, 99), "train/cat/1.png is packed by method 99"),
        (lambda path: compressed_by(path, 14), "train/cat/1.png is packed by method 14"),
        (flip_checksum, "train/cat/1.png is damaged: its checksum is wrong"),
        (twice, "train/cat/1.png is in it twice"),
        (lambda path: cut(path, 0.5), "the archive is cut or damaged"),
        (lambda path: cut(path, 0.97), "the archive is cut or damaged"),
        (lambda path: path.rename(path.with_suffix(".z01")), "the archive is one piece of a split archive"),
        (lambda path: (path.write_bytes(b"") and path) or path, "the archive is cut or damaged"),
    ],
)
def test_damaged_zips_are_refused_with_the_entry_named(tmp_path, corrupt: Callable[[Path], Path], message):
    path = corrupt(write_zip(tmp_path / "set.zip", GOOD, method=zipfile.ZIP_STORED))

    with pytest.raises(DataError, match=message) as raised:
        read_dataset(path)

    assert raised.value.exit_code == 3
    assert not any(entry.is_file() for entry in Path(os.environ["VIDI_CACHE"]).rglob("*"))


@pytest.mark.fault
@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.tar.bz2", "set.tar.xz"])
@pytest.mark.parametrize("keep", [0.2, 0.5, 0.95])
def test_cut_tars_are_refused(tmp_path, name, keep):
    path = cut(write_tar(tmp_path / name, GOOD), keep if name != "set.tar" else keep / 4)

    with pytest.raises(DataError, match="the archive is cut or damaged"):
        read_dataset(path)


@pytest.mark.fault
def test_a_damaged_header_in_a_tar_is_no_end(tmp_path):
    path = write_tar(tmp_path / "set.tar", GOOD)
    data = bytearray(path.read_bytes())
    data[data.index(b"test/cat/2.png") + 3] ^= 1
    path.write_bytes(data)

    with pytest.raises(DataError, match="its end is missing"):
        read_dataset(path)


@pytest.mark.fault
@pytest.mark.parametrize("seed", range(20))
def test_blind_damage_is_refused_or_harmless(tmp_path, seed):
    path = write_zip(tmp_path / "set.zip", GOOD)
    data = bytearray(path.read_bytes())
    place = seed * len(data) // 20
    data[place] ^= 0xFF
    path.write_bytes(data)

    try:
        dataset = read_dataset(path)
    except (DataError, ResourceError):
        return
    assert {dataset.store.read(image.path) for image in dataset.images} == {IMAGE}


def test_an_archive_that_changes_after_it_was_listed_costs_images_not_the_run(tmp_path):
    path = write_zip(tmp_path / "set.zip", GOOD, method=zipfile.ZIP_STORED)
    dataset = read_dataset(path)
    flip_checksum(path)

    with pytest.raises(ImageError, match="its checksum is wrong") as raised:
        dataset.store.read("train/cat/1.png")

    assert raised.value.code == "broken"
    assert dataset.store.read("test/dog/2.png") == IMAGE


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress, bytes])
def test_what_is_no_tar_inside_is_refused(tmp_path, pack):
    (tmp_path / "set.tar.gz").write_bytes(pack(b"no archive" * 100))

    with pytest.raises(DataError, match="the archive is cut or damaged"):
        read_dataset(tmp_path / "set.tar.gz")


def test_a_packed_archive_is_unpacked_where_the_user_wants_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "mine"))
    packed = tmp_path / "set.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        for name in ("a/1.png", "b/1.png"):
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))

    read_dataset(packed)

    assert [path.suffix for path in (tmp_path / "mine" / "archives").iterdir()] == [".tar"]


def test_a_packed_archive_is_read_also_where_the_cache_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    archive, refusing = tmp_path / "photos.tar.gz", tmp_path / "a-file"
    with tarfile.open(archive, "w:gz") as writing:
        member = tarfile.TarInfo("cat/1.txt")
        member.size = 3
        writing.addfile(member, io.BytesIO(b"abc"))
    refusing.write_text("no folder")
    monkeypatch.setenv("VIDI_CACHE", str(refusing))

    store = open_archive(archive)

    assert store.read("cat/1.txt") == b"abc"
    assert refusing.read_text() == "no folder"
