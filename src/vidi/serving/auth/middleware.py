"""The rules of access as ASGI: no request reaches the application that was not let in."""

import functools
import json
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidi.serving.auth.access import AccessRules, TokenLock
from vidi.serving.auth.hosts import Place, origin_of, read_host, read_origin, read_place
from vidi.serving.problems import MEDIA_TYPE, Problem

OPEN_PATHS = frozenset({"/healthz", "/readyz"})  # probes know neither the token nor the name of the server
LONGEST_HOST = 261  # 253 signs of a name, two brackets or a last dot, a colon and a port
PREFLIGHT_SECONDS = 600  # that a browser may remember what it was allowed
REQUEST_HEADERS = "authorization, content-type, inference-header-content-length, traceparent"
RESPONSE_HEADERS = "inference-header-content-length, retry-after"
METHODS = "GET, HEAD, POST"
READ_HEADERS = frozenset(
    (
        *(b"host", b"origin", b"authorization", b"sec-fetch-site", b"sec-fetch-mode"),
        *(b"access-control-request-method", b"access-control-request-private-network"),
        *(b"x-forwarded-for", b"x-forwarded-proto", b"cookie"),
    )
)
ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"same-origin"))


def cookie_name(scope: Scope) -> str:
    """The cookie that holds a server's token: browsers do not tell ports apart, so its name does."""
    return f"vidi-{(scope.get('server') or ('', 0))[1]}"


_known_place = functools.lru_cache(maxsize=64)(read_place)  # a server is asked under few names; reading takes 10 µs
_known_host = functools.lru_cache(maxsize=64)(read_host)
REFUSED_SIGNS = frozenset(b"\\") | frozenset(range(32)) | {127}


class AuthMiddleware:
    """ASGI middleware that lets in whom the rules of access allow."""

    def __init__(
        self,
        app: ASGIApp,
        rules: AccessRules,
        lock: TokenLock | None,
        *,
        public: frozenset[str] = frozenset(),
        takes_cookie: bool = False,
    ) -> None:
        self.app, self.rules, self.lock = app, rules, lock
        self.is_behind_proxy = rules.encryption == "proxy"
        self.public = public  # paths that may be read without the token
        self.takes_cookie = takes_cookie  # that holds the token, besides the header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or answer with the problem that keeps it out."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            raise Problem("not-implemented", f"{scope['type']} is not served.")
        headers = _headers_of(scope)
        if self.is_behind_proxy:
            scope = _as_forwarded(scope, headers)
        with_headers = self._adding_headers(headers, send)
        try:
            answer = self._examine(scope, headers)
        except Problem as problem:
            answer = _answer(problem)
        return await (answer or self.app)(scope, receive, with_headers)

    def _examine(self, scope: Scope, headers: Mapping[str, list[str]]) -> Response | None:
        """The answer to a browser's question; None to hand the request on. Raises what keeps it out."""
        path = scope.get("raw_path") or scope["path"].encode()
        if not is_plain_path(path):
            raise Problem("not-found", "The path is not written plainly.", "Leave out `//`, `..` and encoded signs.")
        if scope["path"] in OPEN_PATHS:
            return None
        place = self._check_host(scope, headers)
        origin = self._check_origin(scope, headers, place)
        if origin and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            return _preflight(headers)
        if scope["path"] not in self.public or scope["method"] not in ("GET", "HEAD"):
            self._check_token(scope, headers)
        return None

    def _check_host(self, scope: Scope, headers: Mapping[str, list[str]]) -> Place:
        hosts = headers.get("host", [])
        place = _known_place(hosts[0]) if len(hosts) == 1 and len(hosts[0]) <= LONGEST_HOST else None
        reached = scope.get("server") or ("", None)
        # Whoever writes the address that was reached is not led here by a name of someone else's.
        if place is None or (place.host not in self.rules.hosts and place.host != _known_host(str(reached[0]))):
            raise Problem(
                "host-refused",
                "The Host header names a host that this server does not answer for.",
                "Start the server with `--allow-host NAME` to have it answer for a name.",
            )
        return place

    def _check_origin(self, scope: Scope, headers: Mapping[str, list[str]], place: Place) -> str | None:
        """The foreign origin that was allowed by name, if it is one. Raises for any other."""
        sent = headers.get("origin", [])
        if not sent:
            site, mode = headers.get("sec-fetch-site", [""])[0], headers.get("sec-fetch-mode", [""])[0]
            if site in ("cross-site", "same-site") and mode not in ("navigate", ""):
                raise _foreign("another site")
            return None
        origin = read_origin(sent[0]) if len(sent) == 1 else None
        schemes = ("http", "https") if self.is_behind_proxy else (scope["scheme"],)
        if origin is not None and origin in [origin_of(scheme, place) for scheme in schemes]:
            return None
        if origin is None or origin != self.rules.origin:
            raise _foreign("another origin")
        return origin

    def _has_cookie(self, scope: Scope, headers: Mapping[str, list[str]]) -> bool:
        """Whether the browser's cookie of this server holds the token."""
        name = cookie_name(scope)
        pairs = (pair.strip().partition("=") for line in headers.get("cookie", []) for pair in line.split(";"))
        return any(key == name and self.lock is not None and self.lock.opens(value.encode()) for key, _, value in pairs)

    def _check_token(self, scope: Scope, headers: Mapping[str, list[str]]) -> None:
        if self.lock is None:
            return
        sent = headers.get("authorization", [])
        scheme, _, token = (sent[0] if len(sent) == 1 else "").partition(" ")
        if scheme.lower() == "bearer" and self.lock.opens(token.strip().encode("latin-1")):
            return
        if self.takes_cookie and self._has_cookie(scope, headers):
            return
        challenge = 'Bearer realm="vidi"' + (', error="invalid_token"' if sent else "")
        raise Problem(
            "unauthorized",
            "The access token is wrong." if sent else "The request has no access token.",
            "Send the header `Authorization: Bearer TOKEN` with the token that the server showed at its start.",
            headers={"www-authenticate": challenge},
        )

    def _adding_headers(self, headers: Mapping[str, list[str]], send: Send) -> Send:
        added = list(ALWAYS)
        if self.rules.origin is not None:
            added.append((b"vary", b"Origin"))
            if [read_origin(origin) for origin in headers.get("origin", [])] == [self.rules.origin]:
                added.append((b"access-control-allow-origin", self.rules.origin.encode()))
                added.append((b"access-control-expose-headers", RESPONSE_HEADERS.encode()))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        return send_with_headers


