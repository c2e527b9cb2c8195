"""Loads the oracle kafka-python, whose import warns of a function its Python deprecates."""

from __future__ import annotations

import warnings
from importlib import import_module

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    for name in ("kafka", "kafka.codec", "kafka.partitioner.default", "kafka.record"):
        import_module(name)
