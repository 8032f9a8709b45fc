"""``smgw install``: a chain goes into the cellar and comes home, step by step, from the shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.module import SECRET_FILE, DeviceSecret
from lifecycle.parties import Party
from lifecycle.roles import Role
from lifecycle.states import State
from lifecycle.store.engine import open_database
from lifecycle.store.repository import Repository
from smgw.trip_place import Trip, set_out
from smgw.workplace import Workplace
from tests.smgw.conftest import Run, json_lines
from tests.support.commands import started
from tests.support.lives import shortest_way

GATEWAY, OTHER = "EXXX0012345678", "EXXX0012345679"


def lived(home: Path, state: State, gateway: str = GATEWAY) -> None:
    """A gateway at home that has lived the shortest way to a state, signed by the home's own parties.

    Its record is an old one, which claims what its module would have to show now.
    """
    workplace = Workplace(home)
    keeper = workplace.keeper()
    repository = Repository(open_database(workplace.database_url), workplace.trust(), keeper)
    repository.register(gateway)
    own = home / "parties" / "gateways" / gateway
    for step in shortest_way(state):
        role = step.actor.role
        party = workplace.party(role, *((gateway, own) if role is Role.GATEWAY else (f"{role} at home",)))
        repository.act(gateway, party, step._replace(actor=party.actor))
    repository.engine.dispose()


@pytest.fixture
def delivered(smgw: Run, home: Path) -> str:
    """A gateway that the MSB has handed over to the Monteur."""
    lived(home, State.FIRST_DELIVERY)
    smgw("gateway", "attest", GATEWAY, "MSB_HANDED_OVER_TO_MONTEUR", "--party", home / "parties" / "msb")
    return GATEWAY


@pytest.fixture
def trip(smgw: Run, delivered: str, tmp_path: Path) -> Path:
    """Its chain, taken along."""
    folder = tmp_path / "trip"
    smgw("install", "take", delivered, "--to", folder, "--monteur", "Monteur 7")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """What is in the files of a folder, less the database, which is looked at by what it keeps."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".db" not in path.name
    }


def end(smgw: Run, home: Path) -> dict[str, Any]:
    """Where the gateway's record ends in a home."""
    told: dict[str, Any] = json.loads(smgw("journal", "head", GATEWAY, "--home", home).output)["head"]
    return told


def test_a_chain_goes_into_the_cellar_and_comes_home(smgw: Run, home: Path, trip: Path) -> None:
    (status,) = json_lines(smgw("install", "status", "--trip", trip, "--json"))
    assert (status["state"], status["next"], status["test"]) == ("FIRST_DELIVERY", "taken-over", None)
    before = end(smgw, home)
    for step, entries in (("take-over", 1), ("arrive", 2), ("mount", 1)):
        (told,) = json_lines(smgw("install", step, "--trip", trip, "--yes", "--json"))
        assert len(told["entries"]) == entries
    smgw("install", "configure", "--not-needed", "--trip", trip, "--yes")
    key = home / "parties" / "gateways" / GATEWAY
    Workplace(home).party(Role.GATEWAY, GATEWAY, key)
    smgw("install", "hand-over", "--trip", trip, "--device-key", key, "--yes")
    assert end(smgw, home) == before, "home knows nothing of it yet"
    (home_again,) = json_lines(smgw("install", "return", trip, "--json"))
    assert (home_again["ok"], home_again["new"], home_again["state"]) == (True, 6, "FIRST_INSTALLATION")
    assert end(smgw, home)["hash"] == end(smgw, trip)["hash"]
    assert end(smgw, home)["certificate"] == before["certificate"] != end(smgw, trip)["certificate"]
    assert json_lines(smgw("replay", "--gateway", GATEWAY, "--json"))[0]["ok"]
    assert "0 new entries" in smgw("install", "return", trip).output
    shown = smgw("gateway", "show", GATEWAY).output
    assert "LOCAL_INTERFACE_OFF" in shown
    # The GWA goes on at home, and what is new there goes along again.
    smgw("gateway", "attest", GATEWAY, "MOUNTED", "--party", trip / "parties" / "monteur", exit_code=1)
    gwa = home / "parties" / "gwa"
    Workplace(home).party(Role.GWA, "GWA")
    smgw("gateway", "move", GATEWAY, "BEGIN_PERSONALISATION", "--party", gwa)
    assert "1 new entries" in smgw("install", "take", GATEWAY, "--to", trip).output


