"""Sets that are known by name: where they lie, and how they are downloaded."""
