"""Tables of paths and labels, as people and programs write them."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from tests.data.on_disk import IMAGE, put, shown
from tests.draw import class_folders

from vidi.data.read import ReadOptions, read_dataset
from vidi.data.readers.tables import FurtherColumns
from vidi.errors import DataError

ROWS = [("a.png", "cat"), ("b.png", "dog"), ("sub/c.png", "cat")]


def table(root: Path, data: str | bytes, name: str = "labels.csv") -> Path:
    """A table beside three images."""
    put(root, *(path for path, _ in ROWS))
    (root / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return root / name


PLAIN = "path,label\na.png,cat\nb.png,dog\nsub/c.png,cat\n"


@pytest.mark.fault
@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le").join([b"\xff\xfe", b""]),
        PLAIN.replace("\n", "\n\n") + "\n,\n",
        '"path","label","note"\n"a.png","cat","two\nlines"\n"b.png","dog",""\n"sub/c.png","cat",","\n',
        "Image Path,Class-Name\n a.png , cat \nb.png,dog\n./sub/../sub/c.png,cat\n",
        "id,file_name,category\n1,a.png,cat\n2,b.png,dog\n3,sub\\c.png,cat",
    ],
    ids=["plain", "bom", "crlf", "semicolon", "tab", "utf-16", "utf-16-le", "empty-rows", "quotes", "names", "windows"],
)
def test_tables_are_read_however_they_were_saved(tmp_path, data):
    dataset = read_dataset(table(tmp_path, data))

    assert {path: label for path, (label, _) in shown(dataset).items()} == dict(ROWS)
    assert dataset.reader == "tables"
    assert dataset.store.read("sub/c.png") == IMAGE


@pytest.mark.fault
@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        ("path,lable\na.png,cat\n", 1, r"no column gives the label; .* 'lable'. The nearest is 'lable'"),
        ("file_name,kind\na.png,cat\n", 1, r"no column gives the label; the columns are 'file_name', 'kind'\.\n"),
        ("a.png,cat\nb.png,dog\n", 1, r"no column gives the path"),
        ("path,label,label\na.png,cat,dog\n", 1, r"the column 'label' is there 2 times"),
        ("", 1, r"no column gives the path; the columns are none"),
        ("path,label\na.png,cat\nb.png\n", 3, r"it has 1 cells, but the first line 2 columns"),
        ("path,label\na.png,cat\nb.png,dog,x\n", 3, r"it has 3 cells"),
        ("path,label\na.png,cat\nb\0.png,dog\n", 3, r"it holds NUL signs"),
        ("path,label\n,cat\n", 2, r"its path is empty"),
        (b"path,label\na.png,cat\nb.png,d\xf6g\n", 3, r"byte 8 is not UTF-8"),
        ('path,label\na.png,"cat\nb.png,dog\n', 2, r"it cannot be read"),
        ('path,label\na.png,"cat"x\n', 2, r"it cannot be read"),
        ("path,label,split\na.png,cat,train\nb.png,dog,holiday\n", 3, r"there is no part called 'holiday'"),
        ("path,label\na.png,cat\nb.png," + "x" * 2_000_000, 3, r"it has over 1,000,000"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line(tmp_path, data, line, message):
    path = table(tmp_path, data)

    with pytest.raises(DataError, match=f"line {line}: {message}") as raised:
        read_dataset(path)

    assert raised.value.exit_code == 3


@pytest.mark.fault
def test_a_line_of_50_megabytes_takes_little_memory(tmp_path):
    path = table(tmp_path, "path,label\n")
    with path.open("ab") as stream:
        for _ in range(50):
            stream.write(b"x" * 1_000_000)
    tracemalloc.start()

    with pytest.raises(DataError, match="line 2: it has over 1,000,000 bytes"):
        read_dataset(path)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.fault
def test_what_leads_out_of_the_folder_is_refused_and_what_is_missing_is_named(tmp_path):
    put(tmp_path / "outside", "x.png")
    root = tmp_path / "root"
    put(root, "a.png", "b.png")
    os.symlink(tmp_path / "outside" / "x.png", root / "link.png")
    os.symlink(tmp_path / "outside", root / "linked")
    os.symlink("a.png", root / "inner.png")
    os.mkfifo(root / "pipe.png")
    outside = ["../outside/x.png", str(tmp_path / "outside/x.png"), "link.png", "linked/x.png", "a/../../outside/x.png"]
    outside += ["C:\\x.png", "c:/x.png", "https://example.org/x.png", "file:///etc/hostname", "data:image/png,x", ".."]
    rows = dict.fromkeys(outside, "link-outside")
    rows |= {"missing.png": "unreadable", "~/x.png": "unreadable", "pipe.png": "not-a-file", ".": "not-a-file"}
    good = ["a.png", "inner.png", str(root / "b.png")]
    lines = [f'"{name}",cat' for name in [*good, *rows]]
    (root / "labels.csv").write_text("path,label\n" + "\n".join(lines))

    dataset = read_dataset(root / "labels.csv")

    assert {entry.path: entry.code for entry in dataset.account.refused} == rows
    assert [image.path for image in dataset.images] == ["a.png", "inner.png", "b.png"]
    assert dataset.account.found == len(lines)


@pytest.mark.fault
def test_no_file_outside_the_folder_is_opened(tmp_path):
    put(tmp_path / "outside", "x.png")
    put(tmp_path / "data", "a.png")
    os.symlink(tmp_path / "outside" / "x.png", tmp_path / "data" / "link.png")
    rows = ["a.png", "../outside/x.png", "link.png", str(tmp_path / "outside/x.png"), "https://example.org/x.png"]
    (tmp_path / "data" / "labels.csv").write_text("path,label\n" + "".join(f"{row},cat\n" for row in rows))
    program = """
