"""``smgw admin``, ``technician`` and ``recycle`` on a gateway that the factory has made: its life to the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.configuration import read_initial
from lifecycle.desk import attest, move
from lifecycle.diagnosis import read_diagnosis, read_order
from lifecycle.facts import Fact
from lifecycle.roles import Role
from lifecycle.states import Event, State
from smgw.workplace import Workplace
from smpki.folder import PartyFolder
from tests.smgw.conftest import Run, json_lines

Step = tuple[Role, Fact | Event]
_INSTALL: tuple[Step, ...] = (
    (Role.MSB, Fact.MSB_TOOK_OVER),
    (Role.MSB, Event.BEGIN_FIRST_DELIVERY),
    (Role.MSB, Fact.MSB_HANDED_OVER_TO_MONTEUR),
    (Role.MONTEUR, Fact.MONTEUR_TOOK_OVER),
    (Role.MONTEUR, Fact.ARRIVED_IN_FIELD),
    (Role.MONTEUR, Event.BEGIN_FIRST_INSTALLATION),
    (Role.MONTEUR, Fact.MOUNTED),
    (Role.MONTEUR, Fact.COMMUNICATION_PARAMETERS_NOT_NEEDED),
    (Role.GATEWAY, Fact.LOCAL_INTERFACE_OFF),
)


def live(home: Path, gateway: str, *steps: Step) -> None:
    """What others do with the gateway."""
    workplace = Workplace(home)
    repository = workplace.repository()
    for role, what in steps:
        folder = home / "parties" / "gateways" / gateway if role is Role.GATEWAY else None
        party = workplace.party(role, gateway if role is Role.GATEWAY else role.title(), folder)
        repository.act(gateway, party, attest(party, what) if isinstance(what, Fact) else move(party, what))
    repository.engine.dispose()


@pytest.fixture
def made(smgw: Run, home: Path, tmp_path: Path) -> str:
    """A gateway that the factory has made and dispatched."""
    smgw("pki", "init")
    smgw("factory", "demo", tmp_path / "order", "--units", 1)
    smgw("factory", "run", tmp_path / "order" / "order.csv")
    gateway: str = json_lines(smgw("gateway", "list", "--json"))[0]["gateway"]
    return gateway


@pytest.fixture
def installed(made: str, home: Path) -> str:
    """It is mounted, and waits for its GWA."""
    live(home, made, *_INSTALL)
    return made


@pytest.fixture
def gwa(smgw: Run, made: str, home: Path) -> Run:
    """``smgw admin`` as the GWA whose keys the factory's demonstration has put into the gateway."""
    (folder,) = (home / "pki" / "parties").glob("*.GWA")

    def run(*words: object, **options: object) -> object:
        group = 2 if words[0] == "diagnosis" else 1
        return smgw("admin", *words[:group], "--as", folder.name.removesuffix(".GWA"), *words[group:], **options)

    return run  # type: ignore[return-value]


def test_a_gateway_s_life_to_its_orderly_end(gwa: Run, smgw: Run, installed: str, home: Path) -> None:
    said = gwa("personalise", installed, "--json")
    (status,) = json_lines(said)
    assert (status["state"], status["module_state"]) == ("OPERATION", "OPERATIONAL")
    assert [one["profile"] for one in status["certificates"]] == ["SMGW-W/TLS", "SMGW-W/SIG", "SMGW-W/ENC"]
    assert "the CA is asked" in said.stderr
    assert json_lines(gwa("status", installed, "--json"))[0] == status
    assert "OPERATION, faults: none" in gwa("status", installed).output
    assert "not due yet" in gwa("renew", installed).output
    (kept,) = json_lines(gwa("renew", installed, "--ahead", 1000, "--keep-old", "--json"))
    assert (kept["renewed"], kept["superseded"]) == (True, [])
    (done,) = json_lines(gwa("renew", installed, "--json"))
    assert (done["renewed"], len(done["superseded"])) == (False, 3)
    listed = json_lines(gwa("certificates", installed, "--json"))
    assert [one["standing"] for one in listed] == ["good"] * 3 + ["revoked"] * 3 + ["good"] * 3
    shown = gwa("certificates", installed).output
    assert shown.count("revoked") == 3
    assert (
        "REMOVE_FOR_SCRAPPING by MONTEUR for MSB in OPERATION is refused"
        in smgw(
            "gateway",
            "move",
            installed,
            "REMOVE_FOR_SCRAPPING",
            "--party",
            home / "parties" / "monteur",
            exit_code=1,
        ).output
    )
    (revoked,) = json_lines(gwa("revoke", installed, "--yes", "--json"))
    assert len(revoked["certificates"]) == 9
    assert "9 certificates seen revoked, 0 ended" in gwa("revoke", installed, "--yes").output
    assert "nothing is renewed any more" in gwa("renew", installed, exit_code=1).output
    assert json_lines(gwa("terminate", installed, "--yes", "--json"))[0]["terminated"]
    assert "interface-on" in gwa("status", installed, exit_code=1).output
    live(
        home,
        installed,
        (Role.MONTEUR, Event.REMOVE_FOR_SCRAPPING),
        (Role.MONTEUR, Fact.REMOVAL_COMPLETE),
        (Role.MSB, Event.DELIVER_FOR_SCRAPPING),
        (Role.MSB, Fact.MSB_HANDED_OVER_TO_RECYCLER),
    )
    assert json_lines(smgw("recycle", "take-over", installed, "--json"))[0]["state"] == State.HARDWARE_SCRAPPING


