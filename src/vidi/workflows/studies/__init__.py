"""What a run finds out about its images beside the network: label errors, learning curves, rates, previews."""
