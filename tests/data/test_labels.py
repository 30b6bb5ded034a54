"""The file of labels that only grows: what was said is there, whatever happens to who writes it."""

import json
import re
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.counts import count

from vidi.data.labels import Kind, Labels, LabelsFile, Opinion, labels_beside, read_labels
from vidi.errors import DataError, ResourceError, UsageError

NAMES = st.text(min_size=1, max_size=12)
A, B, C = (sign * 64 for sign in "abc")


def said(digest: str, *labels: str, who: str = "ana", kind: Kind = "label", key: str = "", path: str = "") -> Opinion:
    key = key or f"{digest[:4]} {who} {labels} {kind}"
    path = path or f"{digest[:1]}.png"
    return Opinion(key=key, digest=digest, at=1.0, source=who, via="review", kind=kind, labels=labels, path=path)


@given(st.lists(st.tuples(NAMES, NAMES, st.lists(NAMES, max_size=3, unique=True)), max_size=5))
def test_what_is_written_is_read_back_exactly_whatever_the_names(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("labels") / "l.jsonl"
    opinions = [
        said(A, *labels, who=who, kind="label" if labels else "none", key=str(number), path=f"x{path}")
        for number, (path, who, labels) in enumerate(rows)
        if "/.." not in path and "\\.." not in path and not path.startswith(":")
    ]

    for one in opinions:
        LabelsFile(file).add([one])

    assert LabelsFile(file).opinions() == opinions


def test_of_each_person_the_last_line_counts_and_of_several_more_than_half(tmp_path):
    labels = LabelsFile(tmp_path / "l.jsonl")
    for one in (said(A, "cat"), said(A, "dog"), said(B, "cat"), said(B, "cat", who="bo"), said(B, "dog", who="cy")):
        labels.add([one])
    labels.add([said(C, "cat")])
    labels.add([said(C, "dog", who="bo")])

    read = read_labels(labels.path)

    assert read.answers == {A: ("label", ("dog",)), B: ("label", ("cat",)), C: None}
    assert read.digests == {"a.png": A, "b.png": B, "c.png": C}


def test_many_images_are_one_line_and_one_undo(tmp_path):
    labels = LabelsFile(tmp_path / "l.jsonl")
    labels.add([said(A, "cat", key="first")])
    bulk = [replace(said(digest, kind="exclude", key="many"), how="bulk") for digest in (A, B, C)]
    labels.add(bulk)

    assert len(labels.path.read_text().splitlines()) == 2
    assert labels.opinions()[1:] == bulk
    assert read_labels(labels.path).answers == dict.fromkeys((A, B, C), ("exclude", ()))

    labels.undo("many", who="ana", at=2.0)

    assert read_labels(labels.path).answers == {A: ("label", ("cat",))}


def test_an_answer_that_is_sent_again_is_no_other_one(tmp_path):
    first, second = LabelsFile(tmp_path / "l.jsonl"), LabelsFile(tmp_path / "l.jsonl")
    first.add([said(A, "cat", key="k")])
    second.add([said(A, "cat", key="k")])
    second.undo("k", who="ana", at=1)
    first.undo("k", who="ana", at=1)

    assert len(first.path.read_text().splitlines()) == 2
    assert first.opinions() == []


def test_a_torn_last_line_is_no_line_and_is_cut_by_the_next(tmp_path):
    labels = LabelsFile(tmp_path / "l.jsonl")
    labels.add([said(A, "cat")])
    whole = labels.path.read_bytes()
    for torn in (whole[:-1], whole[:20], b"\0" * 9_000):
        labels.path.write_bytes(whole + torn)

        assert list(read_labels(labels.path).answers) == [A]
        assert len(labels.opinions()) == 1

    LabelsFile(labels.path).add([said(B, "dog")])
    assert list(read_labels(labels.path).answers) == [A, B]


def test_a_reader_sees_what_others_append_and_what_was_rewritten(tmp_path):
    first, second = LabelsFile(tmp_path / "l.jsonl"), LabelsFile(tmp_path / "l.jsonl")
    assert second.opinions() == []
    first.add([said(A, "cat")])
    assert second.opinions() == [said(A, "cat")]
    first.add([said(digest, kind="none", key="two") for digest in (A, B)])
    assert len(second.opinions()) == 3

    assert first.forget(A) == 2

    assert second.opinions() == [said(B, kind="none", key="two")]
    assert not {A, "a.png", "cat"} & set(re.findall(r"[\w.]+", first.path.read_text()))
    assert first.forget(A) == 0


def test_an_earlier_state_is_read_again_while_the_file_grows(tmp_path):
    labels = LabelsFile(tmp_path / "l.jsonl")
    labels.add([said(A, "cat")])
    before = read_labels(labels.path)
    labels.add([said(A, "dog")])

    assert facts(read_labels(labels.path, state=before.state)) == facts(before)
    assert read_labels(labels.path).state != before.state

    labels.path.write_text(labels.path.read_text().replace("cat", "hen"))
    for text in (labels.path.read_text(), ""):
        labels.path.write_text(text)
        with pytest.raises(DataError, match="lines that were there before are gone"):
            read_labels(labels.path, state=before.state)


def test_an_earlier_state_is_read_without_what_is_forgotten_since(tmp_path):
    labels = LabelsFile(tmp_path / "l.jsonl")
    labels.add([said(A, "cat")])
    labels.add([said(digest, kind="none", key="two") for digest in (A, B)])
    before = read_labels(labels.path)
    labels.add([said(C, "dog")])
    grown = read_labels(labels.path)

    assert labels.forget(C) == 1
    assert read_labels(labels.path, state=before.state).state == before.state

    assert labels.forget(A) == 2
    assert read_labels(labels.path, state=before.state).answers == {B: ("none", ())}
    assert read_labels(labels.path, state=before.state).state != before.state
    assert read_labels(labels.path, state=grown.state).answers == {B: ("none", ())}
    labels.add([said(C, "hen")])
    assert read_labels(labels.path).answers == {B: ("none", ()), C: ("label", ("hen",))}


def test_lines_in_another_form_say_the_same(tmp_path):
    labels, other = LabelsFile(tmp_path / "l.jsonl"), tmp_path / "other.jsonl"
    for one in (said(A, "cat", key="first"), said(A, "d]og"), said(B, path='ä\\"b.png', kind="none"), said(C, "cat")):
        labels.add([one])
    labels.undo("first", who="ana", at=2)
    lines = map(json.loads, labels.path.read_text().splitlines())
    other.write_text("".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in lines), "utf-8")

    assert facts(read_labels(other))[1:] == facts(read_labels(labels.path))[1:]
    assert LabelsFile(other).opinions() == labels.opinions()


