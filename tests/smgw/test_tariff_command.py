"""``smgw tariff check``: for a person, and with ``--json``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.lmn.status import PtbStatus
from gateway.tariffing.ar2418 import Block, Document, MeterReadings, ReadingType, StatedReading
from gateway.tariffing.ar2418_write import write
from gateway.tariffing.readings import ReadingList
from smgw.cli import main
from tests.shared_data import shared_data
from tests.support.tariffs import HT_BY_DAY, NT, days, documents, local, profile, quarters, reading_list

DAY = days("2017-11-04")
KEYS = {
    *("usage_point", "taf", "tariff", "period", "registers", "days", "unassigned", "gaps", "originals", "stated"),
    *("notes", "good"),
}


def run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["tariff", "check", *(str(word) for word in words)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def written(folder: Path, *originals: ReadingList, first: str = "2017-11-04", count: int = 1) -> tuple[Path, Path]:
    period = days(first, count)
    files = folder / "gateway.xml", folder / "supplier.xml"
    for file, document in zip(files, documents(profile(period, HT_BY_DAY), *originals), strict=True):
        file.write_bytes(write(document))
    return files


def in_json(*words: object, exit_code: int = 0) -> dict[str, Any]:
    code, output, error = run(*words, "--json")
    assert code == exit_code, error
    found = json.loads(output)
    assert found.keys() == KEYS
    return dict(found)


def test_json(tmp_path: Path) -> None:
    gap = [at for at in quarters(DAY) if local("2017-11-04 04:45") < at < local("2017-11-04 07:00")]
    found = in_json(*written(tmp_path, reading_list(DAY, without=gap)))
    registers = {"0100010801ff": 310, "0100010802ff": 560, "010001083fff": 90}
    assert found["registers"] == registers
    period = {"from": "2017-11-04T00:00:00+01:00", "to": "2017-11-05T00:00:00+01:00"}
    assert found["period"] == period
    assert found["days"] == [{"date": "2017-11-04", **period, "registers": registers, "complete": True}]
    assert found["unassigned"] == [
        {
            "from": "2017-11-04T04:45:00+01:00",
            "to": "2017-11-04T07:00:00+01:00",
            "amount": 90,
            "reason": "readings are missing, and the stage changes from 1 to 2 at 2017-11-04T06:00:00+01:00",
            "register": "010001083fff",
        }
    ]
    assert found["originals"] == {
        "0100010800ff": {
            "meter": "0A01454D480000BC614E",
            "amount": 960,
            "unit": 30,
            "scaler": -1,
            "from": 1_000,
            "to": 1_960,
            "covers": True,
        }
    }
    assert (found["gaps"], found["stated"], found["notes"], found["good"]) == ([], [], [], True)


def test_json_of_days_with_a_gap_in_one_stage(tmp_path: Path) -> None:
    period = days("2018-03-24", 3)
    gap = [at for at in quarters(period) if local("2018-03-24 22:00") < at < local("2018-03-25 01:00")]
    found = in_json(*written(tmp_path, reading_list(period, without=gap), first="2018-03-24", count=3))
    assert [(day["date"], day["complete"], sum(day["registers"].values())) for day in found["days"]] == [
        ("2018-03-24", False, 880),
        ("2018-03-25", False, 1_000),
        ("2018-03-26", True, 960),
    ]
    (gap_told,) = found["gaps"]
    assert (gap_told["register"], gap_told["amount"]) == ("0100010801ff", 120)


def test_tables(tmp_path: Path) -> None:
    period = days("2017-11-04", 2)
    gap = [local("2017-11-04 06:00"), local("2017-11-04 12:00"), local("2017-11-05 00:00")]
    code, output, _ = run(*written(tmp_path, reading_list(period, without=gap), count=2))
    assert code == 0
    for line in (
        "usage point DE00012345678900000000000000000042, TAF-2 Strom Tag und Nacht",
        "billing period 2017-11-04T00:00:00+01:00 to 2017-11-06T00:00:00+01:00 (2 days, 48 h)",
        "1-0:1.8.0*255 of meter 0A01454D480000BC614E: 190 readings, every 15 min",
        "  1-0:1.8.1*255   stage 1 NT                        71.0 Wh",
        "  1-0:1.8.63*255  error register (Fehlerregister)    2.0 Wh",
        "  1-0:1.8.0*255   the meter: 100.0 to 292.0        192.0 Wh",
        "In the error register, because nobody can say which stage it belongs to:",
        "Readings are missing, but the stage did not change meanwhile:",
        "  2017-11-04  24 *         34.0 Wh        59.0 Wh          2.0 Wh",
        "  * no reading of its first or last moment: what spans midnight counts on the day on which it ends",
    ):
        assert line in output.splitlines(), output
    assert "2017-11-05  24 *" not in run(*[tmp_path / name for name in ("gateway.xml", "supplier.xml")], "--no-days")[1]


def test_how_good_the_readings_are(tmp_path: Path) -> None:
    status = {local("2017-11-04 06:00"): PtbStatus(4), local("2017-11-04 07:00"): PtbStatus(2)}
    _, output, _ = run(*written(tmp_path, reading_list(DAY, status=status)))
    assert "97 readings, every 15 min, not usable: 1, substitute values (status 2): 1" in output
    assert "2.0 Wh  a reading is not usable (status 4), and the stage changes from 1 to 2" in output


def test_days_are_shown_if_they_are_few_or_asked_for(tmp_path: Path) -> None:
    period = days("2017-11-04", 70)
    files = written(tmp_path, reading_list(period), count=70)
    assert "2017-12-24  24" not in run(*files)[1]
    assert "2017-12-24  24" in run(*files, "--days")[1]


def test_stated_figures_that_differ(tmp_path: Path) -> None:
    kind = ReadingType(NT, unit=72, scaler=-1, name=f"{NT.hex()}.TAF-2.sm")
    figure = MeterReadings(kind, (Block((StatedReading(DAY.end, 361),), DAY.begin, DAY.seconds),))
    gateway, supplier = written(tmp_path, reading_list(DAY))
    (billed,) = documents(profile(DAY, HT_BY_DAY))[1].usage_points
    supplier.write_bytes(write(Document((replace(billed, lists=(figure,)),))))
    code, output, _ = run(gateway, supplier)
    assert code == 1
    assert "  the supplier's  1-0:1.8.1*255  36.1 Wh  DIFFERS: computed 36.0 Wh" in output.splitlines()
    (told,) = in_json(gateway, supplier, exit_code=1)["stated"]
    assert told == {
        "by": "supplier",
        "register": "0100010801ff",
        "stated": 361,
        "scaler": -1,
        "computed": 360,
        "agrees": False,
    }


def test_a_period_that_is_not_covered(tmp_path: Path) -> None:
    found = in_json(*written(tmp_path, reading_list(DAY, without=[DAY.end])), exit_code=1)
    assert found["good"] is False
    assert found["notes"][0].startswith("1-0:1.8.0*255: no usable reading at the end")
    assert (
        "note: 1-0:1.8.0*255: no usable reading at the end"
        in run(tmp_path / "gateway.xml", tmp_path / "supplier.xml")[1]
    )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("ReadingType", "OtherType", "gateway.xml: line 24: reading list"),
        ("</UsagePoints>", "", "no readable XML"),
        ("<usagePointId>DE", "<usagePointId>AT", "a usage point is not in both documents"),
        ("0100010800ff</", "0100020800ff</", "no stage of the profile counts what is measured"),
        ("2017-11-04T", "2017-12-04T", "has 1 usable reading from"),
    ],
)
def test_what_cannot_be_computed(tmp_path: Path, old: str, new: str, reason: str) -> None:
    gateway, supplier = written(tmp_path, reading_list(DAY))
    gateway.write_text(gateway.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    code, output, error = run(gateway, supplier)
    assert (code, output) == (2, "")
    assert error.startswith("Error: ")
    assert reason in error
    assert len(error.splitlines()) == 1


def test_worked_figures() -> None:
    folder = shared_data() / "data" / "trudi"
    found = in_json(folder / "result_single_day_2h-gap.xml", folder / "supplier_single_day.xml")
    assert found["registers"] == {"0100010801ff": 310, "0100010802ff": 560, "010001083fff": 90}
    assert [(each["from"], each["to"]) for each in found["unassigned"]] == [
        ("2017-11-04T04:45:00+01:00", "2017-11-04T07:00:00+01:00")
    ]


def test_help_teaches() -> None:
    _, output, _ = run("--help")
    for word in ("GATEWAY.xml", "SUPPLIER.xml", "error register", "--json", "Exit code", "unassigned", "--meter"):
        assert word in output
