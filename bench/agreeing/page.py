"""The page's engine in Chromium, asked about files and about vidi's decoded pixels."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.agreeing.answers import Answers, from_page
from bench.agreeing.samples import Sample
from vidi.images.decode import decode_image

if TYPE_CHECKING:
    from playwright.sync_api import Page

OPEN = """
async () => {
  const { openModel, readModels } = await import("./engine.js");
  const { decodeFile } = await import("./decode.js");
  const { models } = await readModels();
  globalThis.agreement = { model: await openModel(models[0].path), decodeFile };
}
"""
ASK = """
async ({ file, pixels, height, width }) => {
  const { model, decodeFile } = globalThis.agreement;
  const bytes = async (text) => Uint8Array.fromBase64
    ? Uint8Array.fromBase64(text)
    : Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const blob = new Blob([await bytes(file)]);
  const own = await bytes(pixels);
  const told = ({ code, message }) => ({ code, message });
  const levels = ({ pixels: found, height: rows, width: columns }) => {
    if (rows !== height || columns !== width) return null;
    let most = 0, sum = 0;
    for (let index = 0; index < own.length; index += 1) {
      const difference = Math.abs(found[index] - own[index]);
      sum += difference;
      if (difference > most) most = difference;
    }
    return { most, mean: sum / own.length };
  };
  return {
    byFile: await model.classify(blob).catch(told),
    byPixels: await model.classify({ pixels: own, height, width }).catch(told),
    levels: await decodeFile(blob).then(levels, () => null),
  };
}
"""


@dataclass(slots=True)
class PageAnswers:
    """What the page said of the same images, twice."""

    by_file: Answers = field(default_factory=dict)  # the browser decoded
    by_pixels: Answers = field(default_factory=dict)  # vidi decoded
    levels: dict[str, dict[str, float]] = field(default_factory=dict)  # between both decoders: most, and mean, of 255


@contextmanager
def opened(executable: str, url: str) -> Iterator["Page"]:
    """A page of a server of vidi, with its first model open; what goes wrong on it is raised at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            page.goto(f"{url}runtime.json")  # a file of the page that runs nothing by itself
            page.evaluate(OPEN)
            yield page
        finally:
            browser.close()
        assert not errors, errors


def ask_page(page: "Page", samples: Sequence[Sample]) -> PageAnswers:
    """The answers about each file, and about its pixels as vidi decodes them at full size."""
    found = PageAnswers()
    for one in samples:
        pixels = decode_image(one.data).image
        given = {
            "file": base64.b64encode(one.data).decode(),
            "pixels": base64.b64encode(pixels.tobytes()).decode(),
            "height": pixels.shape[0],
            "width": pixels.shape[1],
        }
        answer: dict[str, Any] = page.evaluate(ASK, given)
        found.by_file[one.name] = from_page(answer["byFile"])
        found.by_pixels[one.name] = from_page(answer["byPixels"])
        if answer["levels"] is not None:
            found.levels[one.name] = answer["levels"]
    return found
