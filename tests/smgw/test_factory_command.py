"""``smgw factory``: from nothing to gateways on their way to the MSB, and everything that it says no to."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.module import SECRET_FILE, DeviceSecret
from smgw.factory_place import MANUFACTURER
from smgw.pki_place import PkiPlace
from smpki.authority import utc_now
from stations.integrator.unit import INTEGRATOR_PIN, TRANSPORT_PIN
from tests.smgw.conftest import Run, json_lines
from tests.support.secrets import assert_nothing_of, pin_secret, secrets_of

FIRST, SECOND = "EXXX0000000001", "EXXX0000000002"


def _years_later() -> datetime:
    return utc_now() + timedelta(days=1200)


@pytest.fixture
def order(smgw: Run, tmp_path: Path) -> Path:
    """An order for two gateways in a workplace with a PKI."""
    smgw("pki", "init")
    told = json_lines(smgw("factory", "demo", tmp_path / "order", "--units", "2", "--json"))[0]
    assert told["units"] == 2
    return Path(told["order"])


def test_from_nothing_to_the_hand_over(smgw: Run, order: Path, home: Path) -> None:
    assert "2 units, all good" in smgw("factory", "check", order).output
    assert "not begun" in smgw("factory", "status", order).output
    assert not (home / "gateways").exists()
    shown = smgw("factory", "run", order).output
    assert f"{FIRST}  SM-00000001  DELIVERY_TO_MSB" in shown
    assert "2 of 2 units made" in shown
    assert stat.S_IMODE((home / "factory" / "factory.key").stat().st_mode) == 0o600
    for line in json_lines(smgw("factory", "status", order, "--json")):
        assert (line["state"], line["chapter"], line["entries"], line["delivered"]) == ("DELIVERY_TO_MSB", 7, 17, True)
    replayed = smgw("replay").output
    assert f"{FIRST}: lawful, 17 entries, DELIVERY_TO_MSB" in replayed
    assert "shows 7 facts" in replayed
    *units, summary = json_lines(smgw("factory", "run", order, "--json"))
    assert {unit["words"] for unit in units} == {"was made before"}
    assert (summary["units"], summary["made"], summary["failed"]) == (2, 2, 0)


def test_on_a_fresh_home_it_says_what_comes_first(smgw: Run, tmp_path: Path, home: Path) -> None:
    sample = tmp_path / "order.csv"
    sample.write_text(smgw("factory", "order").output)
    for words in (("run", sample), ("check", sample), ("status", sample), ("demo", tmp_path / "demo")):
        assert "'smgw pki init' makes one" in smgw("factory", *words, exit_code=2).output
    assert not (home / "factory").exists()
    smgw("pki", "init")
    told = smgw("factory", "check", sample, exit_code=1).output
    assert "line 9: the configuration" in told
    assert "EXXX0000000001.p7m: No such file or directory" in told
    assert "3 units, 3 with problems" in told
    assert (
        "no record is kept of EXXX0000000009"
        in smgw("factory", "traveller", "EXXX0000000009", "--output", tmp_path, exit_code=2).output
    )


def test_an_order_that_cannot_be_read(smgw: Run, tmp_path: Path) -> None:
    path = tmp_path / "order.csv"
    path.write_text("gateway,serial,arrangement,configuration\nx,y z,neither,\n")
    told = smgw("factory", "run", path, exit_code=2).output
    assert "cannot be carried out" in told
    assert told.count("line 2: ") == 4


def test_one_bad_unit_does_not_stop_the_others(smgw: Run, order: Path) -> None:
    (order.parent / f"{FIRST}.p7m").write_bytes((order.parent / f"{SECOND}.p7m").read_bytes())
    *units, summary = json_lines(smgw("factory", "run", order, "--json", exit_code=1))
    told = {unit["gateway"]: unit for unit in units}
    assert not told[FIRST]["made"]
    assert f"is for gateway {SECOND}, not for {FIRST}" in told[FIRST]["words"]
    assert told[FIRST]["state"] == ""
    assert told[SECOND]["made"]
    assert (summary["made"], summary["failed"]) == (1, 1)
    assert "NOT MADE" in smgw("factory", "run", order, exit_code=1).output
    smgw("gateway", "show", FIRST, exit_code=2)


def test_what_another_order_has_taken(smgw: Run, order: Path, tmp_path: Path) -> None:
    smgw("factory", "run", order)
    smgw("factory", "demo", tmp_path / "next", "--units", "2")
    text = (tmp_path / "next" / "order.csv").read_text()
    (tmp_path / "next" / "order.csv").write_text(text.replace("SM-00000003", "SM-00000001"))
    smgw("gateway", "register", "EXXX0000000004")
    for part in ("check", "run"):
        told = smgw("factory", part, tmp_path / "next" / "order.csv", exit_code=1).output
        assert "module SM-00000001 was taken for EXXX0000000001 before" in told
        assert "the record of EXXX0000000004 was begun for another module, or by hand" in told
    assert json_lines(smgw("gateway", "show", "EXXX0000000004", "--json"))[0]["entries"] == 0
    changed = order.read_text().replace("SM-00000001", "SM-9").replace("assembled", "separate")
    order.write_text(changed)
    told = smgw("factory", "check", order, exit_code=1).output
    assert "is on record with module SM-00000001, not SM-9: of another order" in told
    assert "is on record as assembled, not separate" in told


def test_the_manufacturer_is_enrolled_once_and_its_end_is_told(
    smgw: Run, order: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smgw("factory", "run", order, "--name", "Fabrik")
    smgw("factory", "run", order, "--name", "Fabrik")
    listed = [one["name"] for one in json_lines(smgw("pki", "show", "--json"))]
    assert listed.count("Fabrik.GWH") == 3
    assert f"{MANUFACTURER}.GWH" not in listed
    assert [listed.count(f"{gateway}.SMGW") for gateway in (FIRST, SECOND)] == [3, 3]
    monkeypatch.setattr("smgw.factory_place.PkiPlace", lambda workplace: PkiPlace(workplace, _years_later))
    assert "'smgw pki renew Fabrik.GWH'" in smgw("factory", "run", order, "--name", "Fabrik", exit_code=2).output


def test_travellers_and_nothing_secret_on_them(smgw: Run, order: Path, home: Path, tmp_path: Path) -> None:
    smgw("factory", "run", order)
    told = json_lines(smgw("factory", "traveller", order, "--output", tmp_path / "pages", "--json"))
    assert [line["gateway"] for line in told] == [FIRST, SECOND]
    assert str(tmp_path) in smgw("factory", "traveller", SECOND, "--output", tmp_path / "pages").output
    page = Path(told[0]["page"]).read_text()
    for said in ("SM-00000001", "separate · getrennt", "Admin.GWA", "GWH Line 3", "lawful, 17 entries", "3B 8C 80 01"):
        assert said in page
    for certificate in json_lines(smgw("pki", "show", f"{FIRST}.SMGW", "--json")):
        assert certificate["certificate"][:8] in page
    device, factory = home / "gateways" / FIRST, DeviceSecret.open_or_make(home / "factory" / "factory.key")
    hidden = [pin_secret(purpose, factory.pin(purpose, "SM-00000001")) for purpose in (TRANSPORT_PIN, INTEGRATOR_PIN)]
    hidden.append(pin_secret("system", DeviceSecret.open_or_make(device / SECRET_FILE).system_pin("SM-00000001")))
    assert_nothing_of([*hidden, *secrets_of(device / "module")], [home, tmp_path / "pages", order.parent])


def test_a_batch_whose_boss_is_killed_goes_on(smgw: Run, tmp_path: Path, home: Path) -> None:
    """Workers end after their units when nobody is there any more to give them another; the rest is made later."""
    smgw("pki", "init")
    order = tmp_path / "order" / "order.csv"
    smgw("factory", "demo", order.parent, "--units", "5")
    command = [sys.executable, "-c", "from smgw.cli import main; main()", "factory", "run", str(order), "--json"]
    command += ["--workers", "2"]
    boss = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "SMGW_HOME": str(home)})
    assert boss.stdout is not None
    assert json.loads(boss.stdout.readline())["made"]
    boss.send_signal(signal.SIGKILL)
    boss.wait(30)
    boss.stdout.read()  # ends when the last worker, who has the other end too, has ended
    boss.stdout.close()
    delivered = [line["delivered"] for line in json_lines(smgw("factory", "status", order, "--json"))]
    assert any(delivered)
    assert not all(delivered)
    *_, summary = json_lines(smgw("factory", "run", order, "--json"))
    assert summary["made"] == 5


def test_the_same_order_run_twice_at_once(smgw: Run, order: Path, home: Path) -> None:
    """Both wait for one another unit by unit; each is made by one of them, once."""
    command = [sys.executable, "-c", "from smgw.cli import main; main()", "factory", "run", str(order), "--json"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "SMGW_HOME": str(home)})
        for _ in range(2)
    ]
    said = [run.communicate(timeout=120)[0] for run in both]
    assert [run.returncode for run in both] == [0, 0]
    words = [json.loads(line)["words"] for text in said for line in text.splitlines()[:-1]]
    assert sorted(words) == ["made", "made", "was made before", "was made before"]
    for gateway in (FIRST, SECOND):
        assert len(json_lines(smgw("pki", "show", f"{gateway}.SMGW", "--json"))) == 3
        assert json_lines(smgw("gateway", "show", gateway, "--json"))[0]["entries"] == 17


@pytest.mark.postgresql
def test_with_a_fleet_s_database(
    smgw: Run, tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMGW_DATABASE", postgresql_url)
    smgw("pki", "init")
    told = json_lines(smgw("factory", "demo", tmp_path / "order", "--units", "3", "--json"))[0]
    *_, summary = json_lines(smgw("factory", "run", told["order"], "--json"))
    assert summary["made"] == 3
    assert "lawful, 17 entries, DELIVERY_TO_MSB" in smgw("replay").output


def test_every_part_has_help(smgw: Run) -> None:
    shown = smgw("factory", "--help").output
    for part in ("order", "demo", "check", "run", "status", "traveller"):
        assert f"  {part} " in shown
        if part != "order":
            assert "--json" in smgw("factory", part, "--help").output
