"""Against a fake chain that changes its mind."""

from __future__ import annotations

import json
from typing import Any

from http_servers import Answer, Asked, Scripted
from tests.connectors.conftest import JSON, Connect, eventually

PLAIN = {"value__converter": JSON, "value__converter__schemas__enable": "false"}


class Node:
    """Blocks by number; each names its parent."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.calls = 0

    def grow(self, *names: str) -> None:
        self.blocks += names

    def block(self, number: int, *, whole: bool) -> dict[str, Any] | None:
        if number >= len(self.blocks):
            return None
        name = self.blocks[number]
        sent = [{"hash": f"{name}-t{n}", "from": "0xa", "value": hex(n)} for n in range(2)]
        return {
            "number": hex(number), "hash": name,
            "parentHash": self.blocks[number - 1] if number else "none",
            "transactions": sent if whole else [one["hash"] for one in sent],
        }  # fmt: skip

    def __call__(self, asked: Asked) -> Answer:
        call = json.loads(asked.body)
        self.calls += 1
        if self.calls == 3:
            return Answer(b"busy", 503)
        result: Any = None
        match call["method"], call["params"]:
            case "eth_blockNumber", []:
                result = hex(len(self.blocks) - 1)
            case "eth_getBlockByNumber", [number, whole]:
                result = self.block(int(number, 16), whole=whole)
            case "eth_getLogs", [{"blockHash": name, "address": [address]}]:
                result = [{"blockHash": name, "transactionHash": f"{name}-t0", "address": address}]
        return Answer(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}).encode())


def told(connect: Connect, topic: str, count: int) -> list[str]:
    found = [json.loads(one.value()) for one in connect.read(topic, count)]
    return [
        ("-" if one["removed"] else "") + (one.get("hash") or one["blockHash"]) for one in found
    ]


def test_blocks_that_are_no_more_are_taken_back(connect: Connect) -> None:
    node = Node()
    node.grow("a0", "a1", "a2")
    with Scripted(node) as server:
        options = {
            "topic": "blocks", "rpc__url": server.url, "start__block": 0,
            "poll__interval__ms": 30, "retry__backoff__ms": 20, **PLAIN,
        }  # fmt: skip
        connect.put("blocks", "EthereumSource", **options)
        assert told(connect, "blocks", 3) == ["a0", "a1", "a2"]

        node.blocks[1:] = ["b1", "b2", "b3"]
        seen = ["a0", "a1", "a2", "-a2", "-a1", "b1", "b2", "b3"]
        assert told(connect, "blocks", 8) == seen

        offsets = "/connectors/blocks/offsets"
        eventually(lambda: connect.rest.get(offsets).json()["offsets"][0]["offset"]["block"] == 4)
        connect.rest.put("/connectors/blocks/stop")
        node.blocks[3:] = ["c3", "c4"]
        connect.rest.put("/connectors/blocks/resume")
        assert told(connect, "blocks", 11) == [*seen, "-b3", "c3", "c4"]


def test_confirmed_transactions_and_logs(connect: Connect) -> None:
    node = Node()
    node.grow("a0", "a1", "a2", "a3")
    with Scripted(node) as server:
        common = {"rpc__url": server.url, "start__block": 1, "poll__interval__ms": 30,
                  "retry__backoff__ms": 20, **PLAIN}  # fmt: skip
        connect.put("sent", "EthereumSource", topic="sent", what="transactions",
                    confirmations=2, **common)  # fmt: skip
        connect.put("logs", "EthereumSource", topic="logs", what="logs", addresses="0xc",
                    **common)  # fmt: skip

        assert told(connect, "sent", 2) == ["a1-t0", "a1-t1"]
        assert told(connect, "logs", 3) == ["a1", "a2", "a3"]
        node.grow("a4")
        assert told(connect, "sent", 4)[2:] == ["a2-t0", "a2-t1"]


def test_a_reorganisation_that_is_too_deep_is_said(connect: Connect) -> None:
    node = Node()
    node.grow(*(f"a{n}" for n in range(6)))
    with Scripted(node) as server:
        connect.put("deep", "EthereumSource", topic="deep", rpc__url=server.url, start__block=0,
                    reorg__depth=2, poll__interval__ms=30, retry__backoff__ms=20,
                    aliran__restart__attempts=0, **PLAIN)  # fmt: skip
        told(connect, "deep", 6)
        node.blocks[1:] = [f"b{n}" for n in range(1, 8)]

        def trace() -> str:
            return str(connect.status("deep")["tasks"][0].get("trace", ""))

        assert "more than reorg.depth=2" in eventually(trace)
