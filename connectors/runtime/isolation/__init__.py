"""Connectors in processes of their own."""
