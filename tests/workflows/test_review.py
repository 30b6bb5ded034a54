"""What is reviewed in which order, several people at one log, and the data set that the labels make."""

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.app.desks import KINDS, drawn_model, photos
from tests.command import vidi
from tests.data.scenes import jpeg, scene
from tests.draw import draw, encoded

from vidi.data.checked import SuspectLabel
from vidi.data.read import ReadOptions, read_dataset
from vidi.errors import DataError, UsageError
from vidi.evaluation.run_files import write_suspects
from vidi.files import digest_of
from vidi.log.records import Feedback, LoggedModel, LoggedPrediction, new_key
from vidi.log.store import PredictionLog
from vidi.model_file.limits import Verdict
from vidi.workflows.interaction.run_folder import write_request
from vidi.workflows.promote import promote
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import PromoteRequest, ReviewRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.review import CLAIM_SECONDS, ReviewDesk, export_labels, open_review
from vidi.workflows.reviewing.from_log import LogSource

MODEL = LoggedModel(model_id="m1", name="kinds", version="1", classes=KINDS)
FIRST, SECOND = "1" * 32, "2" * 32  # windows


def image(kind: str, seed: int) -> bytes:
    return encoded(draw(kind, size=(60, 80), seed=seed))


def logged(data: bytes, *probabilities: float, verdict: Verdict = "unsure", at: float = 0.0) -> LoggedPrediction:
    rows = np.array(probabilities, np.float32)
    return LoggedPrediction(
        key=new_key(),
        at=at,
        source="serve",
        model=MODEL,
        digest=digest_of(data),
        probabilities=rows,
        label=KINDS[int(rows.argmax())],
        verdict=verdict,
        candidates=KINDS[:2],
    )


SURE, UNSURE, TORN = (0.98, 0.01, 0.01), (0.6, 0.3, 0.1), (0.41, 0.4, 0.19)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[PredictionLog]:
    """A log that keeps four images, one sure, one unsure, one torn and one unknown; and one that is not kept."""
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        for number, (answer, verdict) in enumerate(
            ((SURE, "sure"), (UNSURE, "unsure"), (TORN, "unsure"), (SURE, "unknown"))
        ):
            data = image(KINDS[number % 3], number)
            log.keep_images([(digest_of(data), data, float(number))])
            log.append([logged(data, *answer, verdict=verdict)])
        log.append([logged(image("noise", 9), *TORN)])
        yield log


def digest(number: int) -> str:
    return digest_of(image(KINDS[number % 3], number))


def desk(log: PredictionLog, reviewer: str, *, now: float = 1_000.0) -> ReviewDesk:
    return ReviewDesk(LogSource.of(log), reviewer=reviewer, now=lambda: now)


def said(number: int, source: str, label: str, **others: object) -> Feedback:
    return Feedback(
        key=new_key(), at=1.0, digest=digest(number), kind="label", labels=(label,), source=source, via="server"
    )


def shown(desk: ReviewDesk, window: str = FIRST) -> str | None:
    item = desk.next(window).item
    return None if item is None else item.digest


def answer_all(desk: ReviewDesk, label: str, window: str = FIRST) -> list[str]:
    """The images in the order in which they come, each answered alike."""
    order, keys = [], itertools.count()
    while (digest := shown(desk, window)) is not None:
        desk.answer(window, digest, key=f"{next(keys):032x}", kind="label", labels=[label])
        order.append(digest)
    return order


def test_the_strange_and_the_torn_come_before_the_sure_and_what_is_not_kept_never(log):
    assert answer_all(desk(log, "ana"), "disc") == [digest(3), digest(2), digest(1), digest(0)]


def test_near_copies_come_once(log):
    for number, quality in enumerate((60, 90)):
        data = jpeg(scene(1), quality=quality)
        log.keep_images([(digest_of(data), data, 9.0 + number)])
        log.append([logged(data, *TORN)])

    copies = [item.copies for item in LogSource.of(log).items()]

    assert sorted(copies) == [0, 0, 0, 0, 1]


def test_two_reviewers_of_a_log_never_see_the_same_image_until_a_claim_has_ended(log):
    ana, ben = desk(log, "ana"), desk(log, "ben")
    first = shown(ana)

    assert shown(ben) != first
    assert shown(desk(log, "cleo", now=1_000.0 + CLAIM_SECONDS + 1)) == first


def test_what_one_reviewer_has_answered_no_other_is_asked(log):
    answer_all(desk(log, "ana"), "disc")

    assert shown(desk(log, "ben")) is None


def test_strangers_who_disagree_and_what_they_say_against_a_sure_answer_come_first(log):
    for feedback in (said(1, "x", "disc"), said(1, "y", "square"), said(0, "x", "square")):
        log.add_feedback(feedback)

    review = desk(log, "ana")
    view = review.next(FIRST)

    assert view.item is not None
    assert (view.item.digest, len(view.disputes)) == (digest(1), 1)
    assert answer_all(review, "disc")[:2] == [digest(1), digest(0)]


