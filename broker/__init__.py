"""The broker: any Kafka client can talk to it."""
