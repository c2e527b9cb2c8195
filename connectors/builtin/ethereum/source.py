"""`EthereumSource`: blocks or logs of a chain, in their order, over JSON-RPC.

A chain may change its mind about its newest blocks. A block that is no more part of it is taken
back: its records come again with `removed` true, the last one first, and then those that took its
place. With enough `confirmations` that never happens.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from aliran.connectors.api.function_tasks import Record, Retry, SourceContext
from aliran.connectors.api.functions import source
from aliran.connectors.builtin.http.client import HttpOptions, check_url, told_by
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, between
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.web.calls import Calls

_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, kw_only=True)
class EthereumConfig(HttpOptions):
    """The options."""

    topic: Annotated[str, Option("Where records go.", importance=Importance.HIGH)]
    rpc_url: Annotated[
        str, Option("The node's JSON-RPC.", importance=Importance.HIGH, validator=check_url)
    ]
    what: Annotated[
        Literal["blocks", "transactions", "logs"],
        Option("blocks; the transactions in them; or the logs that contracts wrote.",
               importance=Importance.HIGH),
    ] = "blocks"  # fmt: skip
    addresses: Annotated[list[str], Option("Logs of these contracts only; none for all.")] = field(
        default_factory=list
    )
    log_topics: Annotated[
        list[str], Option("Logs whose first topic is one of these only; none for all.")
    ] = field(default_factory=list)
    start_block: Annotated[
        int, Option("The first block; -1 for the newest one.", validator=at_least(-1))
    ] = -1
    confirmations: Annotated[
        int, Option("How many blocks must be behind one before it is read.", validator=at_least(0))
    ] = 0
    reorg_depth: Annotated[
        int,
        Option("How many blocks may be taken back at most.", validator=between(1, 1000)),
    ] = 64
    poll_interval_ms: Annotated[
        int, Option("The wait where there is no new block.", validator=at_least(1))
    ] = 2_000
    retry_backoff_ms: Annotated[
        int, Option("The wait after a failed request.", validator=at_least(1))
    ] = 1_000


class Chain:
    """Asks a node.

    Args:
        config: The options.
        max_retries: How many requests may fail in a row.
    """

    def __init__(self, config: EthereumConfig, max_retries: int = -1) -> None:
        self._config = config
        self._calls = Calls(config.client(), max_retries, config.retry_backoff_ms)
        self._ids = itertools.count(1)

    def close(self) -> None:
        """Close connections."""
        self._calls.close()

    def ask(self, method: str, *params: Any) -> Any:
        """Return the result of a call.

        Raises:
            Retry: The node cannot say now.
            ConnectError: It refuses.
        """
        url = self._config.rpc_url
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        response = self._calls.send("POST", url, content=json.dumps(body).encode(), headers=_JSON)
        if not response.is_success:
            raise ConnectError(told_by(response))
        try:
            found = response.json()
        except ValueError as error:
            raise DataError(f"{url} answers no JSON: {error}") from error
        if "error" in found:
            raise ConnectError(f"{url} refuses {method}: {found['error']}")
        self._calls.succeeded()
        return found.get("result")

    def newest(self) -> int:
        """Return the number of the newest block."""
        return int(self.ask("eth_blockNumber"), 16)

    def block(self, number: int) -> dict[str, Any] | None:
        """Return a block, None if it is not there yet."""
        whole = self._config.what == "transactions"
        found: dict[str, Any] | None = self.ask("eth_getBlockByNumber", hex(number), whole)
        return found

    def items(self, block: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what becomes records of a block."""
        config = self._config
        if config.what == "blocks":
            return [block]
        if config.what == "transactions":
            return list(block.get("transactions", ()))
        wanted: dict[str, Any] = {"blockHash": block["hash"]}
        if config.addresses:
            wanted["address"] = config.addresses
        if config.log_topics:
            wanted["topics"] = [config.log_topics]
        return list(self.ask("eth_getLogs", wanted) or ())


class _Progress:
    """Which blocks were read, and what their records were.

    Args:
        partition: The source partition.
        stored: The offset of an earlier run; empty for none.
        depth: How many blocks are remembered.
    """

    def __init__(self, partition: dict[str, Any], stored: dict[str, Any], depth: int) -> None:
        self._partition = partition
        self._depth = depth
        self.start: int = int(stored.get("start", -1))
        self.at: int = int(stored.get("block", -1))
        self.read: list[list[Any]] = json.loads(stored.get("blocks", "[]"))
        self._items: dict[str, list[dict[str, Any]]] = {}

    def take(self, block: dict[str, Any], items: list[dict[str, Any]]) -> Iterator[Record]:
        """Yield the records of the next block."""
        self.read = [*self.read[-self._depth + 1 :], [self.at, block["hash"]]]
        self._items = {known: self._items.get(known, []) for _, known in self.read}
        self._items[block["hash"]] = items
        self.at += 1
        return self._records(items, removed=False)

    def take_back(self) -> Iterator[Record]:
        """Yield the records of the last block again, as removed."""
        number, known = self.read.pop()
        if not self.read and number > self.start:
            raise ConnectError(
                f"{self._partition['rpc']}: blocks down to {number} were taken back, and that is "
                f"more than reorg.depth={self._depth}; set more confirmations, or a new offset"
            )
        self.at = number
        # What an earlier run read is not remembered: then the block is taken back as a whole.
        whole = [{"blockHash": known, "blockNumber": hex(number)}]
        items = self._items.pop(known, None) or whole
        return self._records(items[::-1], removed=True)

    def _records(self, items: list[dict[str, Any]], *, removed: bool) -> Iterator[Record]:
        """Yield records; only the last one of a block has an offset: blocks are read whole."""
        offset = {"start": self.start, "block": self.at, "blocks": json.dumps(self.read)}
        for number, item in enumerate(items, 1):
            yield Record(
                {**item, "removed": removed},
                key=item.get("hash") or item.get("transactionHash") or item.get("blockHash"),
                partition=self._partition,
                offset=offset if number == len(items) else None,
            )


@source("EthereumSource", config=EthereumConfig, version="1")
def ethereum_source(cfg: EthereumConfig, ctx: SourceContext) -> Iterator[Record]:
    """Yield what is in the chain, and take back what no longer is."""
    partition = {"rpc": cfg.rpc_url, "what": cfg.what}
    progress = _Progress(partition, ctx.offset(partition), cfg.reorg_depth)
    chain = Chain(cfg)
    try:
        if progress.at < 0:
            start = cfg.start_block
            progress.at = start if start >= 0 else max(chain.newest() - cfg.confirmations, 0)
            progress.start = progress.at
        while not ctx.stopping:
            ready = progress.at + cfg.confirmations <= chain.newest()
            block = chain.block(progress.at) if ready else None
            last = progress.read[-1] if progress.read else None
            if last is not None and _is_gone(chain, last, block):
                yield from progress.take_back()
            elif block is None:
                ctx.sleep(cfg.poll_interval_ms / 1000)
            else:
                yield from progress.take(block, chain.items(block))
    finally:
        chain.close()


def _is_gone(chain: Chain, last: list[Any], following: dict[str, Any] | None) -> bool:
    """Whether the last block that was read is no more part of the chain."""
    number, known = last
    if following is not None:
        return bool(following["parentHash"] != known)
    block = chain.block(number)
    return block is not None and block["hash"] != known


@ethereum_source.check
def _check(cfg: EthereumConfig) -> None:
    chain = Chain(cfg, 0)
    try:
        chain.newest()
    except Retry as error:
        raise ConnectError(str(error)) from error
    finally:
        chain.close()
