"""The parts of `vidi benchmark`: models by engine, images, timing, cold starts, and the figures"""
