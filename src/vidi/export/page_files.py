"""The files of the page that asks a model: where they are, of which kind, and what the page may load."""

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

WEB: Final = Path(__file__).with_name("web")
INDEX: Final = "index.html"
RUNTIME: Final = "runtime.json"  # pins onnxruntime-web, which stands under `vendor/`
FOR_GPU: Final = re.compile(r"\.(webgpu|asyncify)\.")  # in the names of what is loaded to try a graphics processor
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
