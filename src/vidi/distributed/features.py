"""`vidi train --ray` where a head is fitted: the features of the pretrained network, by many computers."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from vidi.data.checking.measured import measure_file
from vidi.distributed.cluster import RayShards, results_of, shards_at
from vidi.distributed.shards import Work, split_paths
from vidi.errors import ImageError, ResourceError
from vidi.files import escape_path
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.images.pool import DecodeJob, read_images
from vidi.images.store import ImageStore
from vidi.machine import core_count
from vidi.networks.layers import Classifier
from vidi.training.heads.features import Floats, WantedFeatures, embed_images
from vidi.training.loop.objective import InputNormalisation

IMAGES_IN_SHARD: Final = 512
PATIENCE_SECONDS: Final = 1800.0  # for one shard


def embedder(
    network: Classifier, normalisation: InputNormalisation, engine: str, framing: Framing, decoding: DecodeOptions
) -> Work:
    """What decodes and frames images as the check does, and computes their features; called in a worker.

    Args:
        network: the backbone; its head is not used.
        normalisation: what the network wants to see.
        engine: a name in `vidi.training.heads.features.ENGINES`.
    """

    def work(store: ImageStore, paths: Sequence[str]) -> bytes:
        images = np.empty((len(paths), *framing.size, 3), np.uint8)
        # Measured as by the check: a large JPEG is then decoded at the same scale, and the pixels are the same.
        stream = read_images(
            store,
            paths,
            DecodeJob(framing=framing, measure=measure_file, options=decoding),
            workers=core_count(),
            isolated=False,
        )
        for index, read in enumerate(stream):
            try:
                images[index] = read.pixels()
            except ImageError as error:
                raise ResourceError(
                    f"{escape_path(read.path)} could be used by the check, but not by a worker: {error.cause}",
                    "Every node must reach the images as this computer does, and they must stay as they are.",
                ) from error
        features = embed_images(network, images, np.arange(len(paths)), normalisation=normalisation, engine=engine)
        return features.astype("<f4", copy=False).tobytes()

    return work


def features_on_ray(
    address: str, *, say: Callable[[str], None]
) -> Callable[[WantedFeatures, Callable[[int, int], None] | None], Floats]:
    """A function that computes features on a cluster, shard by shard.

    Raises:
        MissingPackageError: the extra `ray` is not installed.
        ResourceError: no cluster answers there, or a shard was lost too often.
    """

    def embed(wanted: WantedFeatures, on_progress: Callable[[int, int], None] | None) -> Floats:
        given = (wanted.network, wanted.normalisation, wanted.engine, wanted.framing, wanted.decoding)
        with shards_at(address, embedder, *given, say=say) as work:
            return features_by(work, wanted, on_progress, say=say)

    return embed


def features_by(
    work: RayShards,
    wanted: WantedFeatures,
    on_progress: Callable[[int, int], None] | None,
    *,
    say: Callable[[str], None],
) -> Floats:
    """The features (rows, features), in the order of the rows; reports (rows done, rows in all)."""
    paths = [wanted.paths[row] for row in wanted.rows.tolist()]
    features = np.empty((len(paths), wanted.network.head.in_features), np.float32)
    tasks, done = split_paths(wanted.store, paths, most=IMAGES_IN_SHARD), 0
    with tempfile.TemporaryDirectory(prefix="vidi-shards-") as folder:
        for data in results_of(work, tasks, Path(folder), patience=PATIENCE_SECONDS, say=say):
            rows = np.frombuffer(data, "<f4").reshape(-1, features.shape[1])
            features[done : done + len(rows)] = rows
            done += len(rows)
            if on_progress is not None:
                on_progress(done, len(paths))
    return features
