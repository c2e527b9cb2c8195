"""Kafka's error codes: what each number on the wire means and whether trying again helps.

Names and numbers are those of Kafka's `Errors` (Apache Kafka 4.2); the texts are ours.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

_RETRY = True


class ErrorCode(IntEnum):
    """One error code of the Kafka protocol; it is an `int`, so it goes on the wire as it is.

    Attributes:
        text: One sentence that says what the code means.
        retriable: Whether the same request may succeed later, perhaps after a metadata refresh
            (Kafka: the exception derives from `RetriableException`).

    >>> ErrorCode(6).name, ErrorCode.NOT_LEADER_OR_FOLLOWER.retriable
    ('NOT_LEADER_OR_FOLLOWER', True)
    """

    text: str
    retriable: bool

    def __new__(cls, value: int, text: str = "", retriable: bool = False) -> Self:
        """Make a member; `ErrorCode(number)` looks one up instead."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        member.retriable = retriable
        return member

    @classmethod
    def of(cls, value: int) -> ErrorCode:
        """Return the code numbered `value`; UNKNOWN_SERVER_ERROR for one that is not listed."""
        try:
            return cls(value)
        except ValueError:
            return cls.UNKNOWN_SERVER_ERROR

    UNKNOWN_SERVER_ERROR = -1, "The broker met an error it has no code for."
    NONE = 0, "No error."
    OFFSET_OUT_OF_RANGE = 1, "The offset lies outside of what the partition holds."
    CORRUPT_MESSAGE = 2, "A record batch is damaged: its CRC, size or format is wrong.", _RETRY
    UNKNOWN_TOPIC_OR_PARTITION = 3, "This broker does not have the topic-partition.", _RETRY
    INVALID_FETCH_SIZE = 4, "The fetch size is not valid."
    LEADER_NOT_AVAILABLE = 5, "The partition has no leader at the moment.", _RETRY
    NOT_LEADER_OR_FOLLOWER = 6, "This broker does not hold the partition as asked for.", _RETRY
    REQUEST_TIMED_OUT = 7, "The request ran out of time.", _RETRY
    BROKER_NOT_AVAILABLE = 8, "The broker is not available."
    REPLICA_NOT_AVAILABLE = 9, "The replica is not available on this broker.", _RETRY
    MESSAGE_TOO_LARGE = 10, "The record batch is larger than the topic allows."
    STALE_CONTROLLER_EPOCH = 11, "The controller has moved to another broker."
    OFFSET_METADATA_TOO_LARGE = 12, "The text committed with the offset is too long."
    NETWORK_EXCEPTION = 13, "The connection broke before a response arrived.", _RETRY
    COORDINATOR_LOAD_IN_PROGRESS = 14, "The coordinator is still loading its state.", _RETRY
    COORDINATOR_NOT_AVAILABLE = 15, "The coordinator is not available.", _RETRY
    NOT_COORDINATOR = 16, "This broker is not the coordinator asked for.", _RETRY
    INVALID_TOPIC_EXCEPTION = 17, "The topic's name is not valid or it may not be written to."
    RECORD_LIST_TOO_LARGE = 18, "The request holds a batch larger than a segment."
    NOT_ENOUGH_REPLICAS = 19, "Fewer replicas are in sync than the topic demands.", _RETRY
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, "Written, but to too few in-sync replicas.", _RETRY
    INVALID_REQUIRED_ACKS = 21, "acks must be 0, 1 or -1 (all)."
    ILLEGAL_GENERATION = 22, "The generation is not the group's current one."
    INCONSISTENT_GROUP_PROTOCOL = 23, "The group has no assignor in common with this member."
    INVALID_GROUP_ID = 24, "The group id is not valid."
    UNKNOWN_MEMBER_ID = 25, "The group does not know this member."
    INVALID_SESSION_TIMEOUT = 26, "The session timeout lies outside of the broker's bounds."
    REBALANCE_IN_PROGRESS = 27, "The group rebalances: rejoin it."
    INVALID_COMMIT_OFFSET_SIZE = 28, "The committed offset's data is too large."
    TOPIC_AUTHORIZATION_FAILED = 29, "Not allowed on this topic."
    GROUP_AUTHORIZATION_FAILED = 30, "Not allowed on this group."
    CLUSTER_AUTHORIZATION_FAILED = 31, "Not allowed on this cluster."
    INVALID_TIMESTAMP = 32, "A record's timestamp lies outside of what the topic accepts."
    UNSUPPORTED_SASL_MECHANISM = 33, "The broker does not offer this SASL mechanism."
    ILLEGAL_SASL_STATE = 34, "The request does not fit the state of the SASL exchange."
    UNSUPPORTED_VERSION = 35, "The broker does not speak this version of the API."
    TOPIC_ALREADY_EXISTS = 36, "A topic of this name exists."
    INVALID_PARTITIONS = 37, "The number of partitions is not valid."
    INVALID_REPLICATION_FACTOR = 38, "The replication factor is below 1 or above the brokers."
    INVALID_REPLICA_ASSIGNMENT = 39, "The replica assignment is not valid."
    INVALID_CONFIG = 40, "A configuration value is not valid."
    NOT_CONTROLLER = 41, "This broker is not the controller.", _RETRY
    INVALID_REQUEST = 42, "The request contradicts itself or lacks something."
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, "The partition's record format cannot do this."
    POLICY_VIOLATION = 44, "A policy of the cluster forbids it."
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, "The producer's sequence number leaves a gap."
    DUPLICATE_SEQUENCE_NUMBER = 46, "The producer's sequence number was used before."
    INVALID_PRODUCER_EPOCH = 47, "The producer's epoch is older than the one known."
    INVALID_TXN_STATE = 48, "The transaction's state does not allow it."
    INVALID_PRODUCER_ID_MAPPING = 49, "The producer id does not belong to the transactional id."
    INVALID_TRANSACTION_TIMEOUT = 50, "The transaction timeout exceeds the broker's maximum."
    CONCURRENT_TRANSACTIONS = 51, "The previous transaction is still being completed.", _RETRY
    TRANSACTION_COORDINATOR_FENCED = 52, "The transaction coordinator was replaced."
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, "Not allowed with this transactional id."
    SECURITY_DISABLED = 54, "Security features are switched off."
    OPERATION_NOT_ATTEMPTED = 55, "Not tried, because another part of the request failed."
    KAFKA_STORAGE_ERROR = 56, "The broker's disk failed.", _RETRY
    LOG_DIR_NOT_FOUND = 57, "The broker has no such log directory."
    SASL_AUTHENTICATION_FAILED = 58, "Authentication failed."
    UNKNOWN_PRODUCER_ID = 59, "The partition has no state for this producer id."
    REASSIGNMENT_IN_PROGRESS = 60, "The partition is being reassigned."
    DELEGATION_TOKEN_AUTH_DISABLED = 61, "Delegation tokens are switched off."
    DELEGATION_TOKEN_NOT_FOUND = 62, "The delegation token does not exist."
    DELEGATION_TOKEN_OWNER_MISMATCH = 63, "The delegation token belongs to somebody else."
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64, "Not allowed on a connection of this kind."
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65, "Not allowed with this delegation token."
    DELEGATION_TOKEN_EXPIRED = 66, "The delegation token has expired."
    INVALID_PRINCIPAL_TYPE = 67, "The kind of principal is not supported."
    NON_EMPTY_GROUP = 68, "The group has members."
    GROUP_ID_NOT_FOUND = 69, "The group does not exist."
    FETCH_SESSION_ID_NOT_FOUND = 70, "The fetch session does not exist.", _RETRY
    INVALID_FETCH_SESSION_EPOCH = 71, "The fetch session's epoch is not the next one.", _RETRY
    LISTENER_NOT_FOUND = 72, "The leader has no such listener.", _RETRY
    TOPIC_DELETION_DISABLED = 73, "Deleting topics is switched off."
    FENCED_LEADER_EPOCH = 74, "The leader epoch is older than the broker's.", _RETRY
    UNKNOWN_LEADER_EPOCH = 75, "The leader epoch is newer than the broker's.", _RETRY
    UNSUPPORTED_COMPRESSION_TYPE = 76, "The client cannot read this compression."
    STALE_BROKER_EPOCH = 77, "The broker epoch is out of date."
    OFFSET_NOT_AVAILABLE = 78, "A new leader does not know the high watermark yet.", _RETRY
    MEMBER_ID_REQUIRED = 79, "Join again with the member id of this response."
    PREFERRED_LEADER_NOT_AVAILABLE = 80, "The preferred leader is not available.", _RETRY
    GROUP_MAX_SIZE_REACHED = 81, "The group is full."
    FENCED_INSTANCE_ID = 82, "Another member has taken over this group instance id."
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, "No eligible leader is available.", _RETRY
    ELECTION_NOT_NEEDED = 84, "The partition's leader is already the right one.", _RETRY
    NO_REASSIGNMENT_IN_PROGRESS = 85, "No reassignment is going on."
    GROUP_SUBSCRIBED_TO_TOPIC = 86, "A member of the group is subscribed to the topic."
    INVALID_RECORD = 87, "A record was refused by the broker's checks."
    UNSTABLE_OFFSET_COMMIT = 88, "Offsets of an open transaction are pending.", _RETRY
    THROTTLING_QUOTA_EXCEEDED = 89, "The quota is used up.", _RETRY
    PRODUCER_FENCED = 90, "A newer producer with the same transactional id took over."
    RESOURCE_NOT_FOUND = 91, "The resource does not exist."
    DUPLICATE_RESOURCE = 92, "The resource is named twice."
    UNACCEPTABLE_CREDENTIAL = 93, "The credential does not meet the demands."
    INCONSISTENT_VOTER_SET = 94, "The voters of request and cluster differ."
    INVALID_UPDATE_VERSION = 95, "The update version is not valid."
    FEATURE_UPDATE_FAILED = 96, "The features could not be updated."
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, "The forwarded principal could not be read."
    SNAPSHOT_NOT_FOUND = 98, "The snapshot does not exist."
    POSITION_OUT_OF_RANGE = 99, "The position lies outside of the snapshot."
    UNKNOWN_TOPIC_ID = 100, "This broker does not know the topic id.", _RETRY
    DUPLICATE_BROKER_REGISTRATION = 101, "The broker id is taken."
    BROKER_ID_NOT_REGISTERED = 102, "The broker id is not registered."
    INCONSISTENT_TOPIC_ID = 103, "The topic id does not match the topic's name.", _RETRY
    INCONSISTENT_CLUSTER_ID = 104, "The cluster id is that of another cluster."
    TRANSACTIONAL_ID_NOT_FOUND = 105, "The transactional id does not exist."
    FETCH_SESSION_TOPIC_ID_ERROR = 106, "A session mixes topic ids and names.", _RETRY
    INELIGIBLE_REPLICA = 107, "The replica may not join the in-sync set."
    NEW_LEADER_ELECTED = 108, "The change made another broker leader."
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, "The offset lies in tiered storage."
    FENCED_MEMBER_EPOCH = 110, "The member's epoch is out of date: rejoin with epoch 0."
    UNRELEASED_INSTANCE_ID = 111, "Another member still holds this group instance id."
    UNSUPPORTED_ASSIGNOR = 112, "The group has no such assignor."
    STALE_MEMBER_EPOCH = 113, "The member's epoch is behind: retry after the next heartbeat."
    MISMATCHED_ENDPOINT_TYPE = 114, "The request went to the wrong kind of endpoint."
    UNSUPPORTED_ENDPOINT_TYPE = 115, "The kind of endpoint is not supported."
    UNKNOWN_CONTROLLER_ID = 116, "The controller id is not known."
    UNKNOWN_SUBSCRIPTION_ID = 117, "The telemetry subscription id is not current."
    TELEMETRY_TOO_LARGE = 118, "The telemetry exceeds the broker's limit."
    INVALID_REGISTRATION = 119, "The controller refused the broker's registration."
    TRANSACTION_ABORTABLE = 120, "The transaction has to be aborted; the producer may go on."
    INVALID_RECORD_STATE = 121, "The record's state does not allow the acknowledgement."
    SHARE_SESSION_NOT_FOUND = 122, "The share session does not exist.", _RETRY
    INVALID_SHARE_SESSION_EPOCH = 123, "The share session's epoch is not the next one.", _RETRY
    FENCED_STATE_EPOCH = 124, "The share coordinator's state epoch is newer."
    INVALID_VOTER_KEY = 125, "The voter key does not match the receiver."
    DUPLICATE_VOTER = 126, "The voter is already one of the voters."
    VOTER_NOT_FOUND = 127, "The voter is not one of the voters."
    INVALID_REGULAR_EXPRESSION = 128, "The regular expression is not valid."
    REBOOTSTRAP_REQUIRED = 129, "The client's metadata is stale: start from the bootstrap list."
    STREAMS_INVALID_TOPOLOGY = 130, "The topology is not valid."
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, "The topology's epoch is not valid."
    STREAMS_TOPOLOGY_FENCED = 132, "The topology's epoch is out of date."
    SHARE_SESSION_LIMIT_REACHED = 133, "The broker holds as many share sessions as it may.", _RETRY