def test_a_label_of_a_stranger_that_nothing_speaks_against_needs_no_reviewer(log):
    log.add_feedback(said(1, "x", "disc"))

    assert digest(1) not in answer_all(desk(log, "ana"), "disc")


def test_undo_deletes_the_feedback_from_the_log(log):
    review = desk(log, "ana")
    review.answer(FIRST, digest(0), key="a" * 32, kind="none")

    view = review.undo(FIRST)

    assert view.item is not None
    assert (view.item.digest, log.feedback()) == (digest(0), [])


def test_a_log_without_images_says_how_they_are_kept(tmp_path):
    with PredictionLog.open(str(tmp_path / "empty.sqlite")) as log, pytest.raises(DataError, match="keeps no images"):
        LogSource.of(log)


def test_the_labels_of_a_log_become_class_folders(log, tmp_path):
    review = desk(log, "ana")
    for number, kind, labels in ((0, "label", ["disc"]), (1, "none", []), (2, "unclear", [])):
        review.answer(FIRST, digest(number), key=f"{number:032x}", kind=kind, labels=labels)
    log.add_feedback(said(3, "x", "disc"))
    log.add_feedback(said(3, "y", "square"))

    made = export_labels(ReviewRequest(log=str(tmp_path / "log.sqlite"), export=tmp_path / "labelled"), environment={})

    assert made.classes == {"_unknown": 1, "disc": 1}
    assert made.left_out == {"unclear": 1, "people-disagree": 1}
    files = {path.relative_to(made.folder).as_posix(): path.read_bytes() for path in made.folder.rglob("*.png")}
    assert files == {
        f"disc/{digest(0)[:16]}.png": image(KINDS[0], 0),
        f"_unknown/{digest(1)[:16]}.png": image(KINDS[1], 1),
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_model(tmp_path_factory.mktemp("model") / "kinds.onnx")


def folder_order(request: ReviewRequest) -> list[tuple[str, str]]:
    with open_review(request, environment={}) as review:
        return [(item.name, item.occasion) for item in review.source.items()]


def test_conflicting_labels_come_before_new_images_and_exact_copies_once(tmp_path, model):
    root = photos(tmp_path, new=1)
    (root / "stripes" / "twin.png").write_bytes((root / "disc" / "000.png").read_bytes())
    (root / "again.png").write_bytes((root / "new-disc-0.png").read_bytes())

    order = folder_order(ReviewRequest(source=str(root), model=model))

    assert order[0] == ("disc/000.png", "conflicting-labels")
    assert sorted(occasion for _, occasion in order[1:]) == ["no-label", "no-label"]


def test_a_folder_without_classes_needs_to_be_told_which_there_are(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1.png").write_bytes(image("disc", 1))
    request = ReviewRequest(source=str(tmp_path / "new"))

    with pytest.raises(UsageError, match="nothing says which classes there are"):
        folder_order(request)
    assert folder_order(replace(request, classes=("disc", "other"))) == [("1.png", "no-label")]


def test_a_folder_whose_labels_nothing_speaks_against_needs_no_review(tmp_path):
    with pytest.raises(DataError, match="every image has a label"):
        folder_order(ReviewRequest(source=str(photos(tmp_path, new=0))))


def test_two_reviews_of_a_folder_see_what_the_other_has_kept(tmp_path):
    request = ReviewRequest(source=str(photos(tmp_path)))

    with open_review(request, environment={}) as first, open_review(request, environment={}) as second:
        item = first.next(FIRST).item
        first.answer(FIRST, item.digest, key="a" * 32, kind="label", labels=["disc"])

        assert second.next(FIRST).progress.left == 5
        first.undo(FIRST)
        assert second.next(FIRST).progress.left == 6


def test_an_answer_is_about_every_copy_and_reaches_the_next_reading(tmp_path):
    root = photos(tmp_path, new=1)
    (root / "stripes" / "twin.png").write_bytes((root / "disc" / "000.png").read_bytes())
    with open_review(ReviewRequest(source=str(root)), environment={}) as review:
        item = review.next(FIRST).item
        review.answer(FIRST, item.digest, key="a" * 32, kind="label", labels=["stripes"])

    dataset = read_dataset(root)

    shown = {image.path: dataset.classes[image.label] for image in dataset.images}
    assert (shown["disc/000.png"], shown["stripes/twin.png"]) == ("stripes", "stripes")
    assert len((tmp_path / "photos.labels.jsonl").read_text().splitlines()) == 1


def test_the_answers_have_to_be_kept_somewhere(tmp_path):
    for request in (ReviewRequest(source=str(photos(tmp_path)), labels="none"), ReviewRequest(source="digits")):
        with pytest.raises(UsageError, match="have to be kept somewhere"):
            folder_order(request)


def test_neither_and_both_of_a_folder_and_a_log_are_refused(tmp_path):
    for request in (ReviewRequest(), ReviewRequest(source="photos", log="log.sqlite")):
        with pytest.raises(UsageError, match=r"data and|data nor"), open_review(request, environment={}):
            pass


def test_a_reviewed_folder_is_written_with_its_labels_corrected_and_itself_stays_as_it_is(tmp_path):
    root = photos(tmp_path, new=1)
    before = {path: path.read_bytes() for path in root.rglob("*.png")}
    twin = root / "stripes" / "twin.png"
    twin.write_bytes((root / "disc" / "000.png").read_bytes())
    request = ReviewRequest(source=str(root))
    with open_review(request, environment={}) as review:
        for number, item in enumerate(review.source.items()):
            kind = "none" if item.name == "new-square-0.png" else "label"
            labels = ["disc"] if kind == "label" else []
            review.answer(FIRST, item.digest, key=f"{number:032x}", kind=kind, labels=labels)

    done = vidi("review", root, "--export", "corrected", "--json", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert '"disc": 5' in done.stdout  # three, the twin of one, and a new one
    assert vidi("check", "corrected", "--strict", folder=tmp_path).stdout.count("two labels") == 0
    assert (tmp_path / "corrected" / "_unknown" / "new-square-0.png").read_bytes() == image_bytes(root)
    assert {path: path.read_bytes() for path in before} == before


def test_images_that_have_two_labels_are_not_written_and_each_kind_is_counted(tmp_path):
    root = photos(tmp_path, new=1)
    (root / "stripes" / "twin.png").write_bytes((root / "disc" / "000.png").read_bytes())
    request = ReviewRequest(source=str(root))
    with open_review(request, environment={}) as review:
        new = next(item for item in review.source.items() if item.name == "new-square-0.png")
        review.answer(FIRST, new.digest, key="a" * 32, kind="label", labels=["disc"])

    made = export_labels(replace(request, export=tmp_path / "corrected"), environment={})

    assert (made.image_count, made.confirmed_count) == (6, 1)
    assert made.left_out == {"conflicting-labels": 2, "no label": 1}
    assert next(made.summary()).endswith("corrected: 6 images, 1 confirmed by people, 5 unchanged")
    assert not vidi("check", "corrected", folder=tmp_path).stdout.count("two labels")


def image_bytes(root: Path) -> bytes:
    return (root / "new-square-0.png").read_bytes()


def suspect(path: str) -> SuspectLabel:
    """A row of label_errors.csv."""
    return SuspectLabel(
        path=path,
        digest="",
        part="train",
        label="x",
        suggested="square",
        confidence=0.01,
        suggested_confidence=0.99,
    )


def run_of(data: Path, folder: Path, *, suspects: tuple[str, ...] = (), multi_label: bool = False) -> Path:
    """A run folder as `vidi train` leaves it, as far as a review reads it; its model has random weights."""
    folder.mkdir()
    request = TrainRequest(data=DataRequest(source=str(data), multi_label=multi_label))
    write_request(folder, request.as_dict())
    write_suspects(folder, [suspect(path) for path in suspects])
    drawn_model(folder / "model.onnx", multi_label=multi_label)
    return folder


def test_a_run_shows_its_doubtful_labels_first_the_most_doubtful_one_at_the_top(tmp_path):
    root = photos(tmp_path, new=1)
    run = run_of(root, tmp_path / "run", suspects=("stripes/001.png", "disc/002.png"))

    order = folder_order(ReviewRequest(source=str(run)))

    assert order[:2] == [("stripes/001.png", "suspect-labels"), ("disc/002.png", "suspect-labels")]
    assert sorted(occasion for _, occasion in order[2:]) == ["no-label", "no-label"]


def test_the_answers_about_a_run_lie_beside_its_data_and_correct_it(tmp_path):
    root = photos(tmp_path, new=1)
    run = run_of(root, tmp_path / "run", suspects=("stripes/001.png",))
    with open_review(ReviewRequest(source=str(run)), environment={}) as review:
        said = review.source.classes, review.next(FIRST).item
        review.answer(FIRST, said[1].digest, key="a" * 32, kind="label", labels=["square"])

    done = vidi("review", run, "--export", "corrected", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert said[0] == KINDS
    assert said[1].given == ("stripes",)
    assert said[1].view is not None  # the run's own model was asked
    assert "square/001.png" in {one.path for one in read_dataset(str(tmp_path / "corrected")).images}
    assert "square" in (tmp_path / "photos.labels.jsonl").read_text()
    assert "square" in read_dataset(root).classes


def test_of_a_registered_name_the_run_is_reviewed_by_the_model_in_use(tmp_path, monkeypatch):
    run = run_of(photos(tmp_path, new=1), tmp_path / "run", suspects=("stripes/001.png",))
    promote(PromoteRequest(model=run, name="kinds"), root=tmp_path / "models")
    (run / "model.onnx").unlink()  # what is in use is the registry's copy
    monkeypatch.setenv("VIDI_MODELS", str(tmp_path / "models"))

    with open_review(ReviewRequest(source="kinds"), environment={}) as review:
        item = review.next(FIRST).item
        review.answer(FIRST, item.digest, key="a" * 32, kind="label", labels=["square"])

    assert item.given == ("stripes",)
    assert item.view is not None
    assert "square" in (tmp_path / "photos.labels.jsonl").read_text()

    shutil.rmtree(run)
    with pytest.raises(UsageError, match="no run folder any more"):
        folder_order(ReviewRequest(source="kinds"))


def test_a_run_whose_data_is_gone_says_so(tmp_path):
    run = run_of(tmp_path / "gone", tmp_path / "run")

    with pytest.raises(UsageError, match="gone"):
        folder_order(ReviewRequest(source=str(run)))


def test_a_damaged_list_of_doubtful_labels_is_named(tmp_path):
    run = run_of(photos(tmp_path), tmp_path / "run")
    (run / "label_errors.csv").write_text("rank,file\n1,a.png\n")

    with pytest.raises(DataError, match=r"label_errors\.csv cannot be read: the column 'path' is missing"):
        folder_order(ReviewRequest(source=str(run)))


def garden(tmp_path: Path) -> Path:
    """Images that show two classes, one or none, and a list of these."""
    folder = tmp_path / "garden"
    folder.mkdir()
    for number, kind in enumerate((*KINDS, "noise")):
        (folder / f"{number}.png").write_bytes(image(kind, number))
    shown = ("1,1,0", "0,1,0", "0,0,1", "0,0,0")
    lines = ["path," + ",".join(KINDS), *(f"{number}.png,{row}" for number, row in enumerate(shown))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def labels_in(folder: Path) -> dict[bytes, set[str]]:
    """What a data set of several classes says of each image, by its bytes."""
    data = read_dataset(str(folder), ReadOptions(multi_label=True))
    return {data.store.read(one.path): {data.classes[label] for label in one.labels} for one in data.images}


def test_a_run_of_several_classes_is_reviewed_and_written_with_images_of_none(tmp_path):
    run = run_of(garden(tmp_path), tmp_path / "run", suspects=("1.png",), multi_label=True)
    request = ReviewRequest(source=str(run))
    with open_review(request, environment={}) as review:
        order = [(item.name, item.occasion, item.given) for item in review.source.items()]
        review.answer(FIRST, digest_of(image("square", 1)), key="a" * 32, kind="label", labels=["disc", "stripes"])

    made = export_labels(replace(request, export=tmp_path / "corrected"), environment={})

    assert order == [("1.png", "suspect-labels", ("square",))]  # the image of none has a label: that it shows none
    assert (made.image_count, made.classes["_unknown"]) == (4, 1)
    assert labels_in(tmp_path / "corrected") == {
        image("disc", 0): {"disc", "square"},
        image("square", 1): {"disc", "stripes"},
        image("stripes", 2): {"stripes"},
        image("noise", 3): set(),
    }


def test_a_log_of_several_classes_becomes_a_list_of_them(tmp_path):
    several = replace(MODEL, multi_label=True)
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        for number in range(3):
            data = image(KINDS[number], number)
            log.keep_images([(digest_of(data), data, float(number))])
            log.append([replace(logged(data, *UNSURE, at=float(number)), model=several, decision=("disc",))])
        review = desk(log, "ana")
        for number, (kind, labels) in enumerate((("label", ["disc", "square"]), ("none", []), ("unclear", []))):
            review.answer(FIRST, digest(number), key=f"{number:032x}", kind=kind, labels=labels)

    made = export_labels(ReviewRequest(log=str(tmp_path / "log.sqlite"), export=tmp_path / "labelled"), environment={})

    assert (made.image_count, made.classes, made.left_out) == (
        2,
        {"_unknown": 1, "disc": 1, "square": 1},
        {"unclear": 1},
    )
    assert labels_in(tmp_path / "labelled") == {image("disc", 0): {"disc", "square"}, image("square", 1): set()}


def test_labels_are_never_written_into_a_folder_that_exists(tmp_path):
    photos(tmp_path)

    done = vidi("review", "photos", "--export", "photos", folder=tmp_path)

    assert (done.returncode, "nothing is ever written into an old one" in done.stderr) == (2, True)
