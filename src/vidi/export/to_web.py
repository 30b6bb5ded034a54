"""The page as a folder for any host of files: its own files, and the models that it offers."""

import functools
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from vidi.errors import UsageError
from vidi.export.model_document import MODEL_DOCUMENT, MODEL_FILE, MODELS_DOCUMENT, model_document, models_document
from vidi.model_file.read import ModelFile
from vidi.model_file.values import canonical_json

WEB: Final = Path(__file__).with_name("web")
INDEX: Final = "index.html"
RUNTIME: Final = "runtime.json"  # pins onnxruntime-web, which stands under `vendor/`
FETCH: Final = "python tools/fetch_browser_runtime.py"  # what brings it to a source checkout

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ico": "image/vnd.microsoft.icon",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}


@functools.cache
def page_files() -> Mapping[str, Path]:
    """The page's files by their path below its address, such as `vendor/…`; `index.html` is the page itself."""
    found = sorted(path for path in WEB.rglob("*") if path.is_file() and path.suffix in MEDIA_TYPES)
    return {path.relative_to(WEB).as_posix(): path for path in found}


def runtime_files() -> tuple[str, ...]:
    """The files of onnxruntime-web that the page loads, by their path below its address."""
    names = json.loads((WEB / RUNTIME).read_text("utf-8"))["files"].values()
    return tuple(f"vendor/{name}" for name in names)


def has_runtime() -> bool:
    """Whether models can run in the browser: a source checkout has no onnxruntime-web before it was fetched."""
    return all((WEB / name).is_file() for name in runtime_files())


@functools.cache
def security_policy() -> str:
    """The Content-Security-Policy that the page states about itself, for a header besides.

    >>> security_policy().split(";")[0]
    "default-src 'none'"
    """
    found = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]*)"', (WEB / INDEX).read_text("utf-8"))
    assert found is not None  # noqa: S101  # a test holds the page to it
    return found[1]


def write_web(folder: Path, models: Sequence[tuple[str, ModelFile]]) -> None:
    """Write the page and its models; all addresses in it are relative, so it may stand under any path.

    Args:
        folder: exists and is empty.
        models: name and file of each; the page begins with the first.

    Raises:
        UsageError: this installation has no onnxruntime-web.
    """
    if not has_runtime():
        raise UsageError(
            "this copy of vidi has no onnxruntime-web, in which the page runs models",
            f"In the source checkout, run `{FETCH}` (needs npm); a wheel of vidi brings it along.",
        )
    for name, path in page_files().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / MODELS_DOCUMENT).write_text(canonical_json(models_document(models)), encoding="utf-8")
    for name, model in models:
        place = folder / "models" / name
        place.mkdir(parents=True)
        (place / MODEL_FILE).write_bytes(model.data)
        document = model_document(model, name, byte_count=len(model.data))
        (place / MODEL_DOCUMENT).write_text(canonical_json(document), encoding="utf-8")
