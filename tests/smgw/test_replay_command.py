"""``smgw replay`` on records whose module shows the facts about it, claims them, or contradicts them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.evidence import ATTESTATION
from lifecycle.chains import BreakKind
from lifecycle.facts import Fact
from lifecycle.store.engine import open_database
from lifecycle.store.replicas import import_chain
from lifecycle.store.repository import Repository
from tests.smgw.conftest import Run, json_lines
from tests.support.attested import (
    SERIAL,
    ScriptedModule,
    attestation_in,
    attested_record,
    detail_of,
    scrapped_life,
    sequences,
)
from tests.support.lives import GATEWAY, OTHER_GATEWAY, Cast, Record, SettableClock

LIFE = scrapped_life()
AT = sequences(LIFE)
IN_ORDER = sorted(AT, key=AT.__getitem__)
INTEGRATED = AT[Fact.MODULE_INTEGRATED]
CLAIMED = f"9 facts about the module are claimed, not shown: entries {', '.join(str(AT[fact]) for fact in IN_ORDER)}"
SHOWN = f"module {SERIAL} shows 9 facts: entries {', '.join(str(AT[fact]) for fact in IN_ORDER)}"

Replay = Callable[..., Result]


@pytest.fixture
def replay(smgw: Run, tmp_path: Path) -> Replay:
    """Runs ``smgw replay`` on records in one file, with some options."""

    def run(*options: object, records: list[Record], exit_code: int = 0) -> Result:
        ca, file = tmp_path / "ca.pem", tmp_path / "records.jsonl"
        ca.write_bytes(records[0].played_by.authority.certificate.public_bytes(Encoding.PEM))
        file.write_bytes(b"".join(record.file for record in records))
        return smgw("replay", file, "--ca", ca, *options, exit_code=exit_code)

    return run


def contradicted() -> Record:
    """With the integration stands what the module said of its seal certificates."""
    record = Record()
    for number, step in enumerate(LIFE, 1):
        shown_at = AT[Fact.SEAL_CERTIFICATES_IN_MODULE] if number == INTEGRATED else number
        record.tell(step, detail=detail_of(attested_record(), shown_at) or None)
    return record


def test_what_the_module_shows_is_said_in_a_line(replay: Replay) -> None:
    lines = replay(records=[attested_record()]).output.splitlines()
    assert lines == [f"{GATEWAY}: lawful, {len(LIFE)} entries, HARDWARE_SCRAPPING", f"  {SHOWN}"]
    assert replay("--attested", records=[attested_record()]).output.splitlines() == lines


def test_what_is_only_claimed_is_said_in_a_line_and_fails_where_that_is_asked(replay: Replay) -> None:
    claiming = Record.living(LIFE, OTHER_GATEWAY)
    lines = replay(records=[claiming]).output.splitlines()
    assert lines == [f"{OTHER_GATEWAY}: lawful, {len(LIFE)} entries, HARDWARE_SCRAPPING", f"  {CLAIMED}"]
    assert replay("--attested", records=[claiming], exit_code=1).output.splitlines() == lines
    both = [attested_record(), claiming]
    replay(records=both)
    told = json_lines(replay("--attested", "--json", records=both, exit_code=1))
    assert [(each["gateway"], each["ok"], len(each["claimed"])) for each in told] == [
        (GATEWAY, True, 0),
        (OTHER_GATEWAY, True, len(AT)),
    ]


def test_a_contradiction_names_the_entry_and_fails(replay: Replay) -> None:
    said = replay(records=[contradicted()], exit_code=1).output.splitlines()
    assert said[0] == (
        f"{GATEWAY}: BROKEN at entry {INTEGRATED}: contradicted attestation: MODULE_INTEGRATED: "
        f"the attestation was made for SEAL_CERTIFICATES_IN_MODULE ({INTEGRATED - 1} entries before it are good)"
    )
    told = json_lines(replay("--json", records=[contradicted()], exit_code=1))[0]
    assert told["break"]["seq"] == INTEGRATED
    assert told["break"]["kind"] == "contradicted attestation"
    assert [each["seq"] for each in told["shown"]] == [AT[fact] for fact in IN_ORDER if AT[fact] < INTEGRATED]
    replay("--until", INTEGRATED - 1, records=[contradicted()])


def test_json_names_every_attestation(replay: Replay) -> None:
    told = json_lines(replay("--json", records=[attested_record()]))[0]
    assert told.keys() == {"gateway", "ok", "entries", "state", "break", "module", "shown", "claimed"}
    assert told["module"]["serial"] == SERIAL
    assert told["module"]["attestation_key"] == detail_of(attested_record(), AT[IN_ORDER[0]])["attestation_key"]
    assert told["shown"] == [
        {
            "seq": AT[fact],
            "fact": str(fact),
            "module": SERIAL,
            "counter": attestation_in(detail_of(attested_record(), AT[fact])).counter,
        }
        for fact in IN_ORDER
    ]
    assert told["claimed"] == []


def test_the_evidence_is_listed_where_it_is_asked_for(replay: Replay) -> None:
    listed = replay("--evidence", records=[attested_record()]).output.splitlines()[2:]
    key = detail_of(attested_record(), AT[IN_ORDER[0]])["attestation_key"]
    assert listed[0].strip() == f"attestation key {key}"
    assert [line.split()[:3] for line in listed[1:]] == [["entry", str(AT[fact]), str(fact)] for fact in IN_ORDER]
    claimed = replay("--evidence", "--until", 3, records=[Record.living(LIFE)]).output.splitlines()
    assert claimed[2].split() == ["entry", "3", "MODULE_INITIALISED", "claimed"]
    assert "on record: DEVELOPMENT_COMPLETE, MODULE_INITIALISED" in claimed[4]


@pytest.mark.parametrize("lie", [False, True])
def test_a_database_is_examined_as_a_file_is(smgw: Run, home: Path, tmp_path: Path, lie: bool) -> None:
    begun = datetime.now(UTC) - timedelta(hours=1)  # whoever keeps the database signs with the time that it is
    players = Cast.enrolled(begun - timedelta(days=1))
    record, module = Record(played_by=players, clock=SettableClock(begun)), ScriptedModule()
    for number, step in enumerate(LIFE, 1):
        if lie and number == INTEGRATED:
            said = module.states(Fact.MODULE_INTEGRATED, record)
            record.tell(step, detail={ATTESTATION: ScriptedModule().signed(said)})
        else:
            module.tell(record, step)
    ca, file = tmp_path / "ca.pem", tmp_path / "record.jsonl"
    ca.write_bytes(players.authority.certificate.public_bytes(Encoding.PEM))
    file.write_bytes(record.file)
    players.keeper.save(home / "keeper")
    smgw("journal", "import", file, "--ca", ca, exit_code=int(lie))
    if lie:  # what is refused at the door may have come in while nobody looked
        engine = open_database(f"sqlite:///{home / 'smgw.db'}")
        import_chain(Repository(engine, players.trust, players.keeper), record.chain(as_file=True))
        engine.dispose()
    printed = smgw("replay", "--ca", ca, exit_code=int(lie)).output
    assert (f"BROKEN at entry {INTEGRATED}: contradicted attestation: MODULE_INTEGRATED: " in printed) is lie
    assert (f"  {SHOWN}\n" in printed) is not lie
    assert smgw("replay", file, "--ca", ca, exit_code=int(lie)).output == printed


def test_the_help_names_every_kind_of_break(smgw: Run) -> None:
    said = " ".join(smgw("replay", "--help").output.split())
    assert [kind for kind in BreakKind if kind not in said] == []


def test_the_readme_names_every_kind_of_break() -> None:
    said = " ".join((Path(__file__).parents[2] / "README.md").read_text().split())
    assert [kind for kind in BreakKind if kind not in said] == []