def test_an_outage_diagnosed_and_the_module_destroyed(
    gwa: Run, smgw: Run, installed: str, home: Path, tmp_path: Path
) -> None:
    gwa("personalise", installed)
    shown = gwa("fault", installed, "disk-full").output
    assert "REVERSIBLE_FAULT, faults: disk-full" in shown
    assert "off: metering:receive-readings" in shown
    assert json_lines(gwa("restore", installed, "disk-full", "--json"))[0] == {
        "gateway": installed,
        "state": "OPERATION",
        "faults": [],
        "affected": [],
    }
    assert "acting-role" in gwa("fault", installed, "functionless", exit_code=1).output
    gwa("fault", installed, "connection-fault")
    order, diagnosis = tmp_path / "order.json", tmp_path / "diagnosis.json"
    assert json_lines(gwa("diagnosis", "order", installed, "--out", order, "--json"))[0]["file"] == str(order)
    trust = Workplace(home).trust()
    assert read_order(order.read_bytes(), trust)[0].gateway == installed
    seen = json_lines(smgw("technician", "diagnose", installed, "--order", order, "--json"))[0]
    assert (seen["findings"]["answers"], seen["findings"]["module"], seen["fault"]) == (True, "present", None)
    words = smgw("technician", "diagnose", installed, "--order", order, "--out", diagnosis, "--dead", "--yes").output
    assert "does not answer; its module is present" in words
    assert "fault: functionless" in words
    assert read_diagnosis(diagnosis.read_bytes(), trust)[0].fault is not None
    refused = gwa("diagnosis", "take", installed, "--order", diagnosis, order, exit_code=1).output
    assert "just the members" in refused
    (decided,) = json_lines(gwa("diagnosis", "take", installed, "--order", order, diagnosis, "--json"))
    assert (decided["state"], decided["fault"]) == ("OUTAGE", "functionless")
    assert "found: functionless" in gwa("diagnosis", "take", installed, "--order", order, diagnosis).output
    assert "is refused" in gwa("status", installed, exit_code=1).output
    refused = smgw("recycle", "destroy", installed, "--yes", exit_code=1).output
    assert "MODULE_DESTROYED" in refused
    live(
        home,
        installed,
        (Role.MONTEUR, Event.REMOVE_FOR_SM_DESTRUCTION),
        (Role.MONTEUR, Fact.REMOVAL_COMPLETE),
        (Role.MSB, Event.DELIVER_FOR_SM_DESTRUCTION),
    )
    assert "MSB_HANDED_OVER_TO_RECYCLER" in smgw("recycle", "take-over", installed, exit_code=1).output
    live(home, installed, (Role.MSB, Fact.MSB_HANDED_OVER_TO_RECYCLER))
    assert "SM_DESTRUCTION" in smgw("recycle", "take-over", installed).output
    module = home / "gateways" / installed / "module"
    assert module.exists()
    asked = smgw("recycle", "destroy", installed, stdin=b"n\n", exit_code=1)
    assert "nothing was done" in asked.output
    assert module.exists()
    assert "HARDWARE_SCRAPPING" in smgw("recycle", "destroy", installed, "--yes").output
    assert not module.exists()


