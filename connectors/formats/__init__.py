"""What files and objects hold: JSON lines, CSV, bytes, Avro, Parquet; written and read again."""
