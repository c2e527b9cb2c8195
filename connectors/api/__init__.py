"""What connectors are written with: classes with Kafka's lifecycles, and functions."""
