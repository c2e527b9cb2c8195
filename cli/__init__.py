"""The aliran command."""
