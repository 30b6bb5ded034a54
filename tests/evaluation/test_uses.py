"""Each look at a test set is counted."""

from datetime import UTC, datetime

from vidi.evaluation.uses import FILE, count_uses, digest_of_images, record_use

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_uses_of_the_same_images_add_up_whatever_their_order(tmp_path):
    first = record_use(tmp_path, images=digest_of_images(["a", "b"]), model_id="111111111111", date=NOW)
    second = record_use(tmp_path, images=digest_of_images(["b", "a"]), model_id="222222222222", date=NOW)

    assert (first, second) == (1, 2)


def test_other_images_are_counted_by_themselves(tmp_path):
    record_use(tmp_path, images=digest_of_images(["a"]), model_id="111111111111", date=NOW)

    assert record_use(tmp_path, images=digest_of_images(["c"]), model_id="111111111111", date=NOW) == 1


def test_nothing_was_used_before_the_first_time(tmp_path):
    assert count_uses(tmp_path, images=digest_of_images(["a"])) == 0


def test_line_that_was_cut_short_harms_nothing(tmp_path):
    images = digest_of_images(["a"])
    (tmp_path / FILE).write_text('{"images": "12\n')

    assert record_use(tmp_path, images=images, model_id="111111111111", date=NOW) == 1
