"""Record files: IDX and CIFAR."""

import gzip
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from vidi.data.read import read_dataset
from vidi.errors import DataError, ImageError, ResourceError
from vidi.images.decode import decode_image

RANDOM = np.random.default_rng(5)
GREY = RANDOM.integers(0, 256, (6, 5, 4), dtype=np.uint8)  # six images of 5 rows and 4 columns
LABELS = np.array([3, 0, 1, 3, 2, 0], np.uint8)


def idx(array: np.ndarray) -> bytes:
    """An IDX file of bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def cifar(images: np.ndarray, labels: np.ndarray, *, coarse: bool = False) -> bytes:
    """Records of a label (two with `coarse`) and the three colour planes of 32x32 images."""
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    before = [labels[:, None] // 2] if coarse else []
    return np.concatenate([*before, labels[:, None], planes], axis=1).astype(np.uint8).tobytes()


def write_idx(root: Path, *, packed: bool = False) -> Path:
    """The six images as the training part, two of them again as the test part."""
    root.mkdir(exist_ok=True)
    for stem, count in (("train", 6), ("t10k", 2)):
        for kind, array in (("images-idx3", GREY[:count]), ("labels-idx1", LABELS[:count])):
            data = idx(array)
            name = f"{stem}-{kind}-ubyte"
            (root / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)
    return root


@pytest.mark.parametrize("packed", [False, True])
def test_idx_pairs_give_every_image_its_label_and_part(tmp_path, packed):
    dataset = read_dataset(write_idx(tmp_path / "set", packed=packed))

    train = [image for image in dataset.images if image.part == "train"]
    assert dataset.classes == ("0", "1", "2", "3")
    assert [image.label for image in train] == LABELS.tolist()
    assert len(dataset.images) == 8
    store = pickle.loads(pickle.dumps(dataset.store))
    for image, expected in zip(train, GREY, strict=True):
        decoded = decode_image(store.read(image.path)).image
        np.testing.assert_array_equal(decoded, np.repeat(expected[:, :, None], 3, axis=2))


def test_colour_idx_is_read(tmp_path):
    colours = RANDOM.integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    (tmp_path / "images-idx4-ubyte").write_bytes(idx(colours))
    (tmp_path / "labels-idx1-ubyte").write_bytes(idx(np.array([0, 1], np.uint8)))

    dataset = read_dataset(tmp_path)

    np.testing.assert_array_equal(decode_image(dataset.store.read(dataset.images[1].path)).image, colours[1])


def test_cifar_batches_give_upright_colour_images(tmp_path):
    images = RANDOM.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    (tmp_path / "data_batch_1.bin").write_bytes(cifar(images[:3], np.array([0, 1, 1])))
    (tmp_path / "test_batch.bin").write_bytes(cifar(images[3:], np.array([0])))
    (tmp_path / "batches.meta.txt").write_text("airplane\nautomobile\n\n")

    dataset = read_dataset(tmp_path)

    assert dataset.classes == ("airplane", "automobile")
    assert [(image.path, image.part) for image in dataset.images][2:] == [
        ("data_batch_1/00002.ppm", "train"),
        ("test_batch/00000.ppm", "test"),
    ]
    for image, expected in zip(dataset.images, images, strict=True):
        np.testing.assert_array_equal(decode_image(dataset.store.read(image.path)).image, expected)


def test_cifar_100_takes_the_fine_label(tmp_path):
    images = RANDOM.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    (tmp_path / "train.bin").write_bytes(cifar(images, np.array([5, 4, 5]), coarse=True))

    dataset = read_dataset(tmp_path)

    assert [dataset.classes[label] for label in dataset.labels()] == ["5", "4", "5"]


def test_records_inside_an_archive_are_read_in_place(tmp_path):
    write_idx(tmp_path / "set", packed=True)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted((tmp_path / "set").iterdir()):
            archive.write(path, f"mnist/{path.name}")

    dataset = read_dataset(tmp_path / "set.zip")

    decoded = decode_image(dataset.store.read(dataset.images[0].path)).image
    np.testing.assert_array_equal(decoded[..., 0], GREY[0])


def test_record_files_stand_in_the_account_by_their_records(tmp_path):
    dataset = read_dataset(write_idx(tmp_path / "set"))

    assert dataset.account.used == 8
    assert {entry.code for entry in dataset.account.ignored} == {"record-file"}
    assert not dataset.account.set_aside


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], r"should have 136 bytes, but has 135"),
        (lambda data: data + b"x", r"should have 136 bytes, but has 137"),
        (lambda data: b"\0\0\x0d" + data[3:], r"begins with 00 00 0d 03"),
        (lambda _: b"", r"begins with nothing"),
        (lambda _: idx(GREY[:5]), r"holds 5 images, but train-labels-idx1-ubyte 6 labels"),
        (lambda _: idx(LABELS), r"shape \(6,\), not images"),
        (lambda _: bytes([0, 0, 8, 3]) + b"\xff" * 12, r"states the shape \(4294967295,"),
    ],
)
def test_a_damaged_idx_file_is_named_with_what_is_wrong(tmp_path, damage, message):
    write_idx(tmp_path / "set")
    path = tmp_path / "set" / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path / "set")


def test_a_cut_or_exploding_gzip_file_is_refused(tmp_path):
    path = write_idx(tmp_path / "set", packed=True) / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()

    path.write_bytes(whole[:-9])
    with pytest.raises(DataError, match="cut or damaged"):
        read_dataset(tmp_path / "set")
    path.write_bytes(gzip.compress(bytes(50_000_000)))
    with pytest.raises(ResourceError, match="over 100 times its size"):
        read_dataset(tmp_path / "set")


def test_a_cifar_file_that_is_no_whole_number_of_records_is_refused(tmp_path):
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(3072))

    with pytest.raises(DataError, match="not a multiple of the record size of 3,073 bytes"):
        read_dataset(tmp_path)


def test_python_pickles_of_cifar_are_never_opened(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x04.")

    with pytest.raises(DataError, match="is a Python pickle, which vidi never opens"):
        read_dataset(tmp_path)


def test_a_record_that_is_not_there_is_refused(tmp_path):
    dataset = read_dataset(write_idx(tmp_path / "set"))

    for path in ("train/00006.pgm", "train/-0001.pgm", "other/00000.pgm", "train"):
        with pytest.raises(ImageError):
            dataset.store.read(path)
