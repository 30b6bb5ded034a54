"""The command that takes pictures of the page shows every view."""

from pathlib import Path

import pytest
from PIL import Image

from tests.export.screenshots import SIZES, take_screenshots

pytestmark = pytest.mark.slow  # starts a browser

VIEWS = ("empty", "answered", "evidence", "card", "privacy", "refused", "live", "collect", "token")


def test_every_view_has_a_picture_as_wide_as_the_screen(tmp_path: Path):
    pictures = take_screenshots(tmp_path, screens=("phone",), schemes=("dark",))

    assert [path.name for path in pictures] == [f"{view}-phone-dark.png" for view in VIEWS]
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.width == SIZES["phone"][0]
