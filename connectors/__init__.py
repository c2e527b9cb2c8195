"""Source and sink connectors (not built yet; see the README for what there is)."""
