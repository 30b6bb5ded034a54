"""The command line: read arguments, call one workflow, write."""
