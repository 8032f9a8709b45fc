"""Writes answers: JSON objects whose scalars are strings, as the schemas beside this module have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from importlib.resources import files
from typing import Any, Final

from gateway.han.data import (
    ChannelReadings,
    GatewayInformation,
    HanReading,
    LogEntry,
    UsagePoint,
    UsagePointProfile,
)
from gateway.han.times import write_time
from gateway.han.view import Page

VERSION: Final = "1.2.0"
"""Of the dialect."""
ERROR: Final = "error"
"""Name of the schema of answers to requests that were refused."""

Object = dict[str, Any]


def schema(name: str) -> Object:
    """The JSON schema (draft 2020-12) of the answers to a method, or of :data:`ERROR`.

    :raises FileNotFoundError: if there is none of this name.
    """
    read = json.loads((files("gateway.han") / "schemas" / f"{name}.json").read_text("utf-8"))
    assert isinstance(read, dict)  # noqa: S101  they are ours
    return read


def smgw_info(information: GatewayInformation, han_certificate: bytes) -> Object:
    """The answer to smgw-info.

    :param han_certificate: the certificate of this interface, DER.
    """
    return {
        "smgw-info": {
            "smgw-id": information.gateway.lower(),
            "smgw-time": write_time(information.time),
            "smgw-state": information.state.hex(),
            "firmware-info": [
                {"component": part.component, "version": part.version, "hash": part.hash.hex()}
                for part in information.firmware
            ],
            "certificates": {
                "han": {"tls": han_certificate.hex()},
                "wan": [
                    {"cert-index": str(one.index), "sig": one.sig.hex(), "sub-ca": one.sub_ca.hex()}
                    for one in information.certificates
                ],
            },
        }
    }


def user_info(points: Sequence[UsagePoint]) -> Object:
    """The answer to user-info."""
    return {"user-info": {"usage-points": [_usage_point(point) for point in points]}}


def _usage_point(point: UsagePoint) -> Object:
    return {
        "usage-point-id": point.id,
        "usage-point-name": point.name,
        "metering-point-id": point.metering_point,
        "meter": [{"meter-id": meter} for meter in point.meters],
        "taf-number": str(point.taf),
        "taf-state": str(point.state),
        "start-time": write_time(point.start),
        "end-time": write_time(point.end),
        "capture-time": str(point.registers_every // timedelta(seconds=1)),
        "delivery-id": point.delivery,
        "on-demand-profile-configured": _truth(point.on_demand),
        "billing-Periods": [
            {"start-time": write_time(period.start), "end-time": write_time(period.end)}
            for period in point.billing_periods
        ],
    }


def usage_point_info(profile: UsagePointProfile) -> Object:
    """The answer to usage-point-info."""
    return {
        "usage-point-info": {
            "usage-point-id": profile.id,
            "usage-point-name": profile.name,
            "emts": list(profile.participants),
            "transparency-bit": _truth(profile.transparent),
            "taf-profile": profile.profile.hex(),
            "databases": [
                {
                    "database": str(database),
                    "channels": [
                        {"obis": channel.obis, "scaler": str(channel.scaler), "unit": str(channel.unit)}
                        for channel in channels
                    ],
                }
                for database, channels in profile.databases.items()
            ],
        }
    }


def readings(usage_point: str, database: str, page: Page) -> Object:
    """The answer to readings. Where not all of it fitted, ``next-fromtime`` (ours) says where to go on."""
    answer: Object = {
        "readings": {
            "usage-point-id": usage_point,
            "database": database,
            "channels": [_channel(channel) for channel in page.channels],
        },
        "records": str(sum(len(channel.readings) for channel in page.channels)),
    }
    if page.next_after is not None:
        answer["next-fromtime"] = write_time(page.next_after)
    return answer


def _channel(channel: ChannelReadings) -> Object:
    return {
        "obis": f"{channel.obis}.{channel.meter.lower()}.sm",
        "readings": [_reading(one) for one in channel.readings],
    }


def _reading(one: HanReading) -> Object:
    return {
        "value": str(one.value),
        "capture-time": write_time(one.captured),
        "target-time": write_time(one.target),
        "smgw-status": one.gateway_status.hex(),
        "meter-status": one.meter_status.hex(),
        "cosem-status": one.cosem_status.hex(),
        "owner-number": str(one.owner),
        "signature": one.signature.hex(),
    }


def log(entries: Sequence[LogEntry]) -> Object:
    """The answer to log."""
    return {
        "log": {
            "entries": [
                {
                    "index": str(entry.index),
                    "event-id": str(entry.event),
                    "event-sub-id": str(entry.sub_event),
                    "level": entry.level,
                    "message": entry.message,
                    "outcome": entry.outcome,
                    "subject-identity": entry.subject,
                    "user-identity": entry.user,
                    "time": write_time(entry.time),
                    "vendor-id": entry.vendor,
                    "version": entry.version,
                }
                for entry in entries
            ]
        },
        "records": str(len(entries)),
    }


def self_test() -> Object:
    """The answer to self-test."""
    return {"self-test": {"state": "started"}}


def _truth(value: bool) -> str:
    return "true" if value else "false"
