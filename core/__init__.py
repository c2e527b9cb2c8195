"""Ground floor: records, errors, clock, file system, configuration."""
