"""`ImageClassifier` behaves as scikit-learn's classifiers do, and answers only through its model file."""

import pickle
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_array

import vidi
from tests.draw import Array, class_folders, draw, encoded
from tests.threads import one_thread  # noqa: F401  # a fixture for all tests here
from vidi.errors import DataError, ShapeError, UsageError
from vidi.estimator import ImageClassifier, _read_truth
from vidi.prediction.predictor import Predictor

SMALL = {"options.width": 0.25, "augmentation.flip": "none", "batch": 8}
EACH, EPOCHS = 12, 25


def classifier(*, epochs: int = 3, **changes: object) -> ImageClassifier:
    return ImageClassifier(epochs=epochs, image_size=16, recipe={**SMALL, **changes})


def drawn(each: int = EACH, *, size: tuple[int, int] = (16, 16)) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Discs and stripes in turn: one array, and their names."""
    kinds = np.array(["stripes", "disc"] * each)
    return np.stack([draw(kind, size=size, seed=number) for number, kind in enumerate(kinds)]), kinds


@pytest.fixture(scope="module")
def fitted() -> ImageClassifier:
    return classifier(epochs=EPOCHS).fit(*drawn())


class OfTables(ImageClassifier):
    """The classifier for scikit-learn's own checks, which give tables of numbers: each row is seen as an image."""

    def fit(self, X: object, y: object, groups: Sequence[object] | None = None) -> Self:  # noqa: N803  # sklearn's name
        return super().fit(as_images(X), y, groups)

    def predict_proba(self, X: object) -> NDArray[np.float32]:  # noqa: N803
        return super().predict_proba(as_images(X))


