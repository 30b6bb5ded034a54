"""`vidi fetch weights NAME`: read under timm's names, the same network as timm's, and a candidate from then on."""

import hashlib

import pytest
import torch
from safetensors.torch import save
from tests.cases import few_fast
from tests.command import vidi
from tests.networks.pretrained.hub_server import LocalHub, local_hub
from tests.networks.pretrained.of_timm import MOBILE, dinov2, lite, mobile
from tests.networks.test_to_onnx import assert_alike, session_of

from vidi.networks.catalog import HOSTED, NETWORKS
from vidi.networks.pretrained.read import is_at_hand, read_pretrained
from vidi.networks.pretrained.weights import with_weights
from vidi.workflows.run.learning.candidates import AUTO, candidates_for

constants = pytest.importorskip("huggingface_hub.constants", reason="needs:huggingface-hub")

NAMES = ["mobilenetv4-small", "dinov2-small", "lite3", "mobilenetv4-medium", "lite4"]
SIZE = (64, 96)


def inputs_of(count: int = 2) -> torch.Tensor:
    return torch.rand((count, 3, *SIZE), generator=torch.Generator().manual_seed(0)) * 2 - 1


def made(name: str) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    with torch.inference_mode():
        if name == "dinov2-small":
            return dinov2(inputs_of())
        return (mobile if name in MOBILE else lite)(name, inputs_of())


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that still has nothing."""
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "cache"))
    with local_hub(LocalHub(commit="0" * 40)) as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", served.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield served


def publish(hub: LocalHub, name: str, tensors: dict[str, torch.Tensor]) -> str:
    """Put weights on the hub; their SHA-256."""
    where, content = f"{HOSTED[name].repository}/resolve/main", save(tensors)
    hub.files[f"{where}/model.safetensors"] = content
    hub.files[f"{where}/README.md"] = b"---\nlicense: apache-2.0\n---\n"
    return hashlib.sha256(content).hexdigest()


def names_of_auto() -> list[str]:
    return [one.name for one in candidates_for(AUTO, usual_size=(64, 64), image_size=SIZE)]


@pytest.mark.slow  # over a second of processor time
@pytest.mark.parametrize("name", few_fast(NAMES, 1))
def test_what_is_fetched_answers_as_timms_network_in_torch_and_in_the_model_file(hub, name, tmp_path):
    tensors, expected = made(name)
    digest = publish(hub, name, tensors)
    assert name not in names_of_auto()

    told = vidi("fetch", "weights", name, folder=tmp_path)

    assert digest in told.stdout
    assert names_of_auto() == [one for one in NETWORKS if one in ("lite0", "lite2", name)]  # by their time
    asked = len(hub.requests)
    weights = read_pretrained(name)
    assert (weights.digest, weights.license, len(hub.requests)) == (digest, "apache-2.0", asked)
    network = with_weights(weights, image_size=SIZE, class_count=3).eval()
    torch.nn.init.normal_(network.head.weight)
    with torch.inference_mode():
        assert_alike(network.embed(inputs_of()).numpy(), expected.numpy())
        logits = network(inputs_of()).numpy()
    found, evidence = session_of(network, SIZE).run(["logits", "evidence"], {"inputs": inputs_of().numpy()})
    assert_alike(found, logits)
    assert_alike(evidence.mean(axis=(2, 3)), logits)


def test_without_a_hub_the_candidates_are_those_of_the_packages(hub):
    assert not any(is_at_hand(name) for name in HOSTED)
    assert names_of_auto() == ["lite0", "lite2"]


def test_weights_of_another_network_are_not_kept_under_the_name(hub, tmp_path):
    publish(hub, "mobilenetv4-medium", made("mobilenetv4-small")[0])

    told = vidi("fetch", "weights", "mobilenetv4-medium", folder=tmp_path)

    assert "holds weights of mobilenetv4-small, not of mobilenetv4-medium" in told.stderr
    assert not is_at_hand("mobilenetv4-medium")


@pytest.mark.parametrize(
    ("words", "message"), [(["weights", "lite9"], "no weights on the hub"), (["mnist", "x"], "means nothing")]
)
def test_other_words_are_refused(words, message, hub, tmp_path):
    told = vidi("fetch", *words, folder=tmp_path)

    assert told.returncode == 2
    assert message in told.stderr
    assert hub.requests == []
