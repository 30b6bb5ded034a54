"""The search for a better recipe: its hyperparameters, one trial, the study, and the honest comparison."""
