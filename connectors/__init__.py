"""Source and sink connectors: the data model, converters and transformations of Kafka Connect."""
