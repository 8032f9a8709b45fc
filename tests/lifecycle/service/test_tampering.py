"""A record that somebody else has changed in the database: found, told, and its gate shut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, literal, update

from lifecycle.states import State
from lifecycle.store.schema import entries, gateways
from tests.support.service_client import House


def _flip(house: House, gateway: str) -> None:
    body = house.repository.entries(gateway, limit=1)[0].body.replace(b"EVIDENCE", b"").replace(b"DEV", b"BEV", 1)
    _update(house, gateway, 1, body=body)


def _destroy(house: House, gateway: str) -> None:
    _update(house, gateway, 1, body=b"\xff\xfe no entry")


def _remove(house: House, gateway: str) -> None:
    with house.repository.engine.begin() as connection:
        connection.execute(delete(entries).where(entries.c.gateway == gateway, entries.c.sequence == 1))


def _garble_hash(house: House, gateway: str) -> None:
    _update(house, gateway, 2, hash="no hash at all")


def _cut_tail(house: House, gateway: str) -> None:
    with house.repository.engine.begin() as connection:
        connection.execute(delete(entries).where(entries.c.gateway == gateway, entries.c.sequence == 2))


def _garble_head(house: House, gateway: str) -> None:
    _update_head(house, gateway, head_signature=b"", head_time="long ago", head_certificate="")


def _garble_counter(house: House, gateway: str) -> None:
    _update_head(house, gateway, head_counter=literal("many"))


def _other_state(house: House, gateway: str) -> None:
    _update(house, gateway, 2, state="OPERATION")


def _no_state(house: House, gateway: str) -> None:
    _update(house, gateway, 2, state="LIMBO", evidence="{")


def _update_head(house: House, gateway: str, **values: Any) -> None:
    with house.repository.engine.begin() as connection:
        connection.execute(update(gateways).where(gateways.c.id == gateway).values(**values))


def _update(house: House, gateway: str, sequence: int, **values: Any) -> None:
    with house.repository.engine.begin() as connection:
        chosen = (entries.c.gateway == gateway, entries.c.sequence == sequence)
        connection.execute(update(entries).where(*chosen).values(**values))


@pytest.mark.parametrize(
    "tamper",
    [_flip, _destroy, _remove, _cut_tail, _garble_hash, _garble_head, _garble_counter, _other_state, _no_state],
)
def test_a_record_that_was_changed_is_found_broken_and_its_gate_is_shut(
    house: House, tamper: Callable[[House, str], None]
) -> None:
    gateway = house.gateway(State.PRODUCTION)
    tamper(house, gateway)
    verdict = house.told(f"/gateways/{gateway}/replay")
    assert (verdict["ok"], bool(verdict["break"]["reason"])) == (False, True)
    gate = house.told(f"/gateways/{gateway}/gate")
    assert gate["shut"] in {"the integrity of record, module or firmware is lost", "the state cannot be read"}
    assert not any(each["open"] for each in gate["grants"])
    ask = {"role": "GWH", "interface": "LOCAL", "function": "module:integrate", "credential": "PRODUCTION_SITE"}
    assert house.told(f"/gateways/{gateway}/gate/answer", **ask)["reasons"][0]["condition"] == "gate-shut"
    for path in ("", "/head", "/entries", "/entries/2", "/certificates", "/export", "/exits"):
        assert house.get(f"/gateways/{gateway}{path}").status_code in {200, 404, 409}, path
    listed = house.told("/gateways", containing=gateway)["gateways"]
    assert [each["gateway"] for each in listed] == [gateway]
