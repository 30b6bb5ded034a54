"""The page's engine in Chromium gives the answers of `Predictor`, whoever serves it."""

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from bench.file_host import static_host
from PIL import Image

from tests.export.browser import chromium
from tests.images.bad_images import exif, grain, png, quarters, rows_of, saved
from tests.images.test_content_decides import wide_profile
from tests.model_file.test_golden import judged
from tests.serving.process import served
from vidi.export.to_web import write_web
from vidi.images.decode import decode_image
from vidi.model_file.read import ModelFile
from vidi.prediction.prediction import Prediction
from vidi.prediction.predictor import Predictor

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow  # starts a browser
NEAR = 0.01  # of a probability: browsers decode by decoders of their own
SAME = 1e-4  # of a probability, by another backend from the same pixels
PLACE = "below/this/"

ANSWERS = """
async (files) => {
  const { openModel, readModels } = await import("./engine.js");
  const { models } = await readModels();
  const model = await openModel(models[0].path);
  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const answer = (text) => model.classify(new Blob([bytes(text)]), { evidence: true }).catch(({ code }) => ({ code }));
  const answers = [];
  for (const text of files) answers.push(await answer(text));
  const found = { answers, test: await model.selfTest(), threads: model.threads, id: model.id };
  const hosts = [...(await model.requests()), ...performance.getEntriesByType("resource").map((entry) => entry.name)];
  found.foreign = hosts.filter((name) => !name.startsWith(new URL(".", document.baseURI)));
  model.close();
  return found;
}
"""
PIXELS = """
async (files) => {
  const { decodeFile } = await import("./decode.js");
  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const text = (pixels) => btoa(Array.from(pixels, (value) => String.fromCharCode(value)).join(""));
  const made = [];
  for (const file of files) {
    const { pixels, width, height, notes } = await decodeFile(new Blob([bytes(file)]));
    made.push({ size: [height, width], notes, pixels: text(pixels) });
  }
  return made;
}
"""


def drawn_files() -> dict[str, bytes]:
    """Image files that every browser reads, by what they show."""
    image = quarters(40, 56) // 2 + grain() // 2
    clear = np.dstack([image, np.tile(np.arange(56, dtype=np.uint8) * 4, (40, 1))])
    files = {
        "grey jpeg": saved(Image.fromarray(image).convert("L"), "JPEG"),
        "progressive jpeg": saved(image, "JPEG", {"progressive": True}),
        "jpeg without its end": saved(image, "JPEG")[:-2],
        "palette png": saved(Image.fromarray(image).quantize(16), "PNG"),
        "grey png": saved(Image.fromarray(image).convert("L"), "PNG"),
        "one bit": saved(Image.fromarray(image).convert("1"), "PNG"),
        "clear png": saved(Image.fromarray(clear), "PNG"),
        "clear grey": saved(Image.fromarray(clear).convert("LA"), "PNG"),
        "png with gamma": with_gamma(saved(image, "PNG")),
        "clear webp": saved(Image.fromarray(clear), "WEBP", {"lossless": True}),
        "lossy webp": saved(image, "WEBP"),
        "gif": saved(image, "GIF"),
        "frames": saved(image, "GIF", {"save_all": True, "append_images": [Image.fromarray(grain())]}),
        "avif": saved(image, "AVIF", {"quality": 95}),
        "clear avif": saved(Image.fromarray(clear), "AVIF"),
        "clear avif, turned": saved(Image.fromarray(clear), "AVIF", {"exif": exif(6)}),
        "avif frames": saved(image, "AVIF", {"save_all": True, "append_images": [Image.fromarray(grain())]}),
        "profile": saved(image, "PNG", {"icc_profile": wide_profile()}),
        "smallest": saved(image[:1, :1], "PNG"),
        "large": saved(np.asarray(Image.fromarray(image).resize((3000, 2000))), "JPEG"),
    }
    for format in ("JPEG", "PNG", "WEBP"):
        for orientation in range(1, 9):
            files[f"{format} {orientation}"] = saved(image, format, {"exif": exif(orientation)})
    for format in ("JPEG", "WEBP"):
        files[f"{format} with XMP"] = saved(image, format, {"xmp": XMP})
    return files


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)

