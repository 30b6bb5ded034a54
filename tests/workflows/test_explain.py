"""The story of `vidi explain`: pages and figures about why an image was answered as it was."""

import io
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.cases import few_fast
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model, with_provenance
from tests.report.pages import Page
from tests.workflows.heard import Heard

import vidi
from vidi.data.inputs import find_paths
from vidi.errors import DataError, ImageError, UsageError
from vidi.images.account import Account
from vidi.images.framing import Framing
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.write import set_metadata, write_model
from vidi.networks.build import build_network
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor
from vidi.report.pages.explain import Deletion, trust_sentence, why_no_evidence, write_explanation
from vidi.workflows.explain import explain_images, explain_inputs
from vidi.workflows.explaining.image import ExplanationParts, explain_image
from vidi.workflows.explaining.neighbours import (
    EMBEDDINGS,
    INDEX,
    THUMBNAILS,
    find_neighbours,
    neighbours_of,
    read_neighbours,
)
from vidi.workflows.explaining.pages import (
    describe_architecture,
    explanation_line,
    explanations_document,
    network_document,
    network_table,
    write_network,
    write_pages,
)
from vidi.workflows.interaction.run_folder import page_names, require_own
from vidi.workflows.requests.model_file import ExplainedPages

THIN = ((1, 1), (1, 7), (9, 1), (2, 3_000), (3_000, 2), (2, 20_000))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(tiny_model(tmp_path_factory.mktemp("model") / "model.onnx").path)


def put(folder: Path, **images: bytes) -> list[str]:
    paths = [folder / f"{name}.png" for name in images]
    for path, data in zip(paths, images.values(), strict=True):
        path.write_bytes(data)
    return [str(path) for path in paths]


def pages_of(predictor: Predictor, inputs: list[str], folder: Path, *, with_images: bool = True, **wanted):
    found, account = find_paths(inputs), Account()
    explained = explain_inputs(predictor, found, account, wanted=ExplanationParts(**wanted))
    return list(write_pages(explained, found, predictor.model, folder=folder, with_images=with_images)), account


def test_an_image_gets_a_page_of_its_own_and_the_answer_that_predict_gives(predictor: Predictor, tmp_path: Path):
    inputs = put(tmp_path, disc=encoded(draw("disc", size=(40, 60))))

    (written,), account = pages_of(predictor, inputs, tmp_path / "why")

    (answer,) = predictor.predict_files(inputs)
    explanation = written.explained.explanation
    assert account.sentence() == "found 1 = used 1 + set aside 0 + refused 0 + ignored 0"
    np.testing.assert_array_equal(explanation.prediction.probabilities, answer.prediction.probabilities)
    assert explanation_line(written).endswith(f"{tmp_path}/why/disc.html")
    page = Page(written.page.read_text("utf-8"))
    assert explanation.prediction.label in page.text
    assert not page.all("script")
    assert all(image["src"].startswith("data:image/") and image["alt"] for image in page.all("img"))
    ids = [one["id"] for _, one in page.elements if "id" in one]
    assert len(ids) == len(set(ids))


def test_maps_are_as_large_as_the_image_and_numbered_by_class(predictor: Predictor):
    image = draw("square", size=(40, 60))

    found = explain_image(predictor, image, wanted=ExplanationParts(top=3))

    assert list(found.evidence) == [label for label, _ in found.prediction.top(3)] == list(found.occlusion)
    assert {values.shape for values in (*found.evidence.values(), *found.occlusion.values())} == {(40, 60)}
    assert found.regions.shape == (3, 16, 16)
    assert found.layers[0].maps.shape == found.layers[0].shape
    assert found.neighbours == ()
    np.testing.assert_array_equal(found.image, image)


def test_of_classes_that_cannot_be_two_are_shown(predictor: Predictor):
    found = explain_image(predictor, draw("disc"), wanted=ExplanationParts())

    likely = [label for label, probability in found.prediction.top(3) if probability >= 0.01]
    assert list(found.evidence) == [label for label, _ in found.prediction.top(max(2, len(likely)))]


