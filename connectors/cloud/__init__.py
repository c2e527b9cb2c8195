"""What connectors of one cloud share."""
