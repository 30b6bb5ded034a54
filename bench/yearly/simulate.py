"""One year for each way of keeping a model: never changed, always the newest, and what vidi's gate lets through.

The network is one backbone, frozen, so each image's embedding is computed once. A retraining fits vidi's head again on
old images and labels, calibrates it and holds it to the rules of `vidi retrain`. Labels are settled, held and capped by
`vidi.labelling`, as `vidi retrain --feedback LOG` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from bench.yearly.images import CLASSES
from bench.yearly.scenario import Scenario
from vidi.data.dataset import NEWEST
from vidi.data.labels import Opinion
from vidi.data.splitting.split_plan import EXTRA, SplitRule, held_back_share
from vidi.evaluation.answers import Answers
from vidi.evaluation.comparison import PairedAnswers
from vidi.evaluation.gate import GateDecision, judge_candidate
from vidi.evaluation.guarantees.calibrate import UnseenAnswers, calibrate_answers
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.evaluation.guarantees.refuted import hold_to_guarantees
from vidi.evaluation.guarantees.verdicts import hold_to_limits
from vidi.labelling import ModelView, cap_sources, newest_reviewed, settle
from vidi.metrics.affine import AffineStep
from vidi.metrics.truth import OneClass
from vidi.model_file.limits import VerdictLimits
from vidi.training.data import class_weights
from vidi.training.defaults import weigh_classes
from vidi.training.heads.linear import HeadTrial, LinearHead, fit_one_head
from vidi.training.recipe import Recipe
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
RULE = SplitRule((70, 10, 10, 10), 0)
USUAL_HEAD = HeadTrial(kind="multinomial", strength=300.0, sharpness=1.0, log_loss=np.nan, accuracy=np.nan)
LEARNED = ("train", "validation")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadModel:
    """A fitted head with its calibration and limits; the classes are the first ones of `CLASSES` that it knows."""

    class_count: int
    head: LinearHead
    step: AffineStep
    limits: VerdictLimits

    def probabilities(self, features: Floats) -> Floats:
        """Calibrated, (images, all classes): 0 for those that it does not know."""
        known = self.step.apply(softmax(self.head.logits(features), axis=1))
        return np.pad(known, ((0, 0), (0, len(CLASSES) - self.class_count))).astype(np.float32)

    def answers(self, features: Floats, labels: Rows) -> Answers:
        """As the guarantees are held to."""
        names, paths = [CLASSES[label] for label in labels], [str(row) for row in range(len(labels))]
        known = self.probabilities(features)[:, : self.class_count]
        return Answers.of(CLASSES[: self.class_count], paths, truths=names, probabilities=known)

    def is_right(self, features: Floats, labels: Rows) -> NDArray[np.bool_]:
        """(images,) bool."""
        return np.asarray(self.probabilities(features).argmax(axis=1) == labels, np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Images with labels, each in its part."""

    features: Floats
    labels: Rows
    parts: NDArray[np.str_]
    counts: NDArray[np.float64]  # as how many images each counts in the fit

    def only(self, *parts: str) -> tuple[Floats, Rows]:
        """Features and labels of some parts."""
        chosen = np.isin(self.parts, parts)
        return self.features[chosen], self.labels[chosen]

    def with_more(self, more: "Labelled") -> "Labelled":
        """Both."""
        return Labelled(
            features=np.concatenate([self.features, more.features]),
            labels=np.concatenate([self.labels, more.labels]),
            parts=np.concatenate([self.parts, more.parts]),
            counts=np.concatenate([self.counts, more.counts]),
        )


@dataclass(slots=True)
class Kept:
    """A way of keeping a model through the year."""

    model: HeadModel
    right: list[NDArray[np.bool_]] = field(default_factory=list)  # of each month's traffic
    decisions: list[str] = field(default_factory=list)  # of each month's end: promoted, or why not
    parts: dict[str, str] = field(default_factory=dict)  # digest → part of the feedback, when the model was trained


def fit(data: Labelled) -> HeadModel:
    """A head on train and validation images, calibrated on the part for it."""
    features, labels = data.only(*LEARNED)
    count = int(labels.max()) + 1
    weighting = weigh_classes(Recipe(), np.bincount(labels, minlength=count).tolist()).optimization.class_weights
    weights = class_weights(labels, count, kind=weighting)[labels] * data.counts[np.isin(data.parts, LEARNED)]
    head = fit_one_head(features, labels, USUAL_HEAD, class_count=count, weights=weights)
    unseen, truth = data.only("calibration")
    known = truth < count
    raw = softmax(head.logits(unseen[known]), axis=1)
    answers = UnseenAnswers(
        probabilities=raw, truth=OneClass(labels=truth[known], class_count=count), groups=None, novelty=None
    )
    done = calibrate_answers(answers, CLASSES[:count], promise=GuaranteeTargets())
    return HeadModel(class_count=count, head=head, step=done.fitted.step, limits=done.limits)


def judge(champion: HeadModel, candidate: HeadModel, data: Labelled) -> GateDecision:
    """What `vidi retrain` would decide."""

    def same(*parts: str) -> PairedAnswers:
        features, labels = data.only(*parts)
        return PairedAnswers(
            classes=CLASSES,
            shown=np.eye(len(CLASSES), dtype=np.bool_)[labels],
            first_is_right=champion.is_right(features, labels),
            second_is_right=candidate.is_right(features, labels),
            groups=np.arange(len(labels)),
        )

    tested = candidate.answers(*data.only("test"))
    guarantees = hold_to_guarantees(tested, candidate.limits, None)
    return judge_candidate(same("test"), same("extra"), guarantees=guarantees)


