"""Where in an image a class is shown: boxes from a classifier that never saw one."""
