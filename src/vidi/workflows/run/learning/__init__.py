"""How a run learns: a head on pretrained features, fine-tuning, from scratch or an ensemble; studies of its images."""
