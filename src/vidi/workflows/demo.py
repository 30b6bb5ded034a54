"""The demos: the whole job on data that comes with the installation, and a look at what its test cannot show."""

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
from vidi.files import escape_path
from vidi.images.account import Account
from vidi.prediction.predictor import Predictor
from vidi.report.sentences import headline
from vidi.workflows.events import Events
from vidi.workflows.locate import LocateRequest, finder, locate_inputs
from vidi.workflows.located_folder import write_annotated
from vidi.workflows.request import DataRequest
from vidi.workflows.train import TrainRequest, train


@dataclass(frozen=True, slots=True)
class Demo:
    """One demonstration."""

    question: str
    data: str  # a known set
    foreign: Callable[[Path], dict[str, str]]  # writes images from elsewhere; the truth by file name
    lesson: str  # what the images from elsewhere teach
    finds: bool = False  # it ends with a search for the thing in whole photographs
    changes: Mapping[str, object] = field(default_factory=dict)  # of the recipe


# A small network and few epochs, so that it is over soon; Adam's steps do not depend on how few images there are.
QUICK: Mapping[str, object] = {
    "options.width": 0.5,
    "epochs": 25,
    "optimizer": "adamw",
    "learning_rate": 0.003,
    "precision": "float32",  # so few channels gain nothing from less
}

DEMOS: Mapping[str, Demo] = {
    "faces": Demo(
        question="Is there a person's face in the picture? 200 photographs of 25x25 pixels teach it.",
        data="lfw-faces",
        foreign=write_face_crops,
        lesson="The test images come from the same source as the training images: small grey faces, and patches of "
        "background without one. They cannot show how the model does on photographs from elsewhere, of cats or "
        "coffee: that takes test images from where the model will be used.",
        finds=True,
    ),
    "digits": Demo(
        question="Which digit is it? 1,797 handwritten digits of 8x8 pixels teach it.",
        data="digits",
        foreign=write_drawn_digits,
        lesson="The test digits were written by the same people, with the same pen and scanner, as the training "
        "digits. They cannot show how the model does on printed digits: that takes test images from where the model "
        "will be used.",
        changes=QUICK,
    ),
}


def run_demo(name: str, runs: Path, *, events: Events) -> Iterator[str]:
    """Run one demo and give its findings line by line.

    Args:
        name: of `DEMOS`.
        runs: the folder in which `demo-NAME` is written; an earlier one is replaced.
        events: told what happens.

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
    run = train(TrainRequest(data=data, changes=demo.changes, output=output, overwrite=True), events=events)
    folder = escape_path(run.folder)
    if not run.finished or run.test is None:
        yield f"interrupted; go on with: vidi train --resume {folder}"
        return
    yield f"\n{headline(run.test.as_json())}"
    yield "\nNow images from elsewhere, chosen before any model saw them:\n"
    yield from _ask(run.folder, demo)
    yield f"\n{demo.lesson}"
    if demo.finds:
        yield "\nWhere is a face? A whole photograph of the astronaut, and five photographs without a face:\n"
        yield from _find(run.folder)
    yield f"\nThe report, with every number and picture:  {folder}/report.html"
    yield "With your own images, one folder for each class:\n  vidi check PHOTOS/\n  vidi train PHOTOS/"


def _ask(run: Path, demo: Demo) -> Iterator[str]:
    """The model's answers about the foreign images, right or wrong."""
    folder = run / "from-elsewhere"
    shutil.rmtree(folder, ignore_errors=True)
    truth = demo.foreign(folder)
    right = 0
    width = max(len(name) for name in truth)
    for answer in Predictor.load(run).predict_files([str(folder / name) for name in truth]):
        name = Path(answer.path).name
        if answer.prediction is None:
            continue
        is_right = answer.prediction.label == truth[name]
        right += is_right
        mark = "right" if is_right else f"WRONG, it is {truth[name]}"
        said = f"{answer.prediction.label:12} {100 * answer.prediction.probability:5.1f} %"
        yield f"  {name.removesuffix('.png'):{width}}  {said}  {mark}"
    yield f"\n  {right} of {len(truth)} right"


def _find(run: Path) -> Iterator[str]:
    """Boxes in whole photographs, and where they are drawn."""
    folder, account = run / "found", Account()
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        paths = write_photographs((WITH_A_FACE, *WITHOUT_A_FACE), Path(name))
        find = finder(Predictor.load(run), LocateRequest())
        inputs = find_paths([str(path) for path in paths])
        for one in locate_inputs(find, inputs, account, keep_images=True):
            write_annotated(one, folder / f"{Path(one.path).stem}.jpg")
            boxes = ", ".join(f"{box.label} {100 * box.score:.0f} % at {_place(box.box)}" for box in one.boxes)
            yield f"  {Path(one.path).stem:10} {boxes or 'nothing found'}"
    yield f"\n  drawn: {escape_path(folder)}"


def _place(box: tuple[float, float, float, float]) -> str:
    """The middle of a box in pixels, as people say it."""
    return f"{(box[0] + box[2]) / 2:.0f} across, {(box[1] + box[3]) / 2:.0f} down"
