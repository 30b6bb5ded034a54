"""`ImageClassifier`: an image classifier that works like scikit-learn's."""

import operator
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from vidi.errors import MissingPackageError, ShapeError, UsageError
from vidi.files import escape_path, write_atomic
from vidi.images.account import Entry
from vidi.images.given import list_images
from vidi.machine import wait_without_spinning
from vidi.model_file.decisions import say
from vidi.numbers import count_of
from vidi.prediction.prediction import decide
from vidi.prediction.predictor import Predictor
from vidi.workflows.interaction.events import logged_events
from vidi.workflows.interaction.given import answer_given
from vidi.workflows.python.learning import missing_for_training

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import assert_all_finite
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, column_or_1d
except ImportError as error:
    raise MissingPackageError(
        "ImageClassifier needs scikit-learn, which is not installed", 'Install it: pip install "vidi[train]"'
    ) from error

if TYPE_CHECKING:
    from vidi.figures.drawing import Drawing

SMALLEST_SIDE, LARGEST_SIDE = 8, 1_024  # pixels
MOST_HELD_OUT = 0.25  # twice that is kept from training


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Image classifier for scikit-learn: it works with `clone`, cross-validation and searches.

    `X` is a list of paths, Pillow images or uint8 arrays of any sizes, or one uint8 array of all images. An array is
    (height, width, 3) or (height, width). Predictions always come from the finished model file, which `save` writes.

    A tenth of the images chooses the best epoch, and another tenth calibrates the probabilities (`held_out`). If these
    would be fewer than 20 images, all images are used for training and the probabilities stay uncalibrated. There is
    no test split: measure the accuracy with `cross_val_score`, or with `vidi.train` on a folder.

    Args:
        network: name of a network to train from scratch: `compact`, `textbook` or `dense`. By default, training
            starts as `vidi train` does, with a head on pretrained features; or from scratch if `epochs` or another
            value for that is given, if the images are many and small, or if no pretrained weights are installed.
        pretrained: pretrained weights such as `lite0`, `auto` or a file; `none` trains from scratch. Only a head on
            their features is trained, which is fast and needs few images. The weights bring their own network.
        image_size: image size for the network in pixels: one number, or (height, width); chosen from the images by
            default.
        epochs: number of passes over the training images; chosen from the number of images by default.
        minutes: time limit for one `fit`; it plans fewer epochs if they would take longer.
        held_out: share of the images, 0 to 0.25, held out to choose the epoch, and the same again for calibration.
        recipe: any other recipe value by its name: a value of recipe.toml, `options.NAME` or
            `augmentation.NAME`, for example `{"learning_rate": 0.1, "augmentation.flip": "none"}`.
        random_state: seed for all random numbers; the same seed gives the same model.

    Attributes:
        classes_: (classes,) labels in the column order of `predict_proba`: sorted, or as given for several labels.
        predictor_: the loaded model file, a `vidi.Predictor`.
        history_: one row for each epoch.
        refused_: images that could not be used, each with path, code and sentence.

    >>> ImageClassifier(epochs=3).get_params()["epochs"]
    3
    """

    def __init__(
        self,
        network: str | None = None,
        *,
        pretrained: str | None = None,
        image_size: int | tuple[int, int] | None = None,
        epochs: int | None = None,
        minutes: float | None = None,
        held_out: float = 0.1,
        recipe: Mapping[str, object] | None = None,
        random_state: int = 0,
    ) -> None:
        # As scikit-learn wants it: parameters are stored untouched, and judged by `fit`.
        self.network = network
        self.pretrained = pretrained
        self.image_size = image_size
        self.epochs = epochs
        self.minutes = minutes
        self.held_out = held_out
        self.recipe = recipe
        self.random_state = random_state

    def fit(self, X: object, y: object, groups: Sequence[object] | None = None) -> Self:  # noqa: N803  # sklearn's name
        """Train on labelled images.

        Images that cannot be used are left out with a warning; `refused_` lists them.

        Args:
            X: images, as described for the class.
            y: (images,) label of each image: text, number or bool. For images with several classes or none, give
                (images, classes) of 0 and 1, for example from scikit-learn's `MultiLabelBinarizer`. A data frame
                names the classes by its columns.
            groups: (images,) group of each image; all images of a group are on the same side of the split.

        Raises:
            ShapeError: `X` is not a list of images, or its length differs from that of `y`.
            UsageError: a parameter has an invalid value.
            DataError: fewer than two classes have usable images.
        """
        wait_without_spinning()  # before torch is imported
        try:
            from vidi.workflows.fit import FitRequest, fit_images
        except ModuleNotFoundError as error:
            raise missing_for_training(error) from error
        if self.pretrained not in (None, "none") and self.network not in (None, "compact"):
            raise UsageError(
                f"network is {self.network!r} and pretrained is {self.pretrained!r}",
                "Use only one of them: the weights set the network.",
            )
        images = list_images(X)
        classes, labels = _read_truth(y, len(images))
        if groups is not None and len(groups) != len(images):
            raise ShapeError(f"{len(images)} images have {len(groups)} groups", "Use one group per image.")
        request = FitRequest(
            classes=tuple(str(label) for label in classes.tolist()),
            network=self.network,
            pretrained=self.pretrained,
            changes=self._changes(),
            minutes=self.minutes,
            held_out=_between("held_out", self.held_out, 0, MOST_HELD_OUT),
        )
        named = None if groups is None else [str(group) for group in groups]
        fitted = fit_images(images, labels, request, groups=named, events=logged_events())
        self.predictor_, self.history_, self.refused_ = fitted
        self.classes_ = classes
        _warn_of(self.refused_)
        return self

    def predict(self, X: object) -> NDArray[Any]:  # noqa: N803
        """Predict the label of each image, (images,); with several labels, (images, classes) of 0 and 1.

        Raises:
            sklearn.exceptions.NotFittedError: before `fit`.
            DataError: an image cannot be used; it is named.
        """
        rows = self.predict_proba(X)
        if self.predictor_.metadata.multi_label:
            return say(rows, self.predictor_.metadata).astype(np.int64)
        labels: NDArray[Any] = self.classes_[[decide(row, self.predictor_.metadata).label_index for row in rows]]
        return labels

    def predict_proba(self, X: object) -> NDArray[np.float32]:  # noqa: N803
        """Predict probabilities (images, classes) in the order of `classes_`; with one label each, rows sum to 1.

        Raises:
            sklearn.exceptions.NotFittedError: before `fit`.
            DataError: an image cannot be used; it is named.
        """
        check_is_fitted(self)
        return answer_given(self.predictor_, list_images(X))

    def save(self, path: Path | str) -> None:
        """Write the model file, for `vidi.load`, `vidi predict` or any onnxruntime.

        Raises:
            sklearn.exceptions.NotFittedError: before `fit`.
            ResourceError: it cannot be written.
        """
        check_is_fitted(self)
        write_atomic(Path(path), self.predictor_.model.data)

    def plot(self) -> "Drawing":
        """Draw loss and accuracy by epoch; a notebook shows the figure, and its `save` writes it."""
        check_is_fitted(self)
        from vidi.report.pages.notebook import draw_rows

        return draw_rows(self.history_)

    def _changes(self) -> dict[str, object]:
        """Return what the parameters change in the recipe."""
        try:
            seed = operator.index(self.random_state)
        except TypeError as error:
            raise UsageError(
                f"random_state is {self.random_state!r}", "Use a whole number, so that equal runs give equal models."
            ) from error
        changes: dict[str, object] = {"seed": seed, **(self.recipe or {})}
        if self.epochs is not None:
            changes["epochs"] = self.epochs
        if self.image_size is not None:
            changes["image_size"] = _read_size(self.image_size)
        return changes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.input_tags.two_d_array = True  # a column of paths; without it scikit-learn checks next to nothing
        tags.input_tags.three_d_array = True  # (images, height, width); with colour four
        tags.input_tags.string = True  # paths
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Copy the model file's bytes instead of its session."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "predictor_" in state:
            state["predictor_"] = state["predictor_"].model.data
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the model file again, with every check that any model file has to pass."""
        if "predictor_" in state:
            state = {**state, "predictor_": Predictor.from_bytes(state["predictor_"])}
        super().__setstate__(state)


