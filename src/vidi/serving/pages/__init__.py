"""The pages of `vidi review` and `vidi watch`: small apps of their own, for this computer alone."""
