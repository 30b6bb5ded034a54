"""The page in Firefox: embedded by a page that sends it an image and hands its answer to the test."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.export.any_browser import answer_of, differences
from vidi.export.page_files import has_runtime

pytestmark = [
    pytest.mark.slow,  # starts a browser
    pytest.mark.integration,  # a second browser: what the page answers is tested in Chromium
]

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
QUIET = {  # a profile that asks nobody but the test
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "services.settings.server": "http://127.0.0.1:9/",
    "toolkit.telemetry.enabled": False,
}


@contextlib.contextmanager
def firefox(url: str, profile: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Firefox without a window and with a profile of its own."""
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in QUIET.items()]
    (profile / "user.js").write_text("\n".join(lines))
    process = subprocess.Popen(
        [str(FIREFOX), "--headless", "--no-remote", "--profile", str(profile), url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.skipif(FIREFOX is None, reason="needs:firefox")
@pytest.mark.skipif(not has_runtime(), reason="needs:onnxruntime-web")
def test_firefox_opens_the_page_and_answers_as_python_does(tmp_path: Path):
    page = tmp_path / "page"

    browser, answer = answer_of(page, lambda url: firefox(url, tmp_path / "profile"))

    assert "Firefox" in browser
    assert differences(page, answer) == []
