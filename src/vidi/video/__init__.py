"""Video: frames from cameras, video files and streams, each with its time."""
