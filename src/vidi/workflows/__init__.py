"""The verbs, a file each; `workflows/run/stages.py` is check → split → learn → to ONNX → calibrate → test → report."""
