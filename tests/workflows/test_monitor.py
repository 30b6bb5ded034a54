"""A prediction log is compared with the model file's reference: quiet, alarm, too few, and what stands in the way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tests.command import vidi
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model

from vidi.files import digest_of
from vidi.log.records import Feedback, LoggedModel, LoggedPrediction
from vidi.log.store import PredictionLog
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.read import ModelFile
from vidi.model_file.write import set_metadata
from vidi.monitoring.reference import UnseenImages, make_reference
from vidi.prediction.prediction import Answer
from vidi.prediction.predictor import Predictor

pytestmark = pytest.mark.usefixtures("undrawn")

KINDS = ("disc", "stripes", "square")
BEGAN = 1_760_000_000.0  # seconds since 1970
LIMITS = VerdictLimits(basis="calibration", image_count=240, max_error=0.05, level=0.95, coverage=0.9, sure=0.5)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A model, and rows about images that it has not seen, as they are and in less light."""

    model: ModelFile
    usual: Sequence[LoggedPrediction]
    dark: Sequence[LoggedPrediction]
    files: Mapping[str, bytes]  # by digest


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    place = tmp_path_factory.mktemp("drawn")
    made = tiny_model(place / "model.onnx")
    known = answers_about(place / "known", made, images(240, seed=0))
    metadata = replace(made.metadata, verdict=LIMITS)
    reference = make_reference(
        np.stack([one.prediction.probabilities for one in known]),
        metadata,
        basis="calibration",
        groups=None,
        novelty=None,
        images=UnseenImages(
            part="calibration",
            embeddings=np.stack([one.embedding for one in known]),
            statistics=[one.statistics for one in known],
            groups=np.arange(len(known)),
        ),
    )
    model = set_metadata(made.path, replace(metadata, drift_reference=reference))
    usual, dark = images(150, seed=1_000), images(120, seed=5_000, light=0.4)
    return Drawn(
        model=model,
        usual=rows_about(answers_about(place / "usual", model, usual), model, began=BEGAN),
        dark=rows_about(answers_about(place / "dark", model, dark), model, began=BEGAN + 86_400),
        files={digest_of(data): data for data in (*usual, *dark)},
    )


def images(count: int, *, seed: int, light: float = 1.0) -> list[bytes]:
    return [encoded((draw(KINDS[number % 3], seed=seed + number) * light).astype(np.uint8)) for number in range(count)]


