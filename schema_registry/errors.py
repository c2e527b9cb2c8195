"""What the registry refuses, with Confluent's numbers and texts.

Confluent: `rest.exceptions.Errors`.

An error knows the HTTP status and the `error_code` of its answer; one place in `http/` renders all.
"""

from __future__ import annotations

from aliran.core.errors import AliranError


class RegistryError(AliranError):
    """Root of all errors of the schema registry.

    Attributes:
        status: HTTP status of the answer.
        error_code: Confluent's number, more precise than the status.
    """

    status: int = 500
    error_code: int = 50001

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequestError(RegistryError):
    """A request that is not well formed: its body, a parameter, its content type."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status: int = status
        self.error_code: int = status


class SubjectNotFoundError(RegistryError):
    """No schema is registered under a subject."""

    status: int = 404
    error_code: int = 40401

    def __init__(self, subject: str) -> None:
        super().__init__(f"Subject '{subject}' not found.")


class VersionNotFoundError(RegistryError):
    """A subject has no such version."""

    status: int = 404
    error_code: int = 40402

    def __init__(self, version: int) -> None:
        super().__init__(f"Version {version} not found.")


class SchemaNotFoundError(RegistryError):
    """No schema has this id or GUID, or this content under a subject (None)."""

    status: int = 404
    error_code: int = 40403

    def __init__(self, key: int | str | None = None) -> None:
        super().__init__("Schema not found" if key is None else f"Schema {key} not found")


class SubjectSoftDeletedError(RegistryError):
    """A subject is deleted already; only `permanent=true` can delete more."""

    status: int = 404
    error_code: int = 40404

    def __init__(self, subject: str) -> None:
        super().__init__(
            f"Subject '{subject}' was soft deleted.Set permanent=true to delete permanently"
        )


class SubjectNotSoftDeletedError(RegistryError):
    """A subject must be deleted softly before it is deleted for good."""

    status: int = 404
    error_code: int = 40405

    def __init__(self, subject: str) -> None:
        super().__init__(
            f"Subject '{subject}' was not deleted first before being permanently deleted"
        )


class VersionSoftDeletedError(RegistryError):
    """A version is deleted already; only `permanent=true` can delete more."""

    status: int = 404
    error_code: int = 40406

    def __init__(self, subject: str, version: str) -> None:
        super().__init__(
            f"Subject '{subject}' Version {version} was soft deleted."
            "Set permanent=true to delete permanently"
        )


class VersionNotSoftDeletedError(RegistryError):
    """A version must be deleted softly before it is deleted for good."""

    status: int = 404
    error_code: int = 40407

    def __init__(self, subject: str, version: int) -> None:
        super().__init__(
            f"Subject '{subject}' Version {version} was not deleted first "
            "before being permanently deleted"
        )


class ConfigNotFoundError(RegistryError):
    """A subject has no settings of its own."""

    status: int = 404
    error_code: int = 40408

    def __init__(self, subject: str) -> None:
        super().__init__(
            f"Subject '{subject}' does not have subject-level compatibility configured"
        )


class ModeNotFoundError(RegistryError):
    """A subject has no mode of its own."""

    status: int = 404
    error_code: int = 40409

    def __init__(self, subject: str) -> None:
        super().__init__(f"Subject '{subject}' does not have subject-level mode configured")


class AssociationNotFoundError(RegistryError):
    """A resource has no association."""

    status: int = 404

    error_code: int = 40410

    def __init__(self, resource: str) -> None:
        super().__init__(f"Association for '{resource}' not found.")


class AssociationForResourceExistsError(RegistryError):
    """A resource has an association of this type already, and it is another one."""

    status: int = 409

    error_code: int = 40903

    def __init__(self, association_type: str, resource: str) -> None:
        super().__init__(
            f"An association of type '{association_type}' already exists for resource '{resource}'"
        )


class AssociationForSubjectExistsError(RegistryError):
    """A subject that a resource is to own belongs to another one."""

    status: int = 409

    error_code: int = 40904

    def __init__(self, subject: str) -> None:
        super().__init__(f"An association already exists for subject '{subject}'")


class StrongAssociationExistsError(RegistryError):
    """A subject is owned by another resource."""

    status: int = 409

    error_code: int = 40905

    def __init__(self, subject: str) -> None:
        super().__init__(f"A strong association already exists for subject '{subject}'")


class NoActiveVersionError(RegistryError):
    """A subject has no version that an association could mean."""

    status: int = 409

    error_code: int = 40907

    def __init__(self, subject: str) -> None:
        super().__init__(f"No active (non-deleted) version exists for subject '{subject}'")


class AssociationFrozenError(RegistryError):
    """An association cannot be changed."""

    status: int = 409

    error_code: int = 40908

    def __init__(self, association_type: str, subject: str) -> None:
        super().__init__(
            f"The association of type  '{association_type}' is frozen for subject '{subject}'"
        )


class IncompatibleSchemaError(RegistryError):
    """A schema breaks the compatibility level of its subject.

    Confluent up to 8.1.1 answers 409 as the error code, 40901 from 8.1.2 on.
    """

    status: int = 409
    error_code: int = 409


class InvalidSchemaError(RegistryError):
    """A schema cannot be parsed, refers to something missing, or breaks a rule of its format."""

    status: int = 422
    error_code: int = 42201


class InvalidVersionError(RegistryError):
    """A version in a path is neither a number from 1 on nor `latest`."""

    status: int = 422
    error_code: int = 42202

    def __init__(self, version: str) -> None:
        super().__init__(
            f"The specified version '{version}' is not a valid version id. "
            'Allowed values are between [1, 2^31-1] and the string "latest"'
        )


class InvalidCompatibilityError(RegistryError):
    """A compatibility level or policy that does not exist."""

    status: int = 422
    error_code: int = 42203


class InvalidModeError(RegistryError):
    """A mode that does not exist."""

    status: int = 422
    error_code: int = 42204


class OperationNotPermittedError(RegistryError):
    """The mode of a subject, or what is registered already, forbids it."""

    status: int = 422
    error_code: int = 42205


class ReferenceExistsError(RegistryError):
    """A schema that others refer to cannot be deleted."""

    status: int = 422
    error_code: int = 42206

    def __init__(self, subject: str, version: int) -> None:
        super().__init__(
            "One or more references exist to the schema "
            f"{{magic=1,keytype=SCHEMA,subject={subject},version={version}}}."
        )


class IdDoesNotMatchError(RegistryError):
    """A schema is registered under another id than the one that is asked for."""

    status: int = 422
    error_code: int = 42207


class InvalidSubjectError(RegistryError):
    """The name of a subject cannot be used."""

    status: int = 422
    error_code: int = 42208

    def __init__(self, subject: str) -> None:
        super().__init__(f"The specified subject '{subject}' is not a valid.")


class SchemaTooLargeError(RegistryError):
    """A schema does not fit into a record of the topic, or into a request."""

    status: int = 422
    error_code: int = 42209


class InvalidRuleSetError(RegistryError):
    """A rule of a data contract is not well formed."""

    status: int = 422
    error_code: int = 42210


class ContextNotEmptyError(RegistryError):
    """A context that still has subjects cannot be deleted."""

    status: int = 422
    error_code: int = 42211

    def __init__(self, context: str) -> None:
        super().__init__(f"The specified context '{context}' is not empty.")


class InvalidAssociationError(RegistryError):
    """A property of an association cannot be what it is asked to be."""

    status: int = 422

    error_code: int = 42212

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(
            f"The association specified an invalid value for property: '{name}', detail: {detail}"
        )


class StoreError(RegistryError):
    """The topic `_schemas` cannot be written or read."""

    status: int = 500
    error_code: int = 50001


class StoreTimeoutError(RegistryError):
    """The topic `_schemas` did not answer in time."""

    status: int = 500
    error_code: int = 50002


class ForwardingError(RegistryError):
    """The leader could not be reached."""

    status: int = 500
    error_code: int = 50003


class UnknownLeaderError(RegistryError):
    """No registry leads the cluster now, so nothing can be written."""

    status: int = 500
    error_code: int = 50004
