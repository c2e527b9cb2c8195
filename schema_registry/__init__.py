"""The schema registry (not built yet; see the README for what there is)."""
