"""``smgw sml``: for a person, and with ``--json`` a line a frame."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.lmn.sml import GetListResponse, ListEntry, PublicOpenResponse, build_frame, octets, unsigned
from smgw.commands.sml import command
from stations.meter import HouseholdMeter
from tests.shared_data import shared_data

KEYS = {"frame", "offset", "ok", "error", "server_id", "readings"}
READING_KEYS = {"obis", "value", "scaler", "unit", "flags"}
START = datetime(2025, 3, 3, tzinfo=UTC)
METER = HouseholdMeter("1EMH0012345678", START, 1)
GOOD = METER.frame_at(START + timedelta(hours=7))
WITHOUT_READINGS = build_frame([PublicOpenResponse(None, None, b"f", METER.server_id)], b"\0")
DAMAGED = b"noise" + GOOD + GOOD[:100] + WITHOUT_READINGS + GOOD[:-1] + b"\0" + GOOD + GOOD[:50]


def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str]:
    result = CliRunner().invoke(command, list(arguments), input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "capture.bin"
    file.write_bytes(DAMAGED)
    code, output = run(str(file), "--json")
    assert code == 0
    found = lines(output)
    assert all(line.keys() == KEYS for line in found)
    assert [line["frame"] for line in found] == list(range(len(found)))
    length, short = len(GOOD), len(WITHOUT_READINGS)
    assert [(line["offset"], line["ok"], line["error"]) for line in found] == [
        (0, False, "skipped 5 bytes: no start sequence"),
        (5, True, None),
        (5 + length, False, "skipped 100 bytes: a new frame starts where the end of this one was expected"),
        (105 + length, False, "no GetList response (PublicOpen.Res)"),
        (105 + length + short, False, f"skipped {length} bytes: transport CRC wrong"),
        (105 + 2 * length + short, True, None),
        (105 + 3 * length + short, False, "skipped 50 bytes: the bytes end before the frame does"),
    ]
    good = found[1]
    assert good["server_id"] == "0a01454d480000bc614e"
    assert all(reading.keys() == READING_KEYS for reading in good["readings"])
    imported, exported = METER.energy_at(START + timedelta(hours=7))
    power = METER.power_at(START + timedelta(hours=7))
    flags = ["unsigned", "status:0x001c0104"]
    assert good["readings"] == [
        {"obis": "0100010800ff", "value": imported, "scaler": -1, "unit": 30, "flags": flags},
        {"obis": "0100020800ff", "value": exported, "scaler": -1, "unit": 30, "flags": ["unsigned"]},
        {"obis": "0100100700ff", "value": power, "scaler": 0, "unit": 27, "flags": ["signed"]},
    ]
    for line in found:
        assert line["ok"] or (line["readings"], line["server_id"]) == ([], None)


def test_standard_input_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "capture.bin"
    file.write_bytes(DAMAGED)
    for option in ([], ["--json"]):
        assert run("-", *option, stdin=DAMAGED) == run(str(file), *option)


def test_for_a_person() -> None:
    code, output = run("-", stdin=DAMAGED)
    assert code == 0
    imported, _ = METER.energy_at(START + timedelta(hours=7))
    assert "meter 0a01454d480000bc614e (1EMH0012345678), seconds index 25200" in output
    assert f"1-0:1.8.0*255   energy imported (Bezug)      {imported // 10}.{imported % 10} Wh" in output
    assert "1-0:96.50.1*1   manufacturer (Hersteller)" in output
    assert "#0  skipped 5 bytes at 0: no start sequence" in output
    assert "no readings: no GetList response (PublicOpen.Res)" in output
    assert output.endswith(f"frames with readings: 2, without: 1; bytes skipped: {155 + len(GOOD)}\n")


def test_nothing_from_a_meter_controls_the_terminal() -> None:
    entries = (
        ListEntry(bytes.fromhex("010060320101"), octets(b"\x1b]0;title\x07")),
        ListEntry(bytes.fromhex("0100010800ff"), unsigned(1, 1), unit=200),
        ListEntry(bytes.fromhex("8181c78205ff"), octets(bytes(48))),
    )
    code, output = run("-", stdin=build_frame([GetListResponse(None, b"\x1b[2J", None, None, entries)], b"\0"))
    assert code == 0
    assert "\x1b" not in output
    assert "1b5d303b7469746c6507" in output
    assert "1 unit 200" in output
    assert f"{'00' * 16}... (48 bytes)" in output


@pytest.mark.parametrize("data", [b"", b"noise", GOOD[:-1], WITHOUT_READINGS])
def test_no_good_frame_is_exit_code_1(data: bytes) -> None:
    assert run("-", stdin=data)[0] == 1
    assert run("-", "--json", stdin=data)[0] == 1


def test_usage_errors_are_exit_code_2(tmp_path: Path) -> None:
    code, output = run(str(tmp_path / "missing.bin"))
    assert code == 2
    assert "missing.bin' does not exist" in output
    assert run(str(tmp_path))[0] == 2
    assert run()[0] == 2


def test_help_names_every_key() -> None:
    code, output = run("--help")
    assert code == 0
    for key in KEYS | READING_KEYS:
        assert key in output


def test_captures() -> None:
    for path in sorted((shared_data() / "data/sml").glob("*.bin")):
        code, output = run(str(path), "--json")
        assert code == 0
        found = lines(output)
        assert any(line["ok"] for line in found)
        assert all(line["ok"] != bool(line["error"]) for line in found)
        code, output = run(str(path))
        assert code == 0
        assert f"frames with readings: {sum(line['ok'] for line in found)}, without: 0" in output