def test_what_the_technician_sees_and_finds(gwa: Run, smgw: Run, installed: str, home: Path, tmp_path: Path) -> None:
    gwa("personalise", installed)
    (seen,) = json_lines(smgw("technician", "diagnose", installed, "--json"))
    assert seen["findings"] == {
        "answers": True,
        "state": "OPERATION",
        "faults": [],
        "refused": [],
        "connected": None,
        "module": "present",
    }
    assert (seen["fault"], seen["cleared"], seen["file"]) == (None, None, None)
    out = tmp_path / "diagnosis.json"
    (found,) = json_lines(smgw("technician", "diagnose", installed, "--not-connected", "--out", out, "--json"))
    assert found["fault"] == "connection-fault"
    assert read_diagnosis(out.read_bytes(), Workplace(home).trust())[0].findings.connected is False
    shown = smgw("technician", "diagnose", installed, "--cleared", "connection-fault").output
    assert "answers, OPERATION; its module is present" in shown
    assert "fault: none; cleared: connection-fault" in shown
    (dead,) = json_lines(smgw("technician", "diagnose", installed, "--dead", "--no-fault", "--json"))
    assert (dead["fault"], dead["findings"]["answers"]) == (None, False)
    assert "open faults: none" in smgw("gateway", "show", installed).output
    (home / "gateways" / installed / "module").rename(tmp_path / "module")
    asked = smgw("technician", "diagnose", installed, stdin=b"n\n", exit_code=1).output
    assert "module-absent (Sicherheitsmodul fehlt)" in asked
    assert "open faults: none" in smgw("gateway", "show", installed).output
    assert "fault: module-absent" in smgw("technician", "diagnose", installed, "--yes").output


def test_what_is_no_technician_s_to_say(smgw: Run, made: str, tmp_path: Path) -> None:
    assert "no record" in smgw("technician", "diagnose", "EXXX0012345678", exit_code=2).output
    refused = smgw("technician", "diagnose", made, "--fault", "disk-full", exit_code=1).output
    assert "SERVICETECHNIKER for GWA" in refused
    smgw("party", "create", "--role", "GWA", "--name", "Admin", "--out", tmp_path / "gwa")
    other = smgw("technician", "diagnose", made, "--party", tmp_path / "gwa", exit_code=2).output
    assert "is a GWA, and a SERVICETECHNIKER is needed" in other
    (tmp_path / "none.json").write_text("no order")
    none = smgw("technician", "diagnose", made, "--order", tmp_path / "none.json", exit_code=1).output
    assert "no order and no diagnosis" in none


