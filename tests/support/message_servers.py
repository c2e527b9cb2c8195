"""Redis, Mosquitto, RabbitMQ and NATS as processes of their own, for tests."""

from __future__ import annotations

import os
from pathlib import Path

from broker_process import safe_port
from server_process import ServerProcess, account, binary, run


def redis_server(folder: Path, *options: str) -> ServerProcess:
    """Return a Redis that keeps what it was told over a kill, not started."""
    command = [
        binary("redis-server"), "--port", "{port}", "--bind", "127.0.0.1", "--dir", str(folder),
        "--appendonly", "yes", "--appendfsync", "always", "--save", "", *options,
    ]  # fmt: skip
    return ServerProcess(command, folder / "redis.log")


def mosquitto(folder: Path) -> ServerProcess:
    """Return a Mosquitto that keeps sessions over a stop, and forgets no message, not started."""
    server = ServerProcess([binary("mosquitto"), "-c", str(folder / "mosquitto.conf")],
                           folder / "mosquitto.log")  # fmt: skip
    passwords = folder / "passwords"
    run([binary("mosquitto_passwd"), "-b", "-c", str(passwords), "me", "psst"])
    (folder / "mosquitto.conf").write_text(
        f"listener {server.port} 127.0.0.1\nallow_anonymous true\npassword_file {passwords}\n"
        f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n"
        "max_queued_messages 0\nmax_inflight_messages 0\nuser root\n"
    )
    return server


def rabbitmq(folder: Path) -> ServerProcess:
    """Return a RabbitMQ, not started; that takes some seconds. Its user is guest."""
    user = account("rabbitmq")
    folder.chmod(0o755)
    home = folder / "rabbitmq"
    home.mkdir()
    if user is not None:
        os.chown(home, *user)
        for parent in home.parents:
            if len(parent.parts) > 2 and parent.is_relative_to("/tmp"):
                parent.chmod(0o755)
    (home / "enabled_plugins").write_text("[].")
    (home / "rabbitmq.conf").write_text("log.file.level = error\n")
    environment = {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"aliran{os.getpid()}x{safe_port()}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(safe_port()),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "none"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(safe_port()),
    }
    command = ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
    binary("rabbitmq-server")
    server = ServerProcess(command, folder / "rabbitmq.log", user=user, environment=environment)
    server.set("RABBITMQ_NODE_PORT", str(server.port))
    return server


def nats_server(folder: Path) -> ServerProcess:
    """Return a NATS with JetStream, not started."""
    command = [binary("nats-server"), "-a", "127.0.0.1", "-p", "{port}", "-js", "-sd", str(folder)]
    return ServerProcess(command, folder / "nats.log")