import socket, sys
from vidi.data.read import ReadOptions, read_dataset
from vidi.errors import ImageError
seen = []
sys.addaudithook(lambda event, values: seen.append(str(values[0])) if event in ("open", "socket.connect") else None)
dataset = read_dataset(sys.argv[1])
for path in ("a.png", "../outside/x.png", "link.png"):
    try:
        dataset.store.read(path)
    except ImageError:
        pass
print("\\n".join(seen))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "data" / "labels.csv")]

    opened = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    assert [path for path in opened if str(tmp_path) in path and "/data/" not in path] == []
    assert {Path(path).name for path in opened if str(tmp_path) in path} == {
        "labels.csv",
        "labels.csv.labels.jsonl",
        "a.png",
    }


@pytest.mark.fault
def test_files_outside_are_read_where_the_user_allows_it(tmp_path):
    put(tmp_path, "outside/x.png", "root/a.png")
    (tmp_path / "root" / "labels.csv").write_text("path,label\na.png,cat\n../outside/x.png,dog\n")

    dataset = read_dataset(tmp_path / "root" / "labels.csv", ReadOptions(allow_outside=True))

    assert len(dataset.images) == 2
    assert {dataset.store.read(image.path) for image in dataset.images} == {IMAGE}


def test_parts_and_groups_come_from_their_columns(tmp_path):
    path = table(tmp_path, "path,label,split,patient_id\na.png,cat,train,7\nb.png,dog,Val,8\nsub/c.png,cat,test,\n")

    dataset = read_dataset(path)

    assert [(image.part, image.group) for image in dataset.images] == [
        ("train", "7"),
        ("validation", "8"),
        ("test", None),
    ]


def test_json_lines_are_read_with_numbers_lists_and_empty_labels(tmp_path):
    rows = [{"image": "a.png", "label": 1}, {"image": "b.png", "label": ["0"]}, {"image": "sub/c.png", "label": None}]
    path = table(tmp_path, "\n".join(map(json.dumps, rows)), name="labels.jsonl")

    dataset = read_dataset(path)

    assert shown(dataset) == {"a.png": ("1", None), "b.png": ("0", None)}
    assert [(entry.path, entry.code) for entry in dataset.account.set_aside] == [("sub/c.png", "no-label")]
    assert any("numbers are the names" in note for note in dataset.notes)


@pytest.mark.parametrize(
    "line",
    [
        *("{", "[]", "3", '{"path": 3, "label": "x"}', '{"path": "a.png", "label": {}}'),
        *('{"path": "a.png", "label": NaN}', '{"path": "a.png", "label": ["dog", Infinity]}'),
    ],
)
def test_a_bad_line_of_json_is_named(tmp_path, line):
    path = table(tmp_path, '{"path": "a.png", "label": "cat"}\n' + line, name="labels.jsonl")

    with pytest.raises(DataError, match="line 2: it"):
        read_dataset(path)


def test_a_table_beside_the_images_is_found_and_unlisted_images_are_set_aside(tmp_path):
    table(tmp_path, "path,label\na.png,cat\nsub/c.png,dog\n")

    dataset = read_dataset(tmp_path)

    assert dataset.reader == "tables"
    assert [(entry.path, entry.code) for entry in dataset.account.set_aside] == [("b.png", "no-label")]


