"""`vidi predict --ray`: the answers of one computer, by many."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vidi.data.inputs import FoundInputs
from vidi.distributed.cluster import shards_at
from vidi.distributed.shards import (
    IMAGES_IN_SHARD,
    ShardFolder,
    ShardWork,
    digest_of_texts,
    do_shards,
    plan_of,
    split_paths,
)
from vidi.distributed.worker import Work
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore
from vidi.machine import core_count
from vidi.prediction.answer_lines import decode_answers, encode_answers
from vidi.prediction.prediction import Answer
from vidi.prediction.predictor import Predictor

PATIENCE_SECONDS: Final = 900.0  # for one shard

AnswersOf = Callable[[FoundInputs], Iterator[Answer]]
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
        options: of the answers.
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
        address: of the cluster, or `local`.
        predictor: the loaded model, whose file is sent to the workers.
        found: all groups, in their order.
        options: of the answers.
        shards: folder of the results until all are taken; None keeps none after the context.
        say: receives messages.

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
    work: ShardWork,
    folder: Path,
    *,
    say: Say,
    patience: float = PATIENCE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Answer]:
    """The answers about one group, in the order of its paths.

    Args:
        group: of inputs.
        predictor: the loaded model.
        work: does the shards.
        folder: of this group's results.
        say: receives messages.
        patience: seconds for one shard.
        clock: steady seconds.
    """
    tasks = split_paths(group.store, group.paths, most=IMAGES_IN_SHARD)
    own = ShardFolder(
        folder,
        plan_of({"paths": digest_of_texts(group.paths)}),
        identity=lambda number: tasks[number].identity(),
    )
    for number in do_shards(work, tasks, own, patience=patience, say=say, clock=clock):
        yield from decode_answers(own.get(number), predictor.metadata)


def _facts(predictor: Predictor, found: Sequence[FoundInputs], options: AnswerOptions) -> dict[str, object]:
    """What decides the answers, and how they are cut into shards."""
    return {
        "model": predictor.model.model_id,
        "weights": predictor.model.metadata.weights_digest,
        "options": repr(options),
        "images": IMAGES_IN_SHARD,
        "groups": [digest_of_texts(group.paths) for group in found],
    }
