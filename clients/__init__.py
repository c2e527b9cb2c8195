"""Transports: how the stream runtime reaches a broker."""
