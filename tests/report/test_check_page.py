"""The page of a check names each finding by what it is."""

from vidi.data.checked import DataCheck, Finding
from vidi.data.dataset import Dataset
from vidi.images.account import Account
from vidi.images.limits import NOTES
from vidi.images.store import GivenFilesStore
from vidi.report.pages.check import choose_sections


def test_no_two_remarks_about_images_have_the_same_title():
    dataset = Dataset("photos", "photos", "class-folders", classes=("a", "b"), images=(), store=GivenFilesStore())
    remarks = tuple(Finding(f"note-{code}", "note", (("a.jpg",),), remark=code) for code in NOTES)

    sections = choose_sections(dataset, DataCheck(records=(), near_duplicates=(), findings=remarks, account=Account()))

    assert len({section.title for section in sections}) == len(NOTES)
