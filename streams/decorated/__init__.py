"""Functions as processors: the decorators of `App`, and stores that look like dicts."""
