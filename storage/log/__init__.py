"""The partitioned log in the file format of Kafka."""
