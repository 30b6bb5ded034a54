"""Counts of what was inferred, for the protocol's statistics."""

from dataclasses import dataclass, field

from vidi.model_file.values import Json


@dataclass(slots=True)
class Duration:
    """How often something was done, and how long all of it took."""

    count: int = 0
    nanoseconds: int = 0

    def add(self, nanoseconds: int) -> None:
        """One more."""
        self.count += 1
        self.nanoseconds += nanoseconds

    def as_json(self) -> dict[str, Json]:
        """The protocol's form.

        >>> Duration(2, 10).as_json()
        {'count': 2, 'ns': 10}
        """
        return {"count": self.count, "ns": self.nanoseconds}


@dataclass(slots=True)
class Tally:
    """What was inferred with one version of a model since the server began. For one thread."""

    last_inference: int = 0  # milliseconds since 1970, UTC; 0: none
    inference_count: int = 0  # images that were answered
    execution_count: int = 0  # requests that were answered
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    compute_input: Duration = field(default_factory=Duration)  # from the body to tensors or encoded files
    compute_infer: Duration = field(default_factory=Duration)  # waiting for a free thread, decoding and the network
    compute_output: Duration = field(default_factory=Duration)  # from the network's outputs to the body

    def add_success(self, images: int, *, stages: tuple[int, int, int], now: int) -> None:
        """Count a request that was answered.

        Args:
            images: in it.
            stages: nanoseconds for input, inference and output.
            now: milliseconds since 1970, UTC.
        """
        self.last_inference = now
        self.inference_count += images
        self.execution_count += 1
        self.success.add(sum(stages))
        for duration, nanoseconds in zip(
            (self.compute_input, self.compute_infer, self.compute_output), stages, strict=True
        ):
            duration.add(nanoseconds)

    def add_failure(self, nanoseconds: int) -> None:
        """Count a request that was refused or failed."""
        self.fail.add(nanoseconds)

    def as_json(self) -> dict[str, Json]:
        """The members of the protocol's `$model_stat` beside name and version; nothing is cached or queued apart."""
        return {
            "last_inference": self.last_inference,
            "inference_count": self.inference_count,
            "execution_count": self.execution_count,
            "inference_stats": {
                "success": self.success.as_json(),
                "fail": self.fail.as_json(),
                "queue": Duration().as_json(),
                "compute_input": self.compute_input.as_json(),
                "compute_infer": self.compute_infer.as_json(),
                "compute_output": self.compute_output.as_json(),
                "cache_hit": Duration().as_json(),
                "cache_miss": Duration().as_json(),
            },
            "batch_stats": [],
        }


class Tallies:
    """The tally of each version of each model."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], Tally] = {}

    def of(self, name: str, version: str) -> Tally:
        """The tally of one version of a model; a new one where nothing was counted yet."""
        return self._tallies.setdefault((name, version), Tally())
