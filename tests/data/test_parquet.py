"""Tables in Parquet: read as the same table in CSV is, and refused in words."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.data.on_disk import put, shown

from vidi.data.read import read_dataset
from vidi.data.readers.rows import read_rows
from vidi.errors import DataError, MissingPackageError

pyarrow = pytest.importorskip("pyarrow", reason="needs:pyarrow")
parquet = pytest.importorskip("pyarrow.parquet", reason="needs:pyarrow")

COLUMNS: Mapping[str, Sequence[object]] = {
    "path": ["a.png", "b.png", "sub/c.png"],
    "label": ["cat", "dog", "cat"],
    "split": ["train", "test", "train"],
    "patient": [1, 2, 2],
    "camera": ["old", None, "new"],
}


def table(root: Path, columns: Mapping[str, object], name: str = "labels.parquet") -> Path:
    put(root, "a.png", "b.png", "sub/c.png")
    parquet.write_table(pyarrow.table(columns), root / name, row_group_size=2)
    return root / name


def test_a_table_in_parquet_says_what_the_same_table_in_csv_says(tmp_path: Path):
    lines = [
        "path,label,split,patient,camera",
        "a.png,cat,train,1,old",
        "b.png,dog,test,2,",
        "sub/c.png,cat,train,2,new",
    ]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    read, expected = (read_dataset(path) for path in (table(tmp_path, COLUMNS), tmp_path / "labels.csv"))
    assert (read.images, read.classes, read.reader) == (expected.images, expected.classes, "tables")


@pytest.mark.parametrize(
    "labels",
    [
        pyarrow.array(["cat", "dog", "cat"]).dictionary_encode(),
        pyarrow.array([["cat"], ["dog"], ["cat"]]),
        pyarrow.array(["cat", "dog", "cat"], pyarrow.large_string()),
    ],
    ids=["categories", "lists", "large"],
)
def test_columns_of_every_plain_type_are_read(labels: object, tmp_path: Path):
    paths = {"path": COLUMNS["path"], "label": labels}
    assert {path: label for path, (label, _) in shown(read_dataset(table(tmp_path, paths))).items()} == {
        "a.png": "cat",
        "b.png": "dog",
        "sub/c.png": "cat",
    }


def test_a_table_beside_the_images_is_found(tmp_path: Path):
    table(tmp_path, COLUMNS)
    assert read_dataset(tmp_path).reader == "tables"


def test_a_column_of_pictures_is_not_loaded_beside_paths(tmp_path: Path):
    pictures = {**COLUMNS, "thumbnail": [b"\xff" * 100] * 3, "box": [{"x": 1}] * 3}
    assert len(read_dataset(table(tmp_path, pictures)).images) == 3


def test_images_inside_the_table_are_refused_with_the_way_out(tmp_path: Path):
    inside = {"image": [{"bytes": b"\x89PNG", "path": None}] * 3, "label": [0, 1, 0]}
    with pytest.raises(DataError, match="holds the images themselves, in the column 'image'"):
        read_dataset(table(tmp_path, inside))


@pytest.mark.parametrize(("kept", "instead"), [(0.5, b""), (0, b"path,label\n"), (0, b"")], ids=["cut", "csv", "empty"])
def test_a_damaged_table_is_named(kept: float, instead: bytes, tmp_path: Path):
    path = table(tmp_path, COLUMNS)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))] + instead)
    with pytest.raises(DataError, match="is not a Parquet file that can be read"):
        read_dataset(path)


def test_a_wrong_row_is_named_by_its_number(tmp_path: Path):
    path = table(tmp_path, {"path": ["a.png", None, "b.png"], "label": ["x", "y", "z"]})
    with pytest.raises(DataError, match=r"labels.parquet, row 2: its 'path' is not a path"):
        read_dataset(path)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = table(tmp_path, COLUMNS)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingPackageError) as caught, path.open("rb") as stream:
        list(read_rows(stream, "labels.parquet", needs_label=True))
    assert caught.value.remedy == 'Install it: pip install "vidi[tables]"'
