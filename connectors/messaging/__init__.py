"""What connectors of messages have in common: acknowledgements, bytes ↔ values, connectors."""
