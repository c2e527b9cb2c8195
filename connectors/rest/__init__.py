"""The REST interface of Kafka Connect, over ASGI."""
