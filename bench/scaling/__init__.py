"""The parts of `python -m bench scale`, a process each: rates of one core, a driver of many workers, copies."""
