"""The year's scenario. It was fixed before any result was looked at, and is not to be fitted to one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """CIFAR-10 as the traffic of one year; nine classes at the start, a tenth from month 7 on."""

    months: int = 12
    seeds: int = 5  # years, each with training images of its own
    base_images: int = 3_000  # labelled before the first month, split 70/10/10/10
    labels: int = 100  # right ones in each month, by four reviewers of the operator's own
    fifth_labels: int = 43  # in each month, from a fifth source through the server: 30 % of all
    scored_images: int = 1_000  # of each month's traffic, from the official test part, never learned from
    new_class: str = "truck"
    new_from: int = 7  # month
    new_share: float = 0.10  # of the traffic from then on
    drift_from: int = 4  # month; linear from there to the last one
    darkest: float = 0.45  # brightness of the last month, as a share
    blur: float = 0.8  # standard deviation of the last month's blur, pixels of 32

    def drift(self, month: int) -> float:
        """How far the drift has come, 0 to 1."""
        return max(0.0, (month - self.drift_from + 1) / (self.months - self.drift_from + 1))


SCENARIO = Scenario()

# The fifth source is honest in one year and hostile in the other. Hostile: every label names the class after the true
# one (the last known class: the first). In both years all labels are the same but for this source's.
NOT_BEHIND = (
    0.01  # share of the images: the lower end of the loop's difference from blind retraining lies above minus this
)
LEAST_LOSS = 0.01  # share of the images that the hostile source may cost the loop
