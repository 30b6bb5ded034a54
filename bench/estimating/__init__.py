"""How near an estimate of accuracy without labels comes to the truth: the traffic, its answers, and the methods."""