def test_a_network_without_evidence_is_explained_by_covering_parts(tmp_path: Path):
    network = build_network("textbook", image_size=(16, 16), class_count=2).eval()
    metadata = ModelMetadata(classes=("a", "b"), framing=Framing(size=(16, 16)))
    write_model(tmp_path / "model.onnx", to_onnx(network, (16, 16)), metadata)

    found = vidi.explain(tmp_path / "model.onnx", draw("disc"))

    assert (found.evidence, found.regions) == ({}, None)
    assert list(found.occlusion) == ["a", "b"] or list(found.occlusion) == ["b", "a"]
    assert found.deletion is not None


@pytest.mark.parametrize("mode", few_fast(["pad", "crop"]))
def test_thin_images_go_through(mode: str, tmp_path: Path):
    model = tiny_model(tmp_path / "model.onnx", framing=Framing(size=(16, 16), mode=mode))
    images = {f"thin{height}x{width}": encoded(np.full((height, width, 3), 200, np.uint8)) for height, width in THIN}

    written, account = pages_of(Predictor.load(model.path), put(tmp_path, **images), tmp_path / "why")

    assert account.used == len(THIN)
    assert [one.explained.explanation.is_framed for one in written] == [False, True, True, True, True, True]
    assert all(one.page.stat().st_size < 1_000_000 for one in written)


def test_a_bad_image_is_named_and_the_rest_is_done(predictor: Predictor, tmp_path: Path):
    inputs = [*put(tmp_path, bad=b"no image", good=encoded(draw("disc"))), str(tmp_path / "gone.png")]

    written, account = pages_of(predictor, inputs, tmp_path / "why")
    document = explanations_document(written, predictor.model, account)

    assert (account.used, len(account.refused)) == (1, 2)
    codes = {Path(one["path"]).name: one["error"] and one["error"]["code"] for one in document["explanations"]}
    assert codes == {"gone.png": "unreadable", "bad.png": "not-an-image", "good.png": None}
    assert not (tmp_path / "why" / "bad.html").exists()
    json.dumps(document, allow_nan=False)


def test_a_file_that_is_no_image_is_an_error_in_python(predictor: Predictor, tmp_path: Path):
    (path,) = put(tmp_path, bad=b"no image")

    with pytest.raises(ImageError) as raised:
        vidi.explain(predictor, path)

    assert raised.value.code == "not-an-image"


def test_without_images_nothing_of_the_image_is_on_the_page(predictor: Predictor, tmp_path: Path):
    black, white = (np.full((40, 40, 3), grey, np.uint8) for grey in (0, 255))
    found = explain_image(predictor, black, wanted=ExplanationParts())
    pages = []
    for image in (black, white):
        write_explanation(tmp_path / "page.html", replace(found, image=image), predictor.model, with_images=False)
        pages.append((tmp_path / "page.html").read_text("utf-8"))

    assert pages[0] == pages[1]
    assert "Maps of this layer" not in pages[0]
    assert "Filters of the first layer" not in pages[0]


def test_too_many_images_are_refused_before_any_is_explained(predictor: Predictor, tmp_path: Path):
    put(tmp_path, **{f"a{number}": b"x" for number in range(101)})

    with pytest.raises(UsageError, match="101 images were found"):
        pages_of(predictor, [str(tmp_path)], tmp_path / "why")


def test_ctrl_c_ends_after_the_page_that_is_being_made(predictor: Predictor, tmp_path: Path):
    inputs = put(tmp_path, disc=encoded(draw("disc")), square=encoded(draw("square")))
    stream, pages = io.StringIO(), ExplainedPages(output=tmp_path / "why")

    def watch(explained, total):
        for one in explained:
            yield one
            os.kill(os.getpid(), signal.SIGINT)

    wanted = ExplanationParts()
    account = explain_images(predictor, inputs, pages, wanted=wanted, stream=stream, watch=watch)

    assert [path.name for path in (tmp_path / "why").iterdir()] == ["disc.html"]
    assert (account.used, [entry.path for entry in account.set_aside]) == (1, inputs[1:])
    assert len(stream.getvalue().splitlines()) == 1


