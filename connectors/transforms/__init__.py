"""Transformations of single records, and the predicates that choose them. Kafka: `transforms`."""

from aliran.connectors.transforms.base import Transformation
from aliran.connectors.transforms.predicates import Predicate

__all__ = ["Predicate", "Transformation"]
