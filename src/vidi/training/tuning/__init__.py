"""The search for a better recipe: which dials there are, what one trial is, the study, and the honest comparison."""
