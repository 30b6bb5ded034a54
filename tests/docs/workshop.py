"""The folder in which the pages' commands run: drawn images under the names that the pages use."""

import csv
import json
from importlib.util import find_spec
from pathlib import Path

from tests.draw import draw, encoded

DRAWN_AS = {"flower": "disc", "leaf": "square", "bark": "stripes", "moss": "noise"}


def set_up(folder: Path) -> None:
    """Make `photos`, `messy`, `field`, `new` and `labels.csv` in an empty folder; without PyAV no video."""
    for name in ("flower", "leaf", "bark"):
        for number in range(24):
            put(folder / "photos" / name / f"{number:03}.jpg", name, number)
    # One in a thousand foreign files seems to be one that the model learned from: the moss of seed 100 is such a file.
    for name, seed in (("flower", 100), ("leaf", 100), ("moss", 200)):
        for number in range(8):
            put(folder / "field" / name / f"{number:03}.jpg", name, seed + number)
    for number, name in enumerate(("flower", "leaf", "bark"), start=1):
        put(folder / "new" / f"garden-{number}.jpg", name, 200 + number)
    if find_spec("av") is not None:
        film_garden(folder / "garden.mp4")
    (folder / "new" / "broken.jpg").write_bytes(b"<html>404 not found</html>")
    make_messy(folder / "messy")
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "label"])
        table.writerows([f"photos/{name}/{number:03}.jpg", name] for name in ("flower", "leaf") for number in range(20))
    export_from_label_studio(folder)


def export_from_label_studio(folder: Path) -> None:
    """What Label Studio's JSON-MIN export and its folder of uploads look like."""
    tasks = []
    for number in range(8):
        name = ("flower", "leaf")[number % 2]
        file = f"upload/1/{name[0]}{number}-{number:03}.jpg"
        put(folder / file, name, 300 + number)
        tasks.append({"image": f"/data/{file}", "id": number + 1, "choice": name, "annotator": 1, "lead_time": 2.5})
    tasks.append({"image": "/data/upload/1/skipped.jpg", "id": 9, "annotator": 2, "lead_time": 0.5})
    (folder / "label-studio.json").write_text(json.dumps(tasks), "utf-8")


def film_garden(path: Path) -> None:
    """A video of two seconds of leaves, three of flowers and two of bark."""
    from tests.video.draw import write_video  # needs PyAV

    scenes = [("leaf", 20), ("flower", 30), ("bark", 20)]
    frames = [draw(DRAWN_AS[name], size=(48, 64), seed=200) for name, count in scenes for _ in range(count)]
    write_video(path, frames)


def make_messy(folder: Path) -> None:
    """A folder with a damaged file, an empty one, a copy under another label, and what systems leave behind."""
    for name in ("flower", "leaf"):
        for number in range(24):
            put(folder / name / f"{number:03}.jpg", name, number)
    whole = (folder / "flower" / "001.jpg").read_bytes()
    (folder / "flower" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "flower" / "empty.jpg").write_bytes(b"")
    (folder / "leaf" / "not-a-leaf.jpg").write_bytes((folder / "flower" / "002.jpg").read_bytes())
    (folder / "leaf" / "notes.txt").write_text("sunny", "utf-8")
    (folder / ".DS_Store").write_bytes(b"\0")


def put(path: Path, name: str, seed: int) -> None:
    """Draw one JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(draw(DRAWN_AS[name], size=(48, 64), seed=seed), format="JPEG", quality=92))
