"""onnxruntime-web is pinned in one place, and only the pinned package is unpacked."""

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

from vidi.export.page_files import FETCH, WEB, runtime_files

ROOT = Path(__file__).parents[2]
TOOL = ROOT / FETCH.removeprefix("python ")
PINNED = json.loads((WEB / "runtime.json").read_text("utf-8"))


def test_the_worker_loads_the_pinned_version_and_the_tool_is_where_it_says():
    worker = (WEB / "worker.js").read_text("utf-8")

    assert f'const RUNTIME = "{PINNED["version"]}";' in worker
    assert FETCH in worker
    assert TOOL.is_file()
    named = [name.replace(PINNED["version"], "${RUNTIME}") for name in runtime_files()]
    assert [name for name in named if f"`{name}`" not in worker] == []


def test_every_file_of_the_runtime_has_its_version_in_its_name_and_is_kept_out_of_the_repository():
    assert [name for name in PINNED["files"].values() if PINNED["version"] not in name] == []
    assert "src/vidi/export/web/vendor/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def packed(folder: Path) -> Path:
    """A package as npm would bring it, with other content."""
    archive = folder / "onnxruntime-web.tgz"
    with tarfile.open(archive, "w:gz") as stream:
        for name in PINNED["files"]:
            member = tarfile.TarInfo(name)
            member.size = 4
            stream.addfile(member, io.BytesIO(b"evil"))
    return archive


def called(code: str) -> subprocess.CompletedProcess[str]:
    script = f"import sys; sys.path.insert(0, {str(TOOL.parent)!r})\nfrom pathlib import Path\n{code}"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def test_another_package_under_the_same_name_is_refused(tmp_path: Path):
    archive = packed(tmp_path)
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    check = "from fetch_browser_runtime import check\ncheck(Path({!r}), {!r})"

    refused, taken = called(check.format(str(archive), PINNED["integrity"])), called(check.format(str(archive), digest))

    assert (refused.returncode, "is not the package that runtime.json pins" in refused.stderr) == (1, True)
    assert taken.returncode == 0