def test_the_folder_holds_what_the_trip_needs_and_no_key_of_home(home: Path, trip: Path) -> None:
    assert stat.S_IMODE(trip.stat().st_mode) == 0o700
    assert not trip.with_name("trip.part").exists()
    assert (trip / "ca" / "ca.pem").read_bytes() == (home / "ca" / "ca.pem").read_bytes()
    assert not (trip / "ca" / "ca.key").exists()
    keeper = Party.load(trip / "keeper")
    assert keeper.actor.role is Role.KEEPER
    assert keeper.actor.certificate != Party.load(home / "keeper").actor.certificate
    monteur = Party.load(trip / "parties" / "monteur")
    assert (monteur.actor.name, monteur.actor.on_behalf_of) == ("Monteur 7", Role.MSB)
    assert Party.load(trip / "parties" / "erstkonfigurator").actor.on_behalf_of is Role.GWA
    homes_keys = {path.read_bytes() for path in home.rglob("*.key")}
    trips_keys = list(trip.rglob("*.key"))
    assert len(trips_keys) == 3
    assert all(path.read_bytes() not in homes_keys for path in trips_keys)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in trips_keys)


def test_a_fork_is_an_alarm_that_names_the_entries_and_loses_nothing(smgw: Run, home: Path, trip: Path) -> None:
    smgw("install", "take-over", "--trip", trip, "--yes")
    smgw("install", "arrive", "--trip", trip, "--yes")
    smgw("install", "take-over", GATEWAY, "--yes")  # at home, by somebody who does not know that it is away
    at_home, away, kept = end(smgw, home), end(smgw, trip), files(trip)
    refused = smgw("install", "return", trip, exit_code=1)
    assert "FORK" in refused.output
    assert "entry 21 (MONTEUR_TOOK_OVER, signed by MONTEUR 'Monteur' at " in refused.output
    assert "entry 21 (MONTEUR_TOOK_OVER, signed by MONTEUR 'Monteur 7' at " in refused.output
    assert "BEGIN_FIRST_INSTALLATION" in refused.output
    assert (end(smgw, home), end(smgw, trip), files(trip)) == (at_home, away, kept)
    (told,) = json_lines(smgw("install", "return", trip, "--json", exit_code=1))
    assert not told["ok"]
    assert [entry["what"] for entry in told["fork"]["here"]] == ["MONTEUR_TOOK_OVER"]
    assert [entry["seq"] for entry in told["fork"]["there"]] == [21, 22, 23]
    # Both histories are there: one in the database, the other as a file that replays.
    aside = Path(told["kept_aside"])
    assert aside.parent == home / "refused"
    assert json_lines(smgw("replay", aside, "--json"))[0]["ok"]
    assert json_lines(smgw("replay", "--gateway", GATEWAY, "--json"))[0]["ok"]
    assert "the same up to entry 20" in smgw("install", "take", GATEWAY, "--to", trip, exit_code=1).output


def test_a_folder_that_lost_entries_is_not_believed(smgw: Run, home: Path, trip: Path, tmp_path: Path) -> None:
    """A trip whose database is an old one: shorter than what left."""
    old = tmp_path / "old"
    smgw("install", "take", GATEWAY, "--to", old)
    smgw("install", "take-over", GATEWAY, "--yes")
    smgw("install", "take", GATEWAY, "--to", trip)
    for name in ("smgw.db", "keeper/party.key", "keeper/party.pem"):
        (trip / name).write_bytes((old / name).read_bytes())
    before = end(smgw, home)
    refused = smgw("install", "return", trip, exit_code=1)
    assert "cut tail" in refused.output
    assert end(smgw, home) == before


def test_what_is_refused_is_refused_in_the_laws_own_words_and_changes_nothing(
    smgw: Run, home: Path, trip: Path
) -> None:
    before = end(smgw, trip)
    refusals = {
        ("arrive",): "fact-in-order (ch. 9): needs MONTEUR_TOOK_OVER on record first",
        ("mount",): "found state FIRST_DELIVERY",
        ("configure", "--apn", "iot.example"): "found state FIRST_DELIVERY",
        ("configure", "--not-needed"): "found state FIRST_DELIVERY",
        ("hand-over",): "found state FIRST_DELIVERY",
        ("test",): "function-granted (ch. 8)",
        ("remove", "--for", "scrapping"): "way-out-named (ch. 8)",
        ("remove", "--complete"): "found state FIRST_DELIVERY",
    }
    for words, why in refusals.items():
        how = () if words == ("test",) else ("--yes",)
        assert why in smgw("install", *words, "--trip", trip, *how, exit_code=1).output, words
    assert end(smgw, trip) == before


