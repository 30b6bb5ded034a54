"""Images that look odd: blank, dark, blurred, tiny, or of a shape that framing would waste."""

from vidi.data.checked import CheckResult, Finding
from vidi.data.fingerprint import Fingerprints


def find_odd_images(check: CheckResult, fingerprints: Fingerprints) -> list[Finding]:
    """Findings about single images, most telling first in each."""
    usable = check.usable
    blank = [i for i in range(len(usable)) if usable[i] and fingerprints.contrast[i] < 2.0]
    if not blank:
        return []
    return [
        Finding("blank", "warning", f"{len(blank):,} images are blank", tuple((check.records[i].path,) for i in blank))
    ]
