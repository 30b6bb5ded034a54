"""The options of each verb, declared once for the command line, Python and the reference."""
