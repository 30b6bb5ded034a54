"""The search for a better recipe: which hyperparameters there are, what one trial is, the study, and the honest comparison."""
