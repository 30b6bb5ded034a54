"""The scenario: which images are shown when. It was fixed before any video was watched with a chosen setting.

A video is a row of scenes. A scene without the class holds one to three images of other things; an event holds one or
two images of the class. Every image is shown once, with a slow drift, flicker and noise, and fades into the next. Some
scenes hold a flash of the class that is shorter than any event, some events a dropout that is shorter than any absence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FRAMES_A_SECOND = 25
EVENTS_A_VIDEO = 8
EMPTY_SECONDS = (3.0, 8.0)  # shortest and longest
EVENT_SECONDS = (2.0, 6.0)
FLASH_SECONDS = (0.08, 0.2)  # of a flash or a dropout
FLASH_SHARE = 0.3  # of the scenes and events that have one
TOLERANCE = 0.5  # seconds that the beginning and the end of a found event may be off


@dataclass(frozen=True, slots=True)
class Showing:
    """One image on the screen."""

    image: int  # index among those of its kind
    is_class: bool
    began: float  # seconds
    ended: float


@dataclass(frozen=True, slots=True)
class Script:
    """What one video shows."""

    showings: tuple[Showing, ...]  # without gaps
    flashes: tuple[Showing, ...]  # over the others
    events: tuple[tuple[float, float], ...]  # began and ended, seconds
    seconds: float


def write_scripts(shown: int, others: int, *, seed: int) -> list[Script]:
    """The scripts of as many videos as the images last, each image shown once.

    Args:
        shown: images of the class.
        others: images of other things.
        seed: of all choices.
    """
    random = np.random.default_rng(seed)
    kinds = {True: list(random.permutation(shown)), False: list(random.permutation(others))}
    needed = {True: 2 * EVENTS_A_VIDEO + EVENTS_A_VIDEO, False: 4 * EVENTS_A_VIDEO + EVENTS_A_VIDEO}
    scripts = []
    while all(len(kinds[kind]) >= needed[kind] for kind in kinds):
        scripts.append(_script(kinds, random))
    return scripts


def _script(kinds: dict[bool, list[int]], random: np.random.Generator) -> Script:
    showings: list[Showing] = []
    flashes: list[Showing] = []
    events: list[tuple[float, float]] = []
    now = 0.0
    for part in range(2 * EVENTS_A_VIDEO + 1):
        is_class = part % 2 == 1
        length = random.uniform(*(EVENT_SECONDS if is_class else EMPTY_SECONDS))
        count = int(random.integers(1, 3 if is_class else 4))
        ends = now + length * np.arange(1, count + 1) / count
        for index, end in enumerate(ends.tolist()):
            began = now if index == 0 else float(ends[index - 1])
            showings.append(Showing(int(kinds[is_class].pop()), is_class, began, end))
        if random.uniform() < FLASH_SHARE:
            at = now + random.uniform(0.8, length - 0.8 - FLASH_SECONDS[1])
            flashes.append(
                Showing(int(kinds[not is_class].pop()), not is_class, at, at + random.uniform(*FLASH_SECONDS))
            )
        if is_class:
            events.append((now, now + length))
        now += length
    return Script(tuple(showings), tuple(flashes), tuple(events), now)


def matched(truth: Sequence[tuple[float, float]], found: Sequence[tuple[float, float]]) -> int:
    """How many found events are planted ones, each counted once: both ends within the tolerance."""
    left, count = list(truth), 0
    for began, ended in found:
        fitting = [one for one in left if abs(one[0] - began) <= TOLERANCE and abs(one[1] - ended) <= TOLERANCE]
        if fitting:
            left.remove(fitting[0])
            count += 1
    return count