def test_a_removal_needs_what_the_law_demands(smgw: Run, home: Path) -> None:
    lived(home, State.OPERATION)
    refused = smgw("install", "remove", GATEWAY, "--for", "scrapping", "--yes", exit_code=1)
    assert "certificates-revoked (ch. 11, 12, 16, 17)" in refused.output
    gwa = home / "parties" / "gwa"
    smgw("gateway", "attest", GATEWAY, "EVERY_CERTIFICATE_REVOKED", "--party", gwa)
    planned = smgw("install", "remove", GATEWAY, "--for", "scrapping", "--dry-run").output
    assert "Recommended, and not met: module-terminated" in planned
    assert "Nothing was signed" in planned
    (told,) = json_lines(smgw("install", "remove", GATEWAY, "--for", "scrapping", "--yes", "--json"))
    assert told["state"] == "REMOVAL_FOR_SCRAPPING"
    smgw("install", "remove", GATEWAY, "--complete", "--yes")
    assert "✓ removed" in smgw("install", "status", GATEWAY).output


def test_after_an_outage_the_way_that_is_not_recommended_says_so(smgw: Run, home: Path) -> None:
    lived(home, State.OUTAGE)
    smgw("gateway", "attest", GATEWAY, "EVERY_CERTIFICATE_REVOKED", "--party", home / "parties" / "gwa")
    assert "does not recommend" in smgw("install", "remove", GATEWAY, "--for", "scrapping", "--dry-run").output
    (plan,) = json_lines(smgw("install", "remove", GATEWAY, "--for", "sm-destruction", "--dry-run", "--json"))
    assert not plan["against_advice"]
    smgw("install", "remove", GATEWAY, "--for", "sm-destruction", "--yes")
    smgw("install", "remove", GATEWAY, "--complete", "--yes")
    assert json_lines(smgw("gateway", "show", GATEWAY, "--json"))[0]["state"] == "REMOVAL_FOR_SM_DESTRUCTION"


def test_it_shows_and_asks_before_it_signs(smgw: Run, home: Path, trip: Path) -> None:
    before = end(smgw, trip)
    asked = smgw("install", "take-over", "--trip", trip, stdin=b"n\n").output
    assert "MONTEUR_TOOK_OVER  by MONTEUR for MSB 'Monteur 7'" in asked
    assert "Sign and record?" in asked
    assert "Nothing was signed" in asked
    smgw("install", "take-over", "--trip", trip, stdin=b"", exit_code=1)  # nobody is there to ask
    assert "Nothing was signed" in smgw("install", "take-over", "--trip", trip, "--dry-run").output
    assert "--json does not ask" in smgw("install", "take-over", "--trip", trip, "--json", exit_code=2).output
    assert end(smgw, trip) == before
    assert "entry 21" in smgw("install", "take-over", "--trip", trip, stdin=b"y\n").output


def test_looking_and_planning_make_no_keys(smgw: Run, home: Path, delivered: str) -> None:
    shutil.rmtree(home / "parties" / "monteur", ignore_errors=True)
    before = files(home)
    smgw("install", "status", GATEWAY)
    assert "by MONTEUR for MSB" in smgw("install", "take-over", GATEWAY, "--dry-run").output
    assert files(home) == before
    smgw("install", "take-over", GATEWAY, "--yes")
    assert Party.load(home / "parties" / "monteur").actor.role is Role.MONTEUR


def test_status_names_what_to_type_next(smgw: Run, trip: Path) -> None:
    shown = smgw("install", "status", "--trip", trip).output
    assert "→ taken over" in shown
    assert "possible: smgw install take-over" in shown
    assert "hand-over is refused: fact-in-its-state (ch. 10)" in shown


def test_several_gateways_go_along_and_one_has_to_be_named(
    smgw: Run, home: Path, delivered: str, tmp_path: Path
) -> None:
    lived(home, State.FIRST_DELIVERY, OTHER)
    both = tmp_path / "both"
    smgw("install", "take", GATEWAY, OTHER, "--to", both)
    assert "name one" in smgw("install", "mount", "--trip", both, "--yes", exit_code=2).output
    assert (
        "has no chain of EXXX0000000099"
        in smgw("install", "mount", "EXXX0000000099", "--trip", both, exit_code=2).output
    )
    smgw("install", "take-over", GATEWAY, "--trip", both, "--yes")
    assert [each["new"] for each in json_lines(smgw("install", "return", both, "--json"))] == [1, 0]
    assert len(json_lines(smgw("install", "status", "--trip", both, "--json"))) == 2


