"""`--recipe FILE`: what stands in the file is done, what does not fit is named."""

from pathlib import Path

import pytest
from tests.draw import PARTS, class_folders

from vidi.errors import UsageError
from vidi.training.augment import Augmentation
from vidi.training.recipe import Execution, Optimization, Recipe
from vidi.training.traits import DataTraits
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.recipes import choose_recipe, read_recipe_file
from vidi.workflows.train import train

TRAITS = DataTraits(image_count=500, class_count=3, usual_size=(60, 60), is_grey=False)


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def chosen(path: Path, **more: object) -> Recipe:
    request = TrainRequest(data=DataRequest(source="x"), recipe=str(path), **more)  # type: ignore[arg-type]
    return choose_recipe(request, TRAITS)


def test_the_file_stands_in_place_of_the_rules_and_the_user_above_the_file(tmp_path: Path):
    tuned = Recipe(
        optimization=Optimization(learning_rate=0.2, epochs=7),
        augmentation=Augmentation(flip="horizontal", shift=0.1),
    ).changed({"weight_decay": 0.01}, source="tune: trial 3 of 9 in photos-tune")
    path = written(tmp_path, tuned.as_toml())

    recipe = chosen(path, changes={"epochs": 9, "augmentation.flip": "none"})

    assert recipe.optimization == Optimization(learning_rate=0.2, weight_decay=0.01, epochs=9)
    assert recipe.augmentation == Augmentation(shift=0.1)
    assert recipe.sources["epochs"] == recipe.sources["augmentation.flip"] == "you"
    assert recipe.sources["weight_decay"] == f"{path}: tune: trial 3 of 9 in photos-tune"
    assert recipe.sources["learning_rate"] == f"{path}: as given there"


def test_a_value_that_the_user_once_set_is_not_the_users_now(tmp_path: Path):
    path = written(tmp_path, Recipe().changed({"epochs": 3}, source="you").as_toml())

    assert read_recipe_file(path).sources["epochs"] == f"{path}: you"


def test_a_precision_that_another_machine_measured_is_measured_again(tmp_path: Path):
    measured = Recipe().changed({"precision": "bfloat16"}, source="measured: 9 GFLOP/s")
    asked = Recipe().changed({"precision": "float32"}, source="you")

    assert read_recipe_file(written(tmp_path, measured.as_toml())).execution.precision == "auto"
    assert read_recipe_file(written(tmp_path, asked.as_toml())).execution.precision == "float32"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs = ", "the recipe is not valid TOML"),
        ("epocs = 3", "a recipe has no epocs"),
        ("epochs = 2.5", "epochs is 2.5"),
        ("epochs = true", "epochs is True"),
        ('learning_rate = "fast"', "learning_rate is 'fast'"),
        ("learning_rate = nan", "learning_rate is nan"),
        ("image_size = 64", "image_size is 64"),
        ("image_size = [64]", r"image_size is \[64\]"),
        ('image_size = ["a", "b"]', "image_size is"),
        ("image_size = [4, 4]", "does not fit: the network's images would be 4x4 pixels"),
        ("augmentation = 3", "augmentation is 3"),
        ('[augmentation]\nshift = "far"', r"augmentation\.shift is 'far'"),
        ('[augmentation]\nflip = "up"', "flip is 'up'"),
        ("[augmentation]\nturn = 3", r"a recipe has no augmentation\.turn"),
        ('[options]\npooling = "max"', "does not fit: compact has no option pooling"),
        ('network = "textbook"\n[options]\ndense_width = 7.5', r"options\.dense_width is 7\.5"),
        ('epochs = "many"', r"epochs is 'many'\n  Use a whole number from 1 to 1"),
        ('network = "textbook"\n[options]\nfilters = "many"', r"options\.filters is 'many'"),
        ('network = "resnet"', "does not fit: no network is called 'resnet'"),
        ("network = 3", "network is 3"),
        ("sources = 3", "sources is 3"),
    ],
)
def test_what_is_no_recipe_or_does_not_fit_is_named_with_its_file(tmp_path: Path, text: str, said: str):
    path = written(tmp_path, text)

    with pytest.raises(UsageError, match=said) as raised:
        chosen(path)

    assert str(path) in raised.value.cause


@pytest.mark.parametrize("bytes_", [b"\xff\xfe\x00", b"#" * 2_000_000], ids=["no text", "too large"])
def test_what_is_no_text_file_is_refused(tmp_path: Path, bytes_: bytes):
    (tmp_path / "mine.toml").write_bytes(bytes_)

    with pytest.raises(UsageError, match=r"mine\.toml"):
        chosen(tmp_path / "mine.toml")


def test_a_missing_file_and_another_network_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        chosen(tmp_path / "nothing.toml")
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        chosen(tmp_path)  # a folder without one
    with pytest.raises(UsageError, match=r"--network dense contradicts .*, which is for compact"):
        chosen(written(tmp_path, Recipe().as_toml()), network="dense")


@pytest.mark.slow  # trains twice, for seconds
@pytest.mark.usefixtures("undrawn")
def test_a_run_by_a_recipe_is_carried_out_by_it_also_from_given_weights(tmp_path: Path):
    data = class_folders(tmp_path / "data", kinds=("disc", "stripes"), each=20, size=(16, 16), parts=PARTS)
    recipe = Recipe(
        image_size=(24, 16),
        optimization=Optimization(epochs=2, batch=8, learning_rate=0.03, optimizer="sgd"),
        execution=Execution(precision="float32"),
    )
    path = written(tmp_path, recipe.changed({"options.width": 0.25}, source="test").as_toml())
    asked = TrainRequest(data=DataRequest(source=str(data)), recipe=str(path), output=tmp_path / "one")

    first = train(asked)
    path.write_text(recipe.changed({"options.width": 0.5, "epochs": 1}, source="test").as_toml())
    second = train(
        TrainRequest(
            data=DataRequest(source=str(data)), recipe=str(path), weights=str(first.folder), output=tmp_path / "two"
        )
    )

    done, further = (Recipe.from_toml((run.folder / "recipe.toml").read_text()) for run in (first, second))
    assert (done.image_size, done.optimization.learning_rate, done.options.width) == ((24, 16), 0.03, 0.25)
    assert (further.optimization.epochs, further.options.width) == (1, 0.25)
    assert further.sources["options.width"] == "the weights of --from"
