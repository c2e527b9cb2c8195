"""Configurations: definitions of options, their validation, and values from elsewhere."""
