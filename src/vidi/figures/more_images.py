"""How errors fall with the number of images, and where twice as many would lead."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidi.figures.svg import BAND, FIRST, SECOND, SOFT, draw_svg, legend_above
from vidi.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_more_images(
    counts: Sequence[float],
    errors: Sequence[float],
    reach: Sequence[tuple[float, float, float, float]],
    *,
    images: int,
    name: str = "more-images",
) -> str:
    """Errors by the number of images, as SVG.

    Args:
        counts: number of training images.
        errors: the share of held-out images that was answered wrongly, for each.
        reach: number of images, error by the law, and the two ends of its band; to twice the images that there are.
        images: that there are; marked.
        name: unique on the page.
    """
    from matplotlib.ticker import NullFormatter

    def draw(axes: "Axes") -> None:
        x, law, low, high = zip(*reach, strict=True)
        axes.fill_between(x, low, high, color=BAND, linewidth=0, label="95 %")
        axes.plot(x, law, color=FIRST, label="power law")
        axes.plot(counts, errors, color=SECOND, linestyle="none", marker="o", markersize=6, label="measured")
        axes.axvline(images, color=SOFT, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_xscale("log")
        ticks = [counts[0], counts[len(counts) // 2], images, 2 * images]
        axes.set_xticks(ticks, [f"{round(tick):,}" for tick in ticks])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _position: f"{value * 100:g} %")
        axes.set_xlabel("images")
        axes.set_ylabel("errors")
        legend_above(axes)

    _, last, low, high = reach[-1]
    return draw_svg(
        draw,
        name=name,
        title="Errors by the number of images",
        description=f"Errors on held-out images fall from {percent(errors[0], digits=1)} with {round(counts[0]):,} "
        f"images to {percent(errors[-1], digits=1)} with {round(counts[-1]):,}; with twice the {images:,} images that "
        f"there are, about "
        f"{percent(last, digits=1)} ({percent(low, digits=1)} to {percent(high, digits=1)}).",
        size=(3.4, 4.5),
    )
