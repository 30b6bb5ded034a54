"""The page in a real browser: nothing in a name is run, and nothing sticks out of a phone's screen."""

import pytest

from tests.report.runs import DrawnStore, add_model, make_run
from tests.report.screens import BROWSER, shown_by_browser
from vidi.report.pages.run import write_report

SCRIPT = "document.title='broken'"
HOSTILE = (
    f"<script>{SCRIPT}</script>.png",
    f'"><img src=x onerror="{SCRIPT}">.png',
    f"'><svg onload={SCRIPT}>.png",
    f"javascript:{SCRIPT}",
    f"</title><script>{SCRIPT}</script>",
    f"</style><script>{SCRIPT}</script>",
)


@pytest.mark.slow  # starts a browser
@pytest.mark.fault
def test_report_with_hostile_names_runs_no_script_in_a_browser(tmp_path):
    if BROWSER is None:
        pytest.skip("needs:chromium")
    paths = tuple(f"{HOSTILE[row % len(HOSTILE)]}{row}" for row in range(30))
    folder = add_model(make_run(tmp_path / "run", classes=HOSTILE[:3], paths=paths), classes=HOSTILE[:3])
    page = write_report(folder, store=DrawnStore())

    seen = shown_by_browser(page, tmp_path)

    assert "<title>shapes · vidi report</title>" in seen
    assert "broken</title>" not in seen
    assert "<script" not in seen
