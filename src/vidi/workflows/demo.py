"""The demos: a whole run on installed data, and a look at what its test cannot show."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from vidi.data.cache import cache_folder
from vidi.data.inputs import find_paths
from vidi.data.known_sets.demo_images import (
    BACKGROUNDS,
    WITH_A_FACE,
    WITHOUT_A_FACE,
    write_drawn_digits,
    write_face_crops,
    write_photographs,
)
from vidi.errors import UnknownNameError
from vidi.files import escape_path, read_json
from vidi.images.account import Account
from vidi.numbers import percent
from vidi.prediction.predictor import Predictor
from vidi.report.pages.boxes import LocatedImage
from vidi.report.words.sentences import headline
from vidi.workflows.interaction.events import Event, Events, Message
from vidi.workflows.interaction.run_folder import CHECK
from vidi.workflows.locate import PAGE, keep_located, looked_for, write_found
from vidi.workflows.locating import finder, locate_inputs
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import LocateRequest
from vidi.workflows.requests.shared import wants_pictures
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.train import train

FINDINGS = ("warning: ", "problem: ")  # how `vidi train` begins what the check found
WRONG = "WRONG, it is "
# A small network and few epochs, so that it is over soon; Adam's steps do not depend on how few images there are.
QUICK: Mapping[str, object] = {
    "options.width": 0.5,
    "epochs": 25,
    "optimizer": "adamw",
    "learning_rate": 0.003,
    "precision": "float32",  # so few channels gain nothing from less
}


@dataclass(frozen=True, slots=True)
class Demo:
    """One demonstration."""

    question: str
    data: str  # a known set
    foreign: Callable[[Path], dict[str, str]]  # writes images from elsewhere; the truth by file name
    lesson: str  # what the images from elsewhere teach
    finds: bool = False  # it ends with a search for the thing in whole photographs
    changes: Mapping[str, object] = field(default_factory=dict)  # of the recipe


DEMOS: Mapping[str, Demo] = {
    "faces": Demo(
        question="Does the image show a face? The model trains on 200 photographs of 25x25 pixels.",
        data="lfw-faces",
        foreign=write_face_crops,
        lesson="The test images come from the same source as the training images: small grey faces, and patches of "
        "background without one. So they say little about other photographs, of cats or coffee. For that, take test "
        "images from the place where the model will be used.",
        finds=True,
    ),
    "digits": Demo(
        question="Which digit is it? The model trains on 1,797 handwritten digits of 8x8 pixels.",
        data="digits",
        foreign=write_drawn_digits,
        lesson="The test digits were written by the same people, with the same pen and scanner, as the training "
        "digits. So they say little about printed digits. For that, take test images from the place where the model "
        "will be used.",
        changes=QUICK,
    ),
}


def without_findings(events: Events) -> Events:
    """Everything but what the check found: a demo speaks of that when there is a result to speak of."""

    def tell(event: Event) -> None:
        match event:
            case Message(sentence) if sentence.startswith(FINDINGS):
                pass
            case _:
                events.tell(event)

    return Events(tell)


def run_demo(name: str, runs: Path, *, events: Events) -> Iterator[str]:
    """Run one demo, and give its results line by line.

    Args:
        runs: the folder in which `demo-NAME` is written; an earlier one is replaced.

    Raises:
        UnknownNameError: no such demo.
    """
    if name not in DEMOS:
        raise UnknownNameError(f"no demo is called {name!r}", f"Use one of: {', '.join(DEMOS)}.")
    demo = DEMOS[name]
    events.say(demo.question)
    data, output = DataRequest(source=demo.data), runs / f"demo-{name}"
    if demo.finds:  # kept where a run that was interrupted finds them again
        backgrounds = cache_folder() / "demo-backgrounds"
        write_photographs(BACKGROUNDS, backgrounds)
        data = replace(data, background=str(backgrounds))
    with_images = wants_pictures()
    asked = TrainRequest(data=data, changes=demo.changes, output=output, overwrite=True, images=with_images)
    run = train(asked, events=without_findings(events))
    folder = escape_path(run.folder)
    if not run.finished or run.test is None:
        yield f"interrupted; continue with: vidi train --resume {folder}"
        return
    yield f"\n{headline(run.test)}"
    yield from _doubts(run.folder)
    yield "\nNow images from elsewhere, chosen before any model saw them:\n"
    yield from _ask(run.folder, demo)
    yield f"\n{demo.lesson}"
    if demo.finds:
        yield "\nWhere is a face? A whole photograph of the astronaut, and five photographs without a face:\n"
        yield from _find(run.folder)
    yield f"\nThe report, with all numbers and images:  {folder}/report.html"
    yield "With your own images, one folder per class:\n  vidi check PHOTOS/\n  vidi train PHOTOS/"
    yield "Or all of it on a page:\n  vidi app PHOTOS/"


def _doubts(run: Path) -> Iterator[str]:
    """What the check of the images found that speaks against the figure, and how much else it found."""
    findings = [one for one in read_json(run / CHECK)["findings"] if one["severity"] != "note"]
    shortcuts = [one for one in findings if one["kind"] == "shortcut"]
    for one in shortcuts:
        yield (
            f"\nToo good to be true? The check found a possible shortcut: {one['message']}. Only images from elsewhere "
            "can show what the model learned."
        )
    if rest := len(findings) - len(shortcuts):
        yield f"\nThe report lists {rest} more {'thing' if rest == 1 else 'things'} to look at in these images."


def _ask(run: Path, demo: Demo) -> Iterator[str]:
    """The model's answers about the foreign images, right or wrong."""
    folder = run / "from-elsewhere"
    shutil.rmtree(folder, ignore_errors=True)
    truth = demo.foreign(folder)
    right = 0
    width, longest = max(map(len, truth)), max(len(f"{WRONG}{label}") for label in truth.values())
    for answer in Predictor.load(run).predict_files([str(folder / name) for name in truth]):
        name = Path(answer.path).name
        if answer.prediction is None:
            continue
        is_right = answer.prediction.label == truth[name]
        right += is_right
        mark = "correct" if is_right else f"{WRONG}{truth[name]}"
        yield f"  {name.removesuffix('.png'):{width}}  {mark:{longest}}  {answer.prediction}"
    yield f"\n  {right} of {len(truth)} correct"


