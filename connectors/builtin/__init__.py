"""Connectors that come with Aliran."""