def as_images(table: object) -> Array:
    """(rows, 8, columns or more, 3) uint8: a grey stripe for each column."""
    numbers = np.clip(np.round(check_array(table) * 16 + 128), 0, 255).astype(np.uint8)
    stripes = np.repeat(numbers[:, None, :], 8, axis=1)
    return np.repeat(np.repeat(stripes, -(-8 // numbers.shape[1]), axis=2)[..., None], 3, axis=3)


NOT_OF_IMAGES = {
    "check_n_features_in": "images have no columns to be counted, and may have any size",
    "check_n_features_in_after_fitting": "images have no columns to be counted, and may have any size",
    "check_classifiers_one_label": "one class alone is refused, as data: with DataError, not ValueError",
    "check_fit2d_1sample": "one image alone is refused, as data: with DataError, not ValueError",
    "check_classifiers_train": "images of another size than those learned from are answered, not refused",
}


@pytest.mark.slow  # about a hundred trainings, of a tenth of a second
@estimator_checks.parametrize_with_checks(
    [OfTables("dense", image_size=8, epochs=20, recipe={"augmentation.flip": "none", "precision": "float32"})],
    expected_failed_checks=lambda _: NOT_OF_IMAGES,
    xfail_strict=True,
)
def test_scikit_learns_own_checks_pass_of_images_in_arrays(estimator: ImageClassifier, check: Callable[..., None]):
    check(estimator)


def test_scikit_learn_checks_the_classifier_as_it_is():
    checks = list(estimator_checks.estimator_checks_generator(ImageClassifier()))

    assert len(checks) > 40


def test_it_is_a_classifier_that_can_be_cloned_with_its_parameters():
    original = ImageClassifier("textbook", image_size=(32, 16), recipe={"batch": 4}, random_state=7)

    copy = clone(original).set_params(epochs=2)

    assert is_classifier(copy)
    assert copy.get_params() == {**original.get_params(), "epochs": 2}
    assert original.epochs is None


def test_it_learns_what_it_is_shown(fitted: ImageClassifier):
    images, labels = drawn(10)

    assert fitted.score(images, labels) >= 0.9
    assert fitted.classes_.tolist() == ["disc", "stripes"]
    assert len(fitted.history_) == EPOCHS
    assert fitted.refused_ == ()


def test_arrays_lists_pillow_images_and_paths_get_the_same_answers(fitted: ImageClassifier, tmp_path: Path):
    images, _ = drawn(3)
    paths = [tmp_path / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(encoded(image))

    expected = fitted.predict_proba(images)

    forms = (
        list(images),
        [Image.fromarray(image) for image in images],
        paths,
        [str(path) for path in paths],
        np.array([str(path) for path in paths]),
        [str(paths[0]), Image.fromarray(images[1]), *images[2:]],
    )
    for form in forms:
        np.testing.assert_array_equal(fitted.predict_proba(form), expected)


def test_images_of_any_size_get_one_row_each_in_order(fitted: ImageClassifier):
    images = [draw("disc", size=size) for size in ((16, 16), (1, 1), (40, 7), (90, 120))]

    rows = fitted.predict_proba(images)

    assert rows.shape == (4, 2)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    for number, image in enumerate(images):
        np.testing.assert_allclose(fitted.predict_proba([image])[0], rows[number], atol=1e-6)


def test_grey_images_are_images(fitted: ImageClassifier):
    grey = drawn(2)[0][:, :, :, 0]

    as_colour = np.repeat(grey[..., None], 3, axis=3)

    np.testing.assert_array_equal(fitted.predict_proba(grey), fitted.predict_proba(as_colour))


def test_a_pillow_image_is_turned_and_laid_on_white_as_its_file_would_be(fitted: ImageClassifier, tmp_path: Path):
    turned = Image.fromarray(draw("stripes", size=(20, 30)))
    turned.getexif()[274] = 6
    clear = Image.fromarray(np.dstack([draw("disc"), np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))]))
    turned.save(tmp_path / "turned.png", exif=turned.getexif())
    clear.save(tmp_path / "clear.png")

    held = fitted.predict_proba([turned, clear])

    np.testing.assert_array_equal(held, fitted.predict_proba([tmp_path / "turned.png", tmp_path / "clear.png"]))


def test_the_saved_file_gives_the_same_answers(fitted: ImageClassifier, tmp_path: Path):
    images, _ = drawn(4)

    fitted.save(tmp_path / "model.onnx")

    loaded = vidi.load(tmp_path / "model.onnx")
    np.testing.assert_array_equal(loaded.probabilities(list(images)), fitted.predict_proba(images))
    assert loaded.classes == ("disc", "stripes")
    assert loaded.metadata.unfinished is None
    assert loaded.metadata.test is None


def test_a_copy_carries_the_model_file(fitted: ImageClassifier):
    images, _ = drawn(2)

    copy = pickle.loads(pickle.dumps(fitted))

    assert isinstance(copy.predictor_, Predictor)
    np.testing.assert_array_equal(copy.predict_proba(images), fitted.predict_proba(images))


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    classifier(epochs=1).fit(*drawn(2))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # two trainings
def test_equal_fits_give_equal_models_and_another_seed_another(fitted: ImageClassifier):
    images, labels = drawn()

    again = clone(fitted).fit(images, labels)
    other = clone(fitted).set_params(random_state=1).fit(images, labels)

    digests = [one.predictor_.metadata.weights_digest for one in (fitted, again, other)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("names", "written"), [([3, 7], ("3", "7")), ([False, True], ("False", "True")), (["b", "a"], ("a", "b"))]
)
def test_labels_come_back_as_they_were_given(names: list[object], written: tuple[str, ...]):
    images, kinds = drawn(3)
    labels = np.where(kinds == "disc", names[0], names[1])

    model = classifier(epochs=1).fit(images, labels)

    assert model.classes_.dtype == labels.dtype
    assert set(model.predict(images).tolist()) <= set(names)
    assert model.predictor_.classes == written


@pytest.mark.slow  # two trainings on 240 images, so that the held-out parts are large enough
def test_a_part_of_the_images_calibrates_and_chooses_where_there_are_enough():
    images, labels = drawn(120)

    model = classifier(epochs=2, batch=32).fit(images, labels)
    without = classifier(epochs=2, batch=32).set_params(held_out=0).fit(images, labels)

    assert model.predictor_.metadata.calibration is not None
    assert model.predictor_.metadata.calibration.image_count >= 20
    assert "novelty" in model.predictor_.model.outputs
    assert model.history_[0].validation_accuracy is not None
    reference = model.predictor_.metadata.drift_reference
    counts = {reference.answer_count, reference.images.image_count, sum(reference.images.qualities["side"].counts)}
    assert counts == {model.predictor_.metadata.calibration.image_count}
    assert reference.images.qualities["side"].edges[0] == 16  # as they were given
    assert without.predictor_.metadata.calibration is None
    assert without.predictor_.metadata.drift_reference is None
    assert without.history_[0].validation_accuracy is None


def test_bad_files_are_left_out_of_training_with_a_warning_and_listed(tmp_path: Path):
    folder = class_folders(tmp_path, each=5, size=(16, 16))
    paths = sorted(folder.glob("*/*.png"))
    paths[2].write_bytes(b"no image at all")

    with pytest.warns(UserWarning, match=r"1 image cannot be used, .*002\.png \(not-an-image\)"):
        model = classifier(epochs=1).fit(paths, [path.parent.name for path in paths])

    assert [(entry.path, entry.code) for entry in model.refused_] == [(str(paths[2]), "not-an-image")]


def test_a_bad_file_is_never_answered(fitted: ImageClassifier, tmp_path: Path):
    (tmp_path / "broken.jpg").write_bytes(b"no image at all")

    with pytest.raises(DataError, match=r"broken\.jpg cannot be used \(not-an-image\)"):
        fitted.predict([tmp_path / "broken.jpg"])


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((2, 64)), "an array of shape (2, 64) and type float64"),
        (np.zeros((2, 8, 8)), "scale to 0 … 255"),
        (np.zeros((2, 8, 8, 4), np.uint8), "the images are an array of shape (2, 8, 8, 4)"),
        (np.zeros((8, 8, 3), np.uint8), "one image of shape (8, 8, 3)"),
        ("cat.jpg", "one image was given"),
        ([3, 4], "image 0 is a int"),
    ],
)
def test_what_is_no_list_of_images_is_refused_in_words(fitted: ImageClassifier, images: object, said: str):
    with pytest.raises(ShapeError) as caught:
        fitted.predict(images)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"network": "resnet"}, "no network is called 'resnet'"),
        ({"image_size": 4}, "image_size is 4"),
        ({"image_size": "big"}, "image_size is 'big'"),
        ({"held_out": 0.5}, "held_out is 0.5"),
        ({"random_state": None}, "random_state is None"),
        ({"epochs": 0}, "epochs is 0"),
        ({"recipe": {"lerning_rate": 1}}, "a recipe has no lerning_rate"),
    ],
)
def test_a_wrong_parameter_is_named_by_fit(changed: dict[str, object], said: str):
    images, labels = drawn(2)

    with pytest.raises(UsageError) as caught:
        ImageClassifier().set_params(**changed).fit(images, labels)

    assert said in str(caught.value)


