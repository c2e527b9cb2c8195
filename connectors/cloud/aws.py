"""Clients of AWS: options for them, and their errors as Connect's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password
from aliran.connectors.errors import ConnectError, RetriableError

_AWAY = (
    boto.EndpointConnectionError,
    boto.ConnectionClosedError,
    boto.HTTPClientError,
    boto.IncompleteReadError,
    boto.ResponseStreamingError,
)
_LATER = frozenset(
    {
        "InternalError", "InternalFailure", "InternalServerError", "LimitExceededException",
        "OperationAborted", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
        "RequestThrottled", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling",
        "ThrottlingException", "TransactionInProgressException",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AwsOptions:
    """Who asks, and where."""

    aws_access_key_id: Annotated[
        str | None,
        Option(
            "The access key; without one, those of the environment, of ~/.aws or of the machine.",
            importance=Importance.HIGH, group="AWS",
        ),
    ] = None  # fmt: skip
    aws_secret_access_key: Annotated[
        Password | None,
        Option("The secret that goes with it.", importance=Importance.HIGH, group="AWS"),
    ] = None
    aws_session_token: Annotated[
        Password | None, Option("The token of temporary keys.", group="AWS")
    ] = None
    aws_endpoint_url: Annotated[
        str | None,
        Option("Another server that speaks the same interface, such as a test's.", group="AWS"),
    ] = None

    def client(self, service: str, region: str | None, **settings: Any) -> Any:
        """Return a client of a service.

        Args:
            service: Such as "s3".
            region: Where; None for what the environment says.
            settings: More for `botocore.config.Config`.

        Raises:
            ConnectError: Something about it is wrong, such as the region.
        """
        secret, token = self.aws_secret_access_key, self.aws_session_token
        config = Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"total_max_attempts": 2, "mode": "standard"},
            **settings,
        )
        with aws_errors(f"connecting to {service}"):
            try:
                return boto3.session.Session().client(
                    service,
                    region_name=region,
                    endpoint_url=self.aws_endpoint_url,
                    aws_access_key_id=self.aws_access_key_id,
                    aws_secret_access_key=None if secret is None else secret.value,
                    aws_session_token=None if token is None else token.value,
                    config=config,
                )
            except ValueError as error:
                raise ConnectError(f"connecting to {service} failed: {error}") from error


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Turn errors of boto into Connect's.

    Args:
        what: What is being done, for the message.

    Raises:
        RetriableError: The service cannot be reached, or asks to come back later.
        ConnectError: It refuses.
    """
    try:
        yield
    except boto.ClientError as error:
        told = error.response.get("Error", {})
        code, message = str(told.get("Code", "")), told.get("Message", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        kind = RetriableError if status >= 500 or code in _LATER else ConnectError
        raise kind(f"{what} failed: {code}: {message}") from error
    except _AWAY as error:
        raise RetriableError(f"{what} failed: {error}") from error
    except boto.NoCredentialsError as error:
        raise ConnectError(
            f"{what} failed: there are no credentials; set aws.access.key.id and "
            "aws.secret.access.key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from error
    except boto.NoRegionError as error:
        raise ConnectError(f"{what} failed: no region is set") from error
    except boto.BotoCoreError as error:
        raise ConnectError(f"{what} failed: {error}") from error


def code_of(error: BaseException) -> str:
    """Return AWS's code of what caused an error, such as "NoSuchKey"."""
    cause = error.__cause__
    found = cause.response.get("Error", {}) if isinstance(cause, boto.ClientError) else {}
    return str(found.get("Code", ""))
