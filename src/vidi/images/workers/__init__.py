"""Worker processes: decoders are other people's C code, so they run where a crash costs one image."""
