"""Whether a newly trained model may replace the one in use."""
