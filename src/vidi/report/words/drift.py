"""What a model file knows of the images and answers that later traffic is compared with."""

from vidi.model_file.drift_reference import DriftReference, ReferenceEmbeddings
from vidi.report.words.counting import count_of


def lacking_reference(reference: DriftReference | None) -> tuple[str, ...]:
    """What is missing for noticing drift later, in sentences; none if nothing is.

    >>> lacking_reference(None)
    ('no drift reference: fewer than 20 held-out answers',)
    """
    if reference is None:
        return ("no drift reference: fewer than 20 held-out answers",)
    if reference.images is None:
        return ("the drift reference holds answers alone: fewer than 20 images were kept from training",)
    return ()


def describe_reference(reference: DriftReference | None, *, byte_count: int) -> str:
    """The reference in one line.

    Args:
        reference: of a model file.
        byte_count: that it takes in the file.
    """
    if reference is None:
        return "no reference"
    parts = [f"{count_of(reference.answer_count, 'held-out answer')} ({reference.basis})"]
    if reference.images is None:
        parts.append("no images")
    else:
        parts.append(count_of(reference.images.image_count, f"{reference.images.part} image"))
        parts.append(_describe_embeddings(reference.images.embeddings))
    if reference.novelty is None:
        parts.append("no novelty")
    return f"{', '.join(parts)}; {-(-byte_count // 1000):,} kB"


def _describe_embeddings(embeddings: ReferenceEmbeddings | None) -> str:
    if embeddings is None:
        return "no embeddings"
    axes = count_of(embeddings.component_count, "component")
    summed = "" if embeddings.summed is None else f", {embeddings.summed.shift.image_count:,} summed up"
    return f"{count_of(embeddings.image_count, 'embedding')} on {axes}{summed}"
