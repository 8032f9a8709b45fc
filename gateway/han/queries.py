"""Reads requests: one JSON object with a ``method``. What is wrong is named; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Any, Final

import orjson

from gateway.han.data import Database, WantedChannel
from gateway.han.errors import HanError
from gateway.han.times import read_time

LONGEST_LOG: Final = 1500
"""Entries in one answer."""
MOST_READINGS: Final = 50_000
"""Readings of one channel in one answer; ours: 31 days by the minute fit."""
MOST_CHANNELS: Final = 64
"""Channels in one request; ours."""

_LONGEST_TEXT: Final = 128
_HIGHEST_INDEX: Final = 2**63 - 1
_CHANNEL: Final = re.compile(r"([0-9a-fA-F]{12})(?:\.([0-9A-Za-z]{1,32})\.sm)?", re.ASCII)


@unique
class Method(StrEnum):
    """What can be asked for."""

    SMGW_INFO = "smgw-info"
    USER_INFO = "user-info"
    USAGE_POINT_INFO = "usage-point-info"
    READINGS = "readings"
    LOG = "log"
    SELF_TEST = "self-test"


@dataclass(frozen=True, slots=True)
class UsagePointRequest:
    """usage-point-info; without a database all of them."""

    usage_point: str
    database: Database | None


@dataclass(frozen=True, slots=True)
class ReadingsRequest:
    """readings: after < t <= until.

    :ivar count: readings of each channel at most (ours); what follows is asked for from where the answer ends.
    """

    usage_point: str
    database: Database
    channels: tuple[WantedChannel, ...]
    last: bool
    after: datetime | None
    until: datetime | None
    count: int | None


@dataclass(frozen=True, slots=True)
class LogRequest:
    """log: since <= t < before."""

    since: datetime | None
    before: datetime | None
    index: int
    count: int


def read_body(body: bytes) -> tuple[Method, Mapping[str, Any]]:
    """The method that is asked for, and its parameters.

    :raises HanError: 400 if it is no JSON object with a method that there is.
    """
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise HanError(400, "the request is no JSON") from None
    if not isinstance(read, dict):
        raise HanError(400, "the request is no JSON object")
    method = read.get("method")
    if not isinstance(method, str) or method not in set(Method):
        raise HanError(400, f"method is one of {', '.join(Method)}")
    return Method(method), read


def usage_point_request(read: Mapping[str, Any]) -> UsagePointRequest:
    """The parameters of usage-point-info.

    :raises HanError: 400 if one is wrong or missing.
    """
    return UsagePointRequest(_text(read, "usage-point-id"), _database(read) if "database" in read else None)


def readings_request(read: Mapping[str, Any]) -> ReadingsRequest:
    """The parameters of readings.

    :raises HanError: 400 if one is wrong or missing.
    """
    return ReadingsRequest(
        usage_point=_text(read, "usage-point-id"),
        database=_database(read),
        channels=_channels(read.get("channels")),
        last=_yes(read, "last-reading"),
        after=_time(read, "fromtime"),
        until=_time(read, "totime", ends=True),
        count=_number(read, "count", 1, MOST_READINGS) if "count" in read else None,
    )


def log_request(read: Mapping[str, Any]) -> LogRequest:
    """The parameters of log. A count above the longest answer asks for that one.

    :raises HanError: 400 if one is wrong.
    """
    return LogRequest(
        since=_time(read, "fromtime"),
        before=_time(read, "totime", ends=True),
        index=_number(read, "fromindex", 0, _HIGHEST_INDEX) if "fromindex" in read else 0,
        count=min(LONGEST_LOG, _number(read, "count", 1, _HIGHEST_INDEX)) if "count" in read else LONGEST_LOG,
    )


def _text(read: Mapping[str, Any], name: str) -> str:
    value = read.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise HanError(400, f"{name} is needed, a text of up to {_LONGEST_TEXT} characters")
    return value


def _database(read: Mapping[str, Any]) -> Database:
    value = read.get("database")
    if not isinstance(value, str) or value not in set(Database):
        raise HanError(400, f"database is one of {', '.join(Database)}")
    return Database(value)


def _yes(read: Mapping[str, Any], name: str) -> bool:
    value = read.get(name, False)
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise HanError(400, f"{name} is true or false")
    return value


def _number(read: Mapping[str, Any], name: str, lowest: int, highest: int) -> int:
    value = read[name]
    if isinstance(value, str) and re.fullmatch(r"\d{1,19}", value, re.ASCII):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise HanError(400, f"{name} is a whole number from {lowest} to {highest}")
    return value


def _time(read: Mapping[str, Any], name: str, *, ends: bool = False) -> datetime | None:
    value = read.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise HanError(400, f"{name} is a text")
    try:
        return read_time(value, ends=ends)
    except ValueError as error:
        raise HanError(400, f"{name} is no time: {error}") from None


def _channels(value: object) -> tuple[WantedChannel, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_CHANNELS:
        raise HanError(400, f"channels is a list of up to {MOST_CHANNELS}")
    # Each once: an answer may be long, and is not to be made many times as long by saying a name many times.
    return tuple(dict.fromkeys(map(_channel, value)))


def _channel(one: object) -> WantedChannel:
    named = one.get("channel") if isinstance(one, dict) else None
    match = _CHANNEL.fullmatch(named) if isinstance(named, str) else None
    if match is None:
        raise HanError(400, "each of channels has a channel: 12 hexadecimal digits, with .<meter>.sm or without")
    obis, meter = match.groups()
    return WantedChannel(obis.lower(), meter.lower() if meter else None)
