"""Benchmark of moving images: how many frames a second a model keeps up with."""

from pathlib import Path

import pytest
from tests.model_file.tiny import tiny_model
from tests.video.draw import grey, write_video

from vidi.errors import DataError, UsageError
from vidi.workflows.benchmarking.subjects import find_models, open_subjects
from vidi.workflows.benchmarking.video import ROUNDS, measure_video


def test_the_real_time_factor_compares_with_the_files_own_timestamps(tmp_path: Path):
    model = tiny_model(tmp_path / "a.onnx").path
    opened, _ = open_subjects(find_models([str(model)]), ["onnxruntime"])
    turns: list[None] = []

    video = write_video(tmp_path / "v.mp4", [grey(index) for index in range(6)])
    speed = measure_video(opened, str(video), seconds=0.2, turn=lambda: turns.append(None))

    assert speed.frames_per_second == pytest.approx(10)
    assert speed.answered_per_second["a by onnxruntime"] > 0
    assert len(turns) == ROUNDS


def test_streams_and_single_frames_are_refused(tmp_path: Path):
    model = tiny_model(tmp_path / "a.onnx").path
    opened, _ = open_subjects(find_models([str(model)]), ["onnxruntime"])

    with pytest.raises(UsageError, match="no video file"):
        measure_video(opened, "rtsp://camera.example/door", seconds=0.2, turn=lambda: None)
    single = write_video(tmp_path / "v.mp4", [grey(1)])
    with pytest.raises(DataError, match="no two frames"):
        measure_video(opened, str(single), seconds=0.2, turn=lambda: None)
