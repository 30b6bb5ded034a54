"""The one file: its graph, metadata, digests; written with onnx, read without it."""
