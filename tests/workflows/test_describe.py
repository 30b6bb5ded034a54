"""What a run says about its data."""

from tests.draw import class_folders

from vidi.training.recipe import Recipe
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.run.describe import describe_data
from vidi.workflows.run.learning.learn import describe_preparation
from vidi.workflows.run.prepare import split_images
from vidi.workflows.run.read import find_images


def test_class_counts_leave_out_refused_images(tmp_path):
    root = class_folders(tmp_path / "data", size=(16, 16))
    (root / "disc" / "000.png").write_bytes(b"no image")
    request = DataRequest(source=str(root))

    prepared = split_images(find_images(request), tmp_path, image_size=(16, 16))

    described = describe_data(prepared)
    assert described["classes"] == {"disc": 9, "stripes": 10}
    assert described["images"] == 19 == prepared.check.account.used
    assert "19 images of 2 classes: disc 9, stripes 10" in describe_preparation(prepared, Recipe())
