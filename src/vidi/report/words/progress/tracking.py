"""What is said about a tracker."""


def tracked_at(title: str, place: str) -> str:
    """Where a run can be seen.

    >>> tracked_at("TensorBoard", "runs/photos/tensorboard")
    'TensorBoard: runs/photos/tensorboard'
    """
    return f"{title}: {place}"


def tracking_failed(title: str, why: str) -> str:
    """That a tracker has failed, and what that costs."""
    return (
        f"warning: {title} takes no more: {why}. Training goes on; what {title} misses is in the run folder, "
        "all the same"
    )


def tracking_late(title: str, seconds: float) -> str:
    """That a tracker was not waited for any longer."""
    return f"warning: {title} has not taken everything within {seconds:.0f} s. The run folder holds it all"


def champion_set(name: str, version: str) -> str:
    """That the tracker's registry follows vidi's.

    >>> champion_set("cats", "3")
    'MLflow: the champion of cats is version 3'
    """
    return f"MLflow: the champion of {name} is version {version}"


def champion_not_set(why: str) -> str:
    """That the tracker's registry does not know of a decision."""
    return f"warning: MLflow could not be updated: {why}"
