"""Aliran: Kafka Streams for Python, with the broker included."""
