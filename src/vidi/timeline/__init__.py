"""What is seen over time: the scores of frames become events with a beginning and an end."""