def test_what_cannot_work_is_said_and_leaves_nothing(smgw: Run, home: Path, delivered: str, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    assert "no trip" in smgw("install", "take", GATEWAY, "--to", taken, exit_code=2).output
    assert files(taken) == {"notes.txt": b"mine"}
    assert "no trip" in smgw("install", "return", taken, exit_code=2).output
    nowhere = tmp_path / "nowhere"
    assert "no record is kept" in smgw("install", "take", "EXXX0000000099", "--to", nowhere, exit_code=2).output
    assert not nowhere.exists()
    assert not (tmp_path / "nowhere.part").exists()
    assert "name the GATEWAY" in smgw("install", "mount", exit_code=2).output
    assert "no record is kept" in smgw("install", "status", "EXXX0000000099", exit_code=2).output
    assert "not both" in smgw("install", "configure", GATEWAY, "--not-needed", "--apn", "x", exit_code=2).output
    assert "say what to set" in smgw("install", "configure", GATEWAY, exit_code=2).output
    assert "no access point name" in smgw("install", "configure", GATEWAY, "--apn", "<", exit_code=2).output
    both = smgw("install", "remove", GATEWAY, "--complete", "--for", "scrapping", exit_code=2)
    assert "--complete reports its end" in both.output
    msb = home / "parties" / "msb"
    assert "a MONTEUR is needed" in smgw("install", "mount", GATEWAY, "--monteur", msb, exit_code=2).output
    assert "the gateway itself" in smgw("install", "hand-over", GATEWAY, "--device-key", msb, exit_code=2).output
    assert "no gateway's folder" in smgw("install", "test", GATEWAY, "--device", msb, exit_code=2).output
    two = ("install", "test", GATEWAY, "--device", msb, "--local", "tcp:127.0.0.1:1")
    assert "not both" in smgw(*two, exit_code=2).output


def test_setting_out_happens_wholly_or_not_at_all(
    smgw: Run, home: Path, delivered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, part = tmp_path / "trip", tmp_path / "trip.part"
    with monkeypatch.context() as patched:
        patched.setattr("smgw.trip_place.take_along", _out_of_power)
        with pytest.raises(SystemError):
            set_out(Workplace(home), folder, [GATEWAY], monteur="Monteur 7", configurator="Configurator 2")
    assert not folder.exists()
    assert not part.exists()
    # What a run that was killed has left is no trip, and in nobody's way; nor is an empty folder.
    (part / "keeper").mkdir(parents=True)
    (part / "keeper" / "party.key").write_text("half")
    folder.mkdir()
    smgw("install", "take", GATEWAY, "--to", folder)
    assert not part.exists()
    assert Trip(folder).gateways == (GATEWAY,)
    # Nor does a trip suffer from one more chain that cannot be taken.
    before = files(folder)
    smgw("install", "take", "EXXX0000000099", "--to", folder, exit_code=2)
    assert files(folder) == before


def _out_of_power(*_: object) -> None:
    raise SystemError("no power")


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{}",
        b"[]",
        b'{"format":"smgw-trip/2","gateways":{}}',
        b'{"format":"smgw-trip/1","gateways":{}}',
        b'{"format":"smgw-trip/1","gateways":{"EXXX0012345678":{}}}',
        b'{"format":"smgw-trip/1","gateways":{"EXXX0012345678":[]}}',
    ],
)
def test_a_damaged_trip_is_none(smgw: Run, home: Path, trip: Path, damage: bytes) -> None:
    (trip / "trip.json").write_bytes(damage)
    before = end(smgw, home)
    assert "trip.json" in smgw("install", "return", trip, exit_code=2).output
    assert end(smgw, home) == before


def test_a_head_of_another_gateway_is_damage(smgw: Run, trip: Path) -> None:
    told = json.loads((trip / "trip.json").read_text())
    told["gateways"][OTHER] = told["gateways"].pop(GATEWAY)
    (trip / "trip.json").write_text(json.dumps(told))
    assert "of another gateway" in smgw("install", "status", "--trip", trip, exit_code=2).output


