"""What several processes cannot share is refused before anything is written."""

from pathlib import Path

import pytest
from tests.draw import class_folders

from vidi.errors import UsageError
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.train import train


def never(*_: object) -> None:
    raise AssertionError("nothing may be trained")


def test_a_head_on_features_is_refused_by_name(tmp_path: Path):
    data = class_folders(tmp_path / "data", each=6)
    request = TrainRequest(
        data=DataRequest(source=str(data)), pretrained="lite0", changes={"freeze": True}, output=tmp_path / "run"
    )

    with pytest.raises(UsageError, match="only a head on pretrained features is fitted"):
        train(request, trainer=never)
    assert not (tmp_path / "run").exists()
