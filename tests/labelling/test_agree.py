"""Several people's opinions: confirmed labels, disagreements, and what is held of outliers' feedback."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.labelling.said import CLASSES, one, opinion, reviewed, view
from vidi.data.labels import Opinion
from vidi.labelling import cap_sources, latest_opinions, newest_reviewed, settle

ANSWERS = (*CLASSES, "none", "?")


def test_what_one_reviewer_says_is_confirmed_even_against_a_sure_model():
    settled = one(reviewed("a", "ana", "cat"), a=view("dog", is_sure=True))

    assert (settled.state, settled.answer, settled.why) == ("confirmed", ("label", ("cat",)), None)


def test_two_reviewers_who_disagree_are_a_dispute_that_shows_who_said_what():
    settled = one(reviewed("a", "ana", "cat", at=1), reviewed("a", "ben", "dog", at=2))

    assert (settled.state, settled.answer, settled.why) == ("disputed", None, "people-disagree")
    assert [(said.source, said.labels) for said in settled.opinions] == [("ana", ("cat",)), ("ben", ("dog",))]


def test_a_third_reviewer_settles_a_dispute_and_all_three_stay_on_record():
    settled = one(reviewed("a", "ana", "cat"), reviewed("a", "ben", "dog"), reviewed("a", "cleo", "dog"))

    assert (settled.state, settled.answer) == ("confirmed", ("label", ("dog",)))
    assert {said.source for said in settled.opinions} == {"ana", "ben", "cleo"}


def test_a_reviewer_who_changes_their_mind_is_counted_once_with_the_last_answer():
    settled = one(reviewed("a", "ana", "cat", at=1), reviewed("a", "ana", "dog", at=2))

    assert settled.answer == ("label", ("dog",))
    assert len(settled.opinions) == 1


def test_none_of_these_is_an_answer_and_cannot_tell_leaves_the_image_out():
    assert one(reviewed("a", "ana", "none")).answer == ("none", ())
    assert one(reviewed("a", "ana", "?")).state == "unclear"
    assert one(reviewed("a", "ana", "?"), reviewed("a", "ben", "cat")).state == "disputed"


def test_a_replay_counts_once_even_where_it_comes_later_than_a_change_of_mind():
    said = opinion("a", "x", "cat", at=1, key="k")
    changed = opinion("a", "x", "dog", at=2)
    replayed = opinion("a", "x", "cat", at=3, key="k")

    assert one(said, changed, replayed, replayed).answer == ("label", ("dog",))


def test_a_reviewer_outweighs_any_number_of_strangers():
    outliers = [opinion("a", f"client-{number}", "dog") for number in range(50)]

    settled = one(*outliers, reviewed("a", "ana", "cat"))

    assert (settled.state, settled.answer, settled.supporters) == ("confirmed", ("label", ("cat",)), frozenset())


@pytest.mark.parametrize(
    ("opinions", "why"),
    [
        ((opinion("a", "x", "cat"), opinion("a", "y", "dog")), "people-disagree"),
        ((opinion("a", "x", "spam"),), "unknown-class"),
        ((opinion("a", "x", "dog"),), "contradicts-sure"),
        ((opinion("a", "x", "none"),), "contradicts-sure"),
    ],
    ids=["strangers differ", "no such class", "against a sure answer", "none against a sure answer"],
)
def test_what_speaks_against_a_stranger_holds_the_image_back(opinions, why):
    settled = one(*opinions, a=view("cat", is_sure=True))

    assert settled.state in ("disputed", "held")
    assert settled.why == why


def test_two_strangers_who_agree_are_believed_against_a_sure_answer():
    settled = one(opinion("a", "x", "dog"), opinion("a", "y", "dog"), a=view("cat", is_sure=True))

    assert (settled.state, settled.supporters) == ("confirmed", {"x", "y"})


def test_a_stranger_is_believed_where_the_model_is_unsure_or_was_never_asked():
    assert one(opinion("a", "x", "dog"), a=view("cat", 0.5)).state == "confirmed"
    assert one(opinion("a", "x", "dog")).state == "confirmed"


def crowd(count: int, *, wrong: int, source: str, true: str = "cat", said: str = "dog") -> list[Opinion]:
    """One source's opinions about images of its own, the first ones wrong."""
    return [opinion(f"{source}-{number}", source, said if number < wrong else true) for number in range(count)]


def test_a_source_that_is_contradicted_far_more_than_the_others_is_held_whole():
    opinions = [*crowd(60, wrong=20, source="bad"), *crowd(60, wrong=1, source="x"), *crowd(60, wrong=2, source="y")]
    views = {said.digest: view("cat", is_sure=True) for said in opinions}

    settled = settle(opinions, classes=CLASSES, views=views)

    held = {entry.opinions[0].source for entry in settled if entry.why == "doubtful-source"}
    assert held == {"bad"}
    assert all(entry.state == "held" for entry in settled if entry.opinions[0].source == "bad")
    assert sum(entry.state == "confirmed" for entry in settled) == 60 + 60 - 3


def test_reviewers_show_which_source_is_wrong_where_no_model_was_asked():
    opinions = [*crowd(40, wrong=12, source="bad"), *crowd(40, wrong=0, source="x")]
    checks = [reviewed(f"{source}-{number}", "ana", "cat") for source in ("bad", "x") for number in range(20)]

    settled = {entry.digest: entry for entry in settle([*opinions, *checks], classes=CLASSES, views={})}

    assert settled["bad-30"].why == "doubtful-source"
    assert settled["x-30"].state == settled["bad-0"].state == "confirmed"
    assert settled["bad-0"].answer == ("label", ("cat",))


