"""The textbook Keras/TensorFlow recipe: rescale, flip, rotate, six blocks of convolution, ReLU and max pooling,
flatten, dense, softmax; Adam, batch 32, 50 epochs, 256 x 256 pixels. Variants: fp32 and mixed_bfloat16.
"""

import math
import os
import tempfile
import time
from pathlib import Path

from answer import Asked, answer, ask, scored

from images import class_names, read_images

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf

FILTERS = (32, 64, 64, 64, 64, 64)


class Clock(keras.callbacks.Callback):
    """When each epoch ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        self.ends.append(time.perf_counter())


def network(size: int, class_count: int) -> keras.Model:
    """As every introduction writes it."""
    side, blocks = size, []
    for count in FILTERS:
        if (side - 2) // 2 < 1:
            break
        blocks += [keras.layers.Conv2D(count, 3, activation="relu"), keras.layers.MaxPooling2D(2)]
        side = (side - 2) // 2
    return keras.Sequential(
        [
            keras.layers.Input((size, size, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.RandomFlip("horizontal_and_vertical"),
            keras.layers.RandomRotation(0.2),
            *blocks,
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(class_count, activation="softmax", dtype="float32"),
        ]
    )


def datasets(asked: Asked) -> tuple[tf.data.Dataset, tf.data.Dataset, int, int, int]:
    """(training batches, test batches, size, number of classes, training images), decoded once and kept in memory."""
    if (asked.source / asked.train).is_dir():
        classes = class_names(asked.source, asked.train, asked.classes)

        def part(name: str) -> tf.data.Dataset:
            return keras.utils.image_dataset_from_directory(
                asked.source / name, class_names=classes, image_size=(asked.size, asked.size),
                batch_size=asked.batch, seed=asked.seed, verbose=False,
            )  # fmt: skip

        train, test = part(asked.train), part(asked.test[0])
        for name in asked.test[1:]:
            test = test.concatenate(part(name))
        count = len(train.file_paths)
        return prepared(train), test, asked.size, len(classes), count
    learnt = read_images(asked.source, [asked.train], size=None)
    held = read_images(asked.source, asked.test, size=None)
    train = tf.data.Dataset.from_tensor_slices((learnt.images, learnt.labels)).shuffle(10_000, seed=asked.seed)
    test = tf.data.Dataset.from_tensor_slices((held.images, held.labels)).batch(256)
    batches = train.batch(asked.batch).prefetch(tf.data.AUTOTUNE)
    return batches, test, learnt.images.shape[1], len(learnt.classes), len(learnt.images)


def prepared(train: tf.data.Dataset) -> tf.data.Dataset:
    """As the introductions do it."""
    return train.cache().shuffle(1000).prefetch(tf.data.AUTOTUNE)


def main() -> None:
    asked = ask(__doc__, size=256, epochs=50, batch=32, variants=("fp32", "mixed_bfloat16"))
    if asked.variant != "fp32":
        keras.mixed_precision.set_global_policy(asked.variant)
    keras.utils.set_random_seed(asked.seed)
    train, test, size, class_count, image_count = datasets(asked)
    model = network(size, class_count)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    per_epoch = math.ceil(image_count / asked.batch)
    epochs = 1 + math.ceil(asked.steps / per_epoch) if asked.steps else int(asked.epochs)
    clock = Clock()
    model.fit(train, epochs=epochs, verbose=0, callbacks=[clock])
    spans = [after - before for before, after in zip(clock.ends, clock.ends[1:], strict=False)]
    rate = round(image_count * len(spans) / sum(spans), 2) if spans else None
    figures: dict[str, object] = {"size": size, "images_per_second": rate}  # the first epoch, with its tracing, apart
    if not asked.steps:
        with tempfile.TemporaryDirectory() as folder:
            model.save(asked.model or Path(folder) / "model.keras")
        right, count = 0, 0
        for images, labels in test:
            predicted = model.predict_on_batch(images).argmax(axis=1)
            right, count = right + int((predicted == labels.numpy()).sum()), count + len(predicted)
        figures |= scored(right, count)
    answer("keras textbook", asked, ("tensorflow-cpu", "keras"), figures)


if __name__ == "__main__":
    main()
