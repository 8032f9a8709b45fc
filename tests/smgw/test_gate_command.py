"""``smgw gate``: what is open to whom, and why something is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lifecycle.phases import PHASES
from lifecycle.states import State
from smgw.commands.gate import command


def asking(role: str, interface: str, credential: str, function: str) -> tuple[str, ...]:
    """The options of a full request."""
    return ("--role", role, "--interface", interface, "--credential", credential, "--function", function)


READ_LOG = asking("SERVICETECHNIKER", "HAN_TECHNICIAN", "TECHNICIAN_CERTIFICATE", "logs:read-system-log")
READ_DATA = asking("SERVICETECHNIKER", "HAN_TECHNICIAN", "TECHNICIAN_CERTIFICATE", "han:read-own-data")
METER = asking("MESSEINRICHTUNG", "LMN", "METER_KEY", "metering:receive-readings")


def run(*words: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(command, list(words))
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result


def told(*words: str, exit_code: int = 0) -> dict[str, Any]:
    found = json.loads(run(*words, "--json", exit_code=exit_code).stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("state", State)
def test_it_lists_what_a_state_opens(state: State) -> None:
    found = told(state)
    assert set(found) == {"state", "facts", "faults", "open"}
    assert found["state"] == state
    assert [tuple(grant.values()) for grant in found["open"]] == [tuple(grant) for grant in PHASES[state].grants]
    text = run(state).stdout
    assert ("nothing of this is open" in text) is not bool(PHASES[state].grants)


def test_a_list_is_narrowed_by_what_is_said() -> None:
    found = told("operation", "--role", "servicetechniker")
    assert {grant["function"] for grant in found["open"]} == {"status:read", "logs:read-system-log"}
    assert told("OPERATION", "--interface", "LOCAL")["open"] == []


def test_an_open_door() -> None:
    found = told("OPERATION", *READ_LOG)
    assert found["open"] is True
    assert (found["chapter"], found["reasons"]) == ("11", [])
    assert run("OPERATION", *READ_LOG).stdout.startswith("open: logs:read-system-log")


def test_a_closed_door_says_why_and_where_it_stands() -> None:
    found = told("OPERATION", *READ_DATA, exit_code=1)
    assert set(found) == {
        "state", "facts", "faults", "role", "interface", "function", "credential", "open", "chapter", "reasons"
    }  # fmt: skip
    assert found["open"] is False
    assert found["chapter"] == "11"
    assert [reason["condition"] for reason in found["reasons"]] == ["interface-granted"]
    text = run("OPERATION", *READ_DATA, exit_code=1).stdout
    assert text.startswith("closed: han:read-own-data at HAN_TECHNICIAN by SERVICETECHNIKER")
    assert "interface-granted (ch. 11)" in text


def test_facts_and_faults_take_something_out() -> None:
    assert told("FIRST_INSTALLATION")["open"]
    assert told("FIRST_INSTALLATION", "--fact", "LOCAL_INTERFACE_OFF")["open"] == []
    shut = told("REVERSIBLE_FAULT", "--fault", "wan-han-not-separated", "--fault", "disk-full")
    assert shut["faults"] == [
        {"name": "disk-full", "subject": None},
        {"name": "wan-han-not-separated", "subject": None},
    ]
    assert {grant["interface"] for grant in shut["open"]}.isdisjoint({"HAN_CONSUMER", "HAN_TECHNICIAN", "CLS"})


def test_a_fault_of_one_consumer_is_nobody_elses() -> None:
    fault = ("OPERATION", "--fault", "consumer-log-full:anna", *METER)
    run(*fault, exit_code=1)
    run(*fault, "--subject", "anna", exit_code=1)
    assert told(*fault, "--subject", "bert")["open"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--fault", "nix"), "no such fault; known are consumer-log-full"),
        (("--fault", "consumer-log-full"), "say consumer-log-full:SUBJECT"),
        (("--fault", "disk-full:anna"), "say disk-full without subject"),
        (("--role", "KING"), "'KING' is not one of"),
    ],
)
def test_what_cannot_be_understood_is_said(words: tuple[str, ...], said: str) -> None:
    assert said in run("OPERATION", *words, exit_code=2).stderr
