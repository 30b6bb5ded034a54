"""The demos: the whole job on data that comes with the installation, and a look at what its test cannot show."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vidi.data.known_sets.demo_images import write_drawn_digits, write_face_crops
from vidi.errors import UnknownNameError
from vidi.files import escape_path
from vidi.prediction.predictor import Predictor
from vidi.report.sentences import headline
from vidi.workflows.backbones import AUTO
from vidi.workflows.events import Events
from vidi.workflows.request import DataRequest
from vidi.workflows.train import TrainRequest, train


@dataclass(frozen=True, slots=True)
class Demo:
    """One demonstration."""

    question: str
    data: str  # a known set
    foreign: Callable[[Path], dict[str, str]]  # writes images from elsewhere; the truth by file name
    lesson: str  # what the images from elsewhere teach
    pretrained: str | None = None  # weights to begin from
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
        pretrained=AUTO,
        changes={"freeze": True},  # seconds, and on 200 images fine-tuning gains nothing
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
    request = TrainRequest(
        data=DataRequest(source=demo.data), pretrained=demo.pretrained, changes=demo.changes,
        output=runs / f"demo-{name}", overwrite=True,
    )  # fmt: skip
    run = train(request, events=events)
    folder = escape_path(run.folder)
    if not run.finished or run.test is None:
        yield f"interrupted; go on with: vidi train --resume {folder}"
        return
    yield f"\n{headline(run.test.as_json())}"
    yield "\nNow images from elsewhere, chosen before any model saw them:\n"
    yield from _ask(run.folder, demo)
    yield f"\n{demo.lesson}"
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