def test_a_table_of_something_else_does_not_hide_class_folders(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "manifest.csv").write_text("file,row_id\ncat/1.png,7\n")

    assert read_dataset(tmp_path).reader == "class-folders"


def test_tables_named_after_parts_are_read_together(tmp_path):
    table(tmp_path, "path,label\na.png,cat\nb.png,dog\n", name="train.csv")
    table(tmp_path, "path,label\nsub/c.png,cat\n", name="test.csv")

    dataset = read_dataset(tmp_path)

    assert shown(dataset)["sub/c.png"] == ("cat", "test")


def test_several_tables_without_parts_must_be_chosen_from(tmp_path):
    for name in ("old.csv", "new.csv"):
        table(tmp_path, PLAIN, name=name)

    with pytest.raises(DataError, match=r"several tables name images: new.csv, old.csv"):
        read_dataset(tmp_path)


def test_hugging_face_metadata_counts_from_its_own_folder(tmp_path):
    put(tmp_path, "train/a.png", "train/b.png", "test/c.png")
    (tmp_path / "train/metadata.csv").write_text("file_name,label\na.png,cat\nb.png,dog\n")
    (tmp_path / "test/metadata.jsonl").write_text('{"file_name": "c.png", "label": "cat"}\n')

    dataset = read_dataset(tmp_path)

    assert dataset.reader == "hugging-face"
    assert shown(dataset) == {
        "train/a.png": ("cat", "train"),
        "train/b.png": ("dog", "train"),
        "test/c.png": ("cat", "test"),
    }


def test_captions_in_metadata_leave_the_classes_to_the_folders(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "metadata.csv").write_text("file_name,caption\ncat/1.png,a cat\n")

    assert read_dataset(tmp_path).reader == "class-folders"


def test_a_table_that_could_not_be_used_is_explained_where_nothing_else_gives_classes(tmp_path):
    table(tmp_path, "path,lable\na.png,cat\n")
    (tmp_path / "sub" / "c.png").unlink()

    with pytest.raises(DataError, match=r"no column gives the label; .* The nearest is 'lable'"):
        read_dataset(tmp_path)


def test_several_classes_of_one_image_need_a_question(tmp_path):
    path = table(tmp_path, "path,label\na.png,cat|dog\nb.png,dog\nsub/c.png,cat\n")

    with pytest.raises(DataError, match=r"a.png shows cat, dog; one class for each image is needed") as raised:
        read_dataset(path)
    dataset = read_dataset(path, ReadOptions(positive="dog"))

    assert "--positive cat" in raised.value.remedy
    assert shown(dataset) == {"a.png": ("dog", None), "b.png": ("dog", None), "sub/c.png": ("not dog", None)}


def test_rows_that_name_an_image_again_are_put_together(tmp_path):
    path = table(tmp_path, PLAIN + "a.png,cat\n")

    dataset = read_dataset(path)

    assert len(dataset.images) == 3
    assert "1 rows name an image again; their classes were put together" in dataset.notes


def test_further_columns_are_kept_where_figures_can_be_given_by_them(tmp_path):
    class_folders(tmp_path, each=40)
    rows = ["path,label,light,age,caption,constant,id"]
    for number, path in enumerate(sorted(tmp_path.rglob("*.png"))):
        name = path.relative_to(tmp_path).as_posix()
        light = ("day", "night")[number % 2]
        rows.append(f"{name},{path.parent.name},{light},{20.123 + number},a {number} long caption,same,{number:05}")
    (tmp_path / "images.csv").write_text("\n".join(rows))

    images = read_dataset(str(tmp_path / "images.csv")).images

    assert {name for image in images for name, _ in image.columns} == {"light", "age"}
    assert dict(images[3].columns)["light"] == "night"
    assert dict(images[3].columns)["age"] == "23.1"
    assert images[0].columns[0] is images[2].columns[0]  # one copy, however many rows


def test_numbers_that_only_count_the_images_are_let_go():
    columns = FurtherColumns()
    kept = [columns.keep((("id", str(number)), ("age", str(number % 70)))) for number in range(500)]

    assert columns.useful(kept[0]) == (("age", "0"),)


def test_a_utf_16_table_without_paths_is_refused_without_a_traceback(tmp_path, capsys):
    (tmp_path / "table.csv").write_bytes(b"\xff\xfe" + "name;kind\n".encode("utf-16-le"))
    with pytest.raises(DataError, match="no column gives the path"):
        read_dataset(tmp_path / "table.csv")
    assert capsys.readouterr().err == ""
