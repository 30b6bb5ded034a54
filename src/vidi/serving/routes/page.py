"""The routes of the page for people: its files, and the models as a browser loads them."""

import asyncio
import functools
import gzip
import hashlib
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from vidi.export.model_document import MODEL_DOCUMENT, MODEL_FILE, MODELS_DOCUMENT, model_document, models_document
from vidi.export.page_files import INDEX, MEDIA_TYPES, page_files, security_policy
from vidi.model_file.values import canonical_json
from vidi.serving.auth.hosts import is_loopback
from vidi.serving.engine.models import ServedModel
from vidi.serving.engine.service import Service

LEAST_TO_COMPRESS: Final = 1_000  # bytes
COMPRESSED: Final = (".html", ".css", ".js", ".mjs", ".json", ".wasm", ".svg", ".txt")
MODELS: Final = "/models/{name}/"


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is sent."""

    data: bytes
    media_type: str
    tag: str  # its ETag
    is_compressed: bool = False  # `data` is gzip of the file


def routes(service: Service) -> list[Route]:
    """The routes, each bound to what it gives."""
    sender = _Sender(service)
    files = [Route(f"/{name}", functools.partial(sender.send_file, name)) for name in page_files()]
    return [
        Route("/", functools.partial(sender.send_file, INDEX)),
        *files,
        Route(f"/{MODELS_DOCUMENT}", functools.partial(_models, service, sender)),
        Route(MODELS + MODEL_DOCUMENT, functools.partial(_model_document, service, sender)),
        Route(MODELS + MODEL_FILE, functools.partial(_model_file, service, sender)),
    ]


@functools.cache
def public_paths() -> frozenset[str]:
    """Paths that need no access token: the page's own files, the same everywhere. Models and their list need it."""
    return frozenset({"/", *(f"/{name}" for name in page_files())})


class _Sender:
    """Files as responses; each is read and compressed once."""

    def __init__(self, service: Service) -> None:
        self._files = page_files()
        self._kept: dict[tuple[str, bool], PageFile] = {}
        self._ancestors = service.settings.page_ancestors

    async def send_file(self, name: str, request: Request) -> Response:
        """One of the page's own files."""
        takes_gzip = _takes_gzip(request) and self._files[name].suffix in COMPRESSED
        if (name, takes_gzip) not in self._kept:
            self._kept[name, takes_gzip] = await asyncio.to_thread(self._read, name, takes_gzip)
        return self.send(self._kept[name, takes_gzip], request)

    def _read(self, name: str, is_compressed: bool) -> PageFile:
        path = self._files[name]
        return _page_file(path.read_bytes(), MEDIA_TYPES[path.suffix], is_compressed=is_compressed)

    def send(self, file: PageFile, request: Request) -> Response:
        """A file, or nothing where the browser has it."""
        headers = self.headers(file.tag)
        if _is_held(file.tag, request):
            return Response(status_code=304, headers=headers)
        if file.is_compressed:
            headers["Content-Encoding"] = "gzip"
        return Response(file.data, headers=headers, media_type=file.media_type)

    def headers(self, tag: str) -> dict[str, str]:
        """What stands above every part of the page. Browsers ask each time, so that no old file meets a new one."""
        ancestors = " ".join(["'self'", *self._ancestors])
        return {
            "ETag": tag,
            "Cache-Control": "no-cache",
            "Vary": "Accept-Encoding",
            "Content-Security-Policy": f"{security_policy()}; frame-ancestors {ancestors}",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",
            "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
            "Referrer-Policy": "no-referrer",
        }


def _is_held(tag: str, request: Request) -> bool:
    """Whether the browser says that it has the file of this ETag."""
    held = request.headers.get("if-none-match", "").split(",")
    return tag in [one.strip().removeprefix("W/") for one in held]


def _page_file(data: bytes, media_type: str, *, is_compressed: bool = False) -> PageFile:
    tag = hashlib.sha256(data).hexdigest()[:20]
    if not is_compressed or len(data) < LEAST_TO_COMPRESS:
        return PageFile(data, media_type, f'"{tag}"')
    return PageFile(gzip.compress(data, 6, mtime=0), media_type, f'"{tag}-gzip"', is_compressed=True)


def _takes_gzip(request: Request) -> bool:
    """Whether a file is sent compressed: to a program on this computer that would only cost time."""
    if request.client is not None and is_loopback(request.client.host):
        return False
    offers = [part.partition(";") for part in request.headers.get("accept-encoding", "").split(",")]
    return any(name.strip() == "gzip" and rest.replace(" ", "") != "q=0" for name, _, rest in offers)


async def _models(service: Service, sender: _Sender, request: Request) -> Response:
    named = ((one.name, one.model) for one in service.models)
    recorder = service.recorder
    document = models_document(
        named,
        predicts=True,
        logs=recorder is not None and recorder.feedback is not None,
        keeps_images=recorder is not None and recorder.writer.retention is not None,
    )
    return sender.send(_document(canonical_json(document), request), request)


async def _model_document(service: Service, sender: _Sender, request: Request) -> Response:
    served = _served(service, request)
    document = model_document(served.model, served.name, byte_count=served.byte_count)
    return sender.send(_document(canonical_json(document), request), request)


async def _model_file(service: Service, sender: _Sender, request: Request) -> Response:
    served = _served(service, request)
    headers = sender.headers(f'"{served.model.digest[:20]}"')
    if _is_held(headers["ETag"], request):
        return Response(status_code=304, headers=headers)
    # Piece by piece: many who load a large model take no more memory. The page itself checks the digest.
    headers["Content-Length"] = str(served.byte_count)
    parts = [served.model.data] if served.source is None else served.source.parts()
    return StreamingResponse(parts, headers=headers, media_type=MEDIA_TYPES[".onnx"])


def _served(service: Service, request: Request) -> ServedModel:
    return service.models.find(request.path_params["name"])


def _document(text: str, request: Request) -> PageFile:
    return _page_file(text.encode(), MEDIA_TYPES[".json"], is_compressed=_takes_gzip(request))
