"""The server gives the page and its models, with headers under which nothing foreign is loaded."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.middleware import Middleware

from tests.model_file.tiny import tiny_model
from tests.serving.asked import Client, asked, asked_to_serve
from vidi.export.page_files import INDEX, WEB, page_files, security_policy
from vidi.model_file.digests import digest_file
from vidi.model_file.read import ModelFile
from vidi.serving.application import application, service_of
from vidi.serving.auth.access import TokenLock, choose_rules
from vidi.serving.auth.middleware import AuthMiddleware
from vidi.serving.engine.models import open_served
from vidi.serving.engine.telemetry import RequestLog, route_of
from vidi.serving.routes.page import public_paths
from vidi.serving.settings import Settings

TOKEN = "a-token-that-is-long-enough-for-the-lock"  # noqa: S105 - of this test alone


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def client(model: ModelFile) -> Iterator[Client]:
    settings = Settings(page_ancestors=("https://shop.example",))
    with asked(application(service_of([open_served("tiny", model.path)], settings, log=RequestLog(len)))) as one:
        yield one


def test_the_page_and_all_its_files_are_there_with_their_types(client: Client):
    for name in (INDEX, "engine.js", "runtime.json"):
        answer = client.get(f"/{name}")
        assert (answer.status_code, answer.content) == (200, (WEB / name).read_bytes())
    assert client.get("/").content == (WEB / INDEX).read_bytes()
    assert client.get("/worker.js").headers["content-type"] == "text/javascript; charset=utf-8"
    assert client.get("/nothing.js").status_code == 404


def test_every_part_of_the_page_is_isolated_and_may_load_only_what_is_its_own(client: Client):
    for path in ("/", "/worker.js", "/models.json", "/models/tiny/model.json", "/models/tiny/model.onnx"):
        headers = client.get(path).headers
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        rules = headers["content-security-policy"].split("; ")
        assert "default-src 'none'" in rules
        assert "script-src 'self' 'wasm-unsafe-eval'" in rules
        assert "connect-src 'self'" in rules
        assert "frame-ancestors 'self' https://shop.example" in rules


def test_the_page_states_its_policy_itself_for_hosts_without_headers():
    assert "unsafe-inline" not in security_policy()
    assert "http" not in security_policy()
    assert security_policy().startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")


def test_a_file_that_the_browser_has_is_not_sent_again(client: Client):
    for path in ("/engine.js", "/models.json", "/models/tiny/model.json", "/models/tiny/model.onnx"):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert first.headers["cache-control"] == "no-cache"


def test_files_are_compressed_for_those_who_take_it_and_are_not_on_this_computer(client: Client, model: ModelFile):
    app = application(service_of([open_served("tiny", model.path)], log=RequestLog(len)))
    with asked(app, address="192.0.2.7") as other:
        plain = other.get("/engine.js", headers={"Accept-Encoding": "gzip;q=0"})
        packed = other.get("/engine.js", headers={"Accept-Encoding": "br, gzip"})
    near = client.get("/engine.js", headers={"Accept-Encoding": "br, gzip"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in {*plain.headers, *near.headers}
    assert near.headers["etag"] == plain.headers["etag"] != packed.headers["etag"]
    assert int(packed.headers["content-length"]) < len(packed.content) == len(plain.content)


def test_the_models_are_described_without_a_model_file_being_parsed(client: Client, model: ModelFile):
    listed = client.get("/models.json").json()
    (row,) = listed["models"]
    document = client.get(f"/{row['path']}model.json").json()
    data = client.get(f"/{row['path']}{document['file']}").content

    assert row == {"name": "tiny", "version": "tiny-run", "id": model.model_id, "path": "models/tiny/"}
    assert listed["server"] == {"predict": True, "log": False, "keeps_images": False}
    assert (document["digest"], document["bytes"]) == (digest_file(data), len(data))
    assert document["metadata"]["classes"] == list(model.metadata.classes)
    assert document["metadata"]["golden"]
    assert document["outputs"] == list(model.outputs)
    assert client.get("/models/other/model.json").status_code == 404


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be replaced here")
def test_a_model_is_sent_as_it_was_opened_though_another_stands_in_its_place(model: ModelFile, tmp_path: Path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.data)
    with asked(application(service_of([open_served("tiny", path)], log=RequestLog(len)))) as client:
        (tmp_path / "new").write_bytes(tiny_model(tmp_path / "other.onnx", seed=1).data)
        (tmp_path / "new").replace(path)

        answer = client.get("/models/tiny/model.onnx")

    assert (answer.content, answer.headers["content-length"]) == (model.data, str(len(model.data)))


def test_the_page_opens_without_the_token_and_the_models_do_not(model: ModelFile):
    rules = choose_rules(asked_to_serve(), {})
    auth = Middleware(AuthMiddleware, rules, TokenLock(TOKEN), public=public_paths())
    with asked(application(service_of([open_served("tiny", model.path)], log=RequestLog(len)), auth)) as client:
        host = {"Host": "localhost"}
        known = host | {"Authorization": f"Bearer {TOKEN}"}

        assert [client.get(path, headers=host).status_code for path in ("/", "/engine.js", "/worker.js")] == [200] * 3
        for path in ("/models.json", "/models/tiny/model.json", "/models/tiny/model.onnx", "/v1/models"):
            assert client.get(path, headers=host).status_code == 401
            assert client.get(path, headers=known).status_code == 200
        assert client.post("/", headers=host).status_code == 401


def test_the_page_is_counted_as_one_route():
    assert {route_of(f"/{name}") for name in page_files()} == {"page"}
    assert route_of("/models.json") == "page"
    assert route_of("/models/<script>/model.json") == "/models/{name}"


def test_no_file_of_the_page_names_another_host():
    ours = [path for name, path in page_files().items() if not name.startswith("vendor/")]

    texts = {path.name: path.read_text("utf-8") for path in ours if path.suffix in (".html", ".js", ".css", ".json")}
    assert [name for name, text in texts.items() if "http://" in text or "https://" in text] == []
    assert json.loads(texts["runtime.json"])["package"] == "onnxruntime-web"
