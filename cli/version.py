"""`aliran version`."""

from __future__ import annotations

import platform
from importlib.metadata import version as version_of

_PARTS = ("rocksdict", "confluent-kafka", "msgspec", "aiokafka")


def version() -> None:
    """Print the version of Aliran, of Python, and of what Aliran stands on."""
    print(f"aliran {version_of('aliran')}")
    print(f"Python {platform.python_version()} on {platform.platform()}")
    for name in _PARTS:
        print(f"{name} {version_of(name)}")
