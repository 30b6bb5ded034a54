"""Histograms of oriented gradients and a linear classifier, from scikit-image and scikit-learn: what there was before
networks learnt features (Dalal and Triggs 2005).
"""

import tempfile
from pathlib import Path

import joblib
import numpy as np
from answer import answer, ask, scored
from skimage.color import rgb2gray
from skimage.feature import hog
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from images import read_images


def features(images: np.ndarray) -> np.ndarray:
    """Nine directions in cells of a sixteenth of the side, normalised over two by two cells."""
    cell = max(4, images.shape[1] // 16)
    return np.stack([hog(rgb2gray(image), 9, (cell, cell), (2, 2)) for image in images]).astype(np.float32)


def main() -> None:
    asked = ask(__doc__, size=128)
    learnt = read_images(asked.source, [asked.train], size=asked.size, only=asked.classes)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=300, random_state=asked.seed))
    model.fit(features(learnt.images), learnt.labels)
    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(model, asked.model or Path(folder) / "model.joblib")
    held = read_images(asked.source, asked.test, size=asked.size, only=asked.classes)
    right = int((model.predict(features(held.images)) == held.labels).sum())
    answer(
        "hog",
        asked,
        ("scikit-learn", "scikit-image"),
        {"size": held.images.shape[1], **scored(right, len(held.labels))},
    )


if __name__ == "__main__":
    main()
