"""`python -m tests.export.screenshots OUT`: a picture of each view of the page, so that people can look at it.

A phone and a desktop, light and dark. Without `--model` a model file with drawn weights answers. With `--page` other
pages are shown in place of it: files, such as a report, or addresses.
"""

import argparse
import contextlib
import itertools
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.draw import draw, encoded
from tests.export.browser import bare_chromium, chromium, close_browsers
from tests.model_file.test_golden import limits, written
from tests.model_file.tiny import tiny_metadata
from tests.serving.process import served

if TYPE_CHECKING:
    from playwright.sync_api import Page

CAMERA: Final = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SIZES: Final[Mapping[str, tuple[int, int]]] = {"phone": (390, 844), "desktop": (1280, 800)}
SCHEMES: Final = ("light", "dark")
KINDS: Final = ("disc", "stripes", "square")
TALLEST: Final = 2000  # pixels of one picture of a page; a longer page gives several


def drawn_model(path: Path) -> Path:
    """A model file that gives all verdicts and shows evidence."""
    metadata = replace(tiny_metadata(), classes=KINDS, verdict=limits(sure=0.5, candidate=0.05, novelty=1e9))
    return written(path, metadata).path


def drawn_images(folder: Path) -> list[Path]:
    """Images as a phone would hand them over."""
    for seed, kind in enumerate(KINDS):
        (folder / f"{kind}.jpg").write_bytes(encoded(draw(kind, size=(240, 320), seed=seed), format="JPEG"))
    return [folder / f"{kind}.jpg" for kind in KINDS]


def ask(page: "Page", images: list[Path]) -> None:
    """Choose images, and wait for the last answer."""
    page.set_input_files("#files", images)
    page.wait_for_selector(f"#history li:nth-child({len(images)})")


def views(page: "Page", url: str, images: list[Path], folder: Path, *, look: Callable[[str], None]) -> None:
    """Bring one view after the other on the screen, and look at each."""
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    look("empty")
    ask(page, images[:1])
    look("answered")
    ask(page, images)
    if page.is_visible("#evidence-switch"):  # not every model has it
        page.check("#evidence")
        page.wait_for_selector("#overlay:visible")
        look("evidence")
    for name in ("card", "privacy"):
        page.click(f"#open-{name}")
        look(name)
        page.click(f"#{name} .close")
    refused = folder / "letter.txt"
    refused.write_text("no image")
    page.set_input_files("#files", refused)
    page.wait_for_selector(f"#waiting:has-text('{refused.name}')")
    look("refused")
    page.click("#live")
    page.wait_for_selector("body[data-frames]")
    look("live")


def ask_for_token(page: "Page", url: str, *, look: Callable[[str], None]) -> None:
    """The view of a server that asks for its access token."""
    page.goto(url)
    page.wait_for_selector("#token-form:not([hidden])")
    look("token")


@contextlib.contextmanager
def servers(model: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """The address of an open server, and of one with a token."""
    token = folder / "token"
    token.write_text(secrets.token_urlsafe())
    token.chmod(0o600)
    with served(f"shapes={model}") as (_, free), served(f"shapes={model}", "--token-file", token) as (_, guarded):
        yield f"{free}/", f"{guarded}/"


def take_screenshots(
    out: Path,
    *,
    model: Path | None = None,
    images: list[Path] | None = None,
    screens: Collection[str] = SIZES,
    schemes: Collection[str] = SCHEMES,
) -> list[Path]:
    """Write `VIEW-SIZE-SCHEME.png` for each view.

    Args:
        out: folder for the pictures; made where it is missing.
        model: a model file; None draws one.
        images: image files to ask about; None draws some.
        screens: names in `SIZES`.
        schemes: light, dark or both.

    Returns:
        The pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures: list[Path] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = images or drawn_images(folder)
        with servers(model or drawn_model(folder / "shapes.onnx"), folder) as (free, guarded):
            for screen, scheme in itertools.product(screens, schemes):
                with chromium(*CAMERA) as page:
                    set_screen(page, screen, scheme)

                    def look(view: str, shown: "Page" = page, end: str = f"{screen}-{scheme}") -> None:
                        pictures.append(out / f"{view}-{end}.png")
                        is_dialog = view in ("card", "privacy")
                        shown.screenshot(path=pictures[-1], full_page=not is_dialog, animations="disabled")

                    views(page, free, asked, folder, look=look)
                    ask_for_token(page, guarded, look=look)
    return pictures


def set_screen(page: "Page", screen: str, scheme: str) -> None:
    """Show the page as this screen does, without motion."""
    width, height = SIZES[screen]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")


def show_pages(
    out: Path, pages: Sequence[str], *, screens: Collection[str] = SIZES, schemes: Collection[str] = SCHEMES
) -> list[Path]:
    """Write `PAGE-SIZE-SCHEME-1.png` and further pieces of each page, from top to bottom.

    Args:
        out: folder for the pictures; made where it is missing.
        pages: HTML files or addresses; what they fold away stays so.
        screens: names in `SIZES`.
        schemes: light, dark or both.

    Returns:
        The pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures: list[Path] = []
    with bare_chromium() as shown:
        for page, screen, scheme in itertools.product(pages, screens, schemes):
            set_screen(shown, screen, scheme)
            shown.goto(page if "://" in page else Path(page).resolve().as_uri())
            height = int(shown.evaluate("document.documentElement.scrollHeight"))
            for piece, top in enumerate(range(0, height, TALLEST), start=1):
                pictures.append(out / f"{Path(page).stem}-{screen}-{scheme}-{piece}.png")
                clip = {"x": 0, "y": top, "width": SIZES[screen][0], "height": min(TALLEST, height - top)}
                shown.screenshot(path=pictures[-1], full_page=True, clip=clip, animations="disabled")
    return pictures


def main() -> None:
    """Read the words of the command line, take the pictures and list them."""
    parser = argparse.ArgumentParser(description=re.split(r"\n", __doc__ or "")[0])
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--model", type=Path, help="model file (default: one with drawn weights)")
    parser.add_argument("--image", type=Path, action="append", help="image to ask about (default: drawn ones)")
    parser.add_argument("--page", action="append", help="HTML file or address to show in place of vidi's own page")
    words = parser.parse_args()
    if words.page:
        pictures = show_pages(words.out, words.page)
    else:
        pictures = take_screenshots(words.out, model=words.model, images=words.image)
    close_browsers()
    for picture in pictures:
        sys.stdout.write(f"{picture}\n")


if __name__ == "__main__":
    main()
