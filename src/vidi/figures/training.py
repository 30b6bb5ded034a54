"""Figures of a training and of a search: learning curves, more images, trials."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidi.figures.drawing import BAND, DOTTED, FIRST, SECOND, SOFT, draw_svg, in_percent, legend_above
from vidi.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MOST_MARKED_POINTS = 12  # with few epochs each is marked


def draw_learning_curve(
    epochs: Sequence[int],
    training: Sequence[float | None],
    validation: Sequence[float | None],
    *,
    measure: str,
    best_epoch: int | None = None,
) -> str:
    """One measure on training and validation images over the epochs, as SVG.

    Args:
        training: the measure on training images after each; None where it was not measured.
        measure: what it is, as the axis says it: `loss`, `accuracy`.
        best_epoch: the epoch whose weights were kept; marked.
    """
    is_share = measure == "accuracy"

    def draw(axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        mark = "o" if len(epochs) <= MOST_MARKED_POINTS else None
        for values, colour, style, label in (
            (training, SECOND, (0, (4, 2)), "training"),
            (validation, FIRST, "solid", "validation"),
        ):
            known = [(epoch, value) for epoch, value in zip(epochs, values, strict=True) if value is not None]
            if known:
                x, y = zip(*known, strict=True)
                axes.plot(x, y, color=colour, linestyle=style, marker=mark, markersize=4, label=label)
        if best_epoch is not None:
            axes.axvline(best_epoch, color=SOFT, linewidth=1, linestyle=DOTTED)
        axes.set(xlabel="epoch", ylabel=measure)
        if is_share:
            in_percent(axes.yaxis)
            axes.set_ylim(top=min(1.005, axes.get_ylim()[1]))
        else:
            axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend_above(axes)

    last = next((value for value in reversed(validation) if value is not None), None)
    end = "" if last is None else f" It ends at {percent(last, digits=1) if is_share else f'{last:.3f}'}."
    return draw_svg(
        draw,
        name=measure,
        title=f"{measure} by epoch",
        description=f"{measure} on training and validation images over {len(epochs)} epochs.{end}",
    )


def draw_more_images(
    counts: Sequence[float],
    errors: Sequence[float],
    reach: Sequence[tuple[float, float, float, float]],
    *,
    images: int,
) -> str:
    """Errors by the number of images, as SVG.

    Args:
        errors: the share of held-out images that was answered wrongly, for each.
        reach: number of images, error by the law, and the two ends of its band; to twice the images that there are.
        images: that there are; marked.
    """
    from matplotlib.ticker import NullFormatter

    def draw(axes: "Axes") -> None:
        x, law, low, high = zip(*reach, strict=True)
        axes.fill_between(x, low, high, color=BAND, linewidth=0, label="95 %")
        axes.plot(x, law, color=FIRST, label="power law")
        axes.plot(counts, errors, color=SECOND, linestyle="none", marker="o", markersize=6, label="measured")
        axes.axvline(images, color=SOFT, linewidth=1, linestyle=DOTTED)
        axes.set_xscale("log")
        ticks = [counts[0], counts[len(counts) // 2], images, 2 * images]
        axes.set_xticks(ticks, [f"{round(tick):,}" for tick in ticks])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(bottom=0)
        in_percent(axes.yaxis)
        axes.set(xlabel="images", ylabel="errors")
        legend_above(axes)

    _, last, low, high = reach[-1]
    return draw_svg(
        draw,
        name="more-images",
        title="Errors by the number of images",
        description=f"Errors on held-out images fall from {percent(errors[0], digits=1)} with {round(counts[0]):,} "
        f"images to {percent(errors[-1], digits=1)} with {round(counts[-1]):,}; with twice the {images:,} images that "
        f"there are, about {percent(last, digits=1)} ({percent(low, digits=1)} to {percent(high, digits=1)}).",
        size=(3.4, 4.5),
    )


def draw_search_history(numbers: Sequence[int], accuracies: Sequence[float], *, default: float | None) -> str:
    """Validation accuracy of each trial that was completed, and the best so far, as SVG.

    Args:
        numbers: of the trials, ascending; at least one.
        default: that of the default recipe; drawn as a line.
    """
    from matplotlib.ticker import MaxNLocator

    best = [max(accuracies[: index + 1]) for index in range(len(accuracies))]

    def draw(axes: "Axes") -> None:
        axes.scatter(numbers, accuracies, s=22, color=SECOND, label="trial", zorder=3)
        axes.step(numbers, best, where="post", color=FIRST, label="best so far")
        if default is not None:
            axes.axhline(default, color=SOFT, linewidth=1, linestyle=DOTTED, label="the default")
        axes.set(xlabel="trial", ylabel="validation accuracy")
        in_percent(axes.yaxis)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(top=min(1.005, axes.get_ylim()[1]))
        legend_above(axes)

    return draw_svg(
        draw,
        name="history",
        title="validation accuracy by trial",
        description=f"{len(numbers)} completed trials, and the best so far. "
        f"The best has {percent(best[-1], digits=1)}.",
    )
