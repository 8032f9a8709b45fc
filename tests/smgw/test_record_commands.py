"""``smgw party``, ``gateway``, ``journal``, ``replay``, ``db``, ``completion``: the record from the shell."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.smgw.conftest import Run, json_lines

GATEWAY = "EXXX0012345678"


@pytest.fixture
def exported(smgw: Run, tmp_path: Path) -> Path:
    """The record of a whole life, as a file."""
    smgw("life", "--exit", "--gateway", GATEWAY)
    file = tmp_path / "record.jsonl"
    smgw("journal", "export", GATEWAY, "--out", file)
    return file


def test_a_party_is_made_once_and_its_key_is_its_own(smgw: Run, tmp_path: Path) -> None:
    folder = tmp_path / "line-3"
    told = json_lines(smgw("party", "create", "--role", "gwh", "--name", "Line 3", "--out", folder, "--json"))[0]
    assert (told["role"], told["name"], told["on_behalf_of"]) == ("GWH", "Line 3", None)
    assert stat.S_IMODE((folder / "party.key").stat().st_mode) == 0o600
    key = (folder / "party.key").read_bytes()
    again = smgw("party", "create", "--role", "GWH", "--name", "Line 4", "--out", folder, exit_code=2)
    assert "never overwritten" in again.output
    assert (folder / "party.key").read_bytes() == key
    assert json_lines(smgw("party", "show", folder, "--json"))[0]["certificate"] == told["certificate"]


def test_who_always_acts_for_another_says_so(smgw: Run, tmp_path: Path) -> None:
    made = smgw("party", "create", "--role", "MONTEUR", "--name", "Monteur 7", "--out", tmp_path / "monteur")
    assert "on behalf of MSB" in made.output
    wrong = ("party", "create", "--role", "MONTEUR", "--name", "x", "--on-behalf-of", "GWH", "--out", tmp_path / "x")
    assert "MONTEUR cannot act for GWH" in smgw(*wrong, exit_code=2).output


def test_a_gateway_is_moved_from_the_shell_and_refusals_name_what_is_lacking(smgw: Run, tmp_path: Path) -> None:
    gwh = tmp_path / "gwh"
    smgw("party", "create", "--role", "GWH", "--name", "Line 3", "--out", gwh)
    smgw("gateway", "register", GATEWAY)
    refused = smgw("gateway", "move", GATEWAY, "BEGIN_PRODUCTION", "--party", gwh, exit_code=1)
    assert "development-complete (ch. 2, 3)" in refused.output
    lacking = json_lines(smgw("gateway", "show", GATEWAY, "--json"))[0]["ways_out"][0]["lacking"]
    assert len(lacking) == 1
    smgw("gateway", "attest", GATEWAY, "development_complete", "--party", gwh)
    moved = json_lines(smgw("gateway", "move", GATEWAY, "BEGIN_PRODUCTION", "--party", gwh, "--json"))[0]
    assert moved == {"gateway": GATEWAY, "seq": 2, "state": "PRODUCTION"}
    assert json_lines(smgw("gateway", "list", "--state", "production", "--json"))[0]["entries"] == 2
    assert smgw("gateway", "list", "--state", "OPERATION").output == ""


def test_a_fact_about_the_module_is_shown_by_the_module(
    smgw: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gwh, module = tmp_path / "gwh", tmp_path / "module"
    monkeypatch.setenv("SMGW_SYSTEM_PIN", "1234567890")
    monkeypatch.setenv("SMGW_INTEGRATOR_PIN", "0987654321")
    smgw("party", "create", "--role", "GWH", "--name", "Line 3", "--out", gwh)
    smgw("gateway", "register", GATEWAY)
    smgw("gateway", "attest", GATEWAY, "DEVELOPMENT_COMPLETE", "--party", gwh)
    smgw("gateway", "move", GATEWAY, "BEGIN_PRODUCTION", "--party", gwh)
    attest = ("gateway", "attest", GATEWAY, "MODULE_INITIALISED", "--party", gwh)
    assert "no attestation of the module's shows it" in smgw(*attest, exit_code=2).output
    smgw("module", "create", module)
    blank = smgw(*attest, "--module", f"module:{module}", exit_code=1).output
    assert "it has no attestation key yet" in blank
    other = tmp_path / "initialised"
    smgw("module", "create", other, "--serial", "SM-0001")
    assert "entry 3" in smgw(*attest, "--module", f"module:{other}").output
    assert "module SM-0001 shows 1 fact" in smgw("replay", "--gateway", GATEWAY).output


def test_a_gateway_without_a_proper_identification_is_not_registered(smgw: Run) -> None:
    assert "is no gateway identification" in smgw("gateway", "register", "gateway-1", exit_code=2).output
    assert "no record is kept" in smgw("gateway", "show", GATEWAY, exit_code=2).output


def test_a_record_is_written_to_standard_output_where_no_file_is_named(smgw: Run, exported: Path) -> None:
    for words in ((), ("--out", "-")):
        assert smgw("journal", "export", GATEWAY, *words).output == exported.read_text()


def test_replay_of_a_whole_record(smgw: Run, exported: Path) -> None:
    good = {"gateway": GATEWAY, "ok": True, "entries": 43, "state": "HARDWARE_SCRAPPING", "break": None}
    told = json_lines(smgw("replay", exported, "--json"))
    assert [{name: each[name] for name in good} for each in told] == [good]
    assert json_lines(smgw("replay", "--json")) == told
    assert json_lines(smgw("replay", "--gateway", GATEWAY, "--json")) == told
    assert "no record is kept" in smgw("replay", "--gateway", "EXXX0099999999", exit_code=2).output
    assert "no record of gateway" in smgw("replay", exported, "--gateway", "EXXX0099999999", exit_code=1).output


@pytest.mark.parametrize(
    ("damage", "seq", "kind"),
    [
        (lambda lines: [*lines[:10], *lines[11:]], 10, "missing entry"),
        (lambda lines: [*lines[:10], lines[11], lines[10], *lines[12:]], 10, "swapped pair"),
        (lambda lines: lines[:-3], 41, "cut tail"),
        (lambda lines: [*lines[:7], lines[7].replace(b"fact", b"tact", 1), *lines[8:]], 7, "flipped bit"),
        (lambda lines: lines[1:], 0, "missing entry"),
        (lambda lines: [*lines[:9], lines[8], *lines[9:]], 8, "fork"),
    ],
)
def test_replay_names_the_entry_and_the_kind_of_a_break(
    smgw: Run, exported: Path, damage: object, seq: int, kind: str
) -> None:
    assert callable(damage)
    lines = exported.read_bytes().splitlines(keepends=True)
    exported.write_bytes(b"".join(damage(lines)))
    verdict = json_lines(smgw("replay", exported, "--json", exit_code=1))[0]
    assert verdict["ok"] is False
    assert (verdict["break"]["seq"], verdict["break"]["kind"]) == (seq, kind)
    assert kind in smgw("replay", exported, exit_code=1).output


def test_replay_shows_the_gateway_as_it_was(smgw: Run, exported: Path) -> None:
    then = json_lines(smgw("replay", exported, "--until", 2, "--json"))[0]
    assert (then["entries"], then["state"], then["facts"]) == (2, "PRODUCTION", ["DEVELOPMENT_COMPLETE"])
    before = json_lines(smgw("replay", exported, "--until", "2020-01-01", "--json"))[0]
    assert (before["entries"], before["state"]) == (0, "DEVELOPMENT")
    assert "neither a sequence nor a time" in smgw("replay", exported, "--until", "soon", exit_code=2).output


def test_a_head_kept_elsewhere_shows_that_a_tail_was_cut_with_its_head(
    smgw: Run, tmp_path: Path, exported: Path
) -> None:
    gwh = tmp_path / "gwh"
    smgw("party", "create", "--role", "GWH", "--name", "Line 3", "--out", gwh)
    smgw("gateway", "register", "EXXX0000000007")
    early = tmp_path / "early.jsonl"
    smgw("journal", "export", "EXXX0000000007", "--out", early)
    smgw("gateway", "attest", "EXXX0000000007", "DEVELOPMENT_COMPLETE", "--party", gwh)
    head = tmp_path / "head.json"
    head.write_text(smgw("journal", "head", "EXXX0000000007").output)
    assert json_lines(smgw("replay", early, "--json"))[0]["ok"] is True
    verdict = json_lines(smgw("replay", early, "--head", head, "--json", exit_code=1))[0]
    assert verdict["break"]["kind"] == "cut tail"
    head.write_text("{}")
    assert "holds no head" in smgw("replay", early, "--head", head, exit_code=2).output


def test_a_record_under_another_operations_ca_is_not_believed(
    smgw: Run, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMGW_HOME", str(tmp_path / "elsewhere"))
    assert "--ca" in smgw("replay", exported, exit_code=2).output
    smgw("gateway", "list")
    verdict = json_lines(smgw("replay", exported, "--json", exit_code=1))[0]
    assert verdict["break"]["kind"] == "unknown certificate"
    own = tmp_path / "home" / "ca" / "ca.pem"
    assert json_lines(smgw("replay", exported, "--ca", own, "--json"))[0]["ok"] is True


def test_import_fast_forwards_and_takes_nothing_that_is_broken(
    smgw: Run, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = tmp_path / "home" / "ca" / "ca.pem"
    lines = exported.read_bytes().splitlines(keepends=True)
    stranger = ("journal", "import", exported, "--ca", ca, "--home", tmp_path / "stranger")
    assert "needs a certificate of the record's operations CA" in smgw(*stranger, exit_code=2).output
    replica = tmp_path / "replica"
    smgw("party", "create", "--role", "KEEPER", "--name", "Replica", "--out", replica / "keeper")
    monkeypatch.setenv("SMGW_HOME", str(replica))
    taken = json_lines(smgw("journal", "import", exported, "--ca", ca, "--json"))[0]
    assert (taken["ok"], taken["new"]) == (True, 43)
    assert json_lines(smgw("journal", "import", exported, "--ca", ca, "--json"))[0]["new"] == 0
    exported.write_bytes(b"".join(lines[:-1]))
    refused = json_lines(smgw("journal", "import", exported, "--ca", ca, "--json", exit_code=1))[0]
    assert (refused["ok"], refused["new"]) == (False, 0)
    assert "cut tail" in refused["error"]
    assert json_lines(smgw("replay", "--ca", ca, "--json"))[0]["ok"] is True


def test_export_needs_to_know_what(smgw: Run, exported: Path) -> None:
    assert "name gateways, or say --all" in smgw("journal", "export", exit_code=2).output
    assert smgw("journal", "export", "--all").stdout_bytes == exported.read_bytes()


def test_a_database_or_a_file_but_not_both(smgw: Run, exported: Path) -> None:
    assert "not both" in smgw("replay", exported, "--database", "sqlite:///x.db", exit_code=2).output


def test_the_schema_is_made_once_and_said(smgw: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fleet.db'}"
    assert json_lines(smgw("db", "status", "--database", url, "--json", exit_code=1))[0]["current"] is None
    assert json_lines(smgw("db", "upgrade", "--database", url, "--json"))[0]["before"] is None
    assert "nothing to do" in smgw("db", "upgrade", "--database", url).output
    smgw("db", "status", "--database", url)
    assert "is no database URL" in smgw("db", "status", "--database", "nonsense", exit_code=2).output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(smgw: Run, shell: str) -> None:
    assert "_SMGW_COMPLETE" in smgw("completion", shell).output


def test_help_teaches_and_names_every_command(smgw: Run) -> None:
    shown = smgw("--help").output
    for section in ("See it", "The law", "The record", "The shell"):
        assert section in shown
    assert "smgw life" in shown