def test_the_device_that_does_not_answer_is_named(smgw: Run, trip: Path) -> None:
    for step in ("take-over", "arrive", "mount"):
        smgw("install", step, "--trip", trip, "--yes")
    before = end(smgw, trip)
    for words in (("test",), ("configure", "--apn", "iot.example", "--yes")):
        assert "--local, --device" in smgw("install", *words, "--trip", trip, exit_code=2).output
        away = smgw("install", *words, "--trip", trip, "--local", "tcp:127.0.0.1:1", exit_code=1)
        assert "nobody answers" in away.output
    assert "no key of GATEWAY" in _ready_to_hand_over(smgw, trip)
    assert end(smgw, trip)["seq"] == before["seq"] + 1


def test_a_device_at_hand_is_configured_tested_and_handed_over(smgw: Run, home: Path, trip: Path) -> None:
    """The gateway runs in the command, on the record that was taken along; its module is not needed for this."""
    device = home / "gateways" / GATEWAY
    DeviceSecret.open_or_make(device / SECRET_FILE)
    for step in ("take-over", "arrive", "mount"):
        smgw("install", step, "--trip", trip, "--yes")
    with socket.create_server(("127.0.0.1", 0)) as administrator:
        way = ("--host", "127.0.0.1", "--port", administrator.getsockname()[1])
        planned = smgw("install", "configure", *way, "--trip", trip, "--device", device, "--dry-run").output
        assert "COMMUNICATION_PARAMETERS_SET  by ERSTKONFIGURATOR for GWA 'Erstkonfigurator'" in planned
        assert not (device / "configuration").exists()
        smgw("install", "configure", *way, "--trip", trip, "--device", device, "--yes")
        assert '"127.0.0.1"' in (device / "configuration" / "communication.json").read_text()
        (report,) = json_lines(smgw("install", "test", "--trip", trip, "--device", device, "--json"))
    assert (report["host"], report["reached"]) == ("127.0.0.1", True)
    failed = smgw("install", "test", "--trip", trip, "--device", device, exit_code=1).output
    assert "not reached: Connection refused, after" in failed
    assert "did not reach its GWA" in failed
    assert "last connection test: 127.0.0.1 port" in smgw("install", "status", "--trip", trip).output
    key = home / "parties" / "gateways" / GATEWAY
    Workplace(home).party(Role.GATEWAY, GATEWAY, key)
    smgw("install", "hand-over", "--trip", trip, "--device", device, "--device-key", key, "--yes")
    shut = smgw("install", "test", "--trip", trip, "--device", device, exit_code=1).output
    assert "LOCAL_INTERFACE_OFF on record" in shut
    assert "6 new entries" in smgw("install", "return", trip).output


def _ready_to_hand_over(smgw: Run, trip: Path) -> str:
    smgw("install", "configure", "--not-needed", "--trip", trip, "--yes")
    return smgw("install", "hand-over", "--trip", trip, "--yes", exit_code=2).output


def test_help_teaches_the_way(smgw: Run) -> None:
    shown = smgw("install", "--help").output
    for word in ("take", "status", "take-over", "arrive", "mount", "configure", "test", "hand-over", "return", "serve"):
        assert f"smgw install {word}" in shown
    assert "--dry-run" in shown
    assert "install" in smgw("--help").output


def test_serve_prints_a_link_that_pairs_one_phone_and_nothing_secret_is_logged(trip: Path, home: Path) -> None:
    environment = {**os.environ, "SMGW_HOME": str(home), "SMGW_LOG_FORMAT": "json", "SMGW_LOG_LEVEL": "info"}
    with started("install", "serve", "--port", "0", "--trip", trip, environment=environment) as (process, printed):
        link = re.search(r"http://127\.0\.0\.1:\d+/\?code=(\S+)", printed)
        assert link is not None, printed
        with httpx.Client(follow_redirects=True) as phone:
            page = phone.get(link[0])
            assert page.status_code == 200
            assert page.url.path == f"/gateways/{GATEWAY}"
            assert httpx.get(link[0]).status_code == 403
        process.send_signal(signal.SIGINT)
        rest, log = process.communicate(timeout=20)
    assert process.returncode == 0, log
    assert "Stopped." in rest
    assert f'"path": "/gateways/{GATEWAY}"' in log
    assert link[1] not in log


def test_serve_does_not_start_in_the_open(smgw: Run, trip: Path) -> None:
    in_the_open = ("install", "serve", "--trip", trip, "--host", "0.0.0.0", "--port", 0)  # noqa: S104
    assert "in the clear" in smgw(*in_the_open, exit_code=2).output
    assert (
        "belong together"
        in smgw("install", "serve", "--trip", trip, "--tls-key", trip / "trip.json", exit_code=2).output
    )
