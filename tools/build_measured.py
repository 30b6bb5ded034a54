"""Write the tables of docs/measured.md from bench/results: python tools/build_measured.py

The page holds the text; between `<!-- table: NAME -->` and `<!-- end of table -->` stands what the function of that
name in `TABLES` makes of the result files. A bench may be measured on several kinds of processors: the newest counts.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from statistics import fmean, median
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "measured.md"
RESULTS = ROOT / "bench" / "results"
MARKED = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end of table -->)", re.S)
Result = dict[str, Any]


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """The page as it should be."""
    return MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", PAGE.read_text("utf-8"))


# Reading and writing


def read(pattern: str) -> list[Result]:
    """Every result that a pattern in bench/results names, by name."""
    paths = sorted(RESULTS.glob(pattern))
    if not paths:
        raise FileNotFoundError(f"bench/results/{pattern}")
    return [json.loads(path.read_text("utf-8")) for path in paths]


def newest(pattern: str) -> Result:
    """The newest of some results."""
    return max(read(pattern), key=lambda one: str(one["date"]))


def newest_folder(bench: str) -> str:
    """Of a bench that has a folder for each kind of processor: the one with the newest result."""
    folders = sorted(path.name for path in (RESULTS / bench).iterdir())
    return f"{bench}/{max(folders, key=lambda name: str(newest(f'{bench}/{name}/*.json')['date']))}"


def caption(command: str, results: Iterable[Result], text: str) -> str:
    """The line above a table: command, date and processor of the results, and what n is."""
    results = list(results)
    dates = sorted({one["date"] for one in results})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    where = "; ".join(sorted({processor(one["processor"]) for one in results if "processor" in one}))
    return f"`{command}` · {when} · {where} · {text}."


def processor(text: str) -> str:
    """A processor as results name it, for readers.

    >>> processor("AMD EPYC, family 26-2, 2 cores, avx512_bf16 avx512f avx2")
    'AMD EPYC, 2 cores, AVX-512 with bfloat16'
    """
    name, cores, flags = re.fullmatch(r"(.+?)(?:, family [\d-]+)?, (\d+) cores, (.*)", text).groups()  # type: ignore[union-attr]
    units = {"avx512_bf16": "AVX-512 with bfloat16", "avx512f": "AVX-512", "avx2": "AVX2"}
    return f"{name}, {cores} cores, {next((units[one] for one in units if one in flags.split()), flags)}"


def table(head: str, rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; the titles of its columns are parted by ` | `."""
    titles = head.split("|")
    lines = ["|".join(["", *(f" {title.strip()} " for title in titles), ""]), "| --- " * len(titles) + "|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(" ".join(line.split()) for line in lines)


def joined(*blocks: str) -> str:
    """Captions and tables, with a blank line between two."""
    return "\n\n".join(blocks)


def fixed(value: float, digits: int = 0, *, times: int = 1) -> str:
    """A number with so many decimals; a half is rounded away from zero, and none is `−0.0`.

    >>> fixed(0.5355, 1, times=100), fixed(-0.0004, 1)
    ('53.6', '0.0')
    """
    rounded = (Decimal(str(value)) * times).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{rounded + 0:,f}".replace("-", "−")


def percent(value: float, digits: int = 1) -> str:
    """A share as a percentage."""
    return f"{fixed(value, digits, times=100)} %"


def points(value: float) -> str:
    """A difference of shares in percentage points."""
    return fixed(value, 1, times=100)


def signed(value: float) -> str:
    """The same, with its sign."""
    return ("+" if value > 0 else "") + points(value)


def interval(one: Mapping[str, float], digits: int = 1) -> str:
    """The ends of an interval of shares as percentages."""
    return f"{fixed(one['low'], digits, times=100)} – {percent(one['high'], digits)}"


def range_of(one: Mapping[str, float], digits: int) -> str:
    """A figure and the ends of its interval, as they are."""
    return f"{one['value']:.{digits}f} ({one['low']:.{digits}f} – {one['high']:.{digits}f})"


def verdict(value: float, high: float, least: float, *, met: str = "") -> str:
    """A bar, and whether it is met."""
    told = met if value >= least else ", within the interval" if high >= least else ", not met"
    return percent(least) + told


def mean_of(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of some seeds' figures, and of their intervals' ends, as all answered the same images."""
    return {name: fmean(one[name] for one in figures) for name in ("value", "low", "high")}


def seeds(values: Sequence[float]) -> str:
    """What each seed reached.

    >>> seeds([0.9, 0.912])
    '90.0, 91.2 %'
    """
    return ", ".join(points(value) for value in values) + " %"


def minutes(value: float) -> str:
    """Minutes with two digits, where that many count."""
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


# Accuracy


def scratch() -> str:
    """Networks that begin from nothing."""
    rows = [
        *accuracy_rows("digits", "digits of scikit-learn", 0.985),
        *accuracy_rows("fashion-mnist-3", "Fashion-MNIST, official test set", 0.94),
        rival_row("HOG", "fashion-mnist-hog"),
        *accuracy_rows("cifar10-5", "CIFAR-10, official test set, mean of image and mirror image", 0.91),
        rival_row("HOG", "cifar10-hog"),
        *accuracy_rows("person", "person or background, balanced accuracy", 0.99),
        rival_row("HOG, plain accuracy", "person-hog"),
        *accuracy_rows("clothing", "ten kinds of clothing, test split", 0.86),
        rival_row("HOG", "clothing-hog"),
        *accuracy_rows("three-clothes", "three kinds of clothes at 256×256, both parts", 0.91),
        *accuracy_rows("three-clothes-textbook", "… with `--network textbook`, 50 epochs", None),
        rival_row("the Keras recipe, 50 epochs", "clothing-keras_textbook", timed=True),
    ]
    results = [one for name in SCRATCH for one in read(f"accuracy/{name}-[0-9].json")]
    results += [one for name in SCRATCH_RIVALS for one in read(f"accuracy/rivals/{name}.json")]
    text = "mean of 3 seeds (in brackets), of digits 5, of the textbook network 1"
    return joined(caption("python -m bench accuracy", results, text), table(ACCURACY, rows))


SCRATCH = ("digits", "fashion-mnist-3", "cifar10-5", "person", "clothing", "three-clothes", "three-clothes-textbook")
SCRATCH_RIVALS = ("*-hog", "*-keras_textbook")
ACCURACY = "images | budget, scaled budget | used | accuracy | 95 % interval | n | bar"


def pretrained() -> str:
    """Networks that begin with pretrained features."""
    rows = [
        *accuracy_rows("clothing-head", "ten kinds of clothing, a head alone (`--freeze`)", 0.88),
        rival_row("logistic regression on Lite0's frozen features", "clothing-frozen_features", timed=True),
        *accuracy_rows("clothing-fine-tuned", "ten kinds of clothing, fine-tuned", 0.91),
        *accuracy_rows("person-pretrained", "person or background, balanced accuracy", 0.996),
        rival_row("logistic regression on Lite0's frozen features", "person-frozen_features", timed=True),
    ]
    names = ("clothing-head", "clothing-fine-tuned", "person-pretrained")
    results = [one for name in names for one in read(f"accuracy/{name}-[0-9].json")]
    results += read("accuracy/rivals/*-frozen_features.json")
    return joined(caption("python -m bench accuracy", results, "mean of 3 seeds (in brackets)"), table(ACCURACY, rows))


def accuracy_rows(name: str, title: str, least: float | None) -> list[Sequence[str]]:
    """The row of a set; where there are any, its extra part and the image without its mirror image."""
    results = read(f"accuracy/{name}-[0-9].json")
    figures = [one["pooled"] or one["figures"]["test"] for one in results]
    mean = mean_of(figures)
    budget = "none"
    if results[0]["budget_minutes"] is not None:
        budget = f"{results[0]['budget_minutes']}, {minutes(fmean(one['budget_minutes_here'] for one in results))} min"
    each = f" ({seeds([one['value'] for one in figures])})" if len(results) > 1 else ""
    rows = [
        (
            title,
            budget,
            f"{minutes(fmean(one['minutes_used'] for one in results))} min",
            percent(mean["value"]) + each,
            interval(mean),
            f"{figures[0]['n']:,}",
            "" if least is None else verdict(mean["value"], mean["high"], least),
        )
    ]
    if "extra" in results[0]["figures"] and not results[0]["pooled"]:
        rows.append(_lesser("its extra part, another mix of classes", [one["figures"]["extra"] for one in results]))
    if name == "cifar10-5":
        rows.append(_lesser("same weights, image alone", [one["one_view"]["test"] for one in results]))
    return rows


def _lesser(title: str, figures: Sequence[Result]) -> tuple[str, ...]:
    mean = mean_of(figures)
    return f"… {title}", "", "", percent(mean["value"]), interval(mean), f"{figures[0]['n']:,}", ""


def rival_row(title: str, name: str, *, timed: bool = False) -> Sequence[str]:
    """The row of a rival on the same images; it is timed where nothing else ran."""
    (one,) = read(f"accuracy/rivals/{name}.json")
    used = f"{minutes(one['seconds'] / 60)} min" if timed else ""
    return f"… {title}", "none", used, percent(one["accuracy"]), "", f"{one['n']:,}", ""


def operations() -> str:
    """Accuracy by arithmetic operations."""
    specs = (
        ("CIFAR-10", "cifar10-1e14", "1.0e14", 0.915, ""),
        ("…", "cifar10-3.5e14", "3.5e14", 0.94, ""),
        ("…", "cifar10-6e14", "6.0e14", 0.947, ", a goal"),
        ("Fashion-MNIST", "fashion-mnist-5e13", "0.5e14", 0.942, ""),
        ("…, the user allows mirrored copies", "fashion-mnist-mirrored-5e13", "0.5e14", 0.942, ""),
        ("…", "fashion-mnist-mirrored-3e14", "3e14", 0.953, ""),
    )
    rows, results = [], []
    for title, name, count, least, remark in specs:
        found = read(f"by_operations/{name}-[0-9].json")
        results += found
        both = found[0]["recipe"]["augmentation"]["flip"] != "none"
        view = "image and mirror image" if both else "one view"
        figures = [one["scores"][view] for one in found]
        mean, recipe = mean_of(figures), found[0]["recipe"]
        alone = fmean(one["scores"]["one view"]["value"] for one in found)
        bar = verdict(mean["value"], mean["high"], least, met=", met").replace(" %", f" %{remark}")
        width = f"{recipe['options']['width']:g}, {recipe['epochs']}"
        one_view = percent(alone) if both else "the same"
        each = seeds([one["value"] for one in figures])
        rows.append((title, count, width, percent(mean["value"]), each, interval(mean), one_view, bar))
    head = "set | operations | width, epochs | accuracy | of the seeds | 95 % interval | by one view | bar"
    text = f"official test sets, n = {figures[0]['n']:,}; mean of 3 seeds"
    return joined(caption("python -m bench by_operations", results, text), table(head, rows))


def race() -> str:
    """vidi and the published recipe, at once."""
    found = newest("race/*/*.json")
    mine, theirs = found["vidi"], found["recipe"]
    rows = [
        (
            "`vidi train`, 10 epochs at twice the width, with calibration, test and report",
            f"{mine['seconds']:,.0f}",
            percent(mine["accuracy"]),
            "not measured",
        ),
        (
            f'the published recipe "airbench94" in plain torch, {theirs["epochs"]} epochs',
            f"{theirs['seconds']:,.0f}",
            f"{percent(theirs['flip']['accuracy'])} ({percent(theirs['six views']['accuracy'])} by six views)",
            percent(theirs["one view"]["accuracy"]),
        ),
    ]
    text = f"n = {mine['n']:,}, seed {found['seed']}; both at once, one core each, both in {found['precision']}"
    return joined(
        caption("python -m bench race", [found], text),
        table("side | seconds | accuracy, image and mirror image | one view", rows),
    )


# Time


QUIET_RATE = 60  # images/s of the Keras recipe where nothing else runs


def soon() -> str:
    """How soon a model is there."""
    folder = newest_folder("time_to_accuracy")
    (keras,), (frozen,) = read(f"{folder}/keras.json"), read(f"{folder}/frozen-features.json")
    quiet = keras["seconds"] * keras["images_per_second"] / QUIET_RATE
    own = (("from scratch", "from-scratch-20s", "20 s", 40), ("from pretrained weights", "with-weights-5s", "5 s", 150))
    rows, results = [], [keras, frozen]
    for title, name, budget, bar in own:
        found = read(f"{folder}/{name}-[0-9].json")
        results += found
        seconds = fmean(one["seconds"] for one in found)
        times = keras["seconds"] / seconds
        reached = percent(fmean(one["accuracy"]["value"] for one in found))
        told = f"{bar}" if times >= bar else f"{bar}, not met"
        rows.append((title, budget, f"{seconds:.0f}", reached, f"{times:.0f}", f"{quiet / seconds:.0f}", told))
    title = "frozen features of Lite0 and a logistic regression, plain torch"
    times = keras["seconds"] / frozen["seconds"]
    rows.append((title, "none", f"{frozen['seconds']:.0f}", percent(frozen["accuracy"]), f"{times:.0f}", "", ""))
    title = f"Keras's textbook recipe, {keras['epochs']} epochs"
    rows.append((title, "none", f"{keras['seconds']:,.0f}", percent(keras["accuracy"]), "1", "", ""))
    head = "method | budget | seconds | accuracy | speed-up over Keras | over Keras's quiet rate | bar"
    return joined(
        caption("python -m bench time_to_accuracy", results, f"n = {keras['n']}, mean of 3 seeds"), table(head, rows)
    )


def heads() -> str:
    """A head on frozen features, beside logistic regressions."""
    folder = newest_folder("heads")
    kinds = (("vidi", "vidi"), ("logistic regression on Lite0", "lite0"), ("… on Lite2", "lite2"))
    rows, results = [], []
    for title, kind in kinds:
        (whole,), few = read(f"{folder}/all-{kind}.json"), read(f"{folder}/few-{kind}-[0-9].json")
        results += [whole, *few]
        reached = [one["accuracy"] for one in few]
        accuracy, seconds = percent(whole["accuracy"]), f"{whole['seconds']:.0f}"
        span = f"{100 * min(reached):.0f} to {100 * max(reached):.0f}"
        if kind == "vidi":
            accuracy += " (bar 88)"
            seconds += " (bar 45)"
            span += f"; bar 70, {'met' if fmean(reached) >= 0.7 else 'not met'}"
        rows.append((title, accuracy, seconds, f"{percent(fmean(reached))} ({span})"))
    head = f" | all images: accuracy (n = {whole['n']}) | seconds | 5 images per class: accuracy, mean of 10 draws"
    text = "clothing, seed 0; each in a process of its own, from cold; nothing else ran"
    return joined(caption("python -m bench heads", results, text), table(head, rows))


STAGES = {
    "importing": "torch, scikit-learn",
    "reading": "3,409 files: decoding, framing, check, near-duplicates, split",
    "features of lite0": "2,760 images at 320×224, 320 of them also at 256×192; the choice of the engine",
    "features of lite2": "500 images, to compare the two",
    "heads": "four trials of networks; up to 16 heads in five folds; the chosen one",
    "studies": "likely label errors, the learning curve",
    "to ONNX": "the graph, held against torch",
    "calibration": "306 images; novelty; the drift reference",
    "test": "341 images read again and answered",
    "robustness": "50 images in about 23 versions each",
    "report": "neighbours, figures, thumbnails",
}


def stages() -> str:
    """Where the seconds of a head go."""
    (found,) = read(f"{newest_folder('heads')}/all-vidi.json")
    rows = [(name, text, f"{found['stages'][name]:.1f}") for name, text in STAGES.items()]
    text = "the stages of vidi's training on all of clothing (3,409 images), one run"
    return joined(caption("python -m bench heads", [found], text), table("stage | what it does | seconds", rows))


def photos() -> str:
    """Photo sets in three minutes, beside logistic regressions."""
    folder = newest_folder("photo_sets")
    sets = {
        "clothing-400-0": "clothing",
        "clothing-1000-0": "clothing",
        "coco-crops-0": "crops of COCO's boxes, 21 classes",
        "faces-0": "faces, 40 people",
        "cifar10-500-0": "CIFAR-10, enlarged to 128×128",
        "fashion-700-0": "Fashion-MNIST, enlarged",
    }
    rows, results, reached = [], [], []
    for name, title in sets.items():
        (mine,), (lite0,), (lite2,) = (read(f"{folder}/{name}-{kind}.json") for kind in ("vidi", "lite0", "lite2"))
        results += [mine, lite0, lite2]
        three = [one["accuracy"] for one in (mine, lite0, lite2)]
        reached.append((name, three))
        ahead = signed(three[0] - max(three[1:]))
        counts = f"{mine['learnt']:,}", mine["n"], percent(three[0]), f"{mine['seconds']:.0f}"
        rows.append((title, *counts, percent(three[1]), percent(three[2]), ahead))
    for title, without in (("mean (bar: 2 points ahead of either)", ""), ("mean without COCO's crops", "coco-crops-0")):
        means = [fmean(three[place] for name, three in reached if name != without) for place in range(3)]
        ahead = signed(means[0] - max(means[1:])) + ("" if without else " of the better mean")
        rows.append((title, "", "", percent(means[0]), "", percent(means[1]), percent(means[2]), ahead))
    head = "set | training images | n | `vidi train --minutes 3` | seconds | logistic regression on Lite0 | on Lite2"
    return joined(
        caption(
            "python -m bench photo_sets", results, "one draw and one run of each set; seconds of the whole command"
        ),
        table(f"{head} | ahead of the better, points", rows),
    )


def budget() -> str:
    """How well the minutes are kept: the runs of one verb on as many images in a row."""
    folder = newest_folder("budget")
    verbs = {
        "train": "`vidi train`, pretrained features",
        "scratch": "`vidi train --network compact`",
        "tune": "`vidi tune`",
        "python": "`vidi.train`",
    }
    runs = budget_runs(folder)
    rows = []
    for verb, title in verbs.items():
        for images in ("75", "300"):
            some = sorted((asked, seconds) for name, asked, count, seconds in runs if (name, count) == (verb, images))
            asked, took = (
                ", ".join(texts) for texts in ([f"{one:g}" for one, _ in some], [f"{s:.1f}" for _, s in some])
            )
            most = max(seconds - 60 * one for one, seconds in some)
            rows.append((title, images, asked, took, f"{most:.1f}".replace("-", "−")))
    kept = []
    for path in sorted((RESULTS / "budget").iterdir()):
        found = budget_runs(f"budget/{path.name}")
        within = sum(seconds <= 60 * asked + 10 for _, asked, _, seconds in found)
        kept.append(f"{within} of {len(found)} on {newest(f'budget/{path.name}/*.json')['date']}")
    text = f"three kinds of clothes, one run each; at most 10 s over the budget, the bar: {', '.join(kept)}"
    head = "what | images | budgets, minutes | seconds | the most beyond a budget, s"
    return joined(caption("python -m bench budget", read(f"{folder}/*.json"), text), table(head, rows))


def budget_runs(folder: str) -> list[tuple[str, float, str, float]]:
    """(verb, minutes asked, images, seconds taken) of each run of a folder."""
    found = []
    for path in sorted(RESULTS.glob(f"{folder}/*.json")):
        verb, asked, images = path.stem.split("-")
        found.append((verb, float(asked), images, json.loads(path.read_text("utf-8"))["seconds"]))
    return found


# Calibration, novelty and the estimate of the accuracy


def sure_rows(found: Result, name: str, *, bar: str = "0.02") -> list[Sequence[str]]:
    """What `bench promises` says of a set."""
    given = f", {found['candidates']:.2f} candidates per image" if name != "person" else ""
    return [
        (
            "calibration error, 15 bins of equal count, mean",
            f"{found['calibration_error']:.3f} (accuracy {percent(found['accuracy'])})",
            bar,
        ),
        ("coverage of the candidates, guaranteed 95 %: mean", percent(found["coverage"]) + given, "94 to 96 %"),
        ("… splits below the beta-binomial band", f"{found['coverage_broken']} of 100", "5"),
        (
            "sure answers, at most 5 % wrong: share of images, error rate",
            f"{percent(found['sure'], 0)}, {percent(found['sure_error'])}",
            "",
        ),
        ("… splits with significantly more than 5 % wrong", f"{found['sure_broken']} of 100", "5"),
    ]


def promises(name: str, told: str) -> tuple[Result, str]:
    """The result of a set in `bench promises`, and its caption."""
    (found,) = read(f"promises/{name}.json")
    command = f"SET={name} MINUTES={found['minutes']:g} python -m bench promises"
    return found, caption(command, [found], told.format(**found) + ", split 100 times")


def unknown(name: str) -> tuple[Result, str]:
    """The result of a set in `bench unknown`, and its caption."""
    (found,) = read(f"unknown/{name}.json")
    given = "" if name == "people" else f" MINUTES={found['minutes']:g}"
    return found, caption(f"SET={name}{given} python -m bench unknown", [found], "seed 0")


def area(found: Result, name: str, *, n: bool = True) -> str:
    """The area under the ROC curve of novelty, against other images."""
    one = found["areas"][name]
    return range_of(one, 3)[:-1] + (f", n = {one['n']:,})" if n else ")")


def called(found: Result) -> str:
    """The share of known test images that is called unknown."""
    one = found["known_called_unknown"]
    return f"{percent(one['count'] / one['n'])} ({interval(one)}, n = {one['n']:,})"


def share_called(found: Result, *names: str) -> str:
    """The shares of other images that are called unknown."""
    return ", ".join(percent(found["areas"][name]["called_unknown"] / found["areas"][name]["n"], 0) for name in names)


def sure_fashion() -> str:
    (sure, line), (found, other) = promises("fashion-mnist", SPLIT), unknown("fashion-mnist")
    rows = [
        *sure_rows(sure, "fashion-mnist"),
        ("novelty, ROC area against scikit-learn's digits", area(found, "digits"), "0.95"),
        ("… against grey CIFAR-10", area(found, "grey CIFAR-10"), "0.95"),
        ("known test images called unknown", called(found), "2 %"),
    ]
    return joined(line, other, table("Fashion-MNIST | result | bar", rows))


SPLIT = "{images:,} images, {calibration_images:,} of them for calibration"


def sure_cifar() -> str:
    (sure, line), (found, other) = promises("cifar10", SPLIT), unknown("cifar10")
    title = f"novelty (other model, accuracy {percent(found['accuracy'])}), ROC area against Fashion-MNIST"
    shares = f"{share_called(found, 'Fashion-MNIST', 'clothing')}, {called(found)}"
    rows = [
        *sure_rows(sure, "cifar10"),
        (title, area(found, "Fashion-MNIST"), "0.90"),
        ("… against clothing", area(found, "clothing"), "0.90"),
        ("… called unknown: these two sets, known test images", shares, "–, –, 2 %"),
    ]
    return joined(line, other, table("CIFAR-10 | result | bar", rows))


def sure_persons() -> str:
    sure, line = promises("person", "{images:,} person windows, photographs kept together")
    return joined(line, table("persons | result | bar", sure_rows(sure, "person", bar="")))


def sure_pretrained() -> str:
    (people, line), (clothing, other) = unknown("people"), unknown("clothing")
    known = people["known_called_unknown"]["n"]
    rows = [
        (
            "faces-orl, 30 people, 5 training images each: accuracy on the 5 others",
            f"{percent(people['accuracy'], 0)} (n = {known})",
            "97 %",
        ),
        ("novelty, ROC area against 10 other people", area(people, "other people"), "0.95"),
        (
            "… called unknown: other people, known people",
            f"{share_called(people, 'other people')}, {called(people)}",
            "–, 2 %",
        ),
        (
            f"clothing (accuracy {percent(clothing['accuracy'])}), ROC area against COCO scenes",
            area(clothing, "COCO scenes"),
            "0.93",
        ),
        ("… against faces", area(clothing, "faces"), "0.93"),
        (
            "… called unknown: scenes, faces, known clothing",
            f"{share_called(clothing, 'COCO scenes', 'faces')}, {called(clothing)}",
            "–, –, 2 %",
        ),
    ]
    return joined(line, other, table("pretrained features | result | bar", rows))


def estimate() -> str:
    """The error of the estimated accuracy by kind of traffic."""
    sets = [read(f"estimate/{name}.json")[0] for name in ("clothing", "cifar10")]
    kinds = {
        "all": "all",
        "unchanged": "unchanged",
        "corrupted": "corrupted",
        "shares": "other class shares",
        "shares and corrupted": "other class shares, corrupted",
        "trusted": "the estimate says it is to be trusted",
    }
    rows = []
    for kind, title in kinds.items():
        errors = [one["mean_absolute_error"][kind] for one in sets]
        counts = ", ".join(dict.fromkeys(str(one["traffics"]) for one in errors))
        values = [f"{100 * one[way]:.1f}" for one in errors for way in ("estimate", "cbpe", "bare confidence")]
        rows.append((title, counts, *values))
    head = "traffic | count | clothing: vidi | CBPE | before calibration | CIFAR-10: vidi | CBPE | before calibration"
    text = (
        f"clothing n = {sets[0]['images']:,}, CIFAR-10 n = {sets[1]['images']:,} test images, seed 0, beside other work"
    )
    return joined(caption("python -m bench estimate", sets, text), table(head, rows))


def estimate_new() -> str:
    """The estimated accuracy where a part of the images shows a class that the model lacks."""
    sets = [read(f"estimate/{name}.json")[0] for name in ("clothing", "cifar10")]
    rows = []
    for pair in zip(*(one["new_class"] for one in sets), strict=True):
        cells = [
            text
            for one in pair
            for text in (percent(one["accuracy"]), percent(one["estimate"]), "yes" if one["trusted"] else "no")
        ]
        rows.append((percent(pair[0]["share"], 0), *cells))
    counts = [one["images"] for found in sets for one in found["new_class"]]
    text = f"n = {min(counts):,} to {max(counts):,} images, seed 0; the same run"
    head = "share of the new class | clothing: accuracy | estimate | trusted | CIFAR-10: accuracy | estimate | trusted"
    return joined(caption("python -m bench estimate", sets, text), table(head, rows))


# Explanations, labels and feedback


def explain() -> str:
    """Evidence and occlusion maps beside random ones."""
    (found,) = read("explain/clothing.json")

    def cell(one: Mapping[str, float]) -> str:
        values = (f"{one[name]:+.2f}".replace("-", "−") for name in ("value", "low", "high"))
        return "{} ({} to {})".format(*values)

    rows = [
        (name, cell(found[name]["deletion"]), cell(found[name]["insertion"]), f"{abs(found[name]['likeness']):.2f}")
        for name in ("evidence", "occlusion")
    ]
    head = "map | deletion, difference to random maps (lower is better) | insertion, the same (higher is better)"
    text = f"{found['images']} test images of clothing, a head on EfficientNet-Lite0"
    return joined(
        caption("python -m bench explain", [found], text),
        table(f"{head} | rank correlation with the map of shuffled weights", rows),
    )


def labels() -> str:
    """Planted label errors."""
    sets = {"clothing": "ten kinds of clothing", "fashion-mnist": "Fashion-MNIST"}
    found = {title: read(f"label_errors/{name}-0.json")[0] for name, title in sets.items()}
    rows = [
        (
            title,
            *(f"{one[name]:,}" for name in ("looked_at", "planted", "listed")),
            range_of(one["precision"], 2),
            range_of(one["recall"], 2),
            "0.6",
        )
        for title, one in found.items()
    ]
    return joined(
        caption("python -m bench label_errors", found.values(), "5 % of labels changed at random, seed 0"),
        table("images | checked | planted | listed | precision | recall | bar for both", rows),
    )


def choose() -> str:
    """What to label next."""
    ways = {"random": "random", "ActiveLab": "ActiveLab (cleanlab 2.9.0)", "vidi": "`vidi review`"}
    bars = {"clothing": "area of ActiveLab, less 1 point", "fashion-mnist": "at most 700"}
    sets = {"clothing": "clothing", "fashion-mnist": "Fashion-MNIST"}
    rows, results = [], []
    for name, title in sets.items():
        (found,) = read(f"choose/{name}.json")
        results.append(found)
        for way, told in ways.items():
            first = f"{title}, {found['labels'][-1]:,}" if way == "random" else "…"
            last = percent(fmean(curve[-1] for curve in found["curves"][way]))
            needed = f"{found['labels_for_what_random_reaches'][way]:,.0f}"
            bar = bars[name] if way == "vidi" else ""
            rows.append((first, told, percent(found["area"][way]), last, needed, bar))
    head = "images, labels at the end | choice | area under the curve | accuracy at the end"
    images, pools = (" and ".join(f"{one[key]:,}" for one in results) for key in ("images", "pool"))
    text = f"shared with other work; n = {images}, mean of 5 seeds; {pools} images to choose from"
    return joined(
        caption("python -m bench choose", results, text),
        table(f"{head} | labels for what random choice reaches at the end | bar", rows),
    )


def year() -> str:
    """A year behind the gate."""
    found = newest("year/*.json")
    specs = (  # title, difference, bar, which end of the interval has to be above what
        ("honest year: behind the gate − never changed", "honest: loop - frozen", "above 0", ("low", 0.0)),
        ("… − always the newest", "honest: loop - blind", "above −1", ("low", -0.01)),
        ("… − always the newest, labels counted twice", "honest: loop - weighted", "", None),
        ("hostile year: behind the gate − never changed", "hostile: loop - frozen", "above 0", ("low", 0.0)),
        ("… − always the newest", "hostile: loop - blind", "above 0", ("low", 0.0)),
        ("behind the gate: hostile − honest year", "loop: hostile - honest", "at least −1", ("value", -0.01)),
    )
    rows = []
    for title, name, bar, needed in specs:
        one = found["differences"][name]
        met = "" if needed is None else ", met" if one[needed[0]] >= needed[1] else ", not met"
        rows.append((title, f"{signed(one['value'])} ({points(one['low'])} – {points(one['high'])})", bar + met))
    text = f"n = {found['images']:,} images a month, {found['seeds']} years, scenario fixed before the first run"
    return joined(
        caption("python -m bench year", [found], f"shared with other work; {text}"),
        table("difference in month 12 | points (95 % interval) | bar", rows),
    )


def hostile() -> str:
    """Attacks by feedback on clothing."""
    return attacks("clothing", "python -m bench hostile", "clothing")


def hostile_fashion() -> str:
    """The same on Fashion-MNIST, where there are patches too."""
    return attacks("fashion-mnist", "SET=fashion-mnist python -m bench hostile", "Fashion-MNIST")


ATTACKS = {
    "one of five sources flips 30 %": "30 % of its labels flipped",
    "wrong labels": "wrong labels only",
    "one class": "one class called another",
    "patch trigger": "a patch that should mean a class",
    "unknown classes": "unknown classes",
    "replays": "ten wrong labels, sent again and again",
}


def attacks(name: str, command: str, title: str) -> str:
    """What each attack costs, with all its shares in one row."""
    (found,) = read(f"hostile/{name}.json")
    rows = []
    for attack, told in ATTACKS.items():
        some = [one for one in found["rows"] if one["attack"] == attack]
        if not some:
            continue
        each, old = found["scenario"]["each"], found["scenario"]["old"]
        shares = ", ".join(f"{100 * (one['share'] or each / (old + 5 * each)):.0f}" for one in some)
        lost = ", ".join(points(one["lost"]) for one in some)
        if len(some) == 1:
            lost += f" ({' – '.join(points(end) for end in some[0]['lost_interval'])})"
        learned = [f"{one['hostile_wrong_labels_learned']:g}" for one in some]
        sent = [fixed(one["hostile_wrong_labels_sent"]) for one in some]
        wrong = ", ".join(f"{one} of {other}" for one, other in zip(learned, sent, strict=True))
        if len(set(learned)) == 1:
            wrong = f"{learned[0]} of {', '.join(dict.fromkeys(sent))}".removesuffix(" of 0")
        bare = ", ".join(points(one["lost_undefended"]) for one in some)
        met = "met" if all(one["met"] for one in some) else "not met"
        rows.append((told, f"{shares} %", lost, bare, wrong, met))
    alone = percent(found["rows"][0]["accuracy_without"])
    text = f"n = {found['test_images']:,}, mean of {found['seeds']} seeds; {alone} without an attack"
    head = "attack by one source | share of all labels | points lost (95 % interval) | without any defence"
    return joined(
        caption(command, [found], f"shared with other work; {title}, {text}"),
        table(f"{head} | wrong labels learned, of those sent | bar: 1 point", rows),
    )


def operating_points() -> str:
    """Guaranteed operating points."""
    (found,) = read("operating_points/fashion-mnist.json")
    titles = {
        "recall 0.9": "recall at least 90 %",
        "recall 0.95": "recall at least 95 %",
        "precision 0.9": "precision at least 90 %",
        "1 false alarm in 100": "at most 1 false alarm in 100",
    }
    rows = []
    for name, title in titles.items():
        one = found["targets"][name]
        guaranteed = f"{one['promised']:,} of {one['tried']:,}"
        mean = percent(one["mean"], 2 if "alarm" in name else 1)
        rows.append((title, guaranteed, one["below"], one["broken"], mean, "5 % of the guaranteed"))
    head = "target for each class | guaranteed | missed on the rest | clearly missed (one-sided exact test, 5 %) | mean"
    command = f"MINUTES={found['minutes']:g} python -m bench operating_points"
    return joined(
        caption(command, [found], "Fashion-MNIST, 100 splits × 10 classes, seed 0"),
        table(f"{head} | bar for clearly missed", rows),
    )


# People in scenes, shortcuts and drift


def where() -> str:
    """Boxes around people, beside OpenCV's."""
    found = newest("locate/*.json")
    both = [found["vidi"], found["opencv"]]

    def pair(bar: str, *texts: str) -> tuple[str, str, str]:
        return texts[0], bar, texts[1]

    def precision(part: str) -> list[str]:
        figures = [one["scenes"][part] for one in both]
        ends = "({:.3f} – {:.3f})".format(*figures[0]["AP50_interval"])
        return [f"{figures[0]['AP50']:.3f} {ends}", f"{figures[1]['AP50']:.3f}"]

    alone = found["vidi"]["false_boxes_an_empty_photograph"]
    scenes = [one["scenes"] for one in both]
    people = scenes[0]["all"]
    rows = [
        ("average precision at overlap 0.5, all images", *pair("0.20", *precision("all"))),
        (
            "… even image numbers",
            *pair("0.30, not met" if scenes[0]["even"]["AP50"] < 0.3 else "0.30", *precision("even")),
        ),
        ("… odd ones", *pair("", *precision("odd"))),
        (
            "… at overlap 0.4, all · even",
            *pair("", *(f"{one['all']['AP40']:.3f} · {one['even']['AP40']:.3f}" for one in scenes)),
        ),
        ("recall of all boxes", *pair("", *(f"{one['all']['recall']:.3f}" for one in scenes))),
        ("pointing accuracy", *pair("", *("{} of {}".format(*one["all"]["pointing"]) for one in scenes))),
        ("seconds per image", *pair("1", *(f"{one['seconds_an_image']:.2f}" for one in both))),
        (
            f"false boxes per empty photograph (n = {found['vidi']['empty_photographs']}) at recall 0.2 · 0.3 · 0.4",
            *pair("", f"{alone['0.2']:.2f} · {alone['0.3']:.2f} · {alone['0.4']:.1f}", "not reached"),
        ),
    ]
    text = f"{people['images']} COCO scenes with {people['people']} people; seed 0"
    return joined(caption("python -m bench locate", [found], text), table(" | vidi | bar | OpenCV", rows))


def presence() -> str:
    """Whether a scene shows a person."""
    found = newest("locate/*.json")
    there = found["vidi"]["scenes"]["all"]["pointing"][1]

    def row(title: str, name: str) -> tuple[str, str, str]:
        one = found["presence"][name]
        accuracy = {"value": one["accuracy"], "low": one["accuracy_interval"][0], "high": one["accuracy_interval"][1]}
        area = {"value": one["area"], "low": one["area_interval"][0], "high": one["area_interval"][1]}
        return title, f"{percent(one['accuracy'])} ({interval(accuracy)})", range_of(area, 3)

    bar = "bar: a logistic regression on EfficientNet-Lite0's features, cross-validated on these images"
    rows = [
        row("best window", "by windows"),
        row("whole image", "by whole image"),
        (bar, "78 %", "0.85"),
        row("best window of OpenCV", "by windows of OpenCV"),
    ]
    text = f"{there} of {found['presence']['by windows']['n']} scenes show a person"
    return joined(
        caption("python -m bench locate", [found], text), table(" | accuracy | area under the ROC curve", rows)
    )


def shortcuts() -> str:
    """Planted shortcuts."""
    (found,) = read("shortcuts/planted.json")
    planted = [one for one in found["planted"] if one["planted"] != "nothing"]
    clean = [one for one in found["planted"] if one["planted"] == "nothing"]
    whole = [one for one in found["as_they_are"] if one["set"] not in ("faces-orl.zip", "lfw-faces")]
    clean += whole
    alarms = sum(one["said"] is not None for one in clean)
    every = [*found["planted"], *whole]
    seconds, images = ([one[name] for one in every] for name in ("seconds", "images"))
    sets = "these four subsets, and all of clothing, persons, CIFAR-10, Fashion-MNIST and digits"
    rows = [
        ("planted shortcuts found", f"{sum(one['as_it_should_be'] for one in planted)} of {len(planted)}"),
        (f"false alarms: {sets}", f"{alarms} of {len(clean)}"),
        (f"seconds, for {min(images):,} to {max(images):,} images", f"{min(seconds):.1f} to {max(seconds):.1f}"),
    ]
    text = "60 to 150 images per class of clothing, persons and CIFAR-10, seed 0"
    return joined(caption("python -m bench shortcuts", [found], text), table("what | result", rows))


def drift() -> str:
    """How soon a change is noticed that begins with the first image."""
    found = newest("drift/*.json")
    rows = [
        (name, cost, *noticed(found, name, cost, 0)) for name in found["drifts"] for cost in found["scenario"]["costs"]
    ]
    head = "drift | points | vidi | Kolmogorov-Smirnov, Bonferroni | MMD"
    text = f"n = {found['scenario']['streams']} streams"
    return joined(caption("python -m bench drift", [found], text), table(head, rows))


def drift_later() -> str:
    """The same after some images without a change."""
    found = newest("drift/*.json")
    onset = found["scenario"]["onsets"][1]
    (cost,) = onset["costs"]
    rows = [(name, *noticed(found, name, cost, onset["after"])) for name in found["drifts"]]
    streams = found["scenario"]["streams"]
    text = f"n = {streams} streams, the same run, at {cost} points, after {onset['after']:,} undisturbed images"
    head = "drift | vidi | Kolmogorov-Smirnov, Bonferroni | MMD"
    return joined(caption("python -m bench drift", [found], text), table(head, rows))


def noticed(found: Result, name: str, cost: int, onset: int) -> list[str]:
    """Streams and median delay of vidi and of each rival's better window, by `bench.drift.better`'s rule."""
    windows = found["drifts"][name][str(cost)][str(onset)]
    cells = []
    for way in ("vidi", "KS", "MMD"):
        some = [one for window, one in windows.items() if window.startswith(way)]
        one = min(some, key=lambda one: (one["median_delay"] or float("inf"), -one["noticed"]))
        delay = "–" if one["median_delay"] is None else f"{one['median_delay']:,.0f}"
        cells.append(f"{one['noticed']}, {delay}")
    return cells


# Answers: speed, agreement, serving


def precisions() -> str:
    """Rates of the precisions of a model file, by engine."""
    found = newest("precisions/*avx512*.json")
    rates = found["images_per_cpu_second"]["10"]
    base = rates["fp32 onnxruntime"]
    bars = {"int8 onnxruntime": (2, "2 times"), "int8 openvino": (2.5, "2.5 times")}
    rows = []
    for file, engine in (
        ("fp32", "onnxruntime"),
        ("fp32", "openvino"),
        ("fp16", "onnxruntime"),
        ("int8", "onnxruntime"),
        ("int8", "openvino"),
    ):
        name = f"{file} {engine}"
        times = [rates[name][batch] / base[batch] for batch in ("1", "32")]
        told = [f"{rates[name][batch]:.0f}" for batch in ("1", "32")]
        if name != "fp32 onnxruntime":
            told = [f"{rate} ({one:.1f} times)" for rate, one in zip(told, times, strict=True)]
        bar = ""
        if name in bars:
            least, bar = bars[name]
            missed = [batch for batch, one in zip(("1", "32"), times, strict=True) if round(one, 1) < least]
            bar += f", missed at batch {' and '.join(missed)}" if missed else ""
        rows.append((file if engine == "onnxruntime" else "", engine.replace("openvino", "OpenVINO"), *told, bar))
    text = (
        "with VNNI; a network of EfficientNet-Lite0's shape, 10 classes, n = 9 rounds, beside other work; images per "
        "second of processor time, on one core; in brackets, compared with onnxruntime in fp32"
    )
    (old,) = read("precisions/*-avx2-*.json")
    plain = old["images_per_second"]
    lines = [
        (
            file,
            *(
                f"{plain[file][b]:.0f}"
                + (f" ({plain[file][b] / plain['fp32'][b]:.1f} times)" if file != "fp32" else "")
                for b in ("1", "32")
            ),
            "1.25 times" if file == "int8" else "",
        )
        for file in ("fp32", "fp16", "int8")
    ]
    other = "the same network, 1,000 classes, by onnxruntime, n = 5 rounds; images per second by the clock"
    return joined(
        caption("python -m bench precisions", [found], text),
        table("file | engine | batch 1 | batch 32 | bar", rows),
        caption("python -m bench precisions", [old], other),
        table("file | batch 1 | batch 32 | bar", lines),
    )


def agreement() -> str:
    """The largest differences between hosts."""
    found = newest("agreement/*.json")
    hosts = found["hosts"]
    files = ("command line", "HTTP, raw", "HTTP, multipart", "HTTP, JSON", "Open Inference, BYTES")
    groups = (files, ("Open Inference, UINT8", "bare onnxruntime"), ("page in Chromium",))

    def most(kind: str, names: Sequence[str]) -> str:
        value = max(hosts[name][kind]["largest_difference"] for name in names if hosts[name][kind])
        return "0" if value == 0 else "< 0.0001" if value < 0.0001 else f"{value:.4f}"

    def total(kind: str, *keys: str) -> int:
        return sum(one[kind][key] for one in hosts.values() if one[kind] for key in keys)

    rows = [
        (
            kind,
            hosts["command line"][kind]["n"],
            *(most(kind, names) for names in groups),
            total(kind, "other_label", "other_verdict", "other_candidates"),
            total(kind, "near"),
        )
        for kind in hosts["command line"]
    ]
    versions = found["versions"]
    browser = f"Chromium {versions['chromium'].split('.')[0]}, onnxruntime-web {versions['onnxruntime-web'][:4]}"
    real = hosts["command line"]["real photographs"]["n"]
    text = (
        f"n = {found['images'] - real} made images and {real} photographs of `VIDI_DATA`; the largest difference of a "
        f"probability from `Predictor.predict_files` (bar: 0.01); {browser}"
    )
    head = "images | n | files | pixels | page in Chromium | other answers | near a tie or a limit"
    return joined(caption("python -m bench agreement", [found], text), table(head, rows))


def serve() -> str:
    """vidi's server beside others."""
    found = newest("serve/*.json")
    titles = {
        "vidi": "vidi",
        "LitServe": "LitServe, onnxruntime",
        "Starlette": "plain Starlette, onnxruntime, one session",
        "FastAPI and torch": "FastAPI, Pillow, eager torch",
    }
    rows = []
    for name, title in titles.items():
        one = found["summary"]["servers"][name]
        busy = one["connections"]["8"]
        rates = f"{busy['images_per_cpu_second']:.0f}", f"{busy['images_per_second']:.0f}"
        times = f"{fixed(busy['p50_milliseconds'])}, {fixed(busy['p99_milliseconds'])}"
        rows.append((title, *rates, times, f"{one['memory_megabytes']:.0f}"))
    text = f"n = {found['rounds']} rounds of {found['seconds']:g} s for each server and load; nothing else ran"
    head = "8 connections | images per CPU second | images/s | median and 99th percentile, ms | memory, MB"
    return joined(caption("python -m bench serve", [found], text), table(head, rows))


def serve_bars() -> str:
    """The same run against its bars."""
    found = newest("serve/*.json")
    all_of = found["summary"]
    over, ours = all_of["over"], all_of["servers"]["vidi"]
    memory = ours["memory_megabytes"] / all_of["servers"]["LitServe"]["memory_megabytes"]
    starlette = f"{over['Starlette']['busy']:.2f} times"
    if not found["gates"]["at least 1.15x Starlette"]:
        starlette += ", not met"
    overloaded = " and ".join(f"{all_of['overloaded'][f'{times} times']:.1f}" for times in (4, 10))
    layouts = f"{all_of['layouts']['8']:.2f} · {all_of['layouts']['1']:.2f}"
    ready = f"{all_of['ready_over_imports']:.1f} times ({ours['ready_cpu_seconds']:.2f} s)"
    rows = [
        (
            "images per CPU second, compared with LitServe",
            f"{over['LitServe']['busy']:.2f} times, with {percent(memory, 0)} of its memory",
            "1.0, 60 %",
        ),
        ("compared with plain Starlette", starlette, "1.15"),
        ("compared with FastAPI and torch", f"{over['FastAPI and torch']['busy']:.1f} times", "2.8"),
        ("99th percentile, compared with LitServe's in the same round", f"{over['LitServe']['p99']:.2f} times", "1"),
        ("share of the rate that decoding and session allow", percent(all_of["share_of_bound"], 0), "80 %"),
        ("images/s, compared with the better fixed layout, 8 connections · 1 connection", layouts, "0.97"),
        ("CPU time until ready, compared with importing the same libraries in one process", ready, "2.5"),
        ("memory with one model, workers included", f"{ours['memory_megabytes']:.0f} MB", "240 MB"),
        (
            "99th percentile at 4 and 10 times what can be answered, compared with 8 connections",
            f"{overloaded} times",
            "2",
        ),
        (
            f"growth of memory over {found['growth']['requests']:,} requests",
            f"{all_of['grown_megabytes']:.0f} MB",
            "20 MB",
        ),
        (
            "processor time of decoding apart from the server, an image",
            f"{all_of['isolation_cpu_milliseconds']:.1f} ms",
            "",
        ),
    ]
    text = f"the same run; n = {found['rounds']}, overload and memory n = 1"
    return joined(caption("python -m bench serve", [found], text), table("what | result | bar", rows))


def log() -> str:
    """What the prediction log costs a server."""
    found = newest("log/*.json")
    titles = {
        "lite0, 224 px, 1,000 classes": "Lite0's shape, 224×224, 1,000 classes",
        "compact, 64 px, 10 classes": "`compact`, 64×64, 10 classes",
    }
    rows = []
    for name, title in titles.items():
        one = found["models"][name]
        cpu, wait = one["cpu_milliseconds"], one["p50_milliseconds"]
        size = fixed(one["rows_bytes"] / one["images"] / 1024, 1)
        cost = f"{100 * one['share']:.1f} ± {100 * one['standard_error']:.1f} %"
        rows.append(
            (
                title,
                f"{cpu['without']:.1f} → {cpu['with']:.1f}",
                cost,
                f"{wait['without']:.0f} → {wait['with']:.0f}",
                f"{size} kB",
            )
        )
    rounds = f"n = {found['rounds']} rounds of {found['seconds']:g} s for each server"
    text = f"{rounds}, in turns, at 8 connections; median, standard error"
    head = "model | processor time of an image, without → with, ms | cost of the log | median latency, ms | row"
    return joined(caption("python -m bench log", [found], text), table(head, rows))


# Training


def engine() -> str:
    """A training step beside Keras and plain torch."""
    rounds = read("engine/*.json")
    titles = {
        "keras fp32": ("Keras, float32", "1.9"),
        "keras mixed_bfloat16": ("Keras, mixed_bfloat16", "1.05"),
        "torch": ("plain torch", "4.5"),
    }
    rows = []
    for name, (title, bar) in titles.items():
        ratios = [one["vidi"]["images_per_second"] / one[name]["images_per_second"] for one in rounds]
        rate = median(one[name]["images_per_second"] for one in rounds)
        rows.append((title, f"{rate:.0f}", f"{median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})", bar))
    faults = [one for found in rounds for one in found["vidi"]["faults"]]
    mine = median(one["vidi"]["images_per_second"] for one in rounds)
    share = percent(sum(one == 0 for one in faults) / len(faults), 0)
    text = f"textbook network, 256×256, batch 32, with augmentation; {len(rounds)} rounds in turns"
    text += f"; no page fault in {share} of {len(faults)} steps"
    head = f"compared with | images/s, median | speed-up of vidi ({mine:.0f} images/s) | bar"
    return joined(caption("python -m bench engine", rounds, text), table(head, rows))


def step() -> str:
    """A training step beside its convolutions alone."""
    found = newest("training_step/*.json")
    titles = {
        "as it is": "bfloat16",
        "AVX-512, float32": "float32, units limited to AVX-512",
        "AVX2, float32": "float32, units limited to AVX2",
    }
    rows = []
    for name, title in titles.items():
        one = found["found"][name]
        time = f"{one['step_seconds']:.2f} s, {one['gigaflops']:.0f} GFLOP/s"
        fastest = f"{percent(one['share_of_fastest'], 0)} of {one['fastest_convolution']:.0f} GFLOP/s"
        rows.append((title, time, percent(one["share_of_all"], 0), fastest))
    text = f"`compact` at twice its width, 32×32, batch 512; n = {found['steps']} steps, nothing else ran"
    head = "arithmetic | step | of the same convolutions alone (bar 85 %) | of the fastest of them"
    return joined(caption("python -m bench training_step", [found], text), table(head, rows))


def scale() -> str:
    """Rates of one core, and the search of near-duplicates among a million images."""
    found = newest("scale/*.json")
    titles = {
        "decode_per_second": "decoding whole",
        "check_per_second": "`vidi check`: digest, decoding, fingerprint",
        "frame_per_second": "decoding and framing to 224 pixels",
        "predict_per_second": "`vidi predict`, `lite0` at 224 pixels",
        "features_per_second": "features of `lite0` by onnxruntime, without decoding",
        "training_per_second": "training `compact` at 64 pixels",
        "taken_in_per_second": "taking answers in, by the one driver",
    }
    rates = found["rates_of_one_core"]
    rows = [
        (title, f"{float(f'{rates[name]:.3g}' if rates[name] < 10_000 else f'{rates[name]:.2g}'):,.0f}")
        for name, title in titles.items()
    ]
    one, gates = found["copies"][-1], found["gates"]
    search = [
        ("copies found, other pairs", f"{one['found']:,} of {one['planted']:,}, {one['others']}", ""),
        ("the search", f"{one['wall_seconds'] / 60:.1f} minutes, {one['cpu_seconds']:.0f} s of processor time", ""),
        ("… compared with decoding as many", f"{gates['search_of_decoding']:.2f} times", "0.3"),
        ("memory beyond the table of 2.5 GB", f"{one['beyond_table_bytes'] / 1e9:.2f} GB", ""),
        ("… its growth, compared with the table's", f"{gates['growth_beyond_table']:.2f} times", "0.25"),
        (
            "the split",
            f"{one['split']['wall_seconds']:.0f} s, {one['split']['memory_bytes_each']:.0f} bytes an image",
            "",
        ),
        (
            f"a driver with {found['driver']['workers']:,} simulated workers keeps them busy",
            f"{percent(found['driver']['simulated']['share_of_time_busy'], 0)} of the time",
            "",
        ),
    ]
    return joined(
        caption("python -m bench scale", [found], "n = 1 run"),
        table("work | images/s and core", rows),
        caption(
            "python -m bench scale --again copies",
            [found],
            f"{one['images']:,} made-up images; n = 1 run, with nothing beside it",
        ),
        table("near-duplicates | result | bar", search),
    )


def ray() -> str:
    """Predictions by Ray on one machine."""
    found = newest("ray/*.json")
    plain, rayed, ratios = (found[name] for name in ("plain_seconds", "ray_seconds", "ratios"))
    rows = [
        ("`vidi predict`", f"{min(plain)} to {max(plain)} s", ""),
        (
            f"`vidi predict --ray local`, of which {found['ray_start_seconds']} s are for the start",
            f"{min(rayed)} to {max(rayed)} s",
            "",
        ),
        (
            "rate without the start, compared with the plain one",
            f"{found['ratio']:.2f} times ({min(ratios):.2f} to {max(ratios):.2f})",
            "0.75",
        ),
        ("the rows are equal", "in each round" if found["rows_are_equal"] else "not in each round", ""),
    ]
    rounds = len(plain)
    text = f"n = {rounds} rounds of {found['images'] // rounds:,} photographs; nothing else ran"
    return joined(
        caption("python -m bench ray", [found], text), table(f"{found['images']:,} photographs | result | bar", rows)
    )


TABLES: Mapping[str, Callable[[], str]] = {
    "scratch": scratch,
    "pretrained": pretrained,
    "operations": operations,
    "race": race,
    "soon": soon,
    "heads": heads,
    "stages": stages,
    "photos": photos,
    "budget": budget,
    "sure-fashion": sure_fashion,
    "sure-cifar": sure_cifar,
    "sure-persons": sure_persons,
    "sure-pretrained": sure_pretrained,
    "estimate": estimate,
    "estimate-new": estimate_new,
    "explain": explain,
    "labels": labels,
    "choose": choose,
    "year": year,
    "hostile": hostile,
    "hostile-fashion": hostile_fashion,
    "points": operating_points,
    "where": where,
    "presence": presence,
    "shortcuts": shortcuts,
    "drift": drift,
    "drift-later": drift_later,
    "precisions": precisions,
    "agreement": agreement,
    "serve": serve,
    "serve-bars": serve_bars,
    "log": log,
    "engine": engine,
    "step": step,
    "scale": scale,
    "ray": ray,
}

if __name__ == "__main__":
    main()
