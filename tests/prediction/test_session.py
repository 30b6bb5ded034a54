"""Which of onnxruntime's providers a model runs on."""

import pytest

from vidi.errors import UsageError
from vidi.prediction.session import choose_providers

BOTH = ("CUDAExecutionProvider", "CPUExecutionProvider")


def test_auto_takes_cuda_only_where_onnxruntime_offers_it():
    assert choose_providers("auto", available=BOTH) == BOTH
    assert choose_providers("auto", available=BOTH[1:]) == BOTH[1:]
    assert choose_providers("cpu", available=BOTH) == BOTH[1:]


def test_a_device_that_is_not_offered_is_refused_with_a_remedy():
    with pytest.raises(UsageError, match="--device cuda"):
        choose_providers("cuda", available=BOTH[1:])