def answers_about(folder: Path, model: ModelFile, files: Sequence[bytes]) -> list[Answer]:
    folder.mkdir()
    paths = [folder / f"{number:05}.png" for number in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    return list(Predictor.load(model.path).predict_files(paths, embedding=True, statistics=True))


def rows_about(answers: Sequence[Answer], model: ModelFile, *, began: float) -> list[LoggedPrediction]:
    """What a log holds, one image a minute."""
    projection = model.metadata.drift_reference.images.embeddings.projection()
    about = LoggedModel(model_id=model.model_id, name="model", version="1", classes=model.metadata.classes)
    return [
        LoggedPrediction(
            key=f"{int(began):016x}{number:016x}",
            at=began + 60 * number,
            source="predict",
            model=about,
            digest=answer.digest,
            probabilities=answer.prediction.probabilities,
            label=answer.prediction.label,
            verdict=answer.prediction.verdict,
            candidates=answer.prediction.candidates,
            embedding=projection.place(answer.embedding[None])[0],
            statistics=answer.statistics,
        )
        for number, answer in enumerate(answers)
    ]


def write_log(folder: Path, *rows: LoggedPrediction) -> Path:
    with PredictionLog.open(str(folder / "log.sqlite")) as log:
        log.append(rows)
    return folder / "log.sqlite"


def test_undisturbed_images_raise_no_alarm(drawn: Drawn, tmp_path: Path):
    write_log(tmp_path, *drawn.usual)

    done = vidi("monitor", drawn.model.path, "--log", "log.sqlite", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "No alarm: no change is shown in 150 images." in done.stdout
    assert "Estimated accuracy without labels" in done.stdout


def test_darkened_images_raise_an_alarm_that_names_them(drawn: Drawn, tmp_path: Path):
    write_log(tmp_path, *drawn.usual, *drawn.dark)

    done = vidi("monitor", drawn.model.path, "--log", "log.sqlite", "--json", folder=tmp_path)

    assert done.returncode == 7
    found = json.loads(done.stdout)
    assert found["drift"]["state"] == "alarm"
    assert any(one["name"] == "brightness" and one["after"] < one["before"] for one in found["drift"]["changes"])
    loudest = [one["digest"] for one in found["drift"]["loudest"]]
    assert len(set(loudest) & {one.digest for one in drawn.dark}) > 0.8 * len(loudest)


def test_a_repeated_image_counts_once(drawn: Drawn, tmp_path: Path):
    once = drawn.usual[0]
    write_log(tmp_path, *(replace(once, key=f"{number:032x}") for number in range(60)))

    done = vidi("monitor", drawn.model.path, "--log", "log.sqlite", folder=tmp_path)

    assert done.returncode == 0
    assert "Too few images to judge: 1 different image, 50 are needed." in done.stdout


def test_since_leaves_out_what_came_before(drawn: Drawn, tmp_path: Path):
    write_log(tmp_path, *drawn.usual, *drawn.dark)

    done = vidi(
        "monitor",
        drawn.model.path,
        "--log",
        "log.sqlite",
        "--since",
        "2025-10-10T00:00+00:00",
        "--json",
        folder=tmp_path,
    )

    assert json.loads(done.stdout)["traffic"]["images"] == len(drawn.dark)


def test_feedback_is_compared_with_the_answers(drawn: Drawn, tmp_path: Path):
    log = write_log(tmp_path, *drawn.usual[:60])
    with PredictionLog.open(str(log)) as opened:
        for number, row in enumerate(drawn.usual[:20]):
            right = number < 15
            opened.add_feedback(
                Feedback(
                    key=f"{number}",
                    at=BEGAN,
                    digest=row.digest,
                    kind="label" if right else "none",
                    labels=(row.label,) if right else (),
                    source="anna",
                    via="review",
                )
            )

    done = vidi("monitor", drawn.model.path, "--log", "log.sqlite", "--json", folder=tmp_path)

    feedback = json.loads(done.stdout)["feedback"]
    assert (feedback["judged"], feedback["right"], feedback["value"]) == (20, 15, 0.75)


def test_a_log_of_another_model_is_refused_and_names_it(drawn: Drawn, tmp_path: Path):
    write_log(tmp_path, *drawn.usual[:3])
    other = tiny_model(tmp_path / "other.onnx", seed=1)
    set_metadata(other.path, replace(other.metadata, drift_reference=drawn.model.metadata.drift_reference))

    done = vidi("monitor", other.path, "--log", "log.sqlite", folder=tmp_path)

    assert done.returncode == 3
    assert drawn.model.model_id in done.stderr


def test_a_model_without_a_reference_is_refused_and_says_how_to_add_one(drawn: Drawn, tmp_path: Path):
    write_log(tmp_path, *drawn.usual[:3])
    bare = tiny_model(tmp_path / "bare.onnx")

    done = vidi("monitor", bare.path, "--log", "log.sqlite", folder=tmp_path)

    assert done.returncode == 4
    assert "vidi calibrate" in done.stderr


def test_a_log_that_is_not_there_is_not_made(drawn: Drawn, tmp_path: Path):
    done = vidi("monitor", drawn.model.path, "--log", "log.sqlite", folder=tmp_path)

    assert done.returncode == 3
    assert not (tmp_path / "log.sqlite").exists()


def test_a_password_in_the_address_is_refused(drawn: Drawn, tmp_path: Path):
    address = "postgresql://user:secret@localhost/log"

    done = vidi("monitor", drawn.model.path, "--log", address, folder=tmp_path)

    assert done.returncode == 2
    assert "secret" not in done.stderr


def test_a_page_replaces_nothing_of_others(drawn: Drawn, tmp_path: Path):
    write_log(tmp_path, *drawn.usual[:3])
    (tmp_path / "mine.html").write_text("mine")

    done = vidi("monitor", drawn.model.path, "--log", "log.sqlite", "-o", "mine.html", folder=tmp_path)

    assert done.returncode == 2
    assert (tmp_path / "mine.html").read_text() == "mine"


@pytest.mark.slow  # draws a page with all curves, twice
@pytest.mark.parametrize(("off", "has_pictures"), [("", True), ("1", False)])
def test_kept_images_stand_on_the_page_unless_unwanted(
    drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: str, has_pictures: bool
):
    monkeypatch.setenv("VIDI_NO_IMAGES", off)
    log = write_log(tmp_path, *drawn.usual, *drawn.dark)
    with PredictionLog.open(str(log)) as opened:
        opened.keep_images([(digest, data, BEGAN) for digest, data in drawn.files.items()])

    vidi("monitor", drawn.model.path, "--log", "log.sqlite", "-o", "page.html", folder=tmp_path)

    page = (tmp_path / "page.html").read_text("utf-8")
    assert ("data:image/webp" in page) == has_pictures
    assert "The images are darker" in page
