"""Write the tables of docs/measured.md from bench/results: python tools/build_measured.py

The page holds the text; between `<!-- table: NAME -->` and `<!-- end of table -->` stands what the function of that
name in `TABLES` makes of the result files. A bench may be measured on several kinds of processors: the newest counts.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from statistics import fmean, median, stdev
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


def table(command: str, results: Iterable[Result], text: str, *rows: str) -> str:
    """A table in Markdown below its command, date, processor and n; the first row holds the titles of the columns."""
    titles, *lines = "\n".join(rows).strip().splitlines()
    under = "| --- " * len(titles.split("|")) + "|"
    made = [f"| {titles} |", under, *(f"| {line} |" for line in lines)]
    return "\n".join([caption(command, results, text), "", *(" ".join(line.split()) for line in made)])


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


def in_points(value: float) -> str:
    """A difference of shares in percentage points."""
    return fixed(value, 1, times=100)


def signed(value: float) -> str:
    """The same, with its sign."""
    return ("+" if value > 0 else "") + in_points(value)


def interval(one: Mapping[str, float]) -> str:
    """The ends of an interval of shares as percentages."""
    return f"{in_points(one['low'])} – {percent(one['high'])}"


def range_of(one: Mapping[str, float], digits: int) -> str:
    """A figure and the ends of its interval, as they are."""
    return f"{one['value']:.{digits}f} ({one['low']:.{digits}f} – {one['high']:.{digits}f})"


def verdict(value: float, high: float, least: float, *, met: str = "") -> str:
    """A bar, and whether it is met."""
    return percent(least) + (met if value >= least else ", within the interval" if high >= least else ", not met")


def mean_of(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of some seeds' figures, and of their intervals' ends, as all answered the same images."""
    return {name: fmean(one[name] for one in figures) for name in ("value", "low", "high")}


def seeds(values: Iterable[float]) -> str:
    """What each seed reached.

    >>> seeds([0.9, 0.912])
    '90.0, 91.2 %'
    """
    return ", ".join(in_points(value) for value in values) + " %"


def minutes(value: float) -> str:
    """Minutes with two digits, where that many count."""
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


# Accuracy

ACCURACY = "images | budget, scaled budget | used | accuracy | 95 % interval | n | bar"
REGRESSION = "logistic regression on Lite0's frozen features"


def scratch() -> str:
    """Networks that begin from nothing."""
    names = ("digits", "fashion-mnist-3", "cifar10-5", "person", "clothing", "three-clothes", "three-clothes-textbook")
    results = [one for name in names for one in read(f"accuracy/{name}-[0-9].json")]
    results += read("accuracy/rivals/*-hog.json") + read("accuracy/rivals/*-keras_textbook.json")
    text = "mean of 3 seeds (in brackets), of digits 5, of the textbook network 1"
    rows = [
        accuracy_rows("digits", "digits of scikit-learn", 0.985),
        accuracy_rows("fashion-mnist-3", "Fashion-MNIST, official test set", 0.94),
        rival_row("HOG", "fashion-mnist-hog"),
        accuracy_rows("cifar10-5", "CIFAR-10, official test set, mean of image and mirror image", 0.91),
        rival_row("HOG", "cifar10-hog"),
        accuracy_rows("person", "person or background, balanced accuracy", 0.99),
        rival_row("HOG, plain accuracy", "person-hog"),
        accuracy_rows("clothing", "ten kinds of clothing, test split", 0.86),
        rival_row("HOG", "clothing-hog"),
        accuracy_rows("three-clothes", "three kinds of clothes at 256×256, both parts", 0.91),
        accuracy_rows("three-clothes-textbook", "… with `--network textbook`, 50 epochs", None),
        rival_row("the Keras recipe, 50 epochs", "clothing-keras_textbook", timed=True),
    ]
    return table("python -m bench accuracy", results, text, ACCURACY, *rows)


def pretrained() -> str:
    """Networks that begin with pretrained features."""
    names = ("clothing-head", "clothing-fine-tuned", "person-pretrained")
    results = [one for name in names for one in read(f"accuracy/{name}-[0-9].json")]
    results += read("accuracy/rivals/*-frozen_features.json")
    rows = [
        accuracy_rows("clothing-head", "ten kinds of clothing, a head alone (`--freeze`)", 0.88),
        rival_row(REGRESSION, "clothing-frozen_features", timed=True),
        accuracy_rows("clothing-fine-tuned", "ten kinds of clothing, fine-tuned", 0.91),
        accuracy_rows("person-pretrained", "person or background, balanced accuracy", 0.996),
        rival_row(REGRESSION, "person-frozen_features", timed=True),
    ]
    return table("python -m bench accuracy", results, "mean of 3 seeds (in brackets)", ACCURACY, *rows)


def accuracy_rows(name: str, title: str, least: float | None) -> str:
    """The row of a set; where there are any, its extra part and the image without its mirror image."""
    results = read(f"accuracy/{name}-[0-9].json")
    figures = [one["pooled"] or one["figures"]["test"] for one in results]
    mean, asked = mean_of(figures), results[0]["budget_minutes"]
    scaled = "" if asked is None else minutes(fmean(one["budget_minutes_here"] for one in results))
    budget = "none" if asked is None else f"{asked}, {scaled} min"
    used = minutes(fmean(one["minutes_used"] for one in results))
    each = f" ({seeds(one['value'] for one in figures)})" if len(results) > 1 else ""
    bar = "" if least is None else verdict(mean["value"], mean["high"], least)
    reached = f"{percent(mean['value'])}{each} | {interval(mean)} | {figures[0]['n']:,}"
    rows = [f"{title} | {budget} | {used} min | {reached} | {bar}"]
    lesser = {}
    if "extra" in results[0]["figures"] and not results[0]["pooled"]:
        lesser["its extra part, another mix of classes"] = [one["figures"]["extra"] for one in results]
    if name == "cifar10-5":
        lesser["same weights, image alone"] = [one["one_view"]["test"] for one in results]
    for other, some in lesser.items():
        mean = mean_of(some)
        rows.append(f"… {other} | | | {percent(mean['value'])} | {interval(mean)} | {some[0]['n']:,} |")
    return "\n".join(rows)


