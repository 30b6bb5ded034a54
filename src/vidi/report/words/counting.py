"""Counts with their nouns."""


def count_of(number: int, word: str) -> str:
    """A count with its noun.

    >>> count_of(1, "image"), count_of(1200, "image"), count_of(2, "copy"), count_of(2, "box")
    ('1 image', '1,200 images', '2 copies', '2 boxes')
    """
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}{'es' if word.endswith(('s', 'x')) else 's'}"
    return f"{number:,} {word if number == 1 else plural}"
