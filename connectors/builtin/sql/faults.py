"""What errors of databases mean: to wait, to look again, to give up, or to blame the data."""

from __future__ import annotations

from enum import Enum, auto

from sqlalchemy import exc
from sqlalchemy.engine import Engine


class Fault(Enum):
    """What an error of the database means."""

    LOST = auto()  # the connection is gone
    BUSY = auto()  # the same statement may work later
    STALE = auto()  # a table or column is no longer there
    FORBIDDEN = auto()  # whatever the data
    DATA = auto()  # this data is refused


# PostgreSQL, by the beginning of SQLSTATE: the longest that is known counts.
_STATES: dict[str, Fault] = {
    "08": Fault.LOST, "57P": Fault.LOST, "53": Fault.BUSY, "58": Fault.BUSY,
    "40": Fault.BUSY, "55P03": Fault.BUSY, "57014": Fault.BUSY, "25006": Fault.BUSY,
    "42P01": Fault.STALE, "42703": Fault.STALE, "3F000": Fault.STALE,
    "42501": Fault.FORBIDDEN, "28": Fault.FORBIDDEN, "3D000": Fault.FORBIDDEN,
}  # fmt: skip
# MariaDB and MySQL.
_NUMBERS: dict[int, Fault] = {
    **dict.fromkeys((1020, 1021, 1030, 1037, 1040, 1041, 1114, 1205, 1213, 1290, 1317, 1836, 1969,
                     3024), Fault.BUSY),
    **dict.fromkeys((1053, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2013, 2055), Fault.LOST),
    **dict.fromkeys((1054, 1146), Fault.STALE),
    **dict.fromkeys((1044, 1045, 1049, 1142, 1143), Fault.FORBIDDEN),
}  # fmt: skip
_TEXTS = (
    ("database is locked", Fault.BUSY), ("database table is locked", Fault.BUSY),
    ("could not set lock on file", Fault.BUSY), ("transaction conflict", Fault.BUSY),
    ("write-write conflict", Fault.BUSY), ("conflict on tuple", Fault.BUSY),
    ("deadlock", Fault.BUSY), ("no such table", Fault.STALE), ("no such column", Fault.STALE),
    ("has no column named", Fault.STALE), ("readonly database", Fault.FORBIDDEN),
    ("authentication failed", Fault.FORBIDDEN), ('" does not exist', Fault.FORBIDDEN),
    ("unable to open database", Fault.FORBIDDEN),
)  # fmt: skip
_ABOUT_DATA = {"IntegrityError", "DataError", "ConstraintException", "ConversionException"}


def fault_of(error: BaseException, engine: Engine) -> Fault:
    """Return what an error of a driver, wrapped by SQLAlchemy or not, means."""
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    assert original is not None
    if isinstance(original, OSError) or (
        isinstance(error, exc.DBAPIError) and error.connection_invalidated
    ):
        return Fault.LOST
    if state := getattr(original, "sqlstate", None):
        known = (_STATES[state[:size]] for size in (5, 3, 2) if state[:size] in _STATES)
        return next(known, Fault.DATA)
    kind = type(original).__name__
    number = original.args[0] if original.args else None
    if isinstance(number, int):
        if number in _NUMBERS:
            return _NUMBERS[number]
        if kind == "InterfaceError":
            return Fault.LOST
    elif kind not in _ABOUT_DATA:  # whose texts hold values, and values may be any text
        text = str(original).lower()
        for part, meaning in _TEXTS:
            if part in text:
                return meaning
    if engine.dialect.is_disconnect(original, None, None):  # type: ignore[arg-type]
        return Fault.LOST
    lost = engine.dialect.name == "postgresql" and kind == "OperationalError"
    return Fault.LOST if lost else Fault.DATA


def reason_of(error: BaseException) -> str:
    """Return the database's own words, on one line, without the statement."""
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    if original is not None and len(original.args) == 2 and isinstance(original.args[0], int):
        return f"{original.args[1]} ({original.args[0]})"
    return " ".join(str(original).split())
