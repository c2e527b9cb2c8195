"""Made-up records."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (BuiltIn("Datagen", "source", "source:datagen"),)
