"""Between rows and what they mean: what is written is read back, and what somebody else wrote is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from lifecycle.canonical import JournalError
from lifecycle.evidence import NOTHING, Evidence, OpenFault
from lifecycle.facts import Fact
from lifecycle.faults import FAULTS
from lifecycle.journal import read_entry
from lifecycle.law import BEGINNING, LAW, Standing
from lifecycle.roles import Role
from lifecycle.states import State
from lifecycle.store.errors import UnknownGatewayError, UnreadableStateError
from lifecycle.store.repository import Repository
from lifecycle.store.rows import (
    FIRST_COUNTER,
    _evidence,
    _evidence_text,
    as_bytes,
    digest,
    keep_certificate,
    read_head,
    read_kept,
)
from lifecycle.store.schema import entries
from tests.support.lives import GATEWAY, cast, live, shortest_way

Dumping = Callable[[], dict[str, list[tuple[Any, ...]]]]

opened = st.builds(
    lambda fault, subject: OpenFault(fault.name, subject if fault.per_subject else ""),
    st.sampled_from(list(FAULTS.values())),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
)


@given(st.sets(st.sampled_from(Fact)), st.lists(opened))
def test_evidence_is_written_and_read_back(facts: set[Fact], faults: list[OpenFault]) -> None:
    evidence = Evidence.of(*facts)
    for fault in faults:
        evidence = evidence.with_fault(fault)
    assert _evidence(_evidence_text(evidence), FAULTS) == evidence


def test_the_same_evidence_is_written_the_same_way() -> None:
    one = Evidence.of(Fact.MOUNTED, Fact.LOCAL_INTERFACE_OFF).with_fault(OpenFault("disk-full"))
    other = Evidence.of(Fact.LOCAL_INTERFACE_OFF, Fact.MOUNTED).with_fault(OpenFault("disk-full"))
    assert _evidence_text(one) == _evidence_text(other)
    assert _evidence_text(one) == '{"facts":["LOCAL_INTERFACE_OFF","MOUNTED"],"faults":[["disk-full",""]]}'
    assert _evidence_text(NOTHING) == '{"facts":[],"faults":[]}'


def test_where_the_last_entry_left_a_gateway_is_stored_with_it(repository: Repository) -> None:
    """For every state, a gateway in it."""
    keeper = cast().trust.credentials(cast().keeper.certificate_der)
    for number, state in enumerate(State):
        gateway = f"EXXX20{number:08}"
        live(repository, shortest_way(state), gateway)
        with repository.engine.connect() as connection:
            kept = read_kept(connection, gateway, FAULTS)
            head = read_head(connection, gateway)
        assert kept.standing == LAW.fold(shortest_way(state))
        assert kept.standing.state is state
        assert kept.position.sequence == len(shortest_way(state))
        assert (head.sequence, head.hash) == kept.position[:2]
        assert head == kept.head
        assert head.counter == FIRST_COUNTER + kept.position.sequence
        assert keeper.verifies(head.signature, head.body)


def test_before_any_entry_the_gateways_row_says_what_is_kept(repository: Repository) -> None:
    registered = repository.register(GATEWAY)
    with repository.engine.connect() as connection:
        kept = read_kept(connection, GATEWAY, FAULTS)
        assert read_head(connection, GATEWAY) == kept.head
    assert kept == registered
    assert kept.standing == BEGINNING
    assert kept.head.counter == FIRST_COUNTER


def test_of_a_gateway_that_nobody_registered_nothing_is_kept(engine: Engine) -> None:
    with engine.connect() as connection:
        for read in (lambda: read_kept(connection, GATEWAY, FAULTS), lambda: read_head(connection, GATEWAY)):
            with pytest.raises(UnknownGatewayError, match=GATEWAY):
                read()


def test_a_state_that_somebody_else_wrote_is_named(repository: Repository) -> None:
    live(repository, shortest_way(State.PRODUCTION))
    for column, value in (
        ("state", "NOWHERE"),
        ("state", ""),
        ("evidence", ""),
        ("evidence", "{}"),
        ("evidence", "[]"),
        ("evidence", "null"),
        ("evidence", '{"facts":["RUMOUR"],"faults":[]}'),
        ("evidence", '{"facts":[],"faults":[["no-such-fault",""]]}'),
        ("evidence", '{"facts":[],"faults":["disk-full"]}'),
        ("evidence", '{"facts":[],"faults":[["disk-full"]]}'),
        ("evidence", '{"facts":[[]],"faults":[]}'),
        ("evidence", '{"facts":7,"faults":[]}'),
    ):
        with repository.engine.connect() as connection:
            connection.execute(update(entries).where(entries.c.sequence == 2).values({column: value}))
            with pytest.raises(UnreadableStateError, match=GATEWAY):
                read_kept(connection, GATEWAY, FAULTS)
            assert read_head(connection, GATEWAY).sequence == 2
            connection.rollback()


def test_a_certificate_is_kept_once_and_goes_with_its_transaction(engine: Engine, dump: Dumping) -> None:
    first, second = cast()[Role.GWH], cast()[Role.MSB]
    with engine.begin() as connection:
        for _ in range(2):
            keep_certificate(connection, first.certificate_der)
    with engine.begin() as connection:
        keep_certificate(connection, first.certificate_der)
    expected = [(first.actor.certificate, first.certificate_der)]
    assert [(name, bytes(der)) for name, der in dump()["certificates"]] == expected
    with engine.connect() as connection:
        keep_certificate(connection, second.certificate_der)
        connection.rollback()
    assert [(name, bytes(der)) for name, der in dump()["certificates"]] == expected


def test_a_binary_column_is_bytes_whatever_is_in_it() -> None:
    assert as_bytes(b"x") == as_bytes(memoryview(b"x")) == as_bytes(bytearray(b"x")) == as_bytes("x") == b"x"
    assert as_bytes("ä") == "ä".encode()
    for other in (None, 7, 1.5):
        assert as_bytes(other) == b""


def test_a_digest_is_over_canonical_bytes() -> None:
    assert digest({"b": 1, "a": "ä"}) == digest({"a": "ä", "b": 1})
    assert digest({"a": 1}) != digest({"a": "1"})
    with pytest.raises(JournalError):
        digest({"a": 1.5})


def test_what_a_row_tells_is_what_its_entry_tells(repository: Repository) -> None:
    live(repository, shortest_way(State.PREPERSONALISATION_2))
    with repository.engine.connect() as connection:
        for row in connection.execute(entries.select().order_by(entries.c.sequence)):
            entry = read_entry(bytes(row.body))
            assert (entry.gateway, entry.sequence, entry.time) == (row.gateway, row.sequence, row.time)
            if entry.kind == "transition":
                assert row.state == entry.payload["to"]
    assert repository.kept(GATEWAY).standing == Standing(
        State.PREPERSONALISATION_2, repository.kept(GATEWAY).standing.evidence
    )
