"""Models in use under a name: every version kept, one of them current, and who decided so, when and why."""
