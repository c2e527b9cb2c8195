"""What the coordinator needs kept, and how a group is put into a record and taken out again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from aliran.broker.groups.group import Group, Member
from aliran.broker.groups.states import GroupState
from aliran.broker.offset_records import GroupMetadata, MemberMetadata


class GroupStore(Protocol):
    """Where groups and their offsets are kept; `OffsetStore` in a broker."""

    def save_group(self, group: str, metadata: GroupMetadata) -> None:
        """Remember `metadata` over restarts."""
        ...

    def saved_groups(self) -> Mapping[str, GroupMetadata]:
        """Return every group that is remembered."""
        ...

    def delete_group(self, group: str) -> None:
        """Forget a group with its offsets."""
        ...

    def groups(self) -> list[str]:
        """Return the ids of all groups that have offsets or were saved."""
        ...

    def has_offsets(self, group: str) -> bool:
        """Say whether anything is committed in `group`."""
        ...

    def expire(
        self, group: str, *, empty_since_ms: int | None, subscribed: Collection[str]
    ) -> None:
        """Forget the offsets of `group` whose time is over."""
        ...


def group_to_metadata(group: Group) -> GroupMetadata:
    """Return what is kept of a group."""
    return GroupMetadata(
        protocol_type=group.protocol_type or "",
        generation=group.generation,
        protocol_name=group.protocol_name,
        leader_id=group.leader_id,
        state_since_ms=group.state_since_ms,
        members=tuple(
            MemberMetadata(
                member_id=each.member_id,
                instance_id=each.instance_id,
                client_id=each.client_id,
                client_host=each.client_host,
                rebalance_timeout_ms=each.rebalance_timeout_ms,
                session_timeout_ms=each.session_timeout_ms,
                subscription=each.metadata(group.protocol_name),
                assignment=each.assignment,
            )
            for each in group.members.values()
        ),
    )


def group_from_metadata(group_id: str, kept: GroupMetadata) -> Group:
    """Return the group as it was: Stable with its members, or Empty."""
    group = Group(
        group_id=group_id,
        state=GroupState.STABLE if kept.members else GroupState.EMPTY,
        state_since_ms=kept.state_since_ms,
        generation=kept.generation,
        protocol_type=kept.protocol_type or None,
        protocol_name=kept.protocol_name,
        leader_id=kept.leader_id,
    )
    for each in kept.members:
        member = Member(
            member_id=each.member_id,
            instance_id=each.instance_id,
            client_id=each.client_id,
            client_host=each.client_host,
            rebalance_timeout_ms=each.rebalance_timeout_ms,
            session_timeout_ms=each.session_timeout_ms,
            protocols=((kept.protocol_name or "", each.subscription),),
            assignment=each.assignment,
        )
        group.add(member, kept.protocol_type)
    group.update_subscribed_topics()
    return group
