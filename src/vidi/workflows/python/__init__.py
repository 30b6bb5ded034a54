"""The functions of `vidi` for Python: the verbs, with the options of their requests as arguments."""