def test_a_gateway_whose_software_was_changed_is_shut_until_its_gwa_admits_it(
    gwa: Run, installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gwa("personalise", installed)
    other = bytes(range(32))
    monkeypatch.setattr("gateway.firmware.installed_firmware", lambda: other)
    monkeypatch.setattr("gateway.selftest.self_test.__defaults__", (lambda: other,))
    assert "gate-shut" in gwa("status", installed, exit_code=1).output
    assert json_lines(gwa("firmware", installed, "--yes", "--json")) == [
        {"gateway": installed, "firmware": other.hex(), "changed": True}
    ]
    assert "OPERATION" in gwa("status", installed).output
    assert "knew this software" in gwa("firmware", installed, "--yes").output


def test_a_chip_is_destroyed_by_hand(gwa: Run, smgw: Run, installed: str, home: Path) -> None:
    gwa("personalise", installed)
    smgw("technician", "diagnose", installed, "--dead", "--not-connected", "--yes")
    gwa("fault", installed, "disk-full")  # which finds the outage that is open
    assert json_lines(smgw("gateway", "show", installed, "--json"))[0]["state"] == "OUTAGE"
    live(
        home,
        installed,
        (Role.MONTEUR, Event.REMOVE_FOR_SM_DESTRUCTION),
        (Role.MONTEUR, Fact.REMOVAL_COMPLETE),
        (Role.MSB, Event.DELIVER_FOR_SM_DESTRUCTION),
        (Role.MSB, Fact.MSB_HANDED_OVER_TO_RECYCLER),
    )
    smgw("recycle", "take-over", installed)
    smgw("recycle", "destroy", installed, "--how", "shredded to 2 mm", "--yes")
    smgw("journal", "export", installed, "--out", home / "record.jsonl")
    assert "shredded to 2 mm" in (home / "record.jsonl").read_text()


def test_the_initial_configuration_file(gwa: Run, made: str, tmp_path: Path) -> None:
    out = tmp_path / "file.p7m"
    (told,) = json_lines(
        gwa("config", "EXXX0012345678", "--host", "gwa.example", "--port", 8443, "--out", out, "--json")
    )
    configuration, message = read_initial(out.read_bytes())
    assert message.is_signed
    assert (configuration.gateway, configuration.communication.host) == ("EXXX0012345678", "gwa.example")
    assert told["valid_until"] == configuration.valid_until.isoformat()
    refused = gwa("config", "EXXX", "--host", "gwa.example", "--port", 8443, "--out", out, exit_code=1)
    assert "no gateway identification" in refused.output
    assert (
        "for EXXX0012345678"
        in gwa("config", "EXXX0012345678", "--host", "gwa.example", "--port", 8443, "--out", out, "--days", 1).output
    )


def test_who_is_enrolled_when_first_needed(smgw: Run, home: Path, tmp_path: Path) -> None:
    out = tmp_path / "file.p7m"
    words = ("admin", "config", "EXXX0012345678", "--host", "gwa.example", "--port", 8443, "--out", out)
    assert "'smgw pki init' makes one" in smgw(*words, exit_code=2).output
    smgw("pki", "init")
    smgw(*words, "--as", "Neu")
    assert PartyFolder.open(home / "pki" / "parties" / "Neu.GWA").current() is not None
    smgw(*words, "--as", "Neu")
    assert sorted(path.name for path in (home / "pki" / "parties" / "Neu.GWA").iterdir()) == ["1", "name"]


def test_refusals_say_who_refuses(gwa: Run, smgw: Run, installed: str, tmp_path: Path) -> None:
    stranger = smgw("admin", "personalise", installed, "--as", "Fremd", exit_code=1)
    assert "authenticating the GWA" in stranger.output
    gwa("personalise", installed)
    assert "is in charge" in smgw("admin", "revoke", installed, "--as", "Fremd", "--yes", exit_code=1).output
    assert (
        "failure_request_not_accepted"
        in smgw("admin", "hand-over", installed, "--as", "Fremd", "--to", "Fremd.GWA", "--ca-only", exit_code=1).output
    )
    assert "neither a participant" in gwa("hand-over", installed, "--to", "Niemand.GWA", exit_code=2).output
    assert json_lines(gwa("introduce", installed, "--json"))[0]["introduced"] is False
    assert json_lines(gwa("hand-over", installed, "--to", "Fremd.GWA", "--json"))[0]["in_charge"] == "Fremd.GWA"
    assert "authenticating the GWA" in gwa("renew", installed, "--ahead", 1000, exit_code=1).output
    assert "renewed, to" in smgw("admin", "renew", installed, "--as", "Fremd", "--ahead", 1000).output
    assert "in the module already" in smgw("admin", "introduce", installed, "--as", "Fremd").output
    assert "nothing was done" in gwa("terminate", installed, stdin=b"\n", exit_code=1).output
    assert "no record" in gwa("status", "EXXX0012345678", exit_code=2).output
    assert "is a MSB, and a GWA is needed" in _as_msb(smgw, installed, tmp_path)


def _as_msb(smgw: Run, gateway: str, tmp_path: Path) -> str:
    smgw("party", "create", "--role", "MSB", "--name", "Stadtwerke", "--out", tmp_path / "msb")
    return smgw("admin", "fault", gateway, "disk-full", "--party", tmp_path / "msb", exit_code=2).output


@pytest.mark.parametrize(
    ("group", "parts"),
    [
        (
            "admin",
            [
                "config",
                "personalise",
                "renew",
                "status",
                "certificates",
                "fault",
                "restore",
                "diagnosis",
                "revoke",
                "terminate",
                "hand-over",
                "introduce",
            ],
        ),
        ("technician", ["diagnose"]),
        ("recycle", ["take-over", "destroy"]),
    ],
)
def test_every_part_has_help(smgw: Run, group: str, parts: list[str]) -> None:
    shown = smgw(group, "--help").output
    for part in parts:
        assert f"  {part} " in shown
        if part != "diagnosis":
            assert "--json prints" in smgw(group, part, "--help").output
    if group == "admin":
        for part in ("order", "take"):
            assert "--json prints" in smgw("admin", "diagnosis", part, "--help").output