def test_labels_that_do_not_fit_are_refused():
    images, labels = drawn(2)

    with pytest.raises(ShapeError, match="4 images have 3 labels"):
        classifier().fit(images, labels[:3])
    with pytest.raises(ShapeError, match="the target y is None"):
        classifier().fit(images, None)
    with pytest.raises(ValueError, match="continuous"):
        classifier().fit(images, [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(DataError, match="only 'cat' has usable images"):
        classifier().fit(images, ["cat"] * 4)


def test_before_fit_it_says_that_it_is_not_fitted(tmp_path: Path):
    for use in (
        lambda: classifier().predict([draw("disc")]),
        lambda: classifier().predict_proba([draw("disc")]),
        lambda: classifier().save(tmp_path / "model.onnx"),
        lambda: classifier().plot(),
    ):
        with pytest.raises(NotFittedError):
            use()


def darker(images: Array) -> Array:
    return images // 2


@pytest.mark.slow  # three trainings
def test_it_is_scored_by_cross_validation_in_a_pipeline_with_groups():
    images, labels = drawn()
    pipeline = make_pipeline(FunctionTransformer(darker), classifier(epochs=EPOCHS))

    scores = cross_val_score(
        pipeline, images, labels, groups=np.arange(len(images)) // 4, cv=GroupKFold(3), error_score="raise"
    )

    assert scores.shape == (3,)
    assert scores.mean() >= 0.7


@pytest.mark.slow  # five trainings
def test_a_grid_search_finds_its_best_parameters_from_probabilities():
    images, labels = drawn(8)
    search = GridSearchCV(
        classifier(), {"epochs": [1, EPOCHS]}, cv=2, scoring="neg_log_loss", error_score="raise", refit=True
    )

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(list(images), labels)

    assert search.best_params_ == {"epochs": EPOCHS}
    assert search.best_estimator_.score(images, labels) >= 0.7


def test_a_notebook_shows_its_parameters_and_its_learning(fitted: ImageClassifier, tmp_path: Path):
    drawing = fitted.plot()

    drawing.save(tmp_path / "learning.svg")

    assert "ImageClassifier" in fitted._repr_html_()
    assert drawing._repr_html_().startswith('<img alt="loss by epoch; accuracy by epoch" src="data:image/svg+xml;')
    assert (tmp_path / "learning.svg").read_text().startswith("<svg ")
    assert "not tested" in fitted.predictor_._repr_html_()


def several(images: int = 40) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images with stripes to the left, a disc to the right, both or neither; and which."""
    shown = np.random.default_rng(5).integers(0, 2, (images, 2))
    pictures = np.full((images, 16, 32, 3), 40, np.uint8)
    for number, (stripes, disc) in enumerate(shown.tolist()):
        if stripes:
            pictures[number, :, :16] = draw("stripes", size=(16, 16), seed=number)
        if disc:
            pictures[number, :, 16:] = draw("disc", size=(16, 16), seed=number)
    return pictures, shown


@pytest.fixture(scope="module")
def of_several() -> ImageClassifier:
    size = (16, 32)
    return ImageClassifier(epochs=25, image_size=size, recipe=SMALL).fit(*several())


def test_a_table_of_labels_gives_a_table(of_several: ImageClassifier, tmp_path: Path):
    images, shown = several()

    said, probabilities = of_several.predict(images), of_several.predict_proba(images)

    assert (said == shown).mean() > 0.9
    np.testing.assert_array_equal(said, probabilities >= 0.5)  # no image was kept to choose thresholds on
    assert of_several.score(images, shown) == (said == shown).all(axis=1).mean()
    of_several.save(tmp_path / "model.onnx")
    answers = vidi.load(tmp_path / "model.onnx").predict(list(images[:8]))
    assert [set(one.decision) for one in answers] == [{str(c) for c in np.flatnonzero(row)} for row in said[:8]]


def test_neither_order_nor_batches_change_what_is_said_of_an_image(of_several: ImageClassifier):
    images, _ = several()
    order = np.random.default_rng(0).permutation(len(images))

    together = of_several.predict_proba(images)

    np.testing.assert_allclose(of_several.predict_proba(images[order]), together[order], atol=1e-5)
    np.testing.assert_allclose(of_several.predict_proba(images[3:4])[0], together[3], atol=1e-5)


def test_columns_with_names_are_the_classes():
    class Table:  # as pandas has them
        columns = ("leaf", "flower")

        def __array__(self, dtype: object = None, copy: object = None) -> NDArray[np.int64]:
            return np.array([[1, 0], [0, 1]])

    names, truth = _read_truth(Table(), 2)

    assert names.tolist() == ["leaf", "flower"]
    assert truth.tolist() == [[True, False], [False, True]]
    with pytest.raises(ShapeError, match="values other than 0 and 1"):
        _read_truth(np.array([[1, 2], [0, 1]]), 2)
    with pytest.raises(ShapeError, match="3 images have 2 rows of labels"):
        _read_truth(np.eye(2), 3)


def test_a_recipe_for_one_class_each_is_refused_of_several():
    with pytest.raises(UsageError, match="loss is mean-squared-error, which is for images of one class each"):
        ImageClassifier(epochs=1, image_size=16, recipe={"loss": "mean-squared-error"}).fit(*several(8))


@pytest.mark.slow  # computes the features of 40 images
def test_a_head_is_learned_on_the_features_of_pretrained_weights(tmp_path: Path):
    images, labels = drawn(20, size=(32, 32))

    fitted = ImageClassifier(pretrained="lite0", image_size=32).fit(images[:30], labels[:30])

    assert fitted.score(images[30:], labels[30:]) >= 0.8
    assert fitted.predictor_.metadata.provenance.recipe["pretrained"] == "lite0"
    assert fitted.predictor_.metadata.provenance.weights_license == "Apache-2.0"
    assert fitted.history_ == ()


@pytest.mark.slow  # computes features
def test_what_is_left_open_is_chosen_as_the_command_line_does(tmp_path: Path):
    images, labels = drawn(30)
    chosen = {}

    for name, options in {"open": {}, "epochs": {"epochs": 1}, "network": {"network": "compact", "epochs": 1}}.items():
        recipe = ImageClassifier(image_size=32, **options).fit(images, labels).predictor_.metadata.provenance.recipe
        chosen[name] = (bool(recipe["pretrained"]), recipe["network"])

    assert chosen["open"][0]
    assert chosen["epochs"] == chosen["network"] == (False, "compact")


def test_pretrained_weights_and_another_network_are_not_asked_for_together():
    with pytest.raises(UsageError, match="network is 'dense' and pretrained is 'lite0'"):
        ImageClassifier("dense", pretrained="lite0").fit(*drawn(2))
