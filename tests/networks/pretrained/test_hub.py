import dataclasses
import errno
import hashlib
import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save
from tests.networks.pretrained.hub_server import LocalHub, local_hub
from tests.networks.pretrained.published import small_resnet50_weights

from vidi.errors import MissingPackageError, ModelError, ResourceError, VidiError
from vidi.networks.catalog import HOSTED
from vidi.networks.pretrained import read as hub_module
from vidi.networks.pretrained.read import hosted_weights, read_pretrained

constants = pytest.importorskip("huggingface_hub.constants", reason="needs:huggingface-hub")
file_download = pytest.importorskip("huggingface_hub.file_download", reason="needs:huggingface-hub")

CARD = b"---\ntags:\n- timm\nlicense: apache-2.0\n---\n# Model card\n"
WHERE = f"{HOSTED['resnet50'].repository}/resolve/{HOSTED['resnet50'].revision}"


@pytest.fixture(scope="module")
def made() -> bytes:
    return save(small_resnet50_weights(classes=7))


@pytest.fixture
def hub(made, monkeypatch, tmp_path):
    """A hub with made weights, the only one that the library knows of."""
    known = dataclasses.replace(HOSTED["resnet50"], digest=hashlib.sha256(made).hexdigest())
    monkeypatch.setattr(hub_module, "HOSTED", {"resnet50": known})
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    files = {f"{WHERE}/model.safetensors": made, f"{WHERE}/README.md": CARD}
    with local_hub(LocalHub(files=files, commit=known.revision)) as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        template = served.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield served


@pytest.fixture
def no_waiting(monkeypatch):
    """The library waits before it tries again; here it need not."""
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)


def cached_files(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "weights").rglob("*") if path.is_file())


@pytest.mark.slow  # over a second of processor time
def test_named_weights_are_fetched_once_and_kept(hub, tmp_path):
    told: list[tuple[str, int, int]] = []

    first = read_pretrained("resnet50", on_progress=lambda *progress: told.append(progress))
    asked = len(hub.requests)
    again = read_pretrained("resnet50")

    assert (first.network, first.normalisation, first.license) == ("resnet50", "imagenet", "apache-2.0")
    assert dataclasses.replace(again, tensors={}) == dataclasses.replace(first, tensors={})
    assert all(torch.equal(tensor, again.tensors[name]) for name, tensor in first.tensors.items())
    assert len(hub.requests) == asked
    assert cached_files(tmp_path) == [f"resnet50-{first.digest[:12]}.safetensors"]
    size = len(hub.files[f"{WHERE}/model.safetensors"])
    assert told[-1] == ("fetching timm/resnet50.a1_in1k", size, size)


@pytest.mark.slow  # over a second of processor time
def test_only_the_two_files_are_asked_for_and_nothing_is_told_about_the_user(hub):
    read_pretrained("resnet50")

    assert {path for _, path, _ in hub.requests} == {f"/{WHERE}/model.safetensors", f"/{WHERE}/README.md"}
    for _, _, headers in hub.requests:
        assert "authorization" not in headers
        assert "torch" not in headers["user-agent"]


@pytest.mark.slow  # over half a second of processor time: fetches, checks and reads 30 MB
def test_a_connection_that_breaks_is_resumed(hub, no_waiting):
    hub.breaks = 1

    weights = read_pretrained("resnet50")

    ranges = [headers.get("range") for method, _, headers in hub.requests if method == "GET"]
    assert any(asked and asked != "bytes=0-" for asked in ranges)
    assert weights.tensors["head.bias"].shape == (7,)


def assert_refused_and_clean(tmp_path, error: type[VidiError], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        read_pretrained("resnet50")
    assert "--pretrained model.safetensors" in raised.value.remedy
    assert not [name for name in cached_files(tmp_path) if name.endswith((".safetensors", ".incomplete"))]


@pytest.mark.slow  # over a second of processor time
def test_a_file_that_ends_too_early_is_not_kept(hub, tmp_path):
    hub.missing_bytes = 1000

    assert_refused_and_clean(tmp_path, ResourceError, "broke off before the file was whole")

    hub.missing_bytes = 0
    assert read_pretrained("resnet50").network == "resnet50"


def test_other_bytes_than_those_known_are_not_kept(hub, tmp_path):
    name = f"{WHERE}/model.safetensors"
    hub.files[name] = hub.files[name][:-1] + b"x"

    assert_refused_and_clean(tmp_path, ModelError, r"not the model\.safetensors of timm/resnet50\.a1_in1k")


def test_a_hub_without_the_file_is_named(hub, tmp_path):
    hub.files.clear()

    assert_refused_and_clean(tmp_path, ResourceError, "the hub answered 404")


def test_a_hub_that_cannot_be_reached_is_said(hub, tmp_path, monkeypatch, no_waiting, capfd):
    monkeypatch.setattr(file_download, "_ETAG_RETRY_TIMEOUT", 0.1)
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"  # nobody listens there
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    assert_refused_and_clean(tmp_path, ResourceError, "the hub cannot be reached")
    assert "thrown while requesting" not in capfd.readouterr().err  # the library's own line about it


def test_a_full_disk_is_said_as_such(hub, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_download, "http_get", refuse)

    with pytest.raises(ResourceError, match="bytes are free there"):
        read_pretrained("resnet50")


@pytest.mark.slow  # over a second of processor time
@pytest.mark.parametrize("card", [b"# Model card\n", b"---\nlicense: [\n---\n", b"---\n\xff\n---\n"])
def test_a_page_without_licence_says_so(hub, card):
    hub.files[f"{WHERE}/README.md"] = card

    assert read_pretrained("resnet50").license == "not stated on its page"


@pytest.mark.slow  # over half a second of processor time: fetches, checks and reads 30 MB
def test_what_a_killed_process_left_half_fetched_is_cleared(hub, tmp_path):
    digest = hub_module.HOSTED["resnet50"].digest[:12]
    folder = tmp_path / "cache" / "weights" / f"resnet50-{digest}.fetching"
    (folder / ".cache").mkdir(parents=True)
    (folder / ".cache" / "abc.incomplete").write_bytes(b"half")

    read_pretrained("resnet50")

    assert not folder.exists()


def test_a_missing_library_is_named_with_both_remedies(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    with pytest.raises(MissingPackageError, match="huggingface-hub, which is not installed") as raised:
        hosted_weights("resnet50")
    assert 'pip install "vidi[hub]"' in raised.value.remedy
    assert "by hand" in raised.value.remedy


@pytest.mark.integration  # processes of its own import torch, as the library reads the environment once
def test_the_environment_forbids_and_redirects(hub, tmp_path):
    program = (
        "import json, sys\n"
        "from vidi.errors import VidiError\n"
        "from vidi.networks.pretrained.read import read_pretrained\n"
        "try:\n    read_pretrained('resnet50')\n"
        "except VidiError as error:\n    print(json.dumps([type(error).__name__, str(error)]))\n"
    )

    def told(**changes: str) -> tuple[str, str]:
        environment = {**os.environ, "VIDI_CACHE": str(tmp_path / "other"), "HF_ENDPOINT": hub.url, **changes}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
        name, message = json.loads(done.stdout)
        return name, message

    assert told(HF_HUB_OFFLINE="1")[1].startswith(
        "model.safetensors of timm/resnet50.a1_in1k could not be downloaded: HF"
    )
    assert hub.requests == []
    # Made weights have another digest than the published ones, which this process expects.
    assert told()[0] == "ModelError"
    assert all("torch" not in headers["user-agent"] for _, _, headers in hub.requests)
