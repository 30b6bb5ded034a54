import pytest
import torch
from safetensors.torch import save_file
from tests.cases import few_fast
from tests.networks.pretrained.published import small_resnet50_weights

from vidi.errors import ModelError, UnknownNameError, UsageError
from vidi.networks.build import build_network
from vidi.networks.pretrained.read import read_pretrained
from vidi.networks.pretrained.weights import PretrainedWeights, begin_with, keep_weights


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return small_resnet50_weights(classes=5)


def wrapped(weights):
    return {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}, "best": 0.5}


@pytest.mark.parametrize(
    ("name", "content"),
    few_fast(
        [
            ("pytorch_model.bin", wrapped),
            ("weights.pth", dict),
            ("weights.pt", lambda weights: {"model": weights, "optimizer": {"lr": 0.1}}),
            ("compiled.pth", lambda weights: {f"_orig_mod.{name}": tensor for name, tensor in weights.items()}),
        ]
    ),
)
def test_a_state_dict_is_read_plain_or_wrapped(tmp_path, weights, name, content):
    torch.save(content(weights), tmp_path / name)

    found = read_pretrained(str(tmp_path / name))

    assert (found.name, found.network, found.normalisation) == (name, "resnet50", "imagenet")
    assert found.license == "unknown: ask the author"
    assert torch.equal(found.tensors["layers.0.convolution.weight"], weights["conv1.weight"])
    assert len(found.digest) == 64


def test_a_safetensors_file_is_read(tmp_path, weights):
    save_file(weights, tmp_path / "weights.safetensors")

    found = read_pretrained(str(tmp_path / "weights.safetensors"))

    assert found.network == "resnet50"
    assert torch.equal(found.tensors["head.weight"], weights["fc.weight"])


def test_what_vidi_kept_says_itself_what_it_is(tmp_path):
    network = build_network("lite0", image_size=(32, 32), class_count=4)
    kept = PretrainedWeights(
        name="flowers",
        network="lite0",
        normalisation="imagenet",
        license="MIT",
        digest="0" * 64,
        tensors=network.state_dict(),
    )
    keep_weights(tmp_path / "flowers.safetensors", kept)

    found = read_pretrained(str(tmp_path / "flowers.safetensors"))

    assert (found.name, found.license, found.normalisation) == ("flowers", "MIT", "imagenet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.safetensors", None, "cannot be read: No such file"),
        ("half.safetensors", b"\x40\x00\x00\x00\x00\x00\x00\x00{", "is not a complete safetensors file"),
        ("half.pth", b"PK\x03\x04", "is not a plain file of weights"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(ModelError, match=message):
        read_pretrained(str(tmp_path / name))


def test_a_wrapping_with_more_than_tensors_is_refused(tmp_path):
    torch.save({"state_dict": {"conv1.weight": torch.zeros(1), "classes": ["a", "b"]}}, tmp_path / "weights.pth")

    with pytest.raises(ModelError, match="other than named weights"):
        read_pretrained(str(tmp_path / "weights.pth"))


@pytest.mark.parametrize("name", ["model.onnx", "runs/photos"])
def test_a_model_file_or_run_is_sent_to_from(tmp_path, name):
    path = tmp_path / name
    if path.suffix:
        path.write_bytes(b"")
    else:
        path.mkdir(parents=True)

    with pytest.raises(UsageError, match="--from"):
        read_pretrained(str(path))


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"")

    with pytest.raises(UsageError, match=r"ends in \.safetensors, \.pth, \.pt, \.bin"):
        read_pretrained(str(tmp_path / "weights.h5"))


def test_a_folder_called_like_known_weights_stands_back(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lite0").mkdir()

    assert read_pretrained("lite0").network == "lite0"


def test_an_unknown_name_is_answered_with_all_ways():
    with pytest.raises(
        UnknownNameError,
        match=r"lite0, lite2, lite0\+lite2, lite0-grid, mobilenetv4-small, .*vgg16, resnet50; or a file",
    ):
        read_pretrained("vgg19")


@pytest.mark.slow  # over half a second of processor time: two networks of full width
@pytest.mark.parametrize(("classes", "is_new"), [(5, False), (3, True)])
def test_a_network_begins_with_the_weights_and_a_head_for_other_classes_stays_new(tmp_path, weights, classes, is_new):
    torch.save(weights, tmp_path / "weights.pth")
    network = build_network("resnet50", image_size=(32, 32), class_count=classes)
    new = network.head.weight.detach().clone()

    begin_with(network, read_pretrained(str(tmp_path / "weights.pth")))

    assert torch.equal(network.layers[0].convolution.weight, weights["conv1.weight"])
    assert torch.equal(network.layers[0].norm.running_var, weights["bn1.running_var"])
    assert torch.equal(network.head.weight, new if is_new else weights["fc.weight"])


@pytest.mark.slow  # builds a ResNet-50
def test_a_network_of_another_shape_is_refused(tmp_path, weights):
    torch.save(weights, tmp_path / "weights.pth")
    network = build_network("lite0", image_size=(32, 32), class_count=5)

    with pytest.raises(ModelError, match=r"layers\.0\.convolution\.weight does not fit"):
        begin_with(network, read_pretrained(str(tmp_path / "weights.pth")))