def _read_truth(y: object, image_count: int) -> tuple[NDArray[Any], NDArray[np.int64] | NDArray[np.bool_]]:
    """Return the classes, and each image's class index or, with several labels, (images, classes) bool."""
    table = np.asarray(y)
    if table.ndim != 2 or table.shape[1] == 1:
        return _read_labels(y, image_count)
    if len(table) != image_count:
        raise ShapeError(f"{image_count} images have {len(table)} rows of labels", "Use one row per image.")
    if not np.isin(table, (0, 1)).all():
        raise ShapeError(
            "y has several columns with values other than 0 and 1",
            "Use one label per image, or a column of 0 and 1 for each class (`MultiLabelBinarizer` makes them).",
        )
    names = np.asarray(y.columns) if hasattr(y, "columns") else np.arange(table.shape[1])
    return names, table.astype(np.bool_)


def _read_labels(y: object, image_count: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the distinct labels, sorted, and each image's index into them."""
    if y is None:
        raise ShapeError("fit requires y to be passed, but the target y is None", "Use one label per image.")
    column = column_or_1d(np.asarray(y), warn=True)
    if column.dtype.kind == "f":
        assert_all_finite(column, input_name="y")
    check_classification_targets(column)
    if len(column) != image_count:
        raise ShapeError(f"{image_count} images have {len(column)} labels", "Use one label per image.")
    classes, labels = np.unique(column, return_inverse=True)
    return classes, labels.astype(np.int64)


def _read_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) from one number or two."""
    try:
        height, width = (size, size) if isinstance(size, int | np.integer) else size
        sides = operator.index(height), operator.index(width)
    except (TypeError, ValueError) as error:
        raise UsageError(f"image_size is {size!r}", "Use one whole number, or (height, width).") from error
    for side in sides:
        _between("image_size", side, SMALLEST_SIDE, LARGEST_SIDE)
    return sides


def _between(name: str, value: float, least: float, most: float) -> float:
    if not least <= value <= most:
        raise UsageError(f"{name} is {value!r}", f"Use {least:g} to {most:g}.")
    return value


def _warn_of(refused: Sequence[Entry]) -> None:
    if refused:
        first = refused[0]
        warnings.warn(
            f"{count_of(len(refused), 'image')} cannot be used, so training leaves them out. "
            f"`refused_` lists them; the first is {escape_path(first.path)} ({first.code})",
            stacklevel=3,
        )
