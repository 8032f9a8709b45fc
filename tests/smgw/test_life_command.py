"""``smgw life``: the main job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.evidence import MODULE_FACTS
from lifecycle.facts import FACTS, Fact
from smgw.life import Life, NotRefusedError
from smgw.pcsc_daemon import SOCKET_VARIABLE
from smgw.workplace import Workplace
from tests.shared_data import shared_data
from tests.smgw.conftest import Run, json_lines

EVERY_REFUSAL = {
    "scrapping": [
        "an initial configuration file is brought once more",
        "a meter sends a reading to a gateway in transit",
        "the GWA skips the personalisation",
        "the Monteur takes it out although its certificates are not revoked",
        "a meter sends a reading while the disk is full",
    ],
    "sm-destruction": [
        "an initial configuration file is brought once more",
        "a meter sends a reading to a gateway in transit",
        "the GWA skips the personalisation",
        "the Monteur takes it out although its certificates are not revoked",
        "a meter sends a reading while the disk is full",
        "the GWA declares an outage without a diagnosis",
    ],
}


@pytest.mark.parametrize("order", ["separate", "assembled"])
@pytest.mark.parametrize("end", ["scrapping", "sm-destruction"])
def test_the_whole_life_ends_with_a_lawful_record(smgw: Run, end: str, order: str) -> None:
    told = json_lines(smgw("life", "--exit", "--end", end, "--order", order, "--json"))
    check(told, end, order)


@pytest.mark.pcsc
def test_the_same_over_a_real_pcsc_daemon(home: Path) -> None:
    """In a process of its own, for a process knows one daemon, and the tests have theirs."""
    environment = {name: value for name, value in os.environ.items() if name != SOCKET_VARIABLE}
    done = subprocess.run(
        [Path(sys.executable).with_name("smgw"), "life", "--exit", "--module", "pcsc", "--json", "--home", home],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    check([json.loads(line) for line in done.stdout.splitlines()], "scrapping", "separate")


def check(told: list[Any], end: str, order: str) -> None:
    """A life that is told whole, and found lawful."""
    states = [step["state"] for step in told if step["step"] == "phase"]
    assert states[0] == "DEVELOPMENT"
    assert states[-1] == "HARDWARE_SCRAPPING"
    prepared = states.index(f"PREPERSONALISATION_1_{order.upper()}")
    assert (prepared < states.index("INTEGRATION")) == (order == "separate")
    assert ("SM_DESTRUCTION" in states) == (end == "sm-destruction")
    assert [step["attempt"] for step in told if step["step"] == "refused"] == EVERY_REFUSAL[end]
    assert [(step["frames"], step["stored"]) for step in told if step["step"] == "readings"] == [(96, 192), (1, 2)]
    shown = {step["text"] for step in told if step["step"] == "recorded" and step["shown"]}
    ends = {"scrapping": set(), "sm-destruction": {Fact.MODULE_TERMINATED}}  # the module is destroyed instead
    assert shown == {FACTS[fact].text for fact in MODULE_FACTS - ends[end]}
    assert [step["reached"] for step in told if step["step"] == "connection"] == [True]
    verdict = told[-1]
    assert verdict["step"] == "verdict"
    assert verdict["ok"] is True
    assert verdict["state"] == "HARDWARE_SCRAPPING"
    assert verdict["break"] is None


def test_it_reads_well_and_says_where_to_look_again(smgw: Run) -> None:
    shown = smgw("life", "--exit").output
    assert "Betrieb  OPERATION  (ch. 11), field, by GWA Administration" in shown
    assert "refused" in shown
    assert "lawful, 43 entries, HARDWARE_SCRAPPING" in shown
    assert "smgw replay --gateway EXXX0000000001" in shown


def test_the_next_life_takes_the_next_identification(smgw: Run) -> None:
    smgw("life", "--exit")
    assert json_lines(smgw("life", "--exit", "--json"))[-1]["gateway"] == "EXXX0000000002"


def test_a_gateway_that_has_a_record_is_not_born_again(smgw: Run) -> None:
    smgw("life", "--exit", "--gateway", "EABC0012345678")
    again = smgw("life", "--exit", "--gateway", "EABC0012345678", exit_code=2)
    assert "has a record already" in again.output


def test_a_real_capture_is_read_and_what_is_damaged_says_why(smgw: Run) -> None:
    capture = shared_data() / "data" / "sml" / "EasyMeter_Q3A_A1064V1009.bin"
    told = json_lines(smgw("life", "--exit", "--capture", capture, "--json"))
    readings = next(step for step in told if step["step"] == "readings")
    assert readings["frames"] == 4
    assert readings["stored"] == 36
    assert "transport CRC wrong" in readings["without_readings"]


def test_an_empty_capture_is_refused_before_anything_happens(smgw: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty.bin"
    empty.write_bytes(b"")
    assert "has 0 bytes" in smgw("life", "--exit", "--capture", empty, exit_code=2).output


def test_the_story_fails_if_something_is_not_refused_that_must_be(home: Path) -> None:
    workplace = Workplace(home)
    with (
        Life(workplace, workplace.repository(), "EXXX0000000001", lambda _: None) as life,
        pytest.raises(NotRefusedError, match="not refused: nothing at all"),
        life._refused("nothing at all"),
    ):
        pass
