"""The sections of metrics.json that nothing in `evaluation/` measures, and how a section is written and read back."""