REFUSED = {
    "sixteen bits": (png((24, 32), rows_of(np.zeros((24, 32), ">u2")), depth=16, colour=0), "unsupported-format"),
    "cmyk": (saved(Image.fromarray(grain()).convert("CMYK"), "JPEG"), "unsupported-format"),
    "multiplied avif": (
        saved(Image.fromarray(np.dstack([grain(), grain()[:, :, 0]])), "AVIF", {"alpha_premultiplied": True}),
        "unsupported-format",
    ),
    "tiff": (saved(grain(), "TIFF"), "unsupported-format"),
    "bmp": (saved(grain(), "BMP"), "unsupported-format"),
    "text": (b"hello\n", "not-an-image"),
    "nothing": (b"", "empty"),
    "cut jpeg": (saved(grain(), "JPEG")[:-300], "truncated"),
    "cut png": (saved(grain(), "PNG")[:-300], "truncated"),
    "short png": (png((24, 32), bytes(200)), "truncated"),
}


def with_gamma(data: bytes) -> bytes:
    """A PNG that asks for another brightness, as some browsers and no reader of vidi's show it."""
    import struct
    import zlib

    chunk = b"gAMA" + struct.pack(">I", 100_000)
    return data[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    return judged(tmp_path_factory.mktemp("model") / "shapes.onnx", novelty=3.0)


def ask(page: "Page", script: str, files: dict[str, bytes]) -> dict | list:
    return page.evaluate(script, [base64.b64encode(data).decode() for data in files.values()])


def answer_of(prediction: Prediction) -> tuple[object, ...]:
    return prediction.label, prediction.verdict, set(prediction.candidates), prediction.decision


def check_answers(found: dict, model: ModelFile, files: dict[str, bytes]) -> None:
    """Every file got the answer of Python, and every refused one its code."""
    predictor = Predictor.load(model.path)
    given = dict(zip([*files, *REFUSED], found["answers"], strict=True))
    for name, data in files.items():
        expected = predictor.predict([decode_image(data).image])[0]
        answer = given[name]
        said = answer["label"], answer["verdict"], set(answer["candidates"]), answer["decision"]
        assert (name, said) == (name, answer_of(expected))
        assert np.abs(np.array(answer["probabilities"]) - expected.probabilities).max() <= NEAR, name
        assert abs(answer["novelty"] - expected.novelty) <= NEAR * max(1, expected.novelty), name
        assert set(answer["evidence"]["byLabel"]) == set(predictor.classes)
    assert {name: given[name].get("code") for name in REFUSED} == {name: code for name, (_, code) in REFUSED.items()}
    assert found["test"]["passed"], found["test"]
    assert (found["id"], found["foreign"]) == (model.model_id, [])


def test_the_page_of_a_server_answers_as_python_does(model: ModelFile):
    files = drawn_files()
    with served(model.path) as (_, url), chromium() as page:
        page.goto(url)

        found = ask(page, ANSWERS, files | {name: data for name, (data, _) in REFUSED.items()})

        assert page.evaluate("crossOriginIsolated")
    check_answers(found, model, files)


@pytest.mark.integration
def test_the_page_below_another_path_of_a_host_of_files_answers_as_python_does(model: ModelFile, tmp_path: Path):
    place = tmp_path / PLACE
    place.mkdir(parents=True)
    write_web(place, [("shapes", model)])
    files = drawn_files()
    with static_host(tmp_path) as url, chromium() as page:
        page.goto(url + PLACE)

        found = ask(page, ANSWERS, files | {name: data for name, (data, _) in REFUSED.items()})

        assert not page.evaluate("crossOriginIsolated")
    check_answers(found, model, files)
    assert found["threads"] == 1


@pytest.mark.fault
def test_the_browser_decodes_to_the_pixels_of_python(model: ModelFile, tmp_path: Path):
    write_web(tmp_path, [("shapes", model)])
    files = drawn_files()
    with static_host(tmp_path) as url, chromium() as page:
        page.goto(url)

        made = ask(page, PIXELS, files)

    for name, one in zip(files, made, strict=True):
        expected = decode_image(files[name])
        pixels = np.frombuffer(base64.b64decode(one["pixels"]), np.uint8)
        assert (name, one["size"]) == (name, list(expected.image.shape[:2]))
        difference = np.abs(pixels.reshape(expected.image.shape).astype(int) - expected.image)
        assert (name, difference.max() <= MOST.get(name, 1)) == (name, True), difference.max()
        assert (name, set(expected.notes) - {"profile-applied"}) == (name, set(one["notes"]))


MOST = {"profile": 3, "avif": 3, "clear webp": 0, "clear png": 0}  # levels between two decoders


BY_GPU = """
async () => {
  const { openModel, readModels } = await import("./engine.js");
  const { models } = await readModels();
  const answered = async (options) => {
    const model = await openModel(models[0].path);
    const trial = await model.accelerate(options);
    const [height, width] = model.metadata.framing.size;
    const pixels = Uint8Array.from({ length: 3 * height * width }, (_, place) => (place * 7919) % 256);
    const answer = await model.classify({ pixels, width, height }, { evidence: true });
    const { passed } = await model.selfTest();
    model.close();
    return { trial, answer, passed };
  };
  return [await answered({}), await answered({ isSoftwareTried: true, leastGain: 0 })];
}
"""
SOFTWARE_GPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")


@pytest.mark.integration
def test_a_graphics_processor_gives_the_answers_of_the_file_and_one_in_software_is_not_used(
    model: ModelFile, tmp_path: Path
):
    write_web(tmp_path, [("shapes", model)])
    with static_host(tmp_path) as url, chromium(*SOFTWARE_GPU) as page:
        page.goto(url)
        page.wait_for_selector("body[data-ready]")
        usual, tried = page.evaluate(BY_GPU)
        if tried["trial"].get("reason") == "no-device":
            pytest.skip("hardware:webgpu")

    assert (usual["trial"], usual["passed"]) == ({"provider": "wasm", "reason": "no-device"}, True)
    assert (tried["trial"]["provider"], tried["trial"]["passed"], tried["passed"]) == ("webgpu", True, True), tried
    assert tried["answer"]["probabilities"] == pytest.approx(usual["answer"]["probabilities"], abs=SAME)
    assert tried["answer"]["verdict"] == usual["answer"]["verdict"]
    one, other = (np.array(list(found["answer"]["evidence"]["byLabel"].values())) for found in (usual, tried))
    assert np.abs(one - other).max() <= NEAR


OPENED = """
async (paths) => {
  const { openModel } = await import("./engine.js");
  const outcome = (path) => openModel(path).then((model) => model.close() ?? "opened", ({ code }) => code);
  return Promise.all(paths.map(outcome));
}
"""


def test_what_is_missing_or_damaged_is_named(model: ModelFile, tmp_path: Path):
    names = ("whole", "damaged", "other", "without-file")
    write_web(tmp_path, [(name, model) for name in names])
    place = tmp_path / "models"
    data = bytearray(model.data)
    data[len(data) // 2] ^= 1
    (place / "damaged" / "model.onnx").write_bytes(data)
    (place / "other" / "model.onnx").write_bytes(model.data[:-64] + b"0" * 64)
    (place / "without-file" / "model.onnx").unlink()
    with static_host(tmp_path) as url, chromium() as page:
        page.goto(f"{url}runtime.json")
        found = page.evaluate(OPENED, [f"models/{name}/" for name in (*names, "nowhere")])
        (tmp_path / "vendor" / "ort-1.30.0.wasm.bundle.min.mjs").unlink()
        page.context.clear_cookies()
        page.goto(f"{url}runtime.json?again")
        without_runtime = page.evaluate(OPENED, ["models/whole/"])

    assert found == ["opened", "model-damaged", "model-damaged", "model-missing", "model-missing"]
    assert without_runtime == ["runtime-missing"]


def test_threads_are_half_of_the_cores_and_one_where_the_host_does_not_isolate_the_page(model: ModelFile):
    ask_for = "(cores) => import('./engine.js').then(({ usualThreads }) => cores.map((count) => usualThreads(count)))"
    with served(model.path) as (_, url), chromium() as page:
        page.goto(f"{url}/runtime.json")
        isolated = page.evaluate(ask_for, [1, 2, 3, 4, 8, 64])

    assert isolated == [1, 1, 1, 2, 4, 4]


@pytest.mark.integration
def test_a_page_says_where_its_browser_gives_other_answers_than_the_file(model: ModelFile, tmp_path: Path):
    write_web(tmp_path, [("shapes", model)])
    document = tmp_path / "models" / "shapes" / "model.json"
    changed = json.loads(document.read_text())
    changed["metadata"]["golden"][0]["probabilities"].reverse()
    said = []
    for text in (document.read_text(), json.dumps(changed)):
        document.write_text(text)
        with static_host(tmp_path) as url, chromium() as page:
            page.goto(url)
            page.wait_for_selector("body[data-ready]")
            said.append(page.inner_text("#about-model") if page.is_visible("#about-model") else "")

    assert said[0] == ""
    assert "gives other answers than its file states" in said[1]
