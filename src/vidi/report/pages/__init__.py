"""One module for each page: its values and its sentences; its template lies beside it."""
