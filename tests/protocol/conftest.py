"""Loads the oracle kafka-python, whose import warns of a function its Python deprecates."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka
    import kafka.codec
    import kafka.partitioner.default
    import kafka.record.default_records  # noqa: F401
