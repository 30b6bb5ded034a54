"""Telling a lack of memory from any other failure."""

import re

# torch says it only in a RuntimeError's text: its allocator on Linux, on Windows, a C++ exception, a GPU's, and oneDNN,
# whose "primitive" fails for nothing else once the first batch has gone through.
_SHORTAGE = re.compile(r"can't allocate memory|not enough memory|bad_alloc|out of memory|could not \w+ a primitive")


def is_memory_shortage(error: BaseException) -> bool:
    """Whether numpy or torch could not get memory.

    >>> is_memory_shortage(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    True
    """
    return isinstance(error, MemoryError) or _SHORTAGE.search(str(error)) is not None
