"""Why a worker of several cannot do what it is asked for."""

from __future__ import annotations

from aliran.connectors.runtime.herder import ConflictError


class RebalanceError(ConflictError):
    """The workers are dealing out their work. Kafka: `RebalanceNeededException`."""

    reason = "rebalance"


class NotLeaderError(ConflictError):
    """Another worker must do it. Kafka: `NotLeaderException`, `NotAssignedException`.

    Args:
        url: Where that one's REST is.
    """

    reason = "not_leader"

    def __init__(self, url: str) -> None:
        super().__init__(
            "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
        )
        self.url: str = url
