"""Data on `s3://` and `gs://`: which addresses are read, how, and the bounded copies on this computer."""
