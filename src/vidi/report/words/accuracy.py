"""An accuracy in one line: the number, its interval, and how many images it rests on."""

from vidi.evaluation.evaluation import Evaluation
from vidi.numbers import percent


def accuracy_line(test: Evaluation | None) -> str:
    """The accuracy of a test, with its interval and n.

    Args:
        test: None where nothing was tested.
    """
    if test is None or test.accuracy.value is None:
        return "not tested"
    accuracy, several = test.accuracy, test.hamming_loss is not None
    images = "1 image" if accuracy.image_count == 1 else f"{accuracy.image_count:,} images"
    reach = ""
    if accuracy.interval is not None:
        low, high = (percent(end, digits=1) for end in (accuracy.interval.low, accuracy.interval.high))
        reach = f"95 % interval {low} to {high}, "
    every = ", every class of an image at once" if several else ""
    return f"accuracy {percent(accuracy.value, digits=1)} ({reach}{images}{every})"
