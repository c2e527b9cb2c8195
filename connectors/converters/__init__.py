"""Converters: Connect's data ↔ bytes of topics and headers."""

from aliran.connectors.converters.base import Converter

__all__ = ["Converter"]
