"""Serializers and deserializers by Python type."""
