"""Benchmark of moving images: how many frames a second a model keeps up with."""

from pathlib import Path

import pytest
from tests.model_file.tiny import tiny_model
from tests.video.draw import grey, write_video

from vidi.errors import DataError, UsageError
from vidi.workflows import benchmark as story
from vidi.workflows.benchmarking.subjects import find_models, open_subjects
from vidi.workflows.benchmarking.video import ROUNDS, find_video, measure_video
from vidi.workflows.requests.benchmark import BenchmarkRequest


def test_the_real_time_factor_compares_with_the_files_own_timestamps(tmp_path: Path):
    model = tiny_model(tmp_path / "a.onnx").path
    opened, _ = open_subjects(find_models([str(model)]), ["onnxruntime"])
    turns: list[None] = []

    video = write_video(tmp_path / "v.mp4", [grey(index) for index in range(6)])
    speed = measure_video(opened, find_video(str(video)), seconds=0.2, turn=lambda: turns.append(None))

    assert speed.frames_per_second == pytest.approx(10)
    assert speed.answered_per_second["a by onnxruntime"] > 0
    assert len(turns) == ROUNDS


def test_streams_and_single_frames_are_refused_before_any_work(tmp_path: Path):
    tiny_model(tmp_path / "a.onnx")
    single = write_video(tmp_path / "v.mp4", [grey(1)])

    def measured(video: str) -> None:
        story.benchmark(
            BenchmarkRequest(models=(str(tmp_path / "a.onnx"),), engines=("onnxruntime",), video=video),
            progress=lambda done, _: pytest.fail(f"turn {done}"),
        )

    with pytest.raises(UsageError, match="no video file"):
        measured("rtsp://camera.example/door")
    with pytest.raises(UsageError, match="no file"):
        measured(str(tmp_path / "nothing.mp4"))
    with pytest.raises(DataError, match="no two frames"):
        measured(str(single))
