"""What change data capture has in common, whatever the database: Debezium's records and options."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS: tuple[BuiltIn, ...] = ()
