"""A newer log is refused; who only reads makes none."""

import sqlite3
from contextlib import closing

import pytest

from vidi.log.records import NewerLogError, NoLogError
from vidi.log.store import PredictionLog


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