def _headers_of(scope: Scope) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:  # names are in lower case by ASGI
        if name in READ_HEADERS:
            found.setdefault(name.decode("ascii"), []).append(value.decode("latin-1"))
    return found


def _as_forwarded(scope: Scope, headers: Mapping[str, list[str]]) -> Scope:
    """The request as the proxy got it: the last address it names is the client's, and it knows the scheme."""
    changed = dict(scope)
    client = read_host(",".join(headers.get("x-forwarded-for", [])).rpartition(",")[2].strip())
    if client is not None:
        changed["client"] = (client, 0)
    scheme = headers.get("x-forwarded-proto", [""])[-1].rpartition(",")[2].strip().lower()
    if scheme in ("http", "https"):
        changed["scheme"] = scheme
    return changed


def _preflight(headers: Mapping[str, list[str]]) -> Response:
    answer = {
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": REQUEST_HEADERS,
        "access-control-max-age": str(PREFLIGHT_SECONDS),
    }
    if (
        "access-control-request-private-network" in headers
    ):  # Chromium asks before a public page may reach a private address
        answer["access-control-allow-private-network"] = "true"
    return Response(status_code=204, headers=answer)


def _foreign(what: str) -> Problem:
    return Problem(
        "origin-refused",
        f"The request comes from a page of {what}.",
        "Start the server with `--allow-origin URL` to let the pages of one origin in.",
    )


def _answer(problem: Problem) -> Response:
    document = json.dumps(problem.as_json(), ensure_ascii=False)
    headers = {"cache-control": "no-store", **problem.headers}
    return Response(document, problem.status, headers=headers, media_type=MEDIA_TYPE)


def is_plain_path(raw: bytes) -> bool:
    r"""Whether a path means the same to every program that reads it.

    Refused are empty segments, `.` and `..`, control signs and backslashes, each also percent-encoded (once or twice),
    an encoded slash, and a percent sign that encodes nothing.

    Args:
        raw: path of a request line, percent-encoded, without the query.

    >>> is_plain_path(b"/v2/models/flowers-1.0"), is_plain_path(b"/a/%2e%2e/b"), is_plain_path(b"//a")
    (True, False, False)
    """
    if not raw.startswith(b"/"):
        return False
    once = unquote_to_bytes(raw)
    twice = unquote_to_bytes(once)
    if once != twice or once.count(b"/") != raw.count(b"/") or REFUSED_SIGNS & set(once):
        return False
    try:
        once.decode("utf-8")
    except UnicodeDecodeError:
        return False
    segments = once[1:].split(b"/")
    return b"%" not in once and all(part not in (b".", b"..") for part in segments) and b"" not in segments[:-1]
