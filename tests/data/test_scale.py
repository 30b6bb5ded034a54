"""Large sets are listed quickly and in little memory; no pixel is read."""

import os
import sys
import time

import pytest
from tests.counts import count
from tests.data.measured import cost_of_reading
from tests.data.on_disk import IMAGE

from vidi.data.labels import read_labels

pytestmark = [pytest.mark.fault, pytest.mark.integration]  # each makes thousands of files or rows, which is its subject

LABELS_A_SECOND = 60_000  # of processor time; a quiet core reads three times as many
FILES_A_SECOND = 5_000  # of processor time, the row's own bar
BYTES_A_FILE = 1_000
# The reader's own modules and tables, whatever the set; measured at 3 to 5 MB.
START_BYTES = 12_000_000


@pytest.mark.parametrize("classes", [1, 1_000])
def test_folders_are_listed_at_speed_and_in_little_memory(tmp_path, classes):
    files = count(small=20_000, faults=100_000, soak=500_000)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "0.png").write_bytes(IMAGE)
    original = tmp_path / "other" / "0.png"
    for number in range(files):
        if number < classes:
            (tmp_path / f"class{number:05}").mkdir()
        path = tmp_path / f"class{number % classes:05}" / f"{number:06}.png"
        if number % 50_000 == 0:  # a file system takes some 65,000 links to one file
            path.write_bytes(IMAGE)
            original = path
        else:
            os.link(original, path)

    cost = cost_of_reading(tmp_path)

    assert (cost.images, cost.classes) == (files + 1, classes + 1)
    assert files / cost.seconds >= FILES_A_SECOND
    assert cost.memory_bytes < START_BYTES + BYTES_A_FILE * files
    sys.stdout.write(f"{files} files: {cost.seconds:.2f} s, {cost.memory_bytes / files:.0f} bytes each\n")


def test_tables_are_read_at_speed_and_in_little_memory(tmp_path):
    rows = count(small=50_000, faults=200_000, soak=1_000_000)
    files = 1_000
    for number in range(files):
        (tmp_path / f"{number:06}.png").write_bytes(IMAGE)
    names = (f"{number % files:06}.png" if number < files else f"gone{number}.png" for number in range(rows))
    lines = (f"{name},class{number % 10_000}\n" for number, name in enumerate(names))
    (tmp_path / "labels.csv").write_text("path,label\n" + "".join(lines))

    cost = cost_of_reading(tmp_path / "labels.csv")

    assert cost.images == files
    assert rows / cost.seconds >= FILES_A_SECOND
    assert cost.memory_bytes < START_BYTES + BYTES_A_FILE * rows


def test_labels_that_people_gave_are_read_at_speed(tmp_path):
    rows = count(small=20_000, faults=100_000)
    said = '"at":1.5,"who":"ana","kind":"label","labels":["cat"],"how":"one"'
    line = '{{"key":"{0}",' + said + ',"digest":"{0:064}","path":"{0}.png"}}\n'
    (tmp_path / "l.jsonl").write_text("".join(map(line.format, range(rows))))

    began = time.process_time()
    read = read_labels(tmp_path / "l.jsonl")
    seconds = time.process_time() - began

    assert len(read.answers) == rows
    assert rows / seconds >= LABELS_A_SECOND
    sys.stdout.write(f"{rows} labels: {seconds:.2f} s\n")


def test_ten_thousand_classes_are_listed(tmp_path):
    for number in range(10_000):
        (tmp_path / f"class{number:05}").mkdir()
        (tmp_path / f"class{number:05}" / "1.png").write_bytes(b"x")

    cost = cost_of_reading(tmp_path)

    assert cost.classes == 10_000
    assert cost.seconds < 5
