"""A browser in which the page's modules do not run says what is missing, and what to do."""

import re
from pathlib import Path

import pytest
from bench.file_host import static_host

from tests.export.browser import chromium
from tests.model_file.tiny import tiny_model
from vidi.export.page_files import WEB
from vidi.export.to_web import write_web

LATER = re.compile(r"=>|`|\b(const|let|class|async|await|import|export)\b|\?\.|\?\?|\.\.\.")
NO_MODULES = "delete HTMLScriptElement.prototype.noModule;"


def test_what_old_browsers_read_is_written_for_them():
    code = re.sub(r"//.*|\"[^\"]*\"", "", (WEB / "old.js").read_text("utf-8"))

    assert LATER.findall(code) == []


def test_the_page_brings_the_place_where_it_is_said():
    text = (WEB / "index.html").read_text("utf-8")

    assert '<script src="old.js" defer></script>' in text
    assert all(f'id="{name}"' in text for name in ("lead", "notice"))


@pytest.mark.integration  # starts a browser
def test_a_page_whose_modules_do_not_run_says_so(tmp_path: Path):
    write_web(tmp_path, [("tiny", tiny_model(tmp_path.parent / "tiny.onnx"))])
    with static_host(tmp_path) as url, chromium() as page:
        page.route("**/app.js", lambda route: route.abort())
        page.goto(url)
        page.wait_for_selector("#notice:not([hidden])")
        missing = page.inner_text("#lead"), page.inner_text("#notice")
        page.add_init_script(NO_MODULES)
        page.reload()
        page.wait_for_selector("#notice:not([hidden])")
        old = page.inner_text("#lead"), page.inner_text("#notice")

    assert missing[0] == "This page did not start."
    assert "did not arrive" in missing[1]
    assert old[0] == "This browser is too old for this page."
    assert "current Chrome, Edge, Firefox or Safari" in old[1]
