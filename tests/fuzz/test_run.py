"""How a run keeps what it finds, and what its properties are checked with."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import __main__ as command
from fuzz import oracles
from fuzz.mutation import Mutator, cuts
from fuzz.report import write_fault
from fuzz.run import Share, run_share
from fuzz.target import Violation, keeps_secret, reason_class
from fuzz.targets.mbus import MbusRecords
from gateway.lmn import crc16
from gateway.lmn.wmbus_link import crc_en13757


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(command, "REPORTS", tmp_path)
    return tmp_path


def test_a_run_in_processes_ends_with_a_page_of_figures(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--target", "mbus", "--count", "700", "--jobs", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("mbus: 700 inputs, ")
    assert "0 faulty" in said
    page = (reports / "fuzz.md").read_text("utf-8")
    assert "| M-Bus records | 700 |" in page
    assert not (reports / "fuzz").exists()


def test_shares_together_are_the_whole() -> None:
    whole = run_share(Share("mbus", 3, 0, 300))
    parts = run_share(Share("mbus", 3, 0, 100))
    parts.add(run_share(Share("mbus", 3, 100, 200)))
    assert (parts.inputs, parts.outcomes) == (whole.inputs, whole.outcomes)


def test_what_is_found_is_kept_once_with_how_to_repeat_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_self: MbusRecords, data: bytes) -> str:
        if len(data) % 2:
            raise KeyError(data.hex())
        raise Violation("a value that is not in the record")

    monkeypatch.setattr(MbusRecords, "check", fails)
    figures = run_share(Share("mbus", 1, 50, 40))
    assert figures.faulty == 40
    assert sorted(fault.what.partition(":")[0] for fault in figures.faults.values()) == ["KeyError", "Violation"]
    for fault in figures.faults.values():
        told = write_fault(tmp_path / "fuzz", fault)
        assert f"--target mbus --seed 1 --only {fault.number}" in told.read_text("utf-8")
        assert (
            told.with_suffix(".bin").read_bytes() == fault.data == MbusRecords().build(Random(f"1/mbus/{fault.number}"))
        )


def test_one_input_is_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--target", "json", "--only", "3"]) == 0
    kept = tmp_path / "kept.bin"
    kept.write_bytes(b'{"method": "log"}')
    assert command.main(["--target", "json", "--file", str(kept)]) == 0
    assert "outcome: accepted" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command.main(["--only", "3"])


def test_a_slow_input_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.run.SLOWEST", 0.0)
    figures = run_share(Share("mbus", 1, 0, 5))
    assert figures.faulty == 5
    assert all(fault.what.startswith("takes ") for fault in figures.faults.values())


@given(st.binary(min_size=1, max_size=300))
def test_the_checksums_of_the_oracles_are_those_of_the_gateway(data: bytes) -> None:
    x25 = data + crc16.x25(data).to_bytes(2, "little")
    kermit = data + crc16.kermit(data).to_bytes(2, "big")
    radio = data + crc_en13757(data).to_bytes(2, "big")
    assert oracles.x25_holds(x25)
    assert oracles.sml_crc_holds(x25)
    assert oracles.sml_crc_holds(kermit)
    assert oracles.en13757_holds(radio)
    for sound, holds in ((x25, oracles.x25_holds), (radio, oracles.en13757_holds)):
        assert not holds(bytes((sound[0] ^ 1,)) + sound[1:])


@pytest.mark.parametrize(
    ("value", "data"), [(-2, "fe"), (513, "0102"), (1234, "3412"), (-12, "12f0"), (-1234, "3412f0")]
)
def test_values_as_a_record_writes_them(value: int, data: str) -> None:
    assert oracles.record_value_is_in(bytes.fromhex(data), value)
    assert not oracles.record_value_is_in(bytes.fromhex(data), value + 4_000)


@given(st.binary(max_size=900), st.integers(0, 1_000))
def test_pieces_are_the_whole_and_injuries_repeat(data: bytes, seed: int) -> None:
    assert b"".join(cuts(Random(seed), data)) == data
    mutator = Mutator([b"word"], [b"other"])
    assert mutator.mutated(Random(seed), data) == mutator.mutated(Random(seed), data)


def test_reasons_of_one_kind_are_counted_together() -> None:
    assert reason_class("counter 17 is not above 23") == reason_class("counter 4711 is not above 0x10")
    assert reason_class("'a' is none of x") == reason_class("'b' is none of x") != reason_class("'b' is one of x")


def test_a_secret_in_a_text_is_a_violation_that_does_not_name_it() -> None:
    keeps_secret(("geheim",), "harmless")
    with pytest.raises(Violation) as found:
        keeps_secret(("geheim",), "ein geheimes Wort")
    assert "geheim" not in str(found.value)
