"""Stores and processors of the user's own. Keys and values of stores are texts."""
