"""The functions of `vidi` for Python, a file each: the verbs, with the options of their requests as arguments."""
