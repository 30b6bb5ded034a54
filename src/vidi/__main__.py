"""`python -m vidi` is `vidi`."""

from vidi.cli.app import main

main()
