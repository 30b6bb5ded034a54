"""An answer in words, the same on the terminal, on every page, in Python and in the docs.

The verdict comes first and says how to read the rest. Percentages are left to tables of probabilities: beside a verdict
they would be a second scale.
"""

from collections.abc import Sequence

from vidi.metrics.selective import images_for_error
from vidi.model_file.limits import ALL_CLASSES, Verdict, VerdictLimits, describe_refuted
from vidi.model_file.read import ModelFile
from vidi.numbers import odds, short_percent

STRANGE = "strange image, unlike the training images"
MOST_NAMED = 4  # classes in a line
NONE_OF_THEM = "none of its classes"


def describe_answer(
    verdict: Verdict | str | None, said: Sequence[str], others: Sequence[str] = (), *, several: bool = False
) -> str:
    """What an image shows, as far as the verdict allows it to be said.

    Args:
        verdict: None or empty if the model file has no limits.
        said: the predicted class, or any number of them for a model with several labels; safe to show.
        others: further candidates, most probable first; safe to show.
        several: an image may show several classes.

    >>> describe_answer("sure", ["ant"], ["bee"]), describe_answer("unsure", ["ant"], ["bee", "cat"])
    ('ant', 'ant, bee or cat')
    >>> describe_answer("unknown", ["ant"], ["bee"])
    'strange image, unlike the training images; nearest: ant'
    >>> describe_answer("unsure", ["ant", "bee"], ["cat"], several=True)
    'ant, bee, perhaps also cat'
    """
    if verdict == "unknown":
        return f"{STRANGE}; nearest: {', '.join(said)}" if said else STRANGE
    others = others if verdict == "unsure" else ()
    if not several:
        return _listed([*said, *others])
    shown = ", ".join(said) or NONE_OF_THEM
    return f"{shown}, perhaps also {_listed(others)}" if others else shown


def explain_verdict(verdict: Verdict | str | None, limits: VerdictLimits | None, *, choices: int = 1) -> str:
    """How far an answer with this verdict may be relied on, in a sentence or two.

    Args:
        limits: of the model that gave it; None if its file has none.
        choices: number of candidates that are shown.
    """
    if verdict is None or limits is None:
        return "This model file does not say how far its answers can be relied on."
    several = limits.ranking == ALL_CLASSES
    if verdict == "unknown":
        return "Unknown: this image is unlike the training images. Do not rely on the nearest class."
    if verdict == "sure":
        about = " about any class" if several else ""
        return f"Sure: of such answers, at most {odds(limits.max_error)} are wrong{about}."
    if choices > 1 and limits.candidate is not None and not several:
        have = f"at least {odds(limits.coverage)} have their true class among the candidates"
        return f"Unsure: look at the image yourself. Of all images, {have}."
    return "Unsure: look at the image yourself."


def why_never_sure(limits: VerdictLimits | None) -> str:
    """Why no answer of a model is called sure; empty where some are.

    Args:
        limits: of the model; None if its file has none.
    """
    if limits is None or limits.sure is not None:
        return ""
    most = short_percent(limits.max_error)
    about = " in any class" if limits.ranking == ALL_CLASSES else ""
    needed = images_for_error(limits.max_error, level=limits.level)
    if limits.image_count < needed:
        return (
            f"no answer of this model is called sure: to guarantee at most {most} wrong{about}, vidi needs {needed:,} "
            f"calibration images without an error; there are {limits.image_count:,}"
        )
    return (
        f"no answer of this model is called sure: on {limits.image_count:,} calibration images, even the most "
        f"confident answers may be wrong{about} more often than {most}"
    )


def warning_about(model: ModelFile) -> str | None:
    """Return the warning for an unfinished model, or for one with refuted guarantees.

    Returns:
        None where nothing stands against it.
    """
    reason, refuted = model.metadata.unfinished, model.metadata.refuted
    if refuted is not None:
        return f"warning: its own test refutes {describe_refuted(refuted)}; do not rely on it (see its report)"
    if reason is None:
        return None
    return f"warning: this model is unfinished ({reason}): its probabilities are not calibrated and it was not tested"


def remark_on(model: ModelFile) -> str | None:
    """Return the warning about a model, or a note that it never calls an answer sure; None where all is usual."""
    if warning := warning_about(model):
        return warning
    never = why_never_sure(model.metadata.verdict)
    return f"note: {never}" if never else None


def _listed(names: Sequence[str]) -> str:
    """Names, any of which it may be."""
    shown, more = list(names[:MOST_NAMED]), len(names) - MOST_NAMED
    if more > 0:
        shown.append(f"{more:,} more")
    return " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
