"""Architectures in torch, and their translation to ONNX."""