def test_no_image_at_all_is_refused(predictor: Predictor, tmp_path: Path):
    with pytest.raises(DataError, match="no image was found"):
        pages_of(predictor, [str(tmp_path)], tmp_path / "why")


def test_pages_replace_pages_and_nothing_else(predictor: Predictor, tmp_path: Path):
    inputs = put(tmp_path, disc=encoded(draw("disc")))
    for _ in range(2):
        pages_of(predictor, inputs, tmp_path / "why")
    (tmp_path / "why" / "disc.html").write_text("<p>mine</p>")

    with pytest.raises(UsageError, match="vidi did not write it"):
        pages_of(predictor, inputs, tmp_path / "why")

    assert (tmp_path / "why" / "disc.html").read_text() == "<p>mine</p>"


def test_a_folder_in_the_place_of_a_page_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="vidi did not write it"):
        require_own(tmp_path)


def test_pages_have_names_that_every_system_takes():
    names = page_names(["a/x.jpg", "b/X.png", "..", "a\nb.png", "c:d.jpg", "é.jpg"])

    assert names == ["x.html", "X-2.html", "image.html", "a_0Ab.html", "c_d.html", "é.html"]


def test_hostile_names_run_nothing(predictor: Predictor, tmp_path: Path):
    name = "<img src=x onerror=alert(1)>"
    (tmp_path / f"{name}.png").write_bytes(encoded(draw("disc")))

    (written,), _ = pages_of(predictor, [str(tmp_path / f"{name}.png")], tmp_path / "why")

    page = Page(written.page.read_text("utf-8"))
    assert name in page.text
    assert all(image["src"].startswith("data:") for image in page.all("img"))


def said_of_a_map(marked: float, chance: list[float]) -> str:
    curve, mean = (np.array([0.9, 0.9, value, *[0.0] * 8], np.float32) for value in (marked, float(np.mean(chance))))
    deletion = Deletion(marked=curve, random=mean, chance=np.array(chance, np.float32))
    return trust_sentence(deletion, "cat").replace("\xa0", " ")


def test_a_map_is_believed_only_where_it_beats_chance_every_time():
    spread = np.linspace(0.45, 0.73, 19).tolist()

    assert "Chance does as much" in said_of_a_map(0.53, spread)  # against a mean of 0.59
    assert said_of_a_map(0.1, spread).endswith("So the answer depends on what is marked.")
    assert "goes from 90 % to 10 %; with a fifth chosen at random, 19 times, to between 45 % and 73 %" in said_of_a_map(
        0.1, spread
    )
    assert "do not rely on this map" in said_of_a_map(0.8, spread)


def test_a_difference_that_is_small_is_no_conclusion_however_sure():
    assert "Chance does as much" in said_of_a_map(0.88, [0.9] * 19)


@pytest.mark.parametrize(
    ("class_count", "network_count", "pools", "reason"),
    [
        (2, 1, False, "does not end in a mean over all places"),
        (201, 1, True, "it has 201 classes, and evidence is kept for at most 200"),
        (2, 3, True, "its 3 networks do not all have maps of one size"),
        (2, 1, True, "last layers"),
    ],
)
def test_of_a_missing_evidence_map_only_the_reason_that_holds_is_said(class_count, network_count, pools, reason):
    said = why_no_evidence(class_count=class_count, network_count=network_count, pools=pools)

    assert reason in said
    assert sum(other in said for other in ("classes", "mean over", "networks do", "last layers")) == 1


def test_an_explanation_shows_and_draws_itself(predictor: Predictor, tmp_path: Path):
    found = explain_image(predictor, draw("disc"), path="a/disc.png", wanted=ExplanationParts(top=1))
    found.plot().save(tmp_path / "why.svg")

    assert f"What {found.prediction.label} needs" in (tmp_path / "why.svg").read_text("utf-8")
    assert "Why? disc.png" in found._repr_html_()
    assert len(repr(found)) < 1_000


