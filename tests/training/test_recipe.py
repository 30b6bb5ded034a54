import pytest

from vidi.errors import UnknownNameError, UsageError
from vidi.networks.catalog import NETWORKS
from vidi.networks.options import NetworkOptions
from vidi.training.augment import Augmentation
from vidi.training.defaults import recipe_for
from vidi.training.recipe import Recipe
from vidi.training.traits import DataTraits

PHOTOGRAPHS = DataTraits(image_count=2400, class_count=10, usual_size=(256, 192), is_grey=False)
DIGITS = DataTraits(image_count=1258, class_count=10, usual_size=(8, 8), is_grey=True)


@pytest.mark.parametrize("network", [*NETWORKS, "timm/resnet18"])
@pytest.mark.parametrize("traits", [PHOTOGRAPHS, DIGITS])
def test_a_recipe_reads_back_from_toml_as_written(network, traits):
    recipe = recipe_for(traits, network=network, changes={"epochs": 7, "augmentation.noise": 2.5})

    assert Recipe.from_toml(recipe.as_toml()) == recipe


def test_options_read_back_too():
    recipe = Recipe(network="textbook", options=NetworkOptions(filters=(8, 16), pooling="average", dense_width=9))

    assert Recipe.from_dict(recipe.as_dict()) == recipe


@pytest.mark.parametrize("network", [*NETWORKS, "timm/resnet18"])
def test_every_value_has_a_source(network):
    recipe = recipe_for(PHOTOGRAPHS, network=network, changes={"epochs": 7})

    missing = set(recipe.as_dict()) - set(recipe.sources) - {"sources"}

    assert not missing
    assert recipe.sources["epochs"] == "you"


def test_signs_are_not_mirrored_and_photographs_are():
    assert recipe_for(DIGITS).augmentation.flip == "none"
    assert recipe_for(PHOTOGRAPHS).augmentation.flip == "horizontal"
    assert "probably signs" in recipe_for(DIGITS).sources["augmentation.flip"]


def test_grey_images_need_no_channels_for_colours():
    assert recipe_for(DIGITS).options.grey is True
    assert "grey" in recipe_for(DIGITS).sources["options.grey"]
    assert recipe_for(PHOTOGRAPHS).options.grey is None
    assert recipe_for(DIGITS, changes={"options.grey": False}).options.grey is False


@pytest.mark.parametrize(("count", "side", "rate"), [(50_000, 32, 0.08), (20_000, 32, 0.17), (50_000, 64, 0.24)])
def test_many_small_images_are_learned_slowly(count, side, rate):
    traits = DataTraits(image_count=count, class_count=10, usual_size=(side, side), is_grey=False)

    assert recipe_for(traits).optimization.learning_rate == rate


@pytest.mark.parametrize(
    ("count", "is_grey", "activation"), [(50_000, False, "gelu"), (50_000, True, None), (20_000, False, None)]
)
def test_many_small_images_with_colours_bend_smoothly(count, is_grey, activation):
    traits = DataTraits(image_count=count, class_count=10, usual_size=(32, 32), is_grey=is_grey)
    recipe = recipe_for(traits)

    assert recipe.options.activation == activation
    assert ("options.activation" in recipe.sources) == (activation is not None)
    assert recipe_for(traits, changes={"options.activation": "relu"}).options.activation == "relu"


@pytest.mark.parametrize(("network", "optimizer"), [("lite0", "adamw"), ("lite0+lite2", "adamw"), ("resnet50", "sgd")])
def test_lite_networks_are_fine_tuned_at_a_pace_for_each_weight(network, optimizer):
    recipe = recipe_for(PHOTOGRAPHS, network=network)

    assert recipe.optimization.optimizer == optimizer
    assert recipe.sources["optimizer"] == "default: the usual for fine-tuning"


@pytest.mark.parametrize(
    ("network", "optimizer", "rate"),
    [
        ("compact", "sgd", 0.075),  # a batch of 32
        ("compact", "adam", 0.003),
        ("textbook", "sgd", 0.01),
        ("lite0", "sgd", 0.003),
        ("resnet50", "adamw", 0.0001),
    ],
)
def test_an_optimizer_that_is_named_learns_at_its_own_rate(network, optimizer, rate):
    named = recipe_for(PHOTOGRAPHS, network=network, changes={"optimizer": optimizer})
    faster = recipe_for(PHOTOGRAPHS, network=network, changes={"optimizer": optimizer, "learning_rate": 0.5})

    assert (named.optimization.learning_rate, named.optimization.momentum) == (rate, 0.9)
    assert named.sources["learning_rate"] == f"default: the usual of {optimizer}"
    assert (faster.optimization.learning_rate, faster.sources["learning_rate"]) == (0.5, "you")


@pytest.mark.parametrize(("network", "optimizer"), [("compact", "muon"), ("lite0", "adam"), ("dense", "adamw")])
def test_the_usual_optimizer_and_its_twin_keep_the_usual_rate(network, optimizer):
    usual = recipe_for(PHOTOGRAPHS, network=network)
    named = recipe_for(PHOTOGRAPHS, network=network, changes={"optimizer": optimizer})

    for name in ("learning_rate", "momentum"):
        assert named.value(name) == usual.value(name)
    assert named.sources["learning_rate"] == usual.sources["learning_rate"]


def test_what_the_user_says_stands_above_the_rule():
    recipe = recipe_for(DIGITS, changes={"augmentation.flip": "horizontal", "image_size": (16, 16)})

    assert (recipe.augmentation.flip, recipe.image_size) == ("horizontal", (16, 16))
    assert recipe.sources["augmentation.flip"] == "you"
    assert recipe.augmentation.shift == recipe_for(DIGITS).augmentation.shift


def test_the_textbook_recipe_is_the_one_of_the_introductions():
    recipe = recipe_for(PHOTOGRAPHS, network="textbook")
    how = recipe.optimization

    assert (recipe.image_size, how.epochs, how.batch) == ((256, 256), 50, 32)
    assert (how.optimizer, how.learning_rate, how.loss) == ("adam", 1e-3, "cross-entropy")
    assert recipe.normalisation == "rescale"
    assert recipe.augmentation == Augmentation(flip="both", rotate=72.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": 3}, "a recipe has no epoch"),
        ({"augmentation.spin": 3}, "a recipe has no augmentation.spin"),
        ({"options.depth": 3}, "a recipe has no options.depth"),
        ({"optimizer": "adagrad"}, "optimizer is 'adagrad'"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
    ],
)
def test_what_a_recipe_cannot_be_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        recipe_for(PHOTOGRAPHS, changes=changes)


def test_an_unknown_network_and_a_broken_file_are_refused():
    with pytest.raises(UnknownNameError, match="compact, textbook, dense"):
        recipe_for(PHOTOGRAPHS, network="resnet")
    with pytest.raises(UsageError, match="not valid TOML"):
        Recipe.from_toml("epochs = ")


def test_a_value_is_written_and_named_without_its_group():
    recipe = Recipe().changed({"batch": 16, "frozen_layers": 2, "device": "cpu"}, source="you")

    assert (recipe.optimization.batch, recipe.freezing.frozen_layers, recipe.execution.device) == (16, 2, "cpu")
    assert {"batch": 16, "frozen_layers": 2, "device": "cpu"}.items() <= recipe.as_dict().items()
    assert not {"optimization", "freezing", "execution"} & recipe.as_dict().keys()
    with pytest.raises(UsageError, match="a recipe has no optimization"):
        Recipe.from_dict({"optimization": {"batch": 16}})
