"""`vidi check --ray`: the look at every image, by many computers; what is found is found by the one that started it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from vidi.data.checking.measured import measure_file, pack_readings, unpack_readings
from vidi.distributed.cluster import RayShards, results_folder, results_of, shards_at
from vidi.distributed.shards import Work, installed_versions, split_paths
from vidi.images.decode import ReadImage
from vidi.images.limits import DecodeOptions
from vidi.images.pool import DecodeJob, read_images
from vidi.images.store import ImageStore
from vidi.machine import core_count

# Each shard starts the process that decodes within limits of memory and time, which takes as long as some 100 images.
IMAGES_IN_SHARD: Final = 1024
PATIENCE_SECONDS: Final = 1800.0  # for one shard


def measurer(options: DecodeOptions) -> Work:
    """What decodes and measures images as the check does, as `pack_readings` writes it; called in a worker."""

    def work(store: ImageStore, paths: Sequence[str]) -> bytes:
        return pack_readings(
            read_images(store, paths, DecodeJob(measure=measure_file, options=options), workers=core_count())
        )

    return work


def read_on_ray(
    address: str, *, shards: Path | None, say: Callable[[str], None]
) -> Callable[[ImageStore, Sequence[str], DecodeOptions], Iterator[ReadImage]]:
    """A function that gives what the check measures of every file, in order, computed on a cluster.

    Args:
        shards: folder of the results until all are there; None keeps none.

    Raises:
        UsageError: the folder holds the shards of other work.
        MissingPackageError: the extra `ray` is not installed.
        ResourceError: no cluster answers there, or a shard was lost too often.
    """

    def read(store: ImageStore, paths: Sequence[str], options: DecodeOptions) -> Iterator[ReadImage]:
        with results_folder(shards) as folder, shards_at(address, measurer, options, say=say) as work:
            yield from readings_of(work, store, paths, options, folder, say=say)

    return read


def readings_of(
    work: RayShards,
    store: ImageStore,
    paths: Sequence[str],
    options: DecodeOptions,
    folder: Path,
    *,
    say: Callable[[str], None],
) -> Iterator[ReadImage]:
    """What is measured of every file, in the order of the paths; arguments as of `read_on_ray` and what it gives."""
    facts = {"options": repr(options), "images": IMAGES_IN_SHARD, "versions": installed_versions()}
    tasks = split_paths(store, paths, most=IMAGES_IN_SHARD)
    for data in results_of(work, tasks, folder, facts=facts, patience=PATIENCE_SECONDS, say=say):
        yield from unpack_readings(data)
