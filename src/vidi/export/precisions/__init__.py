"""Lighter forms of a model file's network: numbers of 8 or 16 bits in place of 32. Writing only: imports onnx"""