def facts(read: Labels) -> tuple[object, ...]:
    return read.state, read.answers, read.digests


def test_no_file_is_an_empty_one_and_lies_beside_its_source(tmp_path):
    assert labels_beside(tmp_path / "photos" / ".") == tmp_path / "photos.labels.jsonl"
    assert labels_beside(tmp_path / "photos.zip") == tmp_path / "photos.zip.labels.jsonl"
    read = read_labels(tmp_path / "none")
    assert (read.answers, read.state[:2]) == ({}, "0:")


@pytest.mark.parametrize("path", ["../a.png", "a/../../b.png", "/etc/a.png", "C:/a.png", r"\\server\a.png", r"a\..\b"])
def test_a_path_outside_the_data_is_refused_when_written_and_when_read(tmp_path, path):
    file = tmp_path / "l.jsonl"
    with pytest.raises(UsageError, match="outside the data"):
        LabelsFile(file).add([said(A, "cat", path=path)])
    assert not file.exists()

    LabelsFile(file).add([said(A, "cat", path="good.png")])
    file.write_text(file.read_text().replace("good.png", json.dumps(path)[1:-1]))
    with pytest.raises(DataError, match=r"line 1: ValueError: the path .* leads outside the data"):
        read_labels(file)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"path":"a","label":"b"}', "line 2: KeyError"),
        ("path,label", "line 2: JSONDecodeError"),
        ("[]", "line 2: TypeError"),
        ("[" * 100_000, "line 2: RecursionError"),
        ('{"key":1,"at":1,"who":"a","how":"one","kind":"none","labels":[],"path":""}', "line 2: KeyError: 'digest'"),
        ('{"key":1,"at":1,"who":"a","how":"one","kind":"maybe","labels":[],"digest":"","path":""}', "kind 'maybe'"),
    ],
)
def test_another_file_is_never_written_to(tmp_path, line, why):
    labels = LabelsFile(tmp_path / "l.jsonl")
    labels.add([said(A, "cat")])
    text = labels.path.read_text() + line + "\n"
    labels.path.write_text(text)

    for use in (labels.opinions, lambda: labels.add([said(B, "dog")]), lambda: read_labels(labels.path)):
        with pytest.raises(DataError, match=why):
            use()
    assert labels.path.read_text() == text


def test_where_nothing_can_be_written_another_place_is_named(tmp_path):
    (tmp_path / "file").touch()
    labels = LabelsFile(tmp_path / "file" / "l.jsonl")

    assert labels.opinions() == []
    for use in (labels.require_writable, lambda: labels.add([said(A, "cat")])):
        with pytest.raises(ResourceError) as caught:
            use()
        assert "--labels FILE" in caught.value.remedy


def test_writers_side_by_side_lose_nothing_and_leave_nothing_else(tmp_path):
    file, lines = tmp_path / "l.jsonl", 20

    def write(who: str) -> None:
        labels = LabelsFile(file)
        for number in range(lines):
            labels.add([said(A, "cat", who=who, key=f"{who}{number}")])

    threads = [threading.Thread(target=write, args=(who,)) for who in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {one.key for one in LabelsFile(file).opinions()} == {f"{who}{n}" for who in "abc" for n in range(lines)}
    assert [path.name for path in tmp_path.iterdir()] == ["l.jsonl"]


WRITER = """
import sys
from pathlib import Path
from vidi.data.labels import LabelsFile, Opinion
labels, cycle = LabelsFile(Path(sys.argv[1])), sys.argv[2]
for number in range(1_000_000):
    key = f"{cycle}-{number}"
    images = [("a" * 64, "a.png"), ("b" * 64, "x" * 5_000)][: 1 + number % 2]
    labels.add([
        Opinion(key=key, digest=digest, path=path, at=1.0, source="ana", via="review", kind="label", labels=("cat",))
        for digest, path in images
    ])
    print(key, flush=True)
"""


@pytest.mark.fault
def test_no_kill_loses_an_answer_that_was_said_to_be_saved(tmp_path):
    file, saved = tmp_path / "l.jsonl", list[str]()
    kills = count(small=3, faults=20, soak=1_000)
    for cycle in range(kills):
        command = [sys.executable, "-c", WRITER, str(file), str(cycle)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            saved += [process.stdout.readline().strip() for _ in range(1 + cycle % 3)]
            process.kill()
            saved += [line.strip() for line in process.stdout if line.endswith("\n")]

    keys = [one.key for one in LabelsFile(file).opinions()]
    assert len({key.partition("-")[0] for key in saved}) == kills
    assert set(saved) - set(keys) == set()
    assert len(set(keys)) == len(file.read_text().splitlines())
