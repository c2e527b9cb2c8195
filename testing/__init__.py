"""Test tools for users: pytest fixtures."""
