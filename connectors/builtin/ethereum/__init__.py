"""Blockchains that speak Ethereum's JSON-RPC."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn("EthereumSource", "source", "source:ethereum_source", extra="http",
            needs=("httpx",)),
)  # fmt: skip
