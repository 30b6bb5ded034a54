"""The parts of `vidi benchmark`: models by engine, images, timing, cold starts, moving images, and the figures"""
