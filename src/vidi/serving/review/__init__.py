"""The page of `vidi review`: a small app of its own, for this computer alone."""