def split_base(rows: Rows, features: Floats, labels: Rows) -> Labelled:
    """The images before the first month."""
    parts = np.array([RULE.part_of(str(row)) for row in rows.tolist()])
    return Labelled(features=features, labels=labels, parts=parts, counts=np.ones(len(rows)))


def confirmed(
    opinions: Sequence[Opinion], features: dict[str, Floats], kept: Kept, *, base: int, weight: float
) -> tuple[Labelled, dict[str, str]]:
    """The labels that `vidi.labelling` confirms, each image in the part that growth gives it; and these parts.

    Args:
        opinions: of all months so far.
        features: of each image, by digest.
        kept: the model in use, and the parts that images had when it was trained.
        base: images before the first month, beside the test part.
        weight: as how many of these each image counts.
    """
    champion = kept.model
    digests = list(dict.fromkeys(one.digest for one in opinions))
    rows = np.stack([features[digest] for digest in digests])
    probabilities = champion.probabilities(rows)
    sure = hold_to_limits(champion.answers(rows, np.zeros(len(rows), np.int64)), champion.limits).is_sure
    views = {
        digest: ModelView(
            probabilities=one[: champion.class_count],
            label=("label", (CLASSES[int(one.argmax())],)),
            is_sure=bool(is_sure),
        )
        for digest, one, is_sure in zip(digests, probabilities, sure, strict=True)
    }
    settled = settle(opinions, classes=CLASSES[: champion.class_count], views=views)
    capped = cap_sources(settled, others=base, weight=weight)
    taken = {one.digest: one.answer[1][0] for one in capped if one.state == "confirmed" and one.answer is not None}
    newest = newest_reviewed(capped, most=NEWEST)
    # As `vidi.data.splitting.split` places them.
    parts = {
        digest: part for digest, part in kept.parts.items() if digest in taken and (part != EXTRA or digest in newest)
    }
    later = [digest for digest in taken if digest not in parts]
    share = held_back_share(len(newest))
    parts |= {digest: RULE.grown_part_of(digest, held_back=share if digest in newest else 0.0) for digest in later}
    return _labelled(list(taken.items()), features, parts, weight), parts


def all_labels(opinions: Sequence[Opinion], features: dict[str, Floats], *, weight: float = 1.0) -> Labelled:
    """Every label as it came, nothing held back: what retraining without a gate learns from."""
    parts = {one.digest: RULE.grown_part_of(one.digest) for one in opinions}
    return _labelled([(one.digest, one.labels[0]) for one in opinions], features, parts, weight)


def _labelled(
    said: Sequence[tuple[str, str]], features: dict[str, Floats], parts: dict[str, str], weight: float
) -> Labelled:
    """Images by digest, with the names of their classes."""
    return Labelled(
        features=np.stack([features[digest] for digest, _ in said]),
        labels=np.array([CLASSES.index(name) for _, name in said], np.int64),
        parts=np.array([parts[digest] for digest, _ in said]),
        counts=np.full(len(said), weight),
    )


def opinions_of(rows: Rows, labels: Rows, month: int, *, hostile: bool, scenario: Scenario) -> list[Opinion]:
    """One opinion about each image: four reviewers share the first ones, a fifth source has the rest."""
    known, made = len(CLASSES) - 1, []
    for place, (row, label) in enumerate(zip(rows.tolist(), labels.tolist(), strict=True)):
        is_fifth = place >= scenario.labels
        said = (label + 1) % known if is_fifth and hostile else label
        made.append(
            Opinion(
                key=f"{month} {row}",
                digest=f"{row:064x}",
                at=float(month),
                source="fifth" if is_fifth else f"reviewer {place % 4}",
                via="server" if is_fifth else "review",
                kind="label",
                labels=(CLASSES[said],),
            )
        )
    return made


def live(
    base: Labelled,
    months: Sequence[tuple[Rows, Floats, Rows]],
    traffic: Sequence[tuple[Floats, Rows]],
    *,
    hostile: bool,
    scenario: Scenario,
    weight: float = FEEDBACK_WEIGHT,
) -> dict[str, Kept]:
    """A year with each way of keeping the model; `weighted` is blind, with labels that count as in the loop.

    Args:
        base: images and labels before the first month.
        months: for each month, the rows, features and true labels of the images that are labelled in it.
        traffic: for each month, features and labels of the images that are scored.
        hostile: whether the fifth source's labels are wrong.
        scenario: of the year.
        weight: as how many old images a labelled one counts behind the gate.
    """
    first = fit(base)
    ways = {name: Kept(first) for name in ("frozen", "blind", "weighted", "loop")}
    opinions: list[Opinion] = []
    features: dict[str, Floats] = {}
    for month, ((rows, seen, labels), (shown, truth)) in enumerate(zip(months, traffic, strict=True), start=1):
        for kept in ways.values():
            kept.right.append(kept.model.is_right(shown, truth))
        opinions += opinions_of(rows, labels, month, hostile=hostile, scenario=scenario)
        features |= {f"{row:064x}": one for row, one in zip(rows.tolist(), seen, strict=True)}
        ways["blind"].model = fit(base.with_more(all_labels(opinions, features)))
        everything = all_labels(opinions, features, weight=weight)
        ways["weighted"].model = fit(base.with_more(everything))
        loop = ways["loop"]
        more, parts = confirmed(opinions, features, loop, base=int((base.parts != "test").sum()), weight=weight)
        data = base.with_more(more)
        candidate = fit(data)
        decision = judge(loop.model, candidate, data)
        loop.decisions.append("promoted" if decision.passed else ", ".join(decision.reasons))
        if decision.passed:
            loop.model, loop.parts = candidate, parts
    return ways