def _find(run: Path) -> Iterator[str]:
    """Boxes in whole photographs, and the page that shows them."""
    folder, account, kept = run / "found", Account(), list[LocatedImage]()
    shutil.rmtree(folder, ignore_errors=True)
    predictor, request = Predictor.load(run), LocateRequest()
    with tempfile.TemporaryDirectory() as name:
        paths = [str(path) for path in write_photographs((WITH_A_FACE, *WITHOUT_A_FACE), Path(name))]
        found = locate_inputs(finder(predictor, request), find_paths(paths), account, keep_images=True)
        places = {path: folder / f"{Path(path).stem}.jpg" for path in paths}
        for one in keep_located(found, kept, places=places, with_images=wants_pictures()):
            boxes = ", ".join(f"{box.label} {percent(box.score)} at {_place(box.box)}" for box in one.boxes)
            yield f"  {Path(one.path).stem:10} {boxes or 'nothing found'}"
    named = [replace(one, path=f"{Path(one.path).stem}.png") for one in kept]  # the folder they lay in is gone
    write_found(named, looked_for(predictor, request), predictor.model, output=folder, coco=None)
    yield f"\n  Drawn on the photographs:  {escape_path(folder / PAGE)}"


def _place(box: tuple[float, float, float, float]) -> str:
    """The middle of a box in pixels, as people say it."""
    return f"{(box[0] + box[2]) / 2:.0f} across, {(box[1] + box[3]) / 2:.0f} down"
