"""`aliran registry`: the schema registry as a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from aliran.cli.settings import key_values


def registry(
    *,
    listen: str = "127.0.0.1:8081",
    data: Path = Path("aliran-data"),
    bootstrap_servers: Annotated[str | None, Parameter(name=["--bootstrap-servers", "-b"])] = None,
    compatibility: str = "BACKWARD",
    access: Path | None = None,
    certificate: Path | None = None,
    certificate_key: Path | None = None,
    config: Annotated[
        tuple[str, ...], Parameter(name=["--config", "-c"], negative="", show_default=False)
    ] = (),
) -> int:
    """Run a schema registry that any Confluent client can use, until Ctrl-C or SIGTERM.

    Schemas are kept in the topic `_schemas`: of a broker inside this process, with its data in the
    data directory, or of a Kafka cluster. Registries on one cluster elect a leader, and forward to
    it what changes something.

    For example:

    ```
    aliran registry
    aliran registry --listen 127.0.0.1:18081 --data /var/lib/aliran
    aliran registry --bootstrap-servers kafka-1:9092,kafka-2:9092 -c advertise=registry-1:8081
    aliran registry -b kafka-1:9093 -c security.protocol=SSL -c ssl.ca.location=ca.pem
    aliran registry --access access.toml --certificate server.pem --certificate-key server.key
    ```

    Args:
        listen: HOST:PORT to listen on; port 0 takes a free one and prints it.
        data: Directory of the broker inside; made if it is not there.
        bootstrap_servers: A Kafka cluster, HOST:PORT,HOST:PORT, in place of a broker inside.
        compatibility: The compatibility level where nothing is set.
        access: TOML file that says who may read and write which subjects.
        certificate: Certificate chain in PEM; with it the registry speaks HTTPS.
        certificate_key: Its private key, where the certificate's file does not hold it.
        config: NAME=VALUE, may be given several times: topic, group_id, advertise, eligible,
            incompatible_code, mode_changes, max_body_bytes, or a setting of librdkafka.
    """
    from aliran.schema_registry.server_main import run_server

    settings = {
        **key_values(config, "--config"),
        "compatibility": compatibility,
        **{
            name: str(path)
            for name, path in (
                ("access", access),
                ("certificate", certificate),
                ("certificate_key", certificate_key),
            )
            if path is not None
        },
    }
    return run_server(listen, data, bootstrap_servers, settings)