def test_one_source_alone_is_not_compared_with_anybody():
    opinions = crowd(60, wrong=20, source="only")

    settled = settle(opinions, classes=CLASSES, views={said.digest: view("cat", is_sure=True) for said in opinions})

    assert {entry.why for entry in settled} == {None, "contradicts-sure"}


def test_a_label_that_the_model_believes_as_little_as_wrong_ones_is_held():
    opinions = [opinion(f"sure-{number}", f"x{number % 4}", "cat" if number else "dog") for number in range(20)]
    doubted = [opinion("doubted", "x1", "hen"), opinion("honest", "x2", "hen")]
    views = {said.digest: view("cat", 0.98) for said in opinions}
    views |= {"doubted": view("dog", 0.96), "honest": view("dog", 0.45)}

    settled = {entry.digest: entry for entry in settle([*opinions, *doubted], classes=CLASSES, views=views)}

    assert settled["doubted"].why == "unlikely-label"
    assert settled["honest"].state == "confirmed"


def test_one_source_gives_at_most_its_share_of_a_retraining():
    settled = settle(crowd(200, wrong=0, source="eager"), classes=CLASSES, views={})

    capped = cap_sources(settled, others=950, share=0.05)

    confirmed = sum(entry.state == "confirmed" for entry in capped)
    assert confirmed == 50  # 5 % of 950 + 50
    assert {entry.why for entry in capped if entry.state == "held"} == {"over-share"}


def test_the_operators_own_reviewers_have_no_cap():
    settled = settle([reviewed(f"{number}", "ana", "cat") for number in range(200)], classes=CLASSES, views={})

    assert cap_sources(settled, others=10, share=0.05) == settled


def test_without_anything_else_to_learn_from_few_sources_give_nothing():
    few = settle([said for name in "abc" for said in crowd(9, wrong=0, source=name)], classes=CLASSES, views={})
    many = settle(
        [said for number in range(40) for said in crowd(9, wrong=0, source=f"s{number}")], classes=CLASSES, views={}
    )

    assert all(entry.why == "over-share" for entry in cap_sources(few, others=0))
    assert all(entry.state == "confirmed" for entry in cap_sources(many, others=0))
    assert cap_sources(few, others=0, share=1) == few


def test_an_image_that_two_sources_support_counts_for_the_one_with_room():
    shared = [opinion(f"both-{number}", name, "cat") for number in range(10) for name in ("x", "y")]

    capped = cap_sources(settle(shared, classes=CLASSES, views={}), others=90, share=0.05)

    assert sum(entry.state == "confirmed" for entry in capped) == 10  # five for each


def test_models_are_compared_on_what_reviewers_confirmed_last():
    said = [reviewed(f"r{number}", "ana", "cat", at=float(number)) for number in range(5)]
    said += [opinion("stranger", "x", "cat", at=9.0), reviewed("unclear", "ana", "?", at=9.0)]
    settled = settle([*said, reviewed("r0", "ben", "cat", at=8.0)], classes=CLASSES, views={})

    assert newest_reviewed(settled, most=3) == {"r0", "r4", "r3"}
    assert len(newest_reviewed(settled, most=100)) == 5


OPINIONS = st.lists(
    st.builds(
        opinion,
        st.sampled_from("abcd"),
        st.sampled_from(["x", "y", "z"]),
        st.sampled_from(ANSWERS),
        via=st.sampled_from(["server", "review"]),
        at=st.integers(0, 5).map(float),
    ),
    max_size=30,
)
VIEWS = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(view, st.sampled_from(CLASSES), st.floats(0.34, 1), is_sure=st.booleans()),
)


@given(OPINIONS, VIEWS, st.randoms(use_true_random=False))
def test_neither_the_order_nor_replays_change_what_is_settled(opinions, views, chance: random.Random):
    shuffled = [*opinions, *opinions[:5]]
    chance.shuffle(shuffled)

    def by_image(given):
        return {entry.digest: (entry.state, entry.answer) for entry in settle(given, classes=CLASSES, views=views)}

    assert by_image(opinions) == by_image(shuffled)


@given(OPINIONS, VIEWS)
def test_every_opinion_that_counts_is_kept_and_a_confirmed_answer_is_somebodys(opinions, views):
    latest = latest_opinions(opinions)
    settled = settle(opinions, classes=CLASSES, views=views)

    assert {entry.digest: entry.opinions for entry in settled} == latest
    for entry in settled:
        if entry.state == "confirmed":
            assert entry.answer in {said.answer for said in entry.opinions}
        assert (entry.why is None) == (entry.state in ("confirmed", "unclear"))


@given(OPINIONS, st.integers(0, 200), st.sampled_from([0.05, 0.2, 0.5]), st.sampled_from([1.0, 2.0, 7.5]))
def test_no_source_exceeds_its_share_whatever_is_said_and_however_much_it_counts(opinions, others, share, weight):
    capped = cap_sources(settle(opinions, classes=CLASSES, views={}), others=others, share=share, weight=weight)

    taken = [entry for entry in capped if entry.state == "confirmed"]
    alone = [next(iter(entry.supporters)) for entry in taken if len(entry.supporters) == 1]
    everything = others + weight * len(taken)
    assert all(weight * alone.count(name) <= share * everything + 1e-6 for name in set(alone))
