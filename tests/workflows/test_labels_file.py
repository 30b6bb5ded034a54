"""The table beside a folder that keeps what people said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.labelling.said import reviewed

from vidi.data.labels import Opinion
from vidi.errors import DataError
from vidi.workflows.reviewing.items import LabelsFile, read_labels, write_labels

NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)


@given(st.lists(st.tuples(NAMES, NAMES, st.lists(NAMES, max_size=3, unique=True)), max_size=5))
def test_what_is_written_is_read_back_exactly_whatever_the_names(tmp_path_factory, rows):
    said = [
        (
            path,
            Opinion(
                key=f"{number:032x}",
                digest="0" * 64,
                at=float(number),
                source=who,
                via="review",
                kind="label" if labels else "none",
                labels=tuple(labels),
            ),
        )
        for number, (path, who, labels) in enumerate(rows)
        if "\0" not in path
    ]
    file = tmp_path_factory.mktemp("labels") / "labels.csv"
    write_labels(file, said)

    assert read_labels(file) == said


def test_an_opinion_is_kept_once_survives_and_can_be_forgotten(tmp_path):
    one, other = reviewed("a", "ana", "cat", at=1), reviewed("b", "ana", "dog", at=2)
    with LabelsFile(tmp_path / "l.csv") as labels:
        for opinion in (one, one, other):
            labels.add("a.png", opinion)
    with LabelsFile(tmp_path / "l.csv") as labels:
        assert labels.opinions() == [one, other]
        labels.undo(one.key)
        labels.undo(one.key)

    assert [opinion for _, opinion in read_labels(tmp_path / "l.csv")] == [other]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l.csv"]


@pytest.mark.parametrize(
    "text", ["path,label\na,b\n", "path,digest,kind,labels,reviewer,at,key\na,0,maybe,,x,1,k\n", "\0"]
)
def test_another_table_is_never_overwritten(tmp_path, text):
    (tmp_path / "l.csv").write_text(text, "utf-8")

    with pytest.raises(DataError, match="not a table of labels"), LabelsFile(tmp_path / "l.csv"):
        pass
    assert (tmp_path / "l.csv").read_text("utf-8") == text
