"""`vidi predict --ray`: the answers of one computer, by many."""

import contextlib
import json
import shutil
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vidi.data.inputs import FoundInputs
from vidi.distributed.cluster import RayShards, results_of, shards_at
from vidi.distributed.shards import (
    IMAGES_IN_SHARD,
    ShardFolder,
    Work,
    digest_of_texts,
    plan_of,
    split_paths,
)
from vidi.errors import ImageError, ModelError
from vidi.images.limits import DecodeOptions
from vidi.images.statistics import ImageStatistics
from vidi.images.store import ImageStore
from vidi.machine import core_count
from vidi.model_file.metadata import ModelMetadata
from vidi.prediction.prediction import Answer, decide
from vidi.prediction.predictor import Predictor
from vidi.workflows.predict import AnswersOf


def encode_answers(answers: Iterable[Answer]) -> bytes:
    """Return the answers as JSON Lines; what was measured beside them is left out."""
    lines = [json.dumps(_as_plain(one), ensure_ascii=True, allow_nan=False, separators=(",", ":")) for one in answers]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def decode_answers(data: bytes, metadata: ModelMetadata) -> list[Answer]:
    """Return the answers that the lines hold.

    Args:
        data: of `encode_answers`.

    Raises:
        ModelError: they are no such lines, or another model's.
    """
    try:
        return [_of_plain(json.loads(line), metadata) for line in data.splitlines()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"lines of answers cannot be read: {error}", "Delete the file, and predict again.") from error


def _as_plain(answer: Answer) -> dict[str, Any]:
    prediction, error = answer.prediction, answer.error
    plain: dict[str, Any] = {"path": answer.path, "digest": answer.digest, "size": answer.size, "notes": answer.notes}
    if error is not None:
        return {**plain, "error": [error.code, error.cause, error.remedy]}
    assert prediction is not None  # noqa: S101  # an answer is one of the two
    plain |= {"probabilities": _as_text(prediction.probabilities), "novelty": prediction.novelty}
    if prediction.embedding is not None:
        plain["embedding"] = _as_text(prediction.embedding)
    if answer.statistics is not None:
        plain["statistics"] = asdict(answer.statistics)
    return plain


def _of_plain(plain: dict[str, Any], metadata: ModelMetadata) -> Answer:
    size = None if plain["size"] is None else (int(plain["size"][0]), int(plain["size"][1]))
    answer = Answer(
        path=plain["path"],
        outcome=ImageError("", "", ""),
        notes=tuple(plain["notes"]),
        digest=plain["digest"],
        size=size,
    )
    if "error" in plain:
        code, cause, remedy = plain["error"]
        return replace(answer, outcome=ImageError(code, cause, remedy))
    embedding, statistics = plain.get("embedding"), plain.get("statistics")
    return replace(
        answer,
        outcome=decide(
            _of_text(plain["probabilities"]),
            metadata,
            novelty=plain["novelty"],
            embedding=None if embedding is None else _of_text(embedding),
        ),
        statistics=None if statistics is None else ImageStatistics(**statistics),
    )


def _as_text(values: NDArray[np.float32]) -> str:
    """Their bytes in base64: 5.3 signs a number, a quarter of what its digits take."""
    return b64encode(values.astype("<f4").tobytes()).decode("ascii")


def _of_text(text: str) -> NDArray[np.float32]:
    return np.frombuffer(b64decode(text, validate=True), "<f4").astype(np.float32)


PATIENCE_SECONDS: Final = 900.0  # for one shard

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What the answers hold, and how images are decoded."""

    decoding: DecodeOptions
    embedding: bool = False
    statistics: bool = False


def answerer(model: bytes, options: AnswerOptions) -> Work:
    """What answers about images, as `encode_answers` writes it; called in a worker.

    Args:
        model: bytes of the model file.
    """
    predictor = Predictor.from_bytes(model)

    def work(store: ImageStore, paths: Sequence[str]) -> bytes:
        return encode_answers(
            predictor.predict_files(
                paths,
                store=store,
                options=options.decoding,
                workers=core_count(),
                embedding=options.embedding,
                statistics=options.statistics,
            )
        )

    return work


@contextlib.contextmanager
def answers_on_ray(
    address: str,
    predictor: Predictor,
    found: Sequence[FoundInputs],
    *,
    options: AnswerOptions,
    shards: Path | None,
    say: Say,
) -> Iterator[AnswersOf]:
    """A function that gives the answers about a group of inputs, in order, computed on a cluster.

    Args:
        predictor: the loaded model, whose file is sent to the workers.
        found: all groups, in their order.
        shards: folder of the results until all are taken; None keeps none after the context.

    Raises:
        UsageError: the folder holds the shards of other work.
        MissingPackageError: the extra `ray` is not installed.
        ResourceError: no cluster answers there, or a shard was lost too often.
    """
    with contextlib.ExitStack() as stack:
        folder = shards or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vidi-shards-")))
        ShardFolder(folder, plan_of(_facts(predictor, found, options)))  # refuses one of other work
        model = Path(predictor.model.path).read_bytes()
        work = stack.enter_context(shards_at(address, answerer, model, options, say=say))
        left = [group for group in found if group.paths]

        def taken(group: FoundInputs) -> Iterator[Answer]:
            place = next(index for index, one in enumerate(found) if one is group)
            yield from answers_of(group, predictor, work, folder / f"group-{place:04}", say=say)
            left[:] = [one for one in left if one is not group]

        yield taken
        if not left:
            shutil.rmtree(folder, ignore_errors=True)


def answers_of(
    group: FoundInputs,
    predictor: Predictor,
    work: RayShards,
    folder: Path,
    *,
    say: Say,
    patience: float = PATIENCE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Answer]:
    """The answers about one group, in the order of its paths; the other arguments are those of `results_of`."""
    tasks = split_paths(group.store, group.paths, most=IMAGES_IN_SHARD)
    for data in results_of(work, tasks, folder, patience=patience, say=say, clock=clock):
        yield from decode_answers(data, predictor.metadata)


def _facts(predictor: Predictor, found: Sequence[FoundInputs], options: AnswerOptions) -> dict[str, object]:
    """What decides the answers, and how they are cut into shards."""
    return {
        "model": predictor.model.model_id,
        "weights": predictor.model.metadata.weights_digest,
        "options": repr(options),
        "images": IMAGES_IN_SHARD,
        "groups": [digest_of_texts(group.paths) for group in found],
    }
