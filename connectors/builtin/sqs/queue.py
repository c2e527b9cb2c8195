"""Which queue, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from aliran.connectors.cloud.aws import AwsOptions, aws_errors
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import not_empty

BATCH = 10
"""How many messages go with one request, at most."""


@dataclass(frozen=True, kw_only=True)
class QueueOptions(AwsOptions):
    """Which queue."""

    sqs_url: Annotated[
        str, Option("The queue's URL.", importance=Importance.HIGH, validator=not_empty)
    ]
    sqs_region: Annotated[str | None, Option("The queue's region.")] = None

    def sqs(self) -> Any:
        """Return a client."""
        return self.client("sqs", self.sqs_region)

    def check_queue(self) -> None:
        """Ask for the queue.

        Raises:
            ConnectError: It is not there, not ours, or SQS is away.
        """
        sqs = self.sqs()
        with aws_errors(f"asking for the queue {self.sqs_url}"):
            sqs.get_queue_attributes(QueueUrl=self.sqs_url, AttributeNames=["QueueArn"])
        sqs.close()
