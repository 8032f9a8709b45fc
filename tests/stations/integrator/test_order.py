"""Production orders: read strictly, and everything that is wrong told at once."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.integrator.order import FIELDS, SAMPLE_CSV, Arrangement, Order, OrderError, Unit, read_order

HEADER = ",".join(FIELDS)
GOOD = "EXXX0012345678,SM-1,separate,one.p7m,"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "order.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems_of(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(OrderError) as caught:
        read_order(written(folder, text))
    return [str(problem) for problem in caught.value.problems]


def test_the_sample_is_an_order(tmp_path: Path) -> None:
    order = read_order(written(tmp_path, SAMPLE_CSV))
    assert [unit.arrangement for unit in order.units] == ["separate", "assembled", "separate"]
    assert order.units[0].configuration == tmp_path / "EXXX0000000001.p7m"
    assert [unit.reader for unit in order.units] == [None, None, "Virtual PCD 00 00"]
    assert order.units[0].where == "line 9"


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n{GOOD}\n",
        f"# a comment\r\n\r\n{HEADER}\r\n{GOOD}\r\n",
        f"\ufeff{HEADER}\n{GOOD}".replace(",", ";"),
        "gateway,serial,arrangement,configuration\nEXXX0012345678,SM-1,separate,one.p7m",
        "serial,gateway,configuration,arrangement\nSM-1,EXXX0012345678,one.p7m,separate",
        json.dumps({"units": [dict(zip(FIELDS, GOOD.split(","), strict=True))]}),
        json.dumps({"units": [dict(zip(FIELDS[:-1], GOOD.split(",")[:-1], strict=True)) | {"reader": None}]}),
    ],
)
def test_every_way_to_write_it_says_the_same(tmp_path: Path, text: str) -> None:
    (unit,) = read_order(written(tmp_path, text)).units
    expected = Unit("EXXX0012345678", "SM-1", Arrangement.SEPARATE, tmp_path / "one.p7m", None, unit.where)
    assert unit == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the first line names the columns gateway, serial, arrangement, configuration, reader"),
        ("gateway,serial\n", "the first line names the columns"),
        (f"{HEADER}\n", "it has no units"),
        (f"{HEADER}\nEXXX0012345678,SM-1\n", "line 2: 2 cells under 5 columns"),
        (f'{HEADER}\n"EXXX0012345678,SM-1,separate,one.p7m,\n', "line 2: no line of a CSV file"),
        (f"{HEADER}\nexxx0012345678,SM-1,separate,one.p7m,\n", "line 2: 'exxx0012345678' is no gateway identification"),
        (f"{HEADER}\nEXXX001234567,SM-1,separate,one.p7m,\n", "'EXXX001234567' is no gateway identification"),
        (f"{HEADER}\n1EMH0012345678,SM-1,separate,one.p7m,\n", "'1EMH0012345678' is no gateway identification"),
        (f"{HEADER}\nEXXX00123456７8,SM-1,separate,one.p7m,\n", "is no gateway identification"),
        (f"{HEADER}\nEXXX0012345678,SM 1,separate,one.p7m,\n", "'SM 1' is no serial number"),
        (f"{HEADER}\nEXXX0012345678,SM-1,together,one.p7m,\n", "'together' is no arrangement: separate or assembled"),
        (f"{HEADER}\nEXXX0012345678,SM-1,separate,,\n", "line 2: no configuration"),
        (f"{HEADER}\nEXXX0012345678,SM-1,separate,one.p7m,{'r' * 128}\n", "a reader's name has up to 127"),
        (f"{HEADER}\n".encode() + b"\xff", "line 2: not UTF-8"),
        ("{", "no JSON"),
        ("[]", 'an order is {"units": [...]}'),
        ('{"units": [], "units": []}', "a member stands twice"),
        ('{"units": {}, "other": 1}', 'an order is {"units": [...]}'),
        ('{"units": []}', "it has no units"),
        ('{"units": ["EXXX0012345678"]}', "unit 1: a unit has the members"),
        ('{"units": [{"gateway": "EXXX0012345678"}]}', "unit 1: a unit has the members"),
        (json.dumps({"units": [dict.fromkeys(FIELDS, 7)]}), "unit 1: gateway, serial, arrangement, configuration"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str | bytes, says: str) -> None:
    assert any(says in problem for problem in problems_of(tmp_path, text))


def test_nothing_stands_twice(tmp_path: Path) -> None:
    reader = GOOD + "R 1"
    told = problems_of(tmp_path, f"{HEADER}\n{reader}\n{reader}\n")
    assert told == [
        "line 3: gateway EXXX0012345678 stands in line 2 already",
        "line 3: module serial SM-1 stands in line 2 already",
        f"line 3: configuration {tmp_path / 'one.p7m'} stands in line 2 already",
        "line 3: reader R 1 stands in line 2 already",
    ]


def test_everything_is_told_at_once(tmp_path: Path) -> None:
    told = problems_of(tmp_path, f"{HEADER}\nx,y z,neither,,\n{GOOD}\n{GOOD}\n")
    assert [problem.split(":")[0] for problem in told] == ["line 2"] * 4 + ["line 4"] * 3


_units = st.lists(
    st.builds(
        Unit,
        st.from_regex(r"E[A-Z]{3}[0-9]{10}", fullmatch=True),
        st.from_regex(r"[0-9A-Za-z._-]{1,32}", fullmatch=True),
        st.sampled_from(Arrangement),
        st.from_regex(r"[a-z ,;\"äß]{0,20}[a-z]", fullmatch=True).map(lambda name: Path("/order") / name.strip()),
        st.none() | st.from_regex(r"[A-Za-z ,;\"]{0,30}[A-Za-z]", fullmatch=True).map(str.strip),
    ),
    min_size=1,
    max_size=5,
    unique_by=(lambda u: u.gateway, lambda u: u.serial, lambda u: u.configuration, lambda u: u.reader or id(u)),
)


@given(units=_units, separator=st.sampled_from(",;"))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, units: list[Unit], separator: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(FIELDS)
    for unit in units:
        writer.writerow([unit.gateway, unit.serial, unit.arrangement, unit.configuration, unit.reader or ""])
    order = read_order(written(tmp_path_factory.getbasetemp(), text.getvalue()))
    assert [_without_place(unit) for unit in order.units] == units


def _without_place(unit: Unit) -> Unit:
    return Unit(unit.gateway, unit.serial, unit.arrangement, unit.configuration, unit.reader)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"{HEADER}\n{text}".encode()))
def test_whatever_the_bytes_it_is_an_order_or_a_clear_word(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    try:
        order = read_order(written(tmp_path_factory.getbasetemp(), data))
    except OrderError as error:
        assert error.problems  # noqa: PT017  either is fine, and each is looked at
    else:
        assert isinstance(order, Order)
        assert order.units
