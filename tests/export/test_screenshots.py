"""The command that takes pictures of the page shows every view."""

from pathlib import Path

import pytest
from PIL import Image

from tests.export.screenshots import SIZES, TALLEST, show_pages, take_screenshots

pytestmark = pytest.mark.slow  # starts a browser

VIEWS = ("empty", "answered", "evidence", "card", "privacy", "refused", "live", "token")


@pytest.mark.integration
def test_every_view_has_a_picture_as_wide_as_the_screen(tmp_path: Path):
    pictures = take_screenshots(tmp_path, screens=("phone",), schemes=("dark",))

    assert [path.name for path in pictures] == [f"{view}-phone-dark.png" for view in VIEWS]
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.width == SIZES["phone"][0]


@pytest.mark.integration
def test_a_long_page_is_shown_in_pieces(tmp_path: Path):
    (tmp_path / "report.html").write_text(f"<!doctype html><body style='margin:0;height:{TALLEST + 70}px'>")

    pictures = show_pages(tmp_path, [str(tmp_path / "report.html")], screens=("phone",), schemes=("dark",))

    assert [path.name for path in pictures] == ["report-phone-dark-1.png", "report-phone-dark-2.png"]
    for path, height in zip(pictures, (TALLEST, 70), strict=True):
        with Image.open(path) as picture:
            assert picture.size == (SIZES["phone"][0], height)
