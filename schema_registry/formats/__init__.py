"""The formats of schemas: parsing, canonical text, and what can read what."""
