"""`RegistryConfig`: the settings of a registry that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aliran.schema_registry.http.access import Access
from aliran.schema_registry.log import TOPIC
from aliran.schema_registry.models import CompatibilityLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig:
    """Settings of a registry; what stands in brackets is Confluent's name of the same.

    Attributes:
        compatibility: The level where nothing is set (`schema.compatibility.level`).
        incompatible_code: `error_code` of an incompatible schema: 409 as Confluent up to 8.1.1,
            40901 from 8.1.2 on.
        mode_changes: Whether modes may be set (`mode.mutability`).
        max_body_bytes: The largest request that is read.
        access: Who may use the registry; None for everybody.
        certificate: File of a certificate chain in PEM; with it the registry speaks HTTPS.
        certificate_key: File of its private key, where the first does not hold it.
        topic: The topic (`kafkastore.topic`).
        group_id: Name of the group of registries on a cluster (`schema.registry.group.id`).
        advertise: "HOST:PORT" by which the others of the group reach this one; None for where it
            listens (`host.name`).
        eligible: Whether it may lead (`leader.eligibility`).
        session_timeout_ms: How long a registry that is silent keeps its place in the group
            (`kafkagroup.session.timeout.ms`).
        leader_wait_s: How long a write waits while no registry leads.
        kafka: Settings of librdkafka for a cluster, by its names.
    """

    compatibility: CompatibilityLevel = "BACKWARD"
    incompatible_code: int = 409
    mode_changes: bool = True
    max_body_bytes: int = 8 << 20
    access: Access | None = None
    certificate: str | None = None
    certificate_key: str | None = None
    topic: str = TOPIC
    group_id: str = "schema-registry"
    advertise: str | None = None
    eligible: bool = True
    session_timeout_ms: int = 10_000
    leader_wait_s: float = 5.0
    kafka: Mapping[str, Any] = field(default_factory=dict)
