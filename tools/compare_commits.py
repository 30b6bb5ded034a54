"""Compare to the digit what two commits train and answer on this machine: python tools/compare_commits.py BASE [HEAD]

Each trains on the same drawn images and answers, by the same commands (`RUNS`), in the environment of this Python,
which must hold what both need. All that they write and print is compared but for `DIFFERS`. HEAD is the working tree
unless it is given. What a tree of `src` gave is kept in the cache, and not run again. Exit 0: equal; 7: it differs.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from filelock import FileLock
from PIL import Image

ROOT = Path(__file__).parents[1]
QUICK = "--epochs 3 --batch 8 --imgsz 32 --set precision=float32"  # no minutes: the clock decides nothing
SMALL = f"--pretrained none --set options.width=0.25 {QUICK}"
LITE0 = f"--pretrained lite0 --set features=onnxruntime {QUICK}"
USED = ("predict run DATA/mixed --json", "evaluate run DATA/field --json -o evaluated")

# Run → its commands, in a folder of its own. `A || B`: B for a commit that does not know A, and ends with exit 2. STOP:
# it is interrupted when its first epoch ends. A run that reads ../NAME stands below NAME.
RUNS: dict[str, tuple[str, ...]] = {
    "scratch": (
        "check DATA/photos --json",
        f"train DATA/photos {SMALL} -o run",
        *USED,
        "predict run DATA/mixed --csv",
        "calibrate run DATA/field -o calibrated.onnx --json",
        "explain run DATA/mixed/0.png --json",
        "inspect run --json",
    ),
    "head": (
        f"train DATA/photos --freeze {LITE0} -o run",
        *USED,
        "evaluate run DATA/field --robustness --json -o robust",
        "compare ../scratch/run run DATA/field --json",
        "explain run DATA/mixed/0.png --json",
        "locate run DATA/mixed/0.png --json",
    ),
    "fine-tuned": (
        f"train DATA/photos --from ../head/run {QUICK} --epochs 1 -o run",
        *USED,
        f"train DATA/photos {LITE0} --epochs 1 -o stage plan",
    ),
    "labels": (f"train DATA/labels.csv --multi-label {SMALL} -o run", USED[0], "evaluate run DATA/labels.csv --json"),
    "ensemble": (f"train DATA/photos --ensemble 2 {SMALL} -o run", *USED),
    "unfinished": (
        f"STOP train DATA/photos {SMALL} -o run",
        USED[0],
        f"STOP train DATA/photos {SMALL} -o resumed",
        "train --resume resumed",
    ),
    "retrained": ("retrain ../scratch/run --feedback DATA/field -o run --json", *USED),
    "lighter": ("export ../scratch/run --to int8 --max-drop 50 -o run --json", *USED),
    "sources": (
        "retrain ../scratch/run --feedback DATA/more.csv -o run --json",
        *USED,
        f"train DATA/photos --positive disc --recall 0.9 {SMALL} -o positive",
    ),
}

STOP = """
import signal, sys
signals = [signal.SIGINT]
def stop(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("results.csv") and signals:
        signal.raise_signal(signals.pop())
sys.addaudithook(stop)
from vidi.cli.app import main
main()
"""
KINDS = ("disc", "square", "stripes")
Values = dict[str, object]


def draw(kinds: tuple[str, ...], seed: int) -> Image.Image:
    """A noisy image that shows some of `KINDS`."""
    random, (rows, columns) = np.random.default_rng([seed, len("".join(kinds))]), np.mgrid[:32, :32]
    image = random.integers(0, 140, (32, 32, 3), dtype=np.uint8)
    for kind in kinds:
        y, x = abs(rows - random.integers(10, 22)), abs(columns - random.integers(10, 22))
        size = {"disc": np.hypot(y, x), "square": np.maximum(y, x), "stripes": x // 3 % 2 * 99}[kind]
        image[size < random.integers(5, 11)] = random.integers(90, 256, 3, dtype=np.uint8)
    return Image.fromarray(image)


def draw_data(root: Path) -> None:
    """The images of all runs, one label in thirteen wrong; too few to test robustness in training, by the clock."""
    for folder, each, seed in (("photos", 30, 0), ("field", 8, 100), ("more", 4, 200)):
        for number in range(3 * each):
            path = root / folder / KINDS[number % 3] / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            draw((KINDS[(number + (number % 13 == 5)) % 3],), seed + number // 3).save(path)
    rows = [f"more/{kind}/{path.name},{kind}\n" for kind in KINDS for path in sorted((root / "more" / kind).iterdir())]
    (root / "more.csv").write_text("path,label\n" + "".join(rows))
    (root / "several").mkdir()
    sets = (*((kind,) for kind in KINDS), KINDS[:2], KINDS[1:], KINDS[::2])
    for number in range(84):
        draw(sets[number % 6], number).save(root / "several" / f"{number:02}.png")
    rows = [f"several/{number:02}.png,{'|'.join(sets[number % 6])}\n" for number in range(84)]
    (root / "labels.csv").write_text("path,label\n" + "".join(rows))
    with zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for path in sorted((root / "field").rglob("*.png")):
            archive.write(path, path.relative_to(root / "field"))
    mixed, image = root / "mixed", draw(("disc",), 300)
    mixed.mkdir()
    for number in range(6):
        draw((KINDS[number % 3],), 300 + number).save(mixed / f"{number}.png")
    image.convert("CMYK").save(mixed / "cmyk.jpg")
    image.convert("LA").save(mixed / "grey with alpha.png")
    image.resize((300, 40)).save(mixed / "wide.webp")
    image.save(mixed / "turned.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")
    image.save(mixed / "moving.gif", save_all=True, append_images=[draw(("square",), 301)])
    Image.fromarray(np.arange(1024, dtype=np.uint16).reshape(32, 32) * 64).save(mixed / "deep.png")
    (mixed / "cut.png").write_bytes((mixed / "0.png").read_bytes()[:900])
    (mixed / "empty.png").write_bytes(b"")
    (mixed / "text.jpg").write_text("no image\n")


def run(name: str, work: Path, data: Path, settings: Mapping[str, str]) -> None:
    """Call the commands of a run in its folder, unless that was done before."""
    folder = work / name
    if (work / f"{name}.json").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "printed").mkdir(parents=True)
    for number, command in enumerate(RUNS[name], 1):
        for spelling in command.split(" || "):
            words = shlex.split(spelling.replace("DATA", str(data)))
            start = ["-c", STOP, *words[1:]] if words[0] == "STOP" else ["-m", "vidi", *words]
            done = subprocess.run([sys.executable, *start], cwd=folder, env=settings, capture_output=True, check=False)
            if done.returncode != 2:
                break
        kind = next((kind for kind in ("json", "csv") if f"--{kind}" in words), "txt")
        place = folder / "printed" / f"{number}-{command.removeprefix('STOP ').split()[0]}.{kind}"
        place.write_bytes(done.stdout)
        place.with_suffix(".stderr").write_bytes(done.stderr)
        place.with_suffix(".exit").write_text(str(done.returncode))
    # Now, since runs below may write into the folder of this one.
    (work / f"{name}.json").write_text(json.dumps(values_of(folder)))
    print(f"{work.name:.12}  {name}", file=sys.stderr)


def run_all(names: list[str], tree: str, work: Path, data: Path) -> None:
    """Call the runs with one tree of `src`, each on one thread and without the user's settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("VIDI_", "AWS_", "PYTHON"))}
    own = {"VIDI_CORES": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "TZ": "UTC", "VIDI_CACHE": str(work / "cache")}
    with FileLock(f"{work}.lock"):
        shutil.rmtree(work / "src", ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(git("archive", tree))) as archive:
            archive.extractall(work / "src", filter="data")
        for name in names:
            run(name, work, data, {**kept, **own, "PYTHONPATH": str(work / "src")})


def values_of(folder: Path) -> Values:
    """All values in the files of a run: FILE:KEY → value, without the names of its own folders."""
    found: Values = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for key, value in _read(path):
            plain = value.replace(str(folder.parent), "WORK") if isinstance(value, str) else value
            found[f"{path.relative_to(folder).as_posix()}:{key}"] = plain
    return found


def _read(path: Path) -> Iterator[tuple[str, object]]:
    data, kind = path.read_bytes(), path.suffix
    if kind == ".onnx":
        yield from _read_model(data)
    elif kind in (".json", ".toml") and data:
        yield from flat((json.loads if kind == ".json" else tomllib.loads)(data.decode()))
    elif kind == ".jsonl":
        yield from flat([json.loads(line) for line in data.splitlines()])
    elif kind == ".csv":
        yield from flat(list(csv.DictReader(io.StringIO(data.decode()))))
    elif kind in (".md", ".html", ".txt", ".exit", ".stderr"):
        yield from flat(data.decode().splitlines())
    else:
        yield "bytes", digest(data)


def _read_model(data: bytes) -> Iterator[tuple[str, object]]:
    import onnx

    model = onnx.load_model_from_string(data)
    for entry in model.metadata_props:
        yield from flat(json.loads(entry.value) if entry.key == "vidi" else entry.value, entry.key)
    yield from flat({tensor.name: digest(tensor.SerializeToString()) for tensor in model.graph.initializer})
    yield from flat([f"{node.op_type} {digest(node.SerializeToString())}" for node in model.graph.node])


def digest(data: bytes) -> str:
    """Of some bytes, short enough to be read."""
    return hashlib.sha256(data).hexdigest()[:16]


def flat(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Every value in lists and mappings, with its path."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from flat(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from flat(inner, f"{key}[{number}]")
    else:
        yield key, value


# What may differ between two runs of one commit, as patterns over `FILE:KEY: value`, and why. Anything changed above
# this line makes all runs anew.
DIFFERS = {
    r"\.stderr:.*": "progress and speeds; what counts stands in the files, too",
    r"(run|evaluation|compare)\.json:(request\.)?(data\.)?(follow_links|merge_names|data_dir|cache_dir|data_cache|split_seed|feedback_weight"
    r"|renames|seed|ensemble_by): .*": "options that are gone, at their defaults",
    r"ensemble\.(by|members\[\d+\]\.held_out): .*": "of ensembles by folds, which are gone",
    r"test_uses: .*|test-uses\.jsonl:.*|used \d+ times|on these images \d+ times": "uses, also by earlier runs",
    r"\d{4}-\d\d-\d\d(T[\d:.+]+)?": "the date",
    r"(vidi_|inspect\.json:|export\.json:model\.)digest: .*|digest `\w+`": "of a model file, which is dated",
    r"of the file</th><td>\w+|\b[0-9a-f]{12}\b": "of a model file, which is dated",
    r"\.safetensors:.*": "a checkpoint holds seconds; its weights are in model.onnx, too",
    r"\b(milliseconds|seconds|images_per_second|limited_by)(\.[\w ]+)*: .*": "speed, in JSON and CSV",
    r"[\d.]+ minutes of training|[\d.]+ ms\b": "speed, in report.html",
    r'(<tr><th scope="row">[\w ]+</th><td class="n">[\d.]+</td><td class="n">[\d.]+ %</td></tr>)+': "its stages",
    r"Training \d+</th>.*?</tr>": "the same of an ensemble's trainings, whose figures are in metrics.json, too",
    r"batch \d+: [\d,.]+ images/s, [\d.]+ times": "speed, in export.md",
    r"files\.[\w/]+\.json: .*|beside_model_bytes: .*|[\d,]+ bytes; [\d,]+ bytes beside": "sizes of files with speeds",
}


def differences(base: Values, head: Values) -> list[str]:
    """Where and how two runs differ, apart from `DIFFERS`; a file that one of them lacks is one difference."""
    base, head = by_elements(base), by_elements(head)
    files = [{key.partition(":")[0] for key in values} for values in (base, head)]
    found = [f"{name}: only in {'head' if name in files[1] else 'base'}" for name in sorted(files[0] ^ files[1])]
    for key in dict.fromkeys([*base, *head]):
        one, two = (masked(key, values.get(key, "absent")) for values in (base, head))
        if one != two and key.partition(":")[0] in files[0] & files[1]:
            same = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
            part = slice(max(0, same - 20), same + 60)
            found.append(f"{key}: {one[part]} → {two[part]}")
    return found


def by_elements(values: Values) -> Values:
    """The same with each page by its paragraphs and tables, in place of lines: white space between elements is free."""
    found, pages = dict[str, object](), dict[str, list[str]]()
    for key, value in values.items():
        name = key.partition(":")[0]
        if name.endswith(".html"):
            pages.setdefault(name, []).append(str(value))
        else:
            found[key] = value
    for name, lines in pages.items():
        text = re.sub(r" ?(<[^>]+>) ?", r"\1", " ".join(" ".join(lines).split()))
        parts = re.split(r"(?=<(?:p|section|div|h[1-6]|li|figure|table)\b)", text)
        found |= {f"{name}:[{number}]": part for number, part in enumerate(parts)}
    return found


def masked(key: str, value: object) -> str:
    """A value as text, without what may differ."""
    return re.sub("|".join(DIFFERS), "…", f"{key}: {value!r}").removeprefix(f"{key}: ")


def git(*words: str, index: Path | None = None) -> bytes:
    """What git prints, with another index where one is named."""
    settings = {**os.environ, **({"GIT_INDEX_FILE": str(index)} if index else {})}
    return subprocess.run(["git", *words], cwd=ROOT, env=settings, capture_output=True, check=True).stdout


def tree_of(commit: str) -> str:
    """The tree of `src` in a commit; in the working tree, with all that git does not ignore, for `.`."""
    if commit == ".":
        with TemporaryDirectory() as folder:
            git("add", "--all", index=Path(folder) / "index")
            commit = git("write-tree", index=Path(folder) / "index").decode().strip()
    return git("rev-parse", "--verify", f"{commit}:src").decode().strip()


def with_needed(names: list[str]) -> list[str]:
    """These runs and those that they read, in their order."""
    wanted = set(names)
    for name in reversed(RUNS):
        wanted |= set(re.findall(r"\.\./([\w-]+)/", " ".join(RUNS[name]))) if name in wanted else set()
    return [name for name in RUNS if name in wanted]


def main() -> None:
    """Run what was not run before, and print what differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("base", help="a commit")
    parser.add_argument("head", nargs="?", default=".", help="another; else the working tree")
    parser.add_argument("--only", metavar="RUN", choices=RUNS, action="append", help="only this, and what it reads")
    parser.add_argument("--most", metavar="N", type=int, default=10, help="differences to print of a run")
    parser.add_argument("--again", action="store_true", help="run HEAD anew, even if it is BASE: both must be equal")
    parser.add_argument("--cache", metavar="DIR", type=Path, default=Path.home() / ".cache" / "vidi-compare")
    asked = parser.parse_args()
    runs, names = Path(__file__).read_bytes().partition(b"DIFFERS =")[0], with_needed(asked.only or list(RUNS))
    cache = asked.cache.absolute() / digest(runs)
    data, trees = cache / "data", (tree_of(asked.base), tree_of(asked.head))
    base, head = cache / trees[0], cache / (f"{trees[1]}-again" if asked.again else trees[1])
    if asked.again:
        shutil.rmtree(head, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "data.lock"):
        if not (data / "mixed" / "text.jpg").exists():  # which is drawn last
            shutil.rmtree(data, ignore_errors=True)
            draw_data(data)
    places = dict(zip((base, head), trees, strict=True))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda work: run_all(names, places[work], work, data), places))
    equal = True
    for name in names:
        values = [json.loads((work / f"{name}.json").read_text()) for work in (base, head)]
        found = differences(*values)
        equal &= not found
        exits = " ".join(str(value) for key, value in values[0].items() if ".exit:" in key)
        print(
            f"{name:12} {len(values[0]):7,} values  {f'{len(found):,} differ' if found else 'equal'}  (exits {exits})"
        )
        print("".join(f"    {line}\n" for line in found[: asked.most]), end="")
    sys.exit(0 if equal else 7)


if __name__ == "__main__":
    main()
