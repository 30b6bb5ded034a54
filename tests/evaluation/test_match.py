"""Classes are matched by name, and a mismatch says what to type."""

import pytest

from vidi.errors import DataError
from vidi.evaluation.match import match_classes


def test_classes_that_the_data_lacks_are_absent_and_those_that_the_model_lacks_foreign():
    match = match_classes(["cat", "dog", "eel"], ["ant", "cat", "dog"])

    assert (match.names, match.absent, match.foreign) == (("ant", "cat", "dog"), ("eel",), ("ant",))


def test_order_of_the_classes_does_not_matter():
    assert match_classes(["a", "b"], ["b", "a"]).names == ("b", "a")


def test_a_model_that_lacks_the_new_name_of_a_class_may_have_the_old_one():
    match = match_classes(["cat", "dog"], ["kitten", "dog"], names="cat=kitten")

    assert (match.names, match.absent, match.foreign) == (("cat", "dog"), (), ())


def test_no_name_in_common_stops_with_both_lists_and_exit_code_3():
    with pytest.raises(DataError, match=r"no class in common: the data has ant, bee, the model has cat, dog") as caught:
        match_classes(["cat", "dog"], ["ant", "bee"])

    assert caught.value.exit_code == 3
    assert "--names NAME_IN_DATA=NAME_IN_MODEL" in caught.value.remedy


def test_a_rename_is_proposed_where_two_names_are_alike_and_quoted_for_the_shell():
    with pytest.raises(DataError) as caught:
        match_classes(["bicycle", "my cat"], ["ant", "My cats"])

    assert caught.value.remedy.endswith("--names 'My cats=my cat'")


def test_long_lists_are_cut():
    with pytest.raises(DataError, match="and 30 more"):
        match_classes([f"m{number}" for number in range(50)], ["a"])


def test_what_images_show_is_known_in_the_models_classes():
    match = match_classes(["cat", "dog", "cow"], ["dog", "bird", "cat"])

    shown = match.targets(["cat", "dog", "cow"], [frozenset({0, 1}), frozenset({1}), frozenset({0, 2})])

    assert shown.astype(int).tolist() == [[0, 1, 0], [0, 0, 0], [1, 1, 0]]