def write_index(model: ModelFile, *, weights_digest: str | None = None, rows: int = 3) -> Path:
    """A folder `neighbours/` as a run of that model keeps it, without pictures."""
    place = model.path.parent / "neighbours"
    place.mkdir()
    np.save(place / EMBEDDINGS, np.eye(rows, 4, dtype=np.float16))
    images = [{"path": f"{row}.jpg", "labels": [f"class {row}"], "digest": "", "size": [9, 8]} for row in range(rows)]
    digest = model.metadata.weights_digest if weights_digest is None else weights_digest
    (place / INDEX).write_text(json.dumps({"schema": 1, "weights_digest": digest, "images": images}))
    return place


def test_neighbours_are_the_most_alike_first(tmp_path: Path):
    model = tiny_model(tmp_path / "model.onnx")
    assert read_neighbours(model) is None  # only the model file is at hand
    write_index(model)

    found = find_neighbours(read_neighbours(model), np.array([0.1, 2, 1, 0], np.float32), count=2)

    assert [(one.path, one.label, one.thumbnail) for one in found] == [
        ("1.jpg", "class 1", None),
        ("2.jpg", "class 2", None),
    ]
    assert found[0].similarity > found[1].similarity


def test_neighbours_of_other_weights_are_refused(tmp_path: Path):
    model = tiny_model(tmp_path / "model.onnx")
    write_index(model, weights_digest="0" * 64)
    heard = Heard()

    with pytest.raises(DataError, match="belongs to another model than"):
        read_neighbours(model)
    assert neighbours_of(model, events=heard.events) is None
    assert [sentence.partition(":")[0] for sentence in heard.sentences] == ["nearest training images are not shown"]


def test_a_file_made_of_another_keeps_its_neighbours(tmp_path: Path):
    parent = tiny_model(tmp_path / "parent" / "model.onnx", seed=1)
    child = tiny_model(tmp_path / "model.onnx", seed=2)
    write_index(child, weights_digest=parent.metadata.weights_digest)

    with pytest.raises(DataError, match="belongs to another model"):
        read_neighbours(child)
    derived = set_metadata(
        child.path,
        with_provenance(child.metadata, derived_from=parent.metadata.weights_digest),
    )

    assert len(read_neighbours(derived).images) == 3


@pytest.mark.parametrize("damage", ["index", "embeddings", "rows", "thumbnails"])
def test_damaged_neighbours_are_named(tmp_path: Path, damage: str):
    model = tiny_model(tmp_path / "model.onnx")
    place = write_index(model)
    if damage == "index":
        (place / INDEX).write_text("{")
    elif damage == "embeddings":
        (place / EMBEDDINGS).write_bytes(b"\x80\x04pickle")
    elif damage == "rows":
        np.save(place / EMBEDDINGS, np.zeros((2, 4), np.float16))
    else:
        (place / THUMBNAILS).write_bytes(b"PK")

    with pytest.raises(DataError, match="cannot be read"):
        find_neighbours(read_neighbours(model), np.ones(4, np.float32))


def test_a_network_is_told_before_anything_is_learned(tmp_path: Path):
    network = describe_architecture("textbook")
    table = network_table(network, name="textbook")
    page = write_network(network, name="textbook", folder=tmp_path)
    document = network_document(network, name="textbook", page=page)

    # By hand: the network of the introductions at 256 x 256 pixels.
    first = 254 * 254 * 32 * 27
    assert document["layers"][0]["multiply_adds"] == first
    assert document["parameters"] == 896 + 18_496 + 4 * 36_928 + (2 * 2 * 64 * 64 + 64) + 650
    assert document["image_size"] == [256, 256]
    assert "32 maps of 127 × 127" in table
    assert "A convolution slides a small window" in table
    html = Page(page.read_text("utf-8"))
    assert "Convolution 3×3" in html.text
    assert not html.all("script")


def test_a_network_of_no_such_name_is_refused():
    with pytest.raises(UsageError, match="no network is called 'nothing'"):
        describe_architecture("nothing")
