"""Registering a gateway over HTTP: by a manufacturer, signed, once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lifecycle.canonical import format_time
from lifecycle.roles import Role
from lifecycle.service.registration import registration
from tests.support.service_client import API, House, at_once, command_of, problem


def test_a_manufacturer_registers_a_gateway_and_a_repetition_acts_once(house: House) -> None:
    gateway = house.new_id()
    command = house.registration(gateway)
    first = house.post("/gateways", command)
    assert first.status_code == 201, first.text
    assert first.headers["location"] == f"{API}/gateways/{gateway}"
    assert first.json()["state"] == "DEVELOPMENT"
    assert first.json()["head"]["counter"] == 1
    again = house.post("/gateways", command)
    assert (again.status_code, again.json()["repeated"]) == (200, True)
    assert again.json()["head"] == first.json()["head"]
    problem(house.post("/gateways", house.registration(gateway)), 409, "gateway-exists")


def test_a_registration_with_a_key_acts_once_however_often_it_is_signed(house: House) -> None:
    gateway = house.new_id()
    assert house.post("/gateways", house.registration(gateway), key="line-3/7").status_code == 201
    assert house.post("/gateways", house.registration(gateway), key="line-3/7").status_code == 200
    other = house.registration(house.new_id())
    problem(house.post("/gateways", other, key="line-3/7"), 409, "idempotency-key-reused")


def test_one_of_many_registrations_at_once_wins_and_the_same_one_is_repeated(any_house: House) -> None:
    gateway = any_house.new_id()
    command = any_house.registration(gateway)
    statuses = at_once(lambda: any_house.post("/gateways", command).status_code, 6)
    assert sorted(statuses) == [200] * 5 + [201]


@pytest.mark.parametrize("role", [Role.MSB, Role.GWA, Role.KEEPER, Role.EMT_ACTIVE])
def test_nobody_else_registers(house: House, role: Role) -> None:
    gateway = house.new_id()
    told = problem(house.post("/gateways", house.registration(gateway, role=role)), 403, "wrong-role")
    assert told["reasons"] == [{"condition": "acting-role", "needed": "GWH", "found": str(role), "chapter": "2"}]
    problem(house.get(f"/gateways/{gateway}"), 404, "unknown-gateway")


@pytest.mark.parametrize(
    "body",
    [
        b'{"command":"register"}',
        b"{}",
        b'{"command":"forget","gateway":"%b","nonce":"0123456789abcdef","time":"%b"}',
        b'{"command":"register","gateway":"%b","nonce":"short","time":"%b"}',
        b'{"command":"register","gateway":"%b","nonce":7,"time":"%b"}',
        b'{"command":"register","gateway":"%b","nonce":"0123456789abcdef","time":"yesterday"}',
        b'{"command":"register","gateway":"gateway-1","nonce":"0123456789abcdef","time":"%b"}',
        b'{"gateway":"%b","command":"register","nonce":"0123456789abcdef","time":"%b"}',
        b'{"command":"register","gateway":"%b","nonce":"0123456789abcdef","time":"%b","more":1}',
        b"{no json",
    ],
)
def test_what_is_no_registration_is_not_believed(house: House, body: bytes) -> None:
    gateway = house.new_id()
    filling = (gateway.encode(), format_time(house.clock()).encode())
    told = body % filling[2 - body.count(b"%b") :] if body.count(b"%b") in {0, 2} else body.replace(b"%b", filling[0])
    problem(house.post("/gateways", command_of(told, house.cast[Role.GWH])), 403, "entry-refused")
    problem(house.get(f"/gateways/{gateway}"), 404, "unknown-gateway")


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_registration_signed_at_another_time_is_not_believed(house: House, minutes: int) -> None:
    time = format_time(house.clock() + timedelta(minutes=minutes))
    body = registration(house.new_id(), time, "nonce-0123456789")
    told = problem(house.post("/gateways", command_of(body, house.cast[Role.GWH])), 403, "entry-refused")
    assert "more than 300 s apart" in str(told["detail"])
