"""The photographs of `--background` are looked at before any long work."""

from pathlib import Path

import pytest
from tests.draw import class_folders, draw, encoded
from tests.workflows.heard import Heard

from vidi.errors import DataError, UsageError
from vidi.workflows.interaction.events import SILENCE
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.learning.backgrounds import check_backgrounds
from vidi.workflows.run.plan import read_and_plan


def photographs(folder: Path, *, good: int, bad: int) -> DataRequest:
    """A folder of so many readable and unreadable photographs."""
    folder.mkdir()
    for number in range(good):
        (folder / f"{number}.png").write_bytes(encoded(draw("noise", size=(40, 50), seed=number)))
    for number in range(bad):
        whole = encoded(draw("noise", size=(40, 50), seed=number), format="JPEG")
        (folder / f"cut-{number}.jpg").write_bytes(whole[: len(whole) // 2])
    return DataRequest(source="photos", background=str(folder))


def test_unreadable_photographs_are_named_and_the_others_serve(tmp_path: Path):
    heard = Heard()

    left_out = check_backgrounds(photographs(tmp_path / "street", good=3, bad=1), events=heard.events)

    assert left_out == 1
    assert heard.sentences == [
        f"--background {tmp_path}/street: 1 of 4 photographs skipped: {tmp_path}/street/cut-0.jpg (truncated)"
    ]


def test_a_folder_with_too_few_readable_photographs_is_refused_by_name(tmp_path: Path):
    request = photographs(tmp_path / "street", good=1, bad=7)

    with pytest.raises(DataError) as caught:
        check_backgrounds(request)

    assert "street: 1 of 8 photographs can be read; not " in caught.value.cause
    assert caught.value.cause.endswith("cut-4.jpg (truncated) and 2 more")
    assert "at least 2 photographs that show none of the classes" in caught.value.remedy


@pytest.mark.parametrize(("name", "said"), [("nowhere", "no such folder"), ("empty", "no images found")])
def test_a_folder_that_holds_nothing_is_wrong_use(tmp_path: Path, name: str, said: str):
    (tmp_path / "empty").mkdir()

    with pytest.raises(UsageError, match=said):
        check_backgrounds(DataRequest(source="photos", background=str(tmp_path / name)))


def test_all_this_is_said_before_the_images_are_decoded(tmp_path: Path):
    class_folders(tmp_path / "photos", each=3, kinds=("disc", "stripes"))
    (tmp_path / "photos" / "stripes").rename(tmp_path / "photos" / "background")
    bad = DataRequest(source=str(tmp_path / "photos"), background=photographs(tmp_path / "b", good=0, bad=2).background)

    with pytest.raises(DataError, match="0 of 2 photographs can be read"):
        read_and_plan(TrainRequest(data=bad), events=SILENCE)


@pytest.mark.parametrize(
    ("target", "flag"),
    [
        ({"network": "compact"}, "--network compact"),
        ({"weights": "runs/old"}, "--from runs/old"),
        ({"pretrained": "none"}, "--pretrained none"),
        ({"ensemble": 3}, "--ensemble 3"),
    ],
)
def test_backgrounds_with_another_network_are_refused_at_once(target: dict, flag: str):
    request = TrainRequest(data=DataRequest(source="nowhere", background="nowhere either"), **target)

    with pytest.raises(UsageError, match=f"so it excludes {flag}"):
        read_and_plan(request, events=SILENCE)
