"""The verbs, a file each; `train.py` is read → check → split → train → to ONNX → calibrate → evaluate → report."""
