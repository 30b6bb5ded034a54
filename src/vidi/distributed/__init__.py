"""Work on many computers, by Ray: it drives pure functions of the layers below, one shard of the data at a time."""