def rival_row(title: str, name: str, *, timed: bool = False) -> str:
    """The row of a rival on the same images; it is timed where nothing else ran."""
    (one,) = read(f"accuracy/rivals/{name}.json")
    used = f"{minutes(one['seconds'] / 60)} min" if timed else ""
    return f"… {title} | none | {used} | {percent(one['accuracy'])} | | {one['n']:,} |"


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
        recipe = found[0]["recipe"]
        both = recipe["augmentation"]["flip"] != "none"
        figures = [one["scores"]["image and mirror image" if both else "one view"] for one in found]
        mean = mean_of(figures)
        bar = verdict(mean["value"], mean["high"], least, met=", met").replace(" %", f" %{remark}")
        alone = percent(fmean(one["scores"]["one view"]["value"] for one in found)) if both else "the same"
        width = f"{recipe['options']['width']:g}, {recipe['epochs']}"
        reached = f"{percent(mean['value'])} | {seeds(one['value'] for one in figures)} | {interval(mean)}"
        rows.append(f"{title} | {count} | {width} | {reached} | {alone} | {bar}")
    head = "set | operations | width, epochs | accuracy | of the seeds | 95 % interval | by one view | bar"
    text = f"official test sets, n = {figures[0]['n']:,}; mean of 3 seeds"
    return table("python -m bench by_operations", results, text, head, *rows)


