"""The runtime: tasks, the loop that drives them, restoring, committing."""
