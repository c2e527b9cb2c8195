"""State stores: in memory and on RocksDB."""
