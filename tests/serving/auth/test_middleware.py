"""Who is let in: hosts, origins, tokens and paths."""

import asyncio
import json

import pytest

from tests.serving.asked import asked_to_serve
from vidi.serving.auth.access import TokenLock, choose_rules
from vidi.serving.auth.middleware import AuthMiddleware

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - opens nothing


def ask(options=None, *, path="/v1/predict", method="GET", headers=(), token=None, server=("127.0.0.1", 8000)):
    """Status, headers and body of the answer to one request, and the scope that reached the application."""
    seen, sent = [], []

    async def app(scope, receive, send):
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"in"})

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    rules = choose_rules(options or asked_to_serve(), {})
    guarded = AuthMiddleware(app, rules, None if token is None else TokenLock(token))
    scope = {
        "type": "http",
        "method": method,
        "path": path.partition("?")[0],
        "raw_path": path.partition("?")[0].encode(),
        "query_string": b"",
        "scheme": "http",
        "server": server,
        "client": ("192.0.2.7", 5),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    asyncio.run(guarded(scope, receive, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, sent[1]["body"], seen


LOCAL = [("host", "localhost:8000")]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "[::1]", "localhost.", "127.0.0.1"]
)
def test_the_loopback_is_answered_for_under_its_names(host):
    assert ask(headers=[("host", host)])[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", " ", "localhost:99999", "localhost:"),
        *("user@localhost", "localhost/evil", "127.0.0.2", "[::ffff:1.2.3.4]", "192.168.1.9:8000", "localhost evil"),
    ],
)
def test_other_hosts_are_refused(host):
    status, _, body, seen = ask(headers=[("host", host)])

    assert (status, json.loads(body)["code"], seen) == (421, "host-refused", [])


def test_a_missing_and_a_double_host_are_refused():
    assert [ask(headers=headers)[0] for headers in ([], LOCAL * 2)] == [421, 421]


def test_names_that_are_allowed_are_answered_for():
    options = asked_to_serve(allow_host=["Shop.example"])

    assert [ask(options, headers=[("host", host)])[0] for host in ("shop.example:9", "other.example")] == [200, 421]


def test_the_address_that_was_reached_is_answered_for():
    options = asked_to_serve(host="0.0.0.0")  # noqa: S104 - as a user says it

    assert ask(options, headers=[("host", "10.1.2.3:8000")], server=("10.1.2.3", 8000))[0] == 200
    assert ask(options, headers=[("host", "10.1.2.4:8000")], server=("10.1.2.3", 8000))[0] == 421


@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.example", "null", "https://localhost:8000", "http://localhost:8001", "http://localhost"),
        *("http://localhost:8000.evil.example", "http://user@localhost:8000", "file://", "", "http://127.0.0.1:8000"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_pages_of_other_origins_are_refused(origin, method):
    form = ("content-type", "application/x-www-form-urlencoded")
    status, headers, body, seen = ask(method=method, headers=[*LOCAL, ("origin", origin), form])

    assert (status, json.loads(body)["code"], seen) == (403, "origin-refused", [])
    assert "access-control-allow-origin" not in headers


def test_pages_of_the_server_itself_are_let_in():
    assert ask(headers=[*LOCAL, ("origin", "http://localhost:8000")])[0] == 200


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("same-site", "no-cors", 403),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
        ("cross-site", "navigate", 200),  # someone follows a link
    ],
)
def test_pictures_and_scripts_of_other_sites_are_refused_where_the_browser_tells(site, mode, status):
    assert ask(headers=[*LOCAL, ("sec-fetch-site", site), ("sec-fetch-mode", mode)])[0] == status


ALLOWING = asked_to_serve(allow_origin="https://shop.example")


def test_a_page_of_the_allowed_origin_is_let_in_and_may_read_the_answer():
    status, headers, _, _ = ask(ALLOWING, headers=[*LOCAL, ("origin", "https://shop.example")])

    assert status == 200
    assert headers["access-control-allow-origin"] == "https://shop.example"
    assert headers["vary"] == "Origin"


def test_the_browser_of_the_allowed_origin_may_ask_first_without_a_token():
    question = [*LOCAL, ("access-control-request-method", "POST")]
    allowed = ask(ALLOWING, method="OPTIONS", token=TOKEN, headers=[*question, ("origin", "https://shop.example")])
    other = ask(ALLOWING, method="OPTIONS", token=TOKEN, headers=[*question, ("origin", "https://evil.example")])

    assert (allowed[0], allowed[1]["access-control-allow-origin"], allowed[3]) == (204, "https://shop.example", [])
    assert "authorization" in allowed[1]["access-control-allow-headers"]
    assert (other[0], other[3]) == (403, [])
    assert "access-control-allow-origin" not in other[1]


def test_a_request_without_the_token_is_refused():
    sent = {
        "none": [],
        "wrong": [("authorization", f"Bearer {TOKEN}x")],
        "empty": [("authorization", "Bearer ")],
        "basic": [("authorization", f"Basic {TOKEN}")],
        "twice": [("authorization", f"Bearer {TOKEN}")] * 2,
        "foreign letters": [("authorization", "Bearer \xff")],
    }
    answers = {name: ask(headers=[*LOCAL, *headers], token=TOKEN) for name, headers in sent.items()}

    assert {name: answer[0] for name, answer in answers.items()} == dict.fromkeys(sent, 401)
    assert answers["none"][1]["www-authenticate"] == 'Bearer realm="vidi"'
    assert answers["wrong"][1]["www-authenticate"] == 'Bearer realm="vidi", error="invalid_token"'
    assert all(TOKEN.encode() not in body for _, _, body, _ in answers.values())


def test_the_token_opens():
    assert [
        ask(headers=[*LOCAL, ("authorization", f"{scheme} {TOKEN}")], token=TOKEN)[0] for scheme in ("Bearer", "bearer")
    ] == [200, 200]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_neither_token_nor_host(path):
    assert ask(path=path, headers=[("host", "10.0.0.5")], token=TOKEN)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        *(
            "//",
            "/a//b",
            "/../etc/passwd",
            "/a/..",
            "/a/%2e%2e/b",
            "/%2E/",
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/%0a",
        ),
        *(
            "/%252e%252e/",
            "/..%252f",
            "/%ff",
            "/%c0%ae%c0%ae/",
            "/healthz/../v1/predict",
            "/readyz%2f..",
            "/a%",
            "/%zz",
        ),
    ],
)
def test_paths_that_try_to_be_others_are_not_found(path):
    status, _, body, seen = ask(path=path, headers=LOCAL)

    assert (status, json.loads(body)["code"], seen) == (404, "not-found", [])


FORWARDED = [
    *(("host", "shop.example"), ("x-forwarded-for", "6.6.6.6, 203.0.113.9"), ("x-forwarded-proto", "https")),
    ("x-forwarded-host", "evil.example"),
]


def test_what_a_proxy_forwards_is_believed_only_behind_one():
    options = asked_to_serve(allow_host=["shop.example"])
    without = ask(options, headers=FORWARDED)[3][0]
    behind = ask(asked_to_serve(allow_host=["shop.example"], behind_proxy=True), headers=FORWARDED)[3][0]

    assert (without["client"], without["scheme"]) == (("192.0.2.7", 5), "http")
    assert (behind["client"], behind["scheme"]) == (("203.0.113.9", 0), "https")


def test_a_forwarded_host_opens_nothing():
    options = asked_to_serve(behind_proxy=True)

    assert ask(options, headers=[("host", "evil.example"), ("x-forwarded-host", "localhost")])[0] == 421
