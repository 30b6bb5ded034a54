"""The live page of `vidi watch`: the last frame and the last events."""
