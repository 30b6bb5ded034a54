"""The findings of a check in sentences, and the check as one JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vidi.data.checked import (
    ClearClasses,
    ClearShortcuts,
    Crossing,
    DataCheck,
    Finding,
    RefusedFiles,
    Severity,
    Shortcut,
    SmallClasses,
    SuspectLabel,
    SuspectLabels,
)
from vidi.data.splitting.leaks import describe_leak
from vidi.files import escape_path
from vidi.images.limits import NOTES
from vidi.metrics.outputs import SIGMOID
from vidi.numbers import percent
from vidi.report.words.text import count_of

MOST_CLASSES = 10  # named in a sentence
MAY_LEARN = "the model may learn this instead of what the images show"

ODD: Mapping[str, str] = {
    "blank": "a single colour",
    "dark": "nearly black",
    "bright": "nearly white",
    "blurred": "blurred",
    "tiny": "under 64 pixels and under half the usual size",
    "odd-shape": "over twice as long or as flat as usual: framing wastes space",
}
COPIES: Mapping[str, str] = {
    "exact-copies": "are exact copies of each other",
    "near-copies": "are near-copies of each other",
    "bursts": "were taken by one camera within two seconds",
}
SMALL: Mapping[str, str] = {
    "empty-classes": "no usable image",
    "classes-small-to-learn": "fewer than {} images, too few to learn from",
    "classes-small-to-measure": "fewer than {} images, so {} accuracy is only a rough estimate",
}


@dataclass(frozen=True, slots=True)
class DescribedFinding:
    """One thing about the data that its owner should know, in a sentence."""

    kind: str
    severity: Severity
    sentence: str
    paths: tuple[tuple[str, ...], ...] = ()  # groups of images that show it, most telling first
    suspects: tuple[SuspectLabel, ...] = ()  # where labels are likely wrong: the same images, with what they look like

    def as_json(self) -> dict[str, object]:
        """The finding with escaped paths."""
        shown = [[escape_path(path) for path in group] for group in self.paths]
        found: dict[str, object] = {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.sentence,
            "paths": shown,
        }
        return {**found, "suspects": [one.as_json() for one in self.suspects]} if self.suspects else found


def describe_findings(check: DataCheck) -> tuple[DescribedFinding, ...]:
    """Every finding with its sentence, the gravest first."""
    return tuple(
        DescribedFinding(
            one.kind,
            one.severity,
            describe_finding(one),
            one.paths,
            one.facts.suspects if isinstance(one.facts, SuspectLabels) else (),
        )
        for one in check.findings
    )


def check_document(check: DataCheck) -> dict[str, object]:
    """The check as `vidi check --json` prints it and `check.json` keeps it; paths escaped."""
    return {
        "schema": 2,
        "account": check.account.as_json(),
        "findings": [finding.as_json() for finding in describe_findings(check)],
        "shortcuts": None if check.shortcuts is None else check.shortcuts.as_json(),
    }


def describe_finding(finding: Finding) -> str:
    """One finding in a sentence.

    >>> describe_finding(Finding("blurred", "warning", (("a.jpg",), ("b.jpg",))))
    '2 images are blurred'
    """
    match finding.facts:
        case RefusedFiles(codes):
            reasons = ", ".join(f"{code} {count:,}" for code, count in codes)
            return f"{count_of(len(finding.paths), 'file')} cannot be used ({reasons})"
        case Crossing() as leak:
            return describe_leak(leak)
        case SmallClasses() as small:
            return _small_classes(finding.kind, small)
        case ClearShortcuts() | ClearClasses() as clear:
            sentence = _clear_shortcuts(clear) if isinstance(clear, ClearShortcuts) else _clear_classes(clear)
            return f"{sentence}: {MAY_LEARN}"
        case SuspectLabels() as found:
            return describe_suspects(found)
        case None:
            return _of_images(finding)


def describe_suspects(found: SuspectLabels) -> str:
    """How many labels may be wrong; or that none can be doubted.

    >>> describe_suspects(SuspectLabels(images=1200, suspects=()))
    'no label of 1,200 looks wrong'
    """
    if found.accuracy is not None:
        share = percent(found.accuracy)
        return f"labels are not checked, for only {share} of {found.images:,} held-out images are classified correctly"
    if not found.suspects:
        return f"no label of {found.images:,} looks wrong"
    return f"{count_of(len(found.suspects), 'label')} of {found.images:,} may be wrong"


def name_labels(joined: str) -> str:
    """Labels as a file has them, in words.

    >>> name_labels("cat|dog"), name_labels("")
    ('cat, dog', 'none of the classes')
    """
    return joined.replace("|", ", ") or "none of the classes"


def _of_images(finding: Finding) -> str:
    """A finding that its kind and its images tell whole."""
    kind, groups = finding.kind, len(finding.paths)
    number = sum(map(len, finding.paths))
    images = count_of(number, "image")
    if kind in ODD:
        return f"{images} {'is' if number == 1 else 'are'} {ODD[kind]}"
    if kind in COPIES:
        return f"{images} in {count_of(groups, 'group')} {COPIES[kind]}; each group stays in one part"
    if kind == "conflicting-labels":
        have = "has" if groups == 1 else "have"
        return f"{count_of(groups, 'photograph')} {have} two labels; {images} will be left out of training"
    if kind == "negatives":
        return f"{count_of(number, 'negative')}: no class is learned from them, they show what is unknown"
    remark = NOTES.get(finding.remark, finding.remark)
    return remark if kind == "source" else f"{images}: {remark[:1].lower()}{remark[1:].rstrip('.')}"


def _small_classes(kind: str, small: SmallClasses) -> str:
    names = [escape_path(name) + (f" ({size:,})" if size else "") for name, size in small.sizes]
    shown = ", ".join(names[:MOST_CLASSES])
    more = f" and {len(names) - MOST_CLASSES:,} more" if len(names) > MOST_CLASSES else ""
    if kind == "too-few-to-learn":
        needed = f"at least 2 classes with {small.enough} usable, independent images each"
        return f"too few images to train on: training needs {needed}; there are {shown or 'none'}{more}"
    have, their = ("has", "its") if len(names) == 1 else ("have", "their")
    return f"{count_of(len(names), 'class')} {have} {SMALL[kind].format(small.enough, their)}: {shown}{more}"


def _clear_shortcuts(clear: ClearShortcuts) -> str:
    best, *others = clear.families
    what = " and ".join(map(escape_path, clear.class_names)) if len(clear.class_names) == 2 else "the classes"
    more = "".join(f", {one.what} in {percent(one.accuracy)}" for one in others)
    return (
        f"{_subject(best)} can tell {what} apart in {percent(best.accuracy)} of images{more} "
        f"(chance: {percent(clear.chance)})"
    )


def _clear_classes(clear: ClearClasses) -> str:
    one, best = clear.told[0]
    others = [escape_path(name) for name in clear.class_names if name != best.name]
    likewise = [other.what for other, same in clear.told[1:] if same.name == best.name]
    more = len({other.name for _, other in clear.told} - {best.name})
    return (
        f"{_subject(one)} can tell {escape_path(best.name)} from {_rest(others, clear)}: recall "
        f"{percent(best.found)}, false alarms {percent(best.taken)}"
        + (f"; so can {', '.join(likewise)}" if likewise else "")
        + (f"; the same holds for {count_of(more, 'other class')}" if more and len(others) > 1 else "")
    )


def _rest(others: Sequence[str], clear: ClearClasses) -> str:
    if clear.outputs == SIGMOID:
        return "images without it"
    return others[0] if len(others) == 1 else "the other classes"


def _subject(one: Shortcut) -> str:
    return one.what if one.family == "together" else f"{one.what} alone"
