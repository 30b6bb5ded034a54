"""Steps of `vidi monitor`: the log's rows as traffic, feedback beside it, and the finding as a document and gauges."""
