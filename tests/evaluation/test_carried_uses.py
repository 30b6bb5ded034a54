"""A run that goes on with the test part of another knows how often it was used before."""

from datetime import UTC, datetime
from pathlib import Path

from vidi.evaluation.uses import carry_uses, record_use

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_uses_of_the_same_images_are_carried_once_and_others_not_at_all(tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    record_use(first, images="test", model_id="a", date=NOW)
    record_use(first, images="others", model_id="a", date=NOW)
    record_use(second, images="test", model_id="b", date=NOW)

    assert carry_uses(first, second, images="test") == 2
    assert carry_uses(first, second, images="test") == 2
    assert "others" not in (second / "test-uses.jsonl").read_text()


def test_a_run_without_uses_carries_none(tmp_path: Path):
    assert carry_uses(tmp_path / "none", tmp_path, images="test") == 0
