"""The command line: a verb reads arguments, calls one workflow and writes."""
