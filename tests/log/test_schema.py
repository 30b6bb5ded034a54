"""An older log becomes one of today with all its rows; a newer one is refused; a half-made one does not exist."""

import sqlite3
from contextlib import closing

import pytest

from tests.log.made import digest
from vidi.log.errors import NewerLogError, NoLogError
from vidi.log.schema import VERSION
from vidi.log.store import PredictionLog

FIRST = """
CREATE TABLE vidi_meta (name VARCHAR(64) NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name));
CREATE TABLE vidi_models (id INTEGER NOT NULL, model_id VARCHAR(64) NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    classes TEXT NOT NULL, multi_label BOOLEAN NOT NULL, PRIMARY KEY (id),
    CONSTRAINT vidi_models_once UNIQUE (model_id, name, version));
CREATE TABLE vidi_predictions (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "key" VARCHAR(32) NOT NULL,
    at DOUBLE NOT NULL, source VARCHAR(16) NOT NULL, model INTEGER NOT NULL, digest VARCHAR(64) NOT NULL,
    error VARCHAR(64), probabilities BLOB, label INTEGER, verdict VARCHAR(16), candidates TEXT, decision TEXT,
    novelty DOUBLE, embedding BLOB, brightness DOUBLE, contrast DOUBLE,
    saturation DOUBLE, sharpness DOUBLE, side DOUBLE, aspect DOUBLE,
    UNIQUE ("key"),
    FOREIGN KEY(model) REFERENCES vidi_models (id));
CREATE INDEX vidi_predictions_digest ON vidi_predictions (digest);
CREATE TABLE vidi_images (digest VARCHAR(64) NOT NULL, at DOUBLE NOT NULL, size BIGINT NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (digest));
CREATE TABLE vidi_feedback (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "key" VARCHAR(200) NOT NULL,
    at DOUBLE NOT NULL, digest VARCHAR(64) NOT NULL, kind VARCHAR(16) NOT NULL, labels TEXT NOT NULL,
    source TEXT NOT NULL, via VARCHAR(16) NOT NULL, model_id VARCHAR(64), UNIQUE ("key"));
CREATE INDEX vidi_feedback_digest ON vidi_feedback (digest);
INSERT INTO vidi_meta VALUES ('schema', '1');
INSERT INTO vidi_models VALUES (1, '5f1d', 'pets', '1', '["cat", "dog"]', 0);
INSERT INTO vidi_predictions (key, at, source, model, digest, probabilities, label, candidates)
    VALUES ('k', 5.0, 'serve', 1, '{digest}', x'0000403f0000803e', 0, '[0]');
INSERT INTO vidi_feedback (key, at, digest, kind, labels, source, via)
    VALUES ('f', 6.0, '{digest}', 'none', '[]', 'ann', 'review');
"""


def test_a_log_of_the_first_version_goes_on_with_all_its_rows(tmp_path):
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(FIRST.format(digest=digest(1)))

    with PredictionLog.open(str(path)) as log:
        ((_, found),) = log.predictions()

        assert (found.digest, found.label, found.probabilities.tolist()) == (digest(1), "cat", [0.75, 0.25])
        assert [one.kind for one in log.feedback()] == ["none"]
        assert log.claim(digest(1), "ann", until=9.0, now=0.0)  # what the second version brought
    with closing(sqlite3.connect(path)) as now, now:
        assert now.execute("SELECT value FROM vidi_meta").fetchall() == [(str(VERSION),)]


def test_an_older_log_has_the_tables_of_a_new_one(tmp_path):
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as old, old:
        old.executescript(FIRST.format(digest=digest(1)))
    shapes = []
    for name in ("old.sqlite", "new.sqlite"):
        PredictionLog.open(str(tmp_path / name)).close()
        with closing(sqlite3.connect(tmp_path / name)) as file, file:
            tables = [
                row[0] for row in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            ]
            shapes.append({table: file.execute(f"PRAGMA table_info({table})").fetchall() for table in tables})

    assert shapes[0] == shapes[1]


def test_a_newer_log_is_refused_and_stays_as_it_is(tmp_path):
    path = tmp_path / "log.sqlite"
    PredictionLog.open(str(path)).close()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE vidi_meta SET value = '99'")

    with pytest.raises(NewerLogError, match="schema version 99") as refused:
        PredictionLog.open(str(path))
    assert refused.value.exit_code == 4
    with closing(sqlite3.connect(path)) as file, file:
        assert file.execute("SELECT value FROM vidi_meta").fetchall() == [("99",)]


def test_who_only_reads_makes_no_log_of_another_database(tmp_path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE birds (name TEXT)")

    with pytest.raises(NoLogError, match="holds no prediction log"):
        PredictionLog.open(str(path), create=False)
    with closing(sqlite3.connect(path)) as other, other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("birds",)]
