"""The stream-processing library."""