def race() -> str:
    """vidi and the published recipe, at once."""
    found = newest("race/*/*.json")
    mine, other = found["vidi"], found["recipe"]
    whole = f"{percent(other['flip']['accuracy'])} ({percent(other['six views']['accuracy'])} by six views)"
    text = f"n = {mine['n']:,}, seed {found['seed']}; both at once, one core each, both in {found['precision']}"
    rows = [
        "`vidi train`, 10 epochs at twice the width, with calibration, test and report"
        f" | {mine['seconds']:,.0f} | {percent(mine['accuracy'])} | not measured",
        f'the published recipe "airbench94" in plain torch, {other["epochs"]} epochs'
        f" | {other['seconds']:,.0f} | {whole} | {percent(other['one view']['accuracy'])}",
    ]
    return table(
        "python -m bench race", [found], text, "side | seconds | accuracy, image and mirror image | one view", *rows
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
        missed = "" if times >= bar else ", not met"
        rows.append(
            f"{title} | {budget} | {seconds:.0f} | {reached} | {times:.0f} | {quiet / seconds:.0f} | {bar}{missed}"
        )
    rows = [
        "method | budget | seconds | accuracy | speed-up over Keras | over Keras's quiet rate | bar",
        *rows,
        "frozen features of Lite0 and a logistic regression, plain torch | none"
        f" | {frozen['seconds']:.0f} | {percent(frozen['accuracy'])} | {keras['seconds'] / frozen['seconds']:.0f} | |",
        f"Keras's textbook recipe, {keras['epochs']} epochs | none"
        f" | {keras['seconds']:,.0f} | {percent(keras['accuracy'])} | 1 | |",
    ]
    return table("python -m bench time_to_accuracy", results, f"n = {keras['n']}, mean of 3 seeds", *rows)


def heads() -> str:
    """A head on frozen features, beside logistic regressions."""
    folder = newest_folder("heads")
    kinds = {"vidi": "vidi", "lite0": "logistic regression on Lite0", "lite2": "… on Lite2"}
    rows, results = [], []
    for kind, title in kinds.items():
        (whole,), few = read(f"{folder}/all-{kind}.json"), read(f"{folder}/few-{kind}-[0-9].json")
        results += [whole, *few]
        reached = [one["accuracy"] for one in few]
        met = "met" if fmean(reached) >= 0.7 else "not met"
        bars = (" (bar 88)", " (bar 45)", f"; bar 70, {met}") if kind == "vidi" else ("", "", "")
        span = f"{100 * min(reached):.0f} to {100 * max(reached):.0f}{bars[2]}"
        first = f"{percent(whole['accuracy'])}{bars[0]} | {whole['seconds']:.0f}{bars[1]}"
        rows.append(f"{title} | {first} | {percent(fmean(reached))} ({span})")
    head = f" | all images: accuracy (n = {whole['n']}) | seconds | 5 images per class: accuracy, mean of 10 draws"
    text = "clothing, seed 0; each in a process of its own, from cold; nothing else ran"
    return table("python -m bench heads", results, text, head, *rows)


def stages() -> str:
    """Where the seconds of a head go."""
    (found,) = read(f"{newest_folder('heads')}/all-vidi.json")
    did = {
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
    rows = [f"{name} | {text} | {found['stages'][name]:.1f}" for name, text in did.items()]
    text = "the stages of vidi's training on all of clothing (3,409 images), one run"
    return table("python -m bench heads", [found], text, "stage | what it does | seconds", *rows)


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
    rows, results, reached = [], [], {}
    for name, title in sets.items():
        three = [read(f"{folder}/{name}-{kind}.json")[0] for kind in ("vidi", "lite0", "lite2")]
        results += three
        mine, reached[name] = three[0], [one["accuracy"] for one in three]
        own, lite0, lite2 = map(percent, reached[name])
        first = f"{title} | {mine['learnt']:,} | {mine['n']} | {own} | {mine['seconds']:.0f}"
        rows.append(f"{first} | {lite0} | {lite2} | {ahead(reached[name])}")
    everywhere = [fmean(some) for some in zip(*reached.values(), strict=True)]
    elsewhere = [fmean(some) for some in zip(*(reached[name] for name in sets if name != "coco-crops-0"), strict=True)]
    for title, means, of in (
        ("mean (bar: 2 points ahead of either)", everywhere, " of the better mean"),
        ("mean without COCO's crops", elsewhere, ""),
    ):
        own, lite0, lite2 = map(percent, means)
        rows.append(f"{title} | | | {own} | | {lite0} | {lite2} | {ahead(means)}{of}")
    head = "set | training images | n | `vidi train --minutes 3` | seconds | logistic regression on Lite0 | on Lite2"
    text = "one draw and one run of each set; seconds of the whole command"
    return table("python -m bench photo_sets", results, text, f"{head} | ahead of the better, points", *rows)


TRIED = ("clothing", "faces", "coco-crops", "cifar10", "fashion")


def few_trial() -> str:
    """Heads on features of unit length."""
    rows, results = [], []
    for name in TRIED:
        draws = read(f"{newest_folder('trials')}/few-{name}-*.json")
        results += draws
        gains = [spread([one[way] - one["today"] for one in draws]) for way in ("among", "alone")]
        rows.append(
            f"{name} | {draws[0]['n']:,} | {percent(fmean(one['today'] for one in draws))} | {' | '.join(gains)}"
        )
    head = "set | n | today's choice, mean of 6 draws | with the new head among the candidates, points | it alone"
    return table(
        "python -m bench trials", results, "5 images per class; ± half a 95 % interval over the draws", head, *rows
    )


def lite1_trial() -> str:
    """EfficientNet-Lite1 beside the networks in use."""
    ways, rows, results = ("lite0", "lite1", "lite2", "lite0+lite2", "lite1+lite2"), [], []
    for name in TRIED:
        seeds_of = read(f"{newest_folder('trials')}/lite1-{name}-*.json")
        results += seeds_of
        means = [percent(fmean(one[way]["aside"] for one in seeds_of)) for way in ways]
        rows.append(f"{name} | {seeds_of[0]['learned']} | {seeds_of[0]['n']} | {' | '.join(means)}")
    for way, before in (("lite1", "lite0"), ("lite1", "lite2"), ("lite1+lite2", "lite0+lite2")):
        kept_aside, held_out = (
            spread([one[way][what] - one[before][what] for one in results]) for what in ("aside", "held_out")
        )
        rows.append(f"{way} less {before}, points | | | {kept_aside}; held out {held_out} | | | | ")
    text = "accuracy on images kept aside, mean of 3 seeds; features frozen; ± half a 95 % interval over sets and seeds"
    return table("python -m bench trials", results, text, f"set | training images | n | {' | '.join(ways)}", *rows)


def spread(differences: Sequence[float]) -> str:
    """The mean of some differences in points, and half of its 95 % interval."""
    return f"{signed(fmean(differences))} ± {in_points(1.96 * stdev(differences) / len(differences) ** 0.5)}"


def ahead(accuracies: Sequence[float]) -> str:
    """How far the first is ahead of the best other one."""
    return signed(accuracies[0] - max(accuracies[1:]))


def budget() -> str:
    """How well the minutes are kept: the runs of one verb on as many images in a row."""
    folder = newest_folder("budget")
    verbs = {
        "train": "`vidi train`, pretrained features",
        "scratch": "`vidi train --network compact`",
        "tune": "`vidi tune`",
        "python": "`vidi.train`",
    }
    runs, rows = budget_runs(folder), []
    for verb, images in ((verb, images) for verb in verbs for images in ("75", "300")):
        some = sorted((asked, seconds) for name, asked, count, seconds in runs if (name, count) == (verb, images))
        asked, took = ", ".join(f"{one:g}" for one, _ in some), ", ".join(f"{seconds:.1f}" for _, seconds in some)
        most = f"{max(seconds - 60 * one for one, seconds in some):.1f}".replace("-", "−")
        rows.append(f"{verbs[verb]} | {images} | {asked} | {took} | {most}")
    kept = []
    for path in sorted((RESULTS / "budget").iterdir()):
        found = budget_runs(f"budget/{path.name}")
        within = sum(seconds <= 60 * asked + 10 for _, asked, _, seconds in found)
        kept.append(f"{within} of {len(found)} on {newest(f'budget/{path.name}/*.json')['date']}")
    text = f"three kinds of clothes, one run each; at most 10 s over the budget, the bar: {', '.join(kept)}"
    head = "what | images | budgets, minutes | seconds | the most beyond a budget, s"
    return table("python -m bench budget", read(f"{folder}/*.json"), text, head, *rows)


def budget_runs(folder: str) -> list[tuple[str, float, str, float]]:
    """(verb, minutes asked, images, seconds taken) of each run of a folder."""
    found = []
    for path in sorted(RESULTS.glob(f"{folder}/*.json")):
        verb, asked, images = path.stem.split("-")
        found.append((verb, float(asked), images, json.loads(path.read_text("utf-8"))["seconds"]))
    return found


# Calibration, novelty and the estimate of the accuracy

SPLIT = "{images:,} images, {calibration_images:,} of them for calibration"


def promises(name: str, told: str, *, bar: str = "0.02") -> tuple[tuple[str, list[Result], str], str]:
    """Of a set in `bench promises`: command, result and text of the caption, and the rows."""
    (found,) = read(f"promises/{name}.json")
    error = f"{found['calibration_error']:.3f} (accuracy {percent(found['accuracy'])})"
    given = f", {found['candidates']:.2f} candidates per image" if name != "person" else ""
    sure = f"{percent(found['sure'], 0)}, {percent(found['sure_error'])}"
    rows = f"""
calibration error, 15 bins of equal count, mean | {error} | {bar}
coverage of the candidates, guaranteed 95 %: mean | {percent(found["coverage"])}{given} | 94 to 96 %
… splits below the beta-binomial band | {found["coverage_broken"]} of 100 | 5
sure answers, at most 5 % wrong: share of images, error rate | {sure} |
… splits with significantly more than 5 % wrong | {found["sure_broken"]} of 100 | 5"""
    command = f"SET={name} MINUTES={found['minutes']:g} python -m bench promises"
    return (command, [found], told.format(**found) + ", split 100 times"), rows.strip()


def unknown(name: str) -> tuple[Result, tuple[str, list[Result], str]]:
    """The result of a set in `bench unknown`; command, result and text of its caption."""
    (found,) = read(f"unknown/{name}.json")
    given = "" if name == "people" else f" MINUTES={found['minutes']:g}"
    return found, (f"SET={name}{given} python -m bench unknown", [found], "seed 0")


def area(found: Result, name: str) -> str:
    """The area under the ROC curve of novelty, against other images."""
    one = found["areas"][name]
    return f"{range_of(one, 3)[:-1]}, n = {one['n']:,})"


def called(found: Result) -> str:
    """The share of known test images that is called unknown."""
    one = found["known_called_unknown"]
    return f"{percent(one['count'] / one['n'])} ({interval(one)}, n = {one['n']:,})"


def share_called(found: Result, *names: str) -> str:
    """The shares of other images that are called unknown."""
    return ", ".join(percent(found["areas"][name]["called_unknown"] / found["areas"][name]["n"], 0) for name in names)


def sure_fashion() -> str:
    """Guarantees and novelty on Fashion-MNIST."""
    (sure, rows), (found, other) = promises("fashion-mnist", SPLIT), unknown("fashion-mnist")
    made = f"""
Fashion-MNIST | result | bar
{rows}
novelty, ROC area against scikit-learn's digits | {area(found, "digits")} | 0.95
… against grey CIFAR-10 | {area(found, "grey CIFAR-10")} | 0.95
known test images called unknown | {called(found)} | 2 %"""
    return f"{caption(*sure)}\n\n{table(*other, made)}"


def sure_cifar() -> str:
    """Guarantees and novelty on CIFAR-10."""
    (sure, rows), (found, other) = promises("cifar10", SPLIT), unknown("cifar10")
    accuracy, shares = percent(found["accuracy"]), share_called(found, "Fashion-MNIST", "clothing")
    made = f"""
CIFAR-10 | result | bar
{rows}
novelty (other model, accuracy {accuracy}), ROC area against Fashion-MNIST | {area(found, "Fashion-MNIST")} | 0.90
… against clothing | {area(found, "clothing")} | 0.90
… called unknown: these two sets, known test images | {shares}, {called(found)} | –, –, 2 %"""
    return f"{caption(*sure)}\n\n{table(*other, made)}"


def sure_persons() -> str:
    """Guarantees on persons."""
    sure, rows = promises("person", "{images:,} person windows, photographs kept together", bar="")
    return table(*sure, "persons | result | bar", rows)


def sure_pretrained() -> str:
    """Novelty of models on pretrained features."""
    (people, line), (clothing, other) = unknown("people"), unknown("clothing")
    known = f"{percent(people['accuracy'], 0)} (n = {people['known_called_unknown']['n']})"
    accuracy, shares = percent(clothing["accuracy"]), share_called(clothing, "COCO scenes", "faces")
    made = f"""
pretrained features | result | bar
faces-orl, 30 people, 5 training images each: accuracy on the 5 others | {known} | 97 %
novelty, ROC area against 10 other people | {area(people, "other people")} | 0.95
… called unknown: other people, known people | {share_called(people, "other people")}, {called(people)} | –, 2 %
clothing (accuracy {accuracy}), ROC area against COCO scenes | {area(clothing, "COCO scenes")} | 0.93
… against faces | {area(clothing, "faces")} | 0.93
… called unknown: scenes, faces, known clothing | {shares}, {called(clothing)} | –, –, 2 %"""
    return f"{caption(*line)}\n\n{table(*other, made)}"


def estimate() -> str:
    """The error of the estimated accuracy by kind of traffic."""
    sets = [read(f"estimate/{name}.json")[0] for name in ("clothing", "cifar10")]

    def cells(kind: str) -> str:
        errors = [one["mean_absolute_error"][kind] for one in sets]
        counts = ", ".join(dict.fromkeys(str(one["traffics"]) for one in errors))
        ways = ("estimate", "cbpe", "bare confidence")
        return " | ".join([counts, *(f"{100 * one[way]:.1f}" for one in errors for way in ways)])

    made = f"""
traffic | count | clothing: vidi | CBPE | before calibration | CIFAR-10: vidi | CBPE | before calibration
all | {cells("all")}
unchanged | {cells("unchanged")}
corrupted | {cells("corrupted")}
other class shares | {cells("shares")}
other class shares, corrupted | {cells("shares and corrupted")}
the estimate says it is to be trusted | {cells("trusted")}"""
    counts = f"clothing n = {sets[0]['images']:,}, CIFAR-10 n = {sets[1]['images']:,} test images"
    return table("python -m bench estimate", sets, f"{counts}, seed 0, beside other work", made)


def estimate_new() -> str:
    """The estimated accuracy where a share of the images shows a class that the model lacks."""
    sets = [read(f"estimate/{name}.json")[0] for name in ("clothing", "cifar10")]
    rows = []
    for pair in zip(*(one["new_class"] for one in sets), strict=True):
        cells = [percent(pair[0]["share"], 0)]
        for one in pair:
            cells += [percent(one["accuracy"]), percent(one["estimate"]), "yes" if one["trusted"] else "no"]
        rows.append(" | ".join(cells))
    counts = [one["images"] for found in sets for one in found["new_class"]]
    text = f"n = {min(counts):,} to {max(counts):,} images, seed 0; the same run"
    head = "share of the new class | clothing: accuracy | estimate | trusted | CIFAR-10: accuracy | estimate | trusted"
    return table("python -m bench estimate", sets, text, head, *rows)


# Explanations, labels and feedback


def explain() -> str:
    """Evidence and occlusion maps beside random ones."""
    (found,) = read("explain/clothing.json")
    rows = []
    for name in ("evidence", "occlusion"):
        one = found[name]
        ways = (f"{one[way]['value']:+.2f} ({one[way]['low']:+.2f} to {one[way]['high']:+.2f})" for way in DIRECTIONS)
        rows.append(f"{name} | {' | '.join(ways)} | {abs(one['likeness']):.2f}".replace("-", "−"))
    head = "map | deletion, difference to random maps (lower is better) | insertion, the same (higher is better)"
    text = f"{found['images']} test images of clothing, a head on EfficientNet-Lite0"
    head += " | rank correlation with the map of shuffled weights"
    return table("python -m bench explain", [found], text, head, *rows)


DIRECTIONS = ("deletion", "insertion")


def labels() -> str:
    """Planted label errors."""
    sets = {"clothing": "ten kinds of clothing", "fashion-mnist": "Fashion-MNIST"}
    found = {title: read(f"label_errors/{name}-0.json")[0] for name, title in sets.items()}
    rows = []
    for title, one in found.items():
        counts = f"{one['looked_at']:,} | {one['planted']:,} | {one['listed']:,}"
        rows.append(f"{title} | {counts} | {range_of(one['precision'], 2)} | {range_of(one['recall'], 2)} | 0.6")
    head = "images | checked | planted | listed | precision | recall | bar for both"
    text = "5 % of labels changed at random, seed 0"
    return table("python -m bench label_errors", found.values(), text, head, *rows)


def choose() -> str:
    """What to label next."""
    ways = {"random": "random", "ActiveLab": "ActiveLab (cleanlab 2.9.0)", "vidi": "`vidi review`"}
    sets = {"clothing": "area of ActiveLab, less 1 point", "fashion-mnist": "at most 700"}
    results = [read(f"choose/{name}.json")[0] for name in sets]
    rows = []
    for title, found, bar in zip(("clothing", "Fashion-MNIST"), results, sets.values(), strict=True):
        for way, told in ways.items():
            first = f"{title}, {found['labels'][-1]:,}" if way == "random" else "…"
            last = percent(fmean(curve[-1] for curve in found["curves"][way]))
            needed = f"{found['labels_for_what_random_reaches'][way]:,.0f}"
            own = bar if way == "vidi" else ""
            rows.append(f"{first} | {told} | {percent(found['area'][way])} | {last} | {needed} | {own}")
    head = "images, labels at the end | choice | area under the curve | accuracy at the end"
    head += " | labels for what random choice reaches at the end | bar"
    images, pools = (" and ".join(f"{one[key]:,}" for one in results) for key in ("images", "pool"))
    text = f"shared with other work; n = {images}, mean of 5 seeds; {pools} images to choose from"
    return table("python -m bench choose", results, text, head, *rows)


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
        rows.append(
            f"{title} | {signed(one['value'])} ({in_points(one['low'])} – {in_points(one['high'])}) | {bar}{met}"
        )
    text = f"n = {found['images']:,} images a month, {found['seeds']} years, scenario fixed before the first run"
    head = "difference in month 12 | points (95 % interval) | bar"
    return table("python -m bench year", [found], f"shared with other work; {text}", head, *rows)


ATTACKS = {
    "one of five sources flips 30 %": "30 % of its labels flipped",
    "wrong labels": "wrong labels only",
    "one class": "one class called another",
    "patch trigger": "a patch that should mean a class",
    "unknown classes": "unknown classes",
    "replays": "ten wrong labels, sent again and again",
}


def hostile(name: str = "clothing", title: str = "clothing", given: str = "") -> str:
    """What each attack by feedback costs, with all its shares in one row."""
    (found,) = read(f"hostile/{name}.json")
    each, old = found["scenario"]["each"], found["scenario"]["old"]
    rows = []
    for attack, told in ATTACKS.items():
        some = [one for one in found["rows"] if one["attack"] == attack]
        if not some:
            continue
        shares = ", ".join(f"{100 * (one['share'] or each / (old + 5 * each)):.0f}" for one in some)
        lost = ", ".join(in_points(one["lost"]) for one in some)
        if len(some) == 1:
            lost += f" ({' – '.join(in_points(end) for end in some[0]['lost_interval'])})"
        learned = [f"{one['hostile_wrong_labels_learned']:g}" for one in some]
        sent = [fixed(one["hostile_wrong_labels_sent"]) for one in some]
        wrong = ", ".join(f"{one} of {other}" for one, other in zip(learned, sent, strict=True))
        if len(set(learned)) == 1:
            wrong = f"{learned[0]} of {', '.join(dict.fromkeys(sent))}".removesuffix(" of 0")
        bare = ", ".join(in_points(one["lost_undefended"]) for one in some)
        met = "met" if all(one["met"] for one in some) else "not met"
        rows.append(f"{told} | {shares} % | {lost} | {bare} | {wrong} | {met}")
    alone = percent(found["rows"][0]["accuracy_without"])
    text = f"{title}, n = {found['test_images']:,}, mean of {found['seeds']} seeds; {alone} without an attack"
    head = "attack by one source | share of all labels | points lost (95 % interval) | without any defence"
    head += " | wrong labels learned, of those sent | bar: 1 point"
    return table(f"{given}python -m bench hostile", [found], f"shared with other work; {text}", head, *rows)


def hostile_fashion() -> str:
    """The same on Fashion-MNIST, where there are patches too."""
    return hostile("fashion-mnist", "Fashion-MNIST", "SET=fashion-mnist ")


def points() -> str:
    """Guaranteed operating points."""
    (found,) = read("operating_points/fashion-mnist.json")

    def cells(name: str, digits: int = 1) -> str:
        one = found["targets"][name]
        counts = f"{one['promised']:,} of {one['tried']:,} | {one['below']} | {one['broken']}"
        return f"{counts} | {percent(one['mean'], digits)} | 5 % of the guaranteed"

    made = f"""
{POINTS}
recall at least 90 % | {cells("recall 0.9")}
recall at least 95 % | {cells("recall 0.95")}
precision at least 90 % | {cells("precision 0.9")}
at most 1 false alarm in 100 | {cells("1 false alarm in 100", 2)}"""
    command = f"MINUTES={found['minutes']:g} python -m bench operating_points"
    return table(command, [found], "Fashion-MNIST, 100 splits × 10 classes, seed 0", made)


POINTS = (
    "target for each class | guaranteed | missed on the rest | clearly missed (one-sided exact test, 5 %) | mean"
    " | bar for clearly missed"
)


# People in scenes, shortcuts and drift


def where() -> str:
    """Boxes around people, beside OpenCV's."""
    found = newest("locate/*.json")
    mine, other = found["vidi"], found["opencv"]
    (whole, even, odd), (whole2, even2, odd2) = (
        [one["scenes"][name] for name in ("all", "even", "odd")] for one in (mine, other)
    )
    goal = "0.30, not met" if even["AP50"] < 0.3 else "0.30"
    false, empty = mine["false_boxes_an_empty_photograph"], mine["empty_photographs"]
    boxes = f"{false['0.2']:.2f} · {false['0.3']:.2f} · {false['0.4']:.1f}"

    def precision(one: Result) -> str:
        return "{:.3f} ({:.3f} – {:.3f})".format(one["AP50"], *one["AP50_interval"])

    made = f"""
| vidi | bar | OpenCV
average precision at overlap 0.5, all images | {precision(whole)} | 0.20 | {whole2["AP50"]:.3f}
… even image numbers | {precision(even)} | {goal} | {even2["AP50"]:.3f}
… odd ones | {precision(odd)} | | {odd2["AP50"]:.3f}
… at overlap 0.4, all · even | {whole["AP40"]:.3f} · {even["AP40"]:.3f} | | {whole2["AP40"]:.3f} · {even2["AP40"]:.3f}
recall of all boxes | {whole["recall"]:.3f} | | {whole2["recall"]:.3f}
pointing accuracy | {" of ".join(map(str, whole["pointing"]))} | | {" of ".join(map(str, whole2["pointing"]))}
seconds per image | {mine["seconds_an_image"]:.2f} | 1 | {other["seconds_an_image"]:.2f}
false boxes per empty photograph (n = {empty}) at recall 0.2 · 0.3 · 0.4 | {boxes} | | not reached"""
    text = f"{whole['images']} COCO scenes with {whole['people']} people; seed 0"
    return table("python -m bench locate", [found], text, made)


def detector() -> str:
    """Boxes around people by a detector, by evidence, and by both."""
    found = newest("detector/*.json")
    ways = [found[name] for name in ("detector", "proposals", "evidence")]

    def cells(write: Callable[[Result], str]) -> str:
        return " | ".join(map(write, ways))

    def precision(part: str) -> str:
        return cells(lambda way: "{:.3f} ({:.3f} – {:.3f})".format(*_precision_of(way["scenes"][part])))

    def false(way: Result) -> str:
        counts = [way["false_boxes_an_empty_photograph"][recall] for recall in ("0.3", "0.5", "0.7")]
        return " · ".join("not reached" if one is None else f"{one:.2f}" for one in counts)

    def area(way: Result) -> str:
        low, high = way["presence"]["area_interval"]
        return f"{way['presence']['area']:.3f} ({low:.3f} – {high:.3f})"

    timed, whole = found["time"], found["detector"]["scenes"]["all"]
    empty = found["detector"]["empty_photographs"]
    made = f"""
| detector | detector, then classifier (bar: 0.03 below, not met) | evidence of the classifier
average precision at overlap 0.5, all images (bar 0.60) | {precision("all")}
… even image numbers | {precision("even")}
… odd ones | {precision("odd")}
recall of all boxes | {cells(lambda way: f"{way['scenes']['all']['recall']:.3f}")}
false boxes per empty photograph (n = {empty}) at recall 0.3 · 0.5 · 0.7 | {cells(false)}
presence of a person, area under the ROC curve (bar 0.97) | {cells(area)}
time of a search over that of the bare onnxruntime session, one thread | {timed["ratio"]:.2f} | |
milliseconds per image, with other work on this computer (bar 60) | {1000 * timed["whole_seconds"]:.0f}, not met | |"""
    text = f"{whole['images']} COCO scenes with {whole['people']} people, which the detector has seen in training"
    return table("python -m bench detector", [found], text, made)


def _precision_of(part: Result) -> tuple[float, float, float]:
    low, high = part["AP50_interval"]
    return part["AP50"], low, high


def presence() -> str:
    """Whether a scene shows a person."""
    found = newest("locate/*.json")
    there = found["vidi"]["scenes"]["all"]["pointing"][1]

    def cells(name: str) -> str:
        one = found["presence"][name]
        accuracy = dict(zip(("low", "high"), one["accuracy_interval"], strict=True))
        of_area = {"value": one["area"], **dict(zip(("low", "high"), one["area_interval"], strict=True))}
        return f"{percent(one['accuracy'])} ({interval(accuracy)}) | {range_of(of_area, 3)}"

    made = f"""
| accuracy | area under the ROC curve
best window | {cells("by windows")}
whole image | {cells("by whole image")}
bar: a logistic regression on EfficientNet-Lite0's features, cross-validated on these images | 78 % | 0.85
best window of OpenCV | {cells("by windows of OpenCV")}"""
    text = f"{there} of {found['presence']['by windows']['n']} scenes show a person"
    return table("python -m bench locate", [found], text, made)


def shortcuts() -> str:
    """Planted shortcuts."""
    (found,) = read("shortcuts/planted.json")
    planted = [one for one in found["planted"] if one["planted"] != "nothing"]
    whole = [one for one in found["as_they_are"] if one["set"] not in ("faces-orl.zip", "lfw-faces")]
    clean = [one for one in found["planted"] if one["planted"] == "nothing"] + whole
    seconds, images = ([one[name] for one in [*found["planted"], *whole]] for name in ("seconds", "images"))
    sets = "these four subsets, and all of clothing, persons, CIFAR-10, Fashion-MNIST and digits"
    made = f"""
what | result
planted shortcuts found | {sum(one["as_it_should_be"] for one in planted)} of {len(planted)}
false alarms: {sets} | {sum(one["said"] is not None for one in clean)} of {len(clean)}
seconds, for {min(images):,} to {max(images):,} images | {min(seconds):.1f} to {max(seconds):.1f}"""
    text = "60 to 150 images per class of clothing, persons and CIFAR-10, seed 0"
    return table("python -m bench shortcuts", [found], text, made)


def drift() -> str:
    """How soon a change is noticed that begins with the first image."""
    found = newest("drift/*.json")
    costs, text = found["scenario"]["costs"], f"n = {found['scenario']['streams']} streams"
    rows = [f"{name} | {cost} | {noticed(found, name, cost, 0)}" for name in found["drifts"] for cost in costs]
    return table("python -m bench drift", [found], text, f"drift | points | {DETECTORS}", *rows)


def drift_later() -> str:
    """The same after some images without a change."""
    found = newest("drift/*.json")
    onset, streams = found["scenario"]["onsets"][1], found["scenario"]["streams"]
    (cost,) = onset["costs"]
    rows = [f"{name} | {noticed(found, name, cost, onset['after'])}" for name in found["drifts"]]
    text = f"n = {streams} streams, the same run, at {cost} points, after {onset['after']:,} undisturbed images"
    return table("python -m bench drift", [found], text, f"drift | {DETECTORS}", *rows)


DETECTORS = "vidi | Kolmogorov-Smirnov, Bonferroni | MMD"


def noticed(found: Result, name: str, cost: int, onset: int) -> str:
    """Streams and median delay of vidi and of each rival's better window, by `bench.drift.better`'s rule."""
    windows = found["drifts"][name][str(cost)][str(onset)]
    cells = []
    for way in ("vidi", "KS", "MMD"):
        some = [one for window, one in windows.items() if window.startswith(way)]
        one = min(some, key=lambda one: (one["median_delay"] or float("inf"), -one["noticed"]))
        delay = "–" if one["median_delay"] is None else f"{one['median_delay']:,.0f}"
        cells.append(f"{one['noticed']}, {delay}")
    return " | ".join(cells)


# Answers: speed, agreement, serving


def precisions() -> str:
    """Rates of the precisions of a model file, by engine, on a new and an old processor."""
    found, (old,) = newest("precisions/*avx512*.json"), read("precisions/*-avx2-*.json")
    rates, plain = found["images_per_cpu_second"]["10"], old["images_per_second"]

    def cells(some: Mapping[str, Mapping[str, float]], name: str, base: str) -> str:
        times = ("" if name == base else f" ({some[name][batch] / some[base][batch]:.1f} times)" for batch in BATCHES)
        return " | ".join(f"{some[name][batch]:.0f}{one}" for batch, one in zip(BATCHES, times, strict=True))

    def bar(name: str, least: float) -> str:
        ratios = {batch: rates[name][batch] / rates["fp32 onnxruntime"][batch] for batch in BATCHES}
        missed = [batch for batch, one in ratios.items() if round(one, 1) < least]
        return f"{least:g} times" + (f", missed at batch {' and '.join(missed)}" if missed else "")

    made = f"""
file | engine | batch 1 | batch 32 | bar
fp32 | onnxruntime | {cells(rates, "fp32 onnxruntime", "fp32 onnxruntime")} |
| OpenVINO | {cells(rates, "fp32 openvino", "fp32 onnxruntime")} |
fp16 | onnxruntime | {cells(rates, "fp16 onnxruntime", "fp32 onnxruntime")} |
int8 | onnxruntime | {cells(rates, "int8 onnxruntime", "fp32 onnxruntime")} | {bar("int8 onnxruntime", 2)}
| OpenVINO | {cells(rates, "int8 openvino", "fp32 onnxruntime")} | {bar("int8 openvino", 2.5)}"""
    other = f"""
file | batch 1 | batch 32 | bar
fp32 | {cells(plain, "fp32", "fp32")} |
fp16 | {cells(plain, "fp16", "fp32")} |
int8 | {cells(plain, "int8", "fp32")} | 1.25 times"""
    text = (
        "with VNNI; a network of EfficientNet-Lite0's shape, 10 classes, n = 9 rounds, beside other work; images per "
    )
    text += "second of processor time, on one core; in brackets, compared with onnxruntime in fp32"
    less = "the same network, 1,000 classes, by onnxruntime, n = 5 rounds; images per second by the clock"
    first = table("python -m bench precisions", [found], text, made)
    return f"{first}\n\n{table('python -m bench precisions', [old], less, other)}"


BATCHES = ("1", "32")


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

    rows = []
    for kind, one in hosts["command line"].items():
        others, near = total(kind, "other_label", "other_verdict", "other_candidates"), total(kind, "near")
        rows.append(f"{kind} | {one['n']} | {' | '.join(most(kind, names) for names in groups)} | {others} | {near}")
    versions = found["versions"]
    browser = f"Chromium {versions['chromium'].split('.')[0]}, onnxruntime-web {versions['onnxruntime-web'][:4]}"
    real = hosts["command line"]["real photographs"]["n"]
    text = (
        f"n = {found['images'] - real} made images and {real} photographs of `VIDI_DATA`; the largest difference of a"
    )
    text += f" probability from `Predictor.predict_files` (bar: 0.01); {browser}"
    head = "images | n | files | pixels | page in Chromium | other answers | near a tie or a limit"
    return table("python -m bench agreement", [found], text, head, *rows)


def serve() -> str:
    """vidi's server beside others."""
    found = newest("serve/*.json")

    def cells(name: str) -> str:
        one = found["summary"]["servers"][name]
        busy = one["connections"]["8"]
        times = f"{fixed(busy['p50_milliseconds'])}, {fixed(busy['p99_milliseconds'])}"
        rates = f"{busy['images_per_cpu_second']:.0f} | {busy['images_per_second']:.0f}"
        return f"{rates} | {times} | {one['memory_megabytes']:.0f}"

    made = f"""
8 connections | images per CPU second | images/s | median and 99th percentile, ms | memory, MB
vidi | {cells("vidi")}
LitServe, onnxruntime | {cells("LitServe")}
plain Starlette, onnxruntime, one session | {cells("Starlette")}
FastAPI, Pillow, eager torch | {cells("FastAPI and torch")}"""
    text = f"n = {found['rounds']} rounds of {found['seconds']:g} s for each server and load; nothing else ran"
    return table("python -m bench serve", [found], text, made)


def serve_bars() -> str:
    """The same run against its bars."""
    found = newest("serve/*.json")
    whole = found["summary"]
    over, ours, late = whole["over"], whole["servers"]["vidi"], whole["overloaded"]
    memory, litserve = ours["memory_megabytes"], over["LitServe"]
    share = percent(memory / whole["servers"]["LitServe"]["memory_megabytes"], 0)
    missed = "" if found["gates"]["at least 1.15x Starlette"] else ", not met"
    ready = f"{whole['ready_over_imports']:.1f} times ({ours['ready_cpu_seconds']:.2f} s)"
    layouts = f"{whole['layouts']['8']:.2f} · {whole['layouts']['1']:.2f}"
    slower = f"{late['4 times']:.1f} and {late['10 times']:.1f} times"
    made = f"""
what | result | bar
images per CPU second, compared with LitServe | {litserve["busy"]:.2f} times, with {share} of its memory | 1.0, 60 %
compared with plain Starlette | {over["Starlette"]["busy"]:.2f} times{missed} | 1.15
compared with FastAPI and torch | {over["FastAPI and torch"]["busy"]:.1f} times | 2.8
99th percentile, compared with LitServe's in the same round | {litserve["p99"]:.2f} times | 1
share of the rate that decoding and session allow | {percent(whole["share_of_bound"], 0)} | 80 %
images/s, compared with the better fixed layout, 8 connections · 1 connection | {layouts} | 0.97
CPU time until ready, compared with importing the same libraries in one process | {ready} | 2.5
memory with one model, workers included | {memory:.0f} MB | 240 MB
99th percentile at 4 and 10 times what can be answered, compared with 8 connections | {slower} | 2
growth of memory over {found["growth"]["requests"]:,} requests | {whole["grown_megabytes"]:.0f} MB | 20 MB
processor time of decoding apart from the server, an image | {whole["isolation_cpu_milliseconds"]:.1f} ms |"""
    text = f"the same run; n = {found['rounds']}, overload and memory n = 1"
    return table("python -m bench serve", [found], text, made)


def log() -> str:
    """What the prediction log costs a server."""
    found = newest("log/*.json")

    def cells(name: str) -> str:
        one = found["models"][name]
        cpu, wait = one["cpu_milliseconds"], one["p50_milliseconds"]
        cost = f"{100 * one['share']:.1f} ± {100 * one['standard_error']:.1f} %"
        times = f"{cpu['without']:.1f} → {cpu['with']:.1f} | {cost} | {wait['without']:.0f} → {wait['with']:.0f}"
        return f"{times} | {fixed(one['rows_bytes'] / one['images'] / 1024, 1)} kB"

    made = f"""
model | processor time of an image, without → with, ms | cost of the log | median latency, ms | row
Lite0's shape, 224×224, 1,000 classes | {cells("lite0, 224 px, 1,000 classes")}
`compact`, 64×64, 10 classes | {cells("compact, 64 px, 10 classes")}"""
    text = f"n = {found['rounds']} rounds of {found['seconds']:g} s for each server, in turns, at 8 connections"
    return table("python -m bench log", [found], f"{text}; median, standard error", made)


# Training


def engine() -> str:
    """A training step beside Keras and plain torch."""
    rounds = read("engine/*.json")

    def cells(name: str) -> str:
        ratios = [one["vidi"]["images_per_second"] / one[name]["images_per_second"] for one in rounds]
        rate = median(one[name]["images_per_second"] for one in rounds)
        return f"{rate:.0f} | {median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})"

    faults = [one for found in rounds for one in found["vidi"]["faults"]]
    mine = median(one["vidi"]["images_per_second"] for one in rounds)
    made = f"""
compared with | images/s, median | speed-up of vidi ({mine:.0f} images/s) | bar
Keras, float32 | {cells("keras fp32")} | 1.9
Keras, mixed_bfloat16 | {cells("keras mixed_bfloat16")} | 1.05
plain torch | {cells("torch")} | 4.5"""
    text = f"textbook network, 256×256, batch 32, with augmentation; {len(rounds)} rounds in turns; no page fault in "
    text += f"{percent(faults.count(0) / len(faults), 0)} of {len(faults)} steps"
    return table("python -m bench engine", rounds, text, made)


def step() -> str:
    """A training step beside its convolutions alone."""
    found = newest("training_step/*.json")

    def cells(name: str) -> str:
        one = found["found"][name]
        fastest = f"{percent(one['share_of_fastest'], 0)} of {one['fastest_convolution']:.0f} GFLOP/s"
        time = f"{one['step_seconds']:.2f} s, {one['gigaflops']:.0f} GFLOP/s"
        return f"{time} | {percent(one['share_of_all'], 0)} | {fastest}"

    made = f"""
arithmetic | step | of the same convolutions alone (bar 85 %) | of the fastest of them
bfloat16 | {cells("as it is")}
float32, units limited to AVX-512 | {cells("AVX-512, float32")}
float32, units limited to AVX2 | {cells("AVX2, float32")}"""
    text = f"`compact` at twice its width, 32×32, batch 512; n = {found['steps']} steps, nothing else ran"
    return table("python -m bench training_step", [found], text, made)


def scale() -> str:
    """Rates of one core, and the search of near-duplicates among a million images."""
    found = newest("scale/*.json")
    one, gates, driver = found["copies"][-1], found["gates"], found["driver"]
    split, busy = one["split"], percent(driver["simulated"]["share_of_time_busy"], 0)
    rates = {
        name: f"{float(f'{rate:.3g}' if rate < 10_000 else f'{rate:.2g}'):,.0f}"
        for name, rate in found["rates_of_one_core"].items()
    }
    made = f"""
work | images/s and core
decoding whole | {rates["decode_per_second"]}
`vidi check`: digest, decoding, fingerprint | {rates["check_per_second"]}
decoding and framing to 224 pixels | {rates["frame_per_second"]}
`vidi predict`, `lite0` at 224 pixels | {rates["predict_per_second"]}
features of `lite0` by onnxruntime, without decoding | {rates["features_per_second"]}
training `compact` at 64 pixels | {rates["training_per_second"]}
taking answers in, by the one driver | {rates["taken_in_per_second"]}"""
    search = f"""
near-duplicates | result | bar
copies found, other pairs | {one["found"]:,} of {one["planted"]:,}, {one["others"]} |
the search | {one["wall_seconds"] / 60:.1f} minutes, {one["cpu_seconds"]:.0f} s of processor time |
… compared with decoding as many | {gates["search_of_decoding"]:.2f} times | 0.3
memory beyond the table of 2.5 GB | {one["beyond_table_bytes"] / 1e9:.2f} GB |
… its growth, compared with the table's | {gates["growth_beyond_table"]:.2f} times | 0.25
the split | {split["wall_seconds"]:.0f} s, {split["memory_bytes_each"]:.0f} bytes an image |
a driver with {driver["workers"]:,} simulated workers keeps them busy | {busy} of the time |"""
    first = table("python -m bench scale", [found], "n = 1 run", made)
    text = f"{one['images']:,} made-up images; n = 1 run, with nothing beside it"
    return f"{first}\n\n{table('python -m bench scale --again copies', [found], text, search)}"


def ray() -> str:
    """Predictions by Ray on one machine."""
    found = newest("ray/*.json")
    plain, rayed, ratios = (found[name] for name in ("plain_seconds", "ray_seconds", "ratios"))
    start, rounds = found["ray_start_seconds"], len(plain)
    ratio = f"{found['ratio']:.2f} times ({min(ratios):.2f} to {max(ratios):.2f})"
    made = f"""
{found["images"]:,} photographs | result | bar
`vidi predict` | {min(plain)} to {max(plain)} s |
`vidi predict --ray local`, of which {start} s are for the start | {min(rayed)} to {max(rayed)} s |
rate without the start, compared with the plain one | {ratio} | 0.75
the rows are equal | {"in each round" if found["rows_are_equal"] else "not in each round"} |"""
    text = f"n = {rounds} rounds of {found['images'] // rounds:,} photographs; nothing else ran"
    return table("python -m bench ray", [found], text, made)


TABLES: Mapping[str, Callable[[], str]] = {
    "scratch": scratch,
    "pretrained": pretrained,
    "operations": operations,
    "race": race,
    "soon": soon,
    "heads": heads,
    "stages": stages,
    "photos": photos,
    "few-trial": few_trial,
    "lite1-trial": lite1_trial,
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
    "points": points,
    "where": where,
    "detector": detector,
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
