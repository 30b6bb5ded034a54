"""The steps of an explanation: neighbours, layers, and the pages that are written."""
