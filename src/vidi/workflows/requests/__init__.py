"""What a user asks of a verb: each option is declared here, once, for the command line, Python and the reference."""
