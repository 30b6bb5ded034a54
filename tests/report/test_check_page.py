"""The page of a check names each finding by what it is."""

from vidi.images.limits import NOTES
from vidi.report.pages.check import TITLES


def test_no_two_remarks_about_images_have_the_same_title():
    assert len({TITLES[f"note-{code}"] for code in NOTES}) == len(NOTES)
