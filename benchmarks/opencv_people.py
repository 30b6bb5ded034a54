"""OpenCV's default people detector (HOG and a linear SVM, Dalal and Triggs 2005) on the images of an .npz file.

python opencv_people.py images.npz > boxes.json
"""

import json
import sys
import time

import cv2
import numpy as np


def main() -> None:
    detector = cv2.HOGDescriptor()
    detector.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
    images = np.load(sys.argv[1])
    rows = []
    for name in images.files:
        began = time.perf_counter()
        found, weights = detector.detectMultiScale(
            np.ascontiguousarray(images[name][..., ::-1]), winStride=(8, 8), padding=(16, 16), scale=1.05
        )
        boxes = [[int(x), int(y), int(x + w), int(y + h)] for x, y, w, h in found]
        scores = np.asarray(weights, np.float64).ravel().tolist()
        rows.append({"boxes": boxes, "scores": scores, "seconds": time.perf_counter() - began})
    print(json.dumps({"images": rows, "version": cv2.__version__}))


if __name__ == "__main__":
    main()
