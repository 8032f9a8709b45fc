"""Orders and diagnoses: signed, strict, and with no place for a measured value."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.diagnosis import (
    LARGEST_DOCUMENT,
    Diagnosis,
    DiagnosisError,
    DiagnosisOrder,
    Findings,
    ModuleSight,
    mark_of,
    read_diagnosis,
    read_order,
)
from lifecycle.evidence import OpenFault
from lifecycle.parties import OperationsAuthority
from lifecycle.roles import Role
from lifecycle.states import State
from tests.support.lives import GATEWAY, OTHER_GATEWAY, START, cast

OUT = OpenFault("functionless")
_texts = st.text(max_size=12)
_names = st.lists(_texts, max_size=5).map(tuple)
_faults = st.none() | st.builds(OpenFault, _texts, _texts)
_times = st.timedeltas(timedelta(0), timedelta(days=600)).map(lambda later: START + later)
_findings = st.builds(
    Findings,
    st.booleans(),
    st.none() | st.sampled_from(State),
    _names,
    _names,
    st.none() | st.booleans(),
    st.sampled_from(ModuleSight),
)
_diagnoses = st.builds(Diagnosis, st.just(GATEWAY), st.text(max_size=64), _times, _findings, _faults, _faults)


@given(_diagnoses)
def test_a_diagnosis_is_read_as_it_was_written(diagnosis: Diagnosis) -> None:
    technician = cast()[Role.SERVICETECHNIKER]
    document = diagnosis.signed(technician)
    assert read_diagnosis(document, cast().trust) == (diagnosis, technician.actor)
    assert Findings.of(diagnosis.findings.told()) == diagnosis.findings
    assert mark_of(document) == mark_of(diagnosis.signed(technician))


@given(_times, st.text("0123456789abcdef", min_size=16, max_size=128))
def test_an_order_is_read_as_it_was_written(time: datetime, nonce: str) -> None:
    gwa = cast()[Role.GWA]
    order = DiagnosisOrder(GATEWAY, time, nonce)
    assert read_order(order.signed(gwa), cast().trust) == (order, gwa.actor)


@given(st.integers(min_value=0), st.integers(0, 7))
def test_no_bit_can_be_changed(place: int, bit: int) -> None:
    good = Diagnosis(GATEWAY, "", START, Findings(False), OUT).signed(cast()[Role.SERVICETECHNIKER])
    damaged = bytearray(good)
    damaged[place % (len(good) - 1)] ^= 1 << bit  # but for the end of the line, which says nothing
    with pytest.raises(DiagnosisError):
        read_diagnosis(bytes(damaged), cast().trust)


@given(
    st.binary(max_size=200)
    | st.recursive(_texts | st.floats() | st.none(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_anything_else_is_none(document: bytes) -> None:
    for read in (read_order, read_diagnosis):
        with pytest.raises(DiagnosisError):
            read(document, cast().trust)
    with pytest.raises(DiagnosisError):
        mark_of(document)


def test_what_is_nested_too_deep_is_none() -> None:
    with pytest.raises(DiagnosisError):
        mark_of(b"[" * LARGEST_DOCUMENT)
    with pytest.raises(DiagnosisError, match="nested deeper"):
        mark_of(b'{"certificate":"","signature":"","body":' + b"[" * 20 + b"]" * 20 + b"}")


def test_others_make_no_diagnosis() -> None:
    forged = Diagnosis(GATEWAY, "", START, Findings(False), OUT).signed(cast()[Role.GWA])
    with pytest.raises(DiagnosisError, match="signed by a SERVICETECHNIKER, not by GWA"):
        read_diagnosis(forged, cast().trust)


def _changed(document: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    told = json.loads(document)
    change(told)
    return json.dumps(told).encode()


def test_documents_that_are_none() -> None:
    trust, technician = cast().trust, cast()[Role.SERVICETECHNIKER]
    good = Diagnosis(GATEWAY, "", START, Findings(False), OUT).signed(technician)
    stranger = OperationsAuthority.create(clock=lambda: START).enrol(
        Role.SERVICETECHNIKER, "Stranger", clock=lambda: START
    )
    later = START + timedelta(days=5_000)

    def body(name: str, value: object) -> bytes:
        return _changed(good, lambda told: told["body"].update({name: value}))  # type: ignore[attr-defined]

    for document, words in (
        (b"", "no order and no diagnosis"),
        (b"[]", "just the members body, certificate, signature"),
        (b"x" * (LARGEST_DOCUMENT + 1), "is the most"),
        (_changed(good, lambda told: told.update(more=1)), "just the members"),
        (_changed(good, lambda told: told.update(signature="AA==")), "does not fit"),
        (_changed(good, lambda told: told.update(signature=1)), "not believed"),
        (_changed(good, lambda told: told.update(certificate="no")), "not believed"),
        (body("gateway", OTHER_GATEWAY), "does not fit"),
        (body("gateway", "EXXX"), "no gateway identification"),
        (body("time", "yesterday"), "no time"),
        (body("time", None), "a document with"),
        (body("format", "smgw-diagnosis/2"), "of the format 'smgw-diagnosis/2'"),
        (Diagnosis(GATEWAY, "", START, Findings(False)).signed(stranger), "not issued by the pinned operations CA"),
        (Diagnosis(GATEWAY, "", later, Findings(False)).signed(technician), "was not valid at"),
        (DiagnosisOrder(GATEWAY, START, "00" * 16).signed(cast()[Role.GWA]), "just the members"),
    ):
        with pytest.raises(DiagnosisError, match=words):
            read_diagnosis(document, trust)
    with pytest.raises(DiagnosisError, match="a nonce of 16 to 128"):
        read_order(DiagnosisOrder(GATEWAY, START, "00").signed(cast()[Role.GWA]), trust)


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("answers", 1, "say yes or no"),
        ("connected", "no", "say yes or no"),
        ("state", "SOMEWHERE", "is not a valid State"),
        ("module", "gone", "is not a valid ModuleSight"),
        ("faults", "disk-full", "at most 64 texts"),
        ("refused", [1], "at most 64 texts"),
        ("reading", 12345, "just the members"),
    ],
)
def test_findings_hold_what_is_enumerated_and_nothing_else(member: str, value: object, words: str) -> None:
    told = Findings(True, State.OPERATION, ("disk-full",), ("x",), False, ModuleSight.PRESENT).told()
    assert Findings.of(told) == Findings(True, State.OPERATION, ("disk-full",), ("x",), False, ModuleSight.PRESENT)
    with pytest.raises(DiagnosisError, match=words):
        Findings.of(told | {member: value})
