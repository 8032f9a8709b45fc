"""XML of AR 2418-6: documents of gateways and suppliers, injured, and ones made to hurt a parser."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final
from xml.parsers import expat

from fuzz.mutation import Mutator
from fuzz.target import ACCEPTED, hold, reason_class
from gateway.tariffing.ar2418 import (
    Block,
    Certificate,
    Document,
    EventKind,
    FirmwareComponent,
    GatewayInfo,
    LogEntry,
    LogEvent,
    MeterReadings,
    ReadingType,
    StatedReading,
    UsagePoint,
)
from gateway.tariffing.ar2418_read import read
from gateway.tariffing.ar2418_write import write
from gateway.tariffing.ar2418_xml import AR, ESPI
from gateway.tariffing.calendar import DayProfile, Season, SpecialDay, TariffCalendar, WeekProfile
from gateway.tariffing.errors import DocumentError
from gateway.tariffing.periods import Period
from gateway.tariffing.profile import (
    EvaluationProfile,
    ExternalEvent,
    ExtremeCount,
    Prepayment,
    Quantity,
    TariffStage,
    Threshold,
    UseCase,
)
from tests.shared_data import find_shared_data

_BEGIN: Final = datetime(2026, 3, 28, 23, tzinfo=UTC)
_IMPORT: Final = bytes.fromhex("0100010800ff")
_LARGEST_SAMPLE: Final = 20_000
_FILE_MARK: Final = b"@FILE@"
"""Stands in an input for the path of a file that the document tries to have read."""
_FILE_CONTENT: Final = "what-stands-in-the-file"

_TIMES: Final = (
    "2026-03-29T02:30:00",
    "2026-10-25T02:30:00",
    "2026-03-01T24:00:00+01:00",
    "9999-12-31T24:00:00",
    "9999-12-31T24:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "2999-12-31T23:59:59-23:59",
    "1900-01-01T00:00:00+23:59",
    "2026-02-30T00:00:00",
    "2026-W10-1T00:00",
    "20260301T000000Z",
    "T",
    "",
)
_NUMBERS: Final = ("0", "-1", "+7", "007", "9" * 18, "-" + "9" * 18, "9" * 19, "1.0", "1e3", "٣", "", " 5 ", "63", "4")
_WORDS: Final = (
    b"<",
    b">",
    b"/>",
    b"&amp;",
    b"&a;",
    b"&#0;",
    b"&#x110000;",
    b"]]>",
    b"<![CDATA[",
    b"<!--",
    b"<?x?>",
    b"<!DOCTYPE a>",
    b"<a>" * 300,
    b"<a b='" + b"x" * 5_000 + b"'>",
    b" xmlns='x'",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\0",
    b"\xed\xa0\x80",
    *(number.encode() for number in _NUMBERS),
    *(time.encode() for time in _TIMES),
)
_ENCODINGS: Final = ("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7", "cp037", "utf-8-sig")
_NAMED: Final = ("UTF-16", "ISO-8859-1", "US-ASCII", "EBCDIC-CP-US", "UTF-7", "nonsense", "UCS-4")
_END: Final = b"</UsagePoint></UsagePoints>"
_CONTENT: Final = re.compile(rb">([^<>]+)<")


def documents() -> list[bytes]:
    """One of everything, and where shared data are at hand, the small ones of real gateways and suppliers."""
    found = [write(_everything()), write(Document((UsagePoint("DE1", lists=(_readings(3),)),)))]
    folder = find_shared_data()
    paths: Sequence[Path] = sorted((folder / "data/trudi").glob("*.xml")) if folder is not None else []
    return [*found, *(data for path in paths if len(data := path.read_bytes()) <= _LARGEST_SAMPLE)]


def _readings(count: int) -> MeterReadings:
    quarter = timedelta(minutes=15)
    stated = tuple(
        StatedReading(_BEGIN + number * quarter, 1_000 + number, 0, _BEGIN, _BEGIN, 1, b"m", b"s", "a000000000000004")
        for number in range(count)
    )
    kind = ReadingType(_IMPORT, 0, 72, -1, "0100010800ff.1emh0012345678.sm", 900, "Bezug", 1)
    return MeterReadings(kind, (Block(stated, _BEGIN, 900 * count), Block(())), "1EMH0012345678", "liste")


def _everything() -> Document:
    limit = Threshold(Quantity(5, 3, 27), Quantity(4, 3, 27), "liste", 1)
    month = Period(_BEGIN, _BEGIN + timedelta(days=30))
    week = WeekProfile("w", ("a", None, "a", None, "a", "b", "b"))
    calendar = TariffCalendar(
        (DayProfile(("a",), ((0, 1), (21_600, 2))), DayProfile(("b",), ((0, 1),))),
        (week,),
        (Season("s", date(2026, 1, 1), week),),
        (SpecialDay("b", 0xFFFF, 12, 25, 0xFF),),
    )
    profile = EvaluationProfile(
        UseCase.TIME_VARIABLE,
        "tarif",
        month,
        (TariffStage(1, bytes.fromhex("0100010801ff"), "NT"), TariffStage(2, bytes.fromhex("0100010802ff"))),
        1,
        (calendar,),
        (limit,),
        (ExternalEvent(1, month, 2, (limit,)),),
        Prepayment(Quantity(9, 0, 30), month, ("1EMH0012345678",), (limit,)),
        (ExtremeCount(3, True),),
        "alles",
    )
    event = LogEvent(1, "Text", 0, _BEGIN, 7, "s", "u", "d", "m", "v", b"e", EventKind(1, 2, 3, 4, 5, 6, "x", 7))
    gateway = GatewayInfo("EXXX0012345678", (1,), "X", "0.1", (FirmwareComponent("a", "1", "00"),), _BEGIN)
    point = UsagePoint(
        "DE0001234567890000000000000000042",
        0,
        "anna.sm",
        "9900000000001",
        gateway,
        (Certificate(1, 1, b"c", 2),),
        "Tarif",
        profile,
        (LogEntry(1, 2, 3, (event,)),),
        (_readings(4),),
        b"signed",
    )
    return Document((point,), "fuzz")


class Ar2418:
    """:func:`read`: a document that is written and read the same again, or :class:`DocumentError`."""

    def __init__(self) -> None:
        self._documents = documents()
        self._mutator = Mutator(_WORDS, self._documents)
        self._folder = tempfile.TemporaryDirectory(prefix="smgw-fuzz-")
        self._file = Path(self._folder.name) / "file"
        self._file.write_text(_FILE_CONTENT)

    def build(self, random: Random) -> bytes:
        """A document injured in its values, its elements or its bytes; now and then one of the hostile kind."""
        way = random.random()
        if way < 0.06:
            return self._hostile(random)
        data = random.choice(self._documents[:2]) if way < 0.8 else random.choice(self._documents)
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            data = self._changed(random, data)
        if random.random() < 0.35:
            data = self._mutator.mutated(random, data, 3)
        if random.random() < 0.05:
            data = self._recoded(random, data)
        return data

    @staticmethod
    def _changed(random: Random, data: bytes) -> bytes:
        """A value replaced, or an element left out, emptied or said twice."""
        places = list(_CONTENT.finditer(data))
        if not places:
            return data
        place = random.choice(places)
        begin, end = place.span(1)
        way = random.random()
        if way < 0.7:
            value = random.choice(_NUMBERS + _TIMES).encode()
            return data[:begin] + value + data[end:]
        opening, closing = data.rfind(b"<", 0, begin), data.find(b">", end) + 1
        element = data[opening:closing]
        return data[:opening] + random.choice((b"", element * 2, element * 30)) + data[closing:]

    @staticmethod
    def _recoded(random: Random, data: bytes) -> bytes:
        """In another encoding than it says, or saying another than it is in."""
        text = data.decode("utf-8", "replace")
        if random.random() < 0.5:
            text = text.replace("UTF-8", random.choice(_NAMED), 1)
        return text.encode(random.choice(_ENCODINGS), "replace") if random.random() < 0.7 else text.encode()

    def _hostile(self, random: Random) -> bytes:
        root = f'<UsagePoints xmlns="{AR}" xmlns:espi="{ESPI}"><UsagePoint>'.encode()
        kind = random.randrange(9)
        number = random.choice((3, 10, 1_000, 100_000))
        if kind == 0:
            return root + b"<a>" * number + b"</a>" * number + _END
        if kind == 1:
            return root + b"<a " + b" ".join(b"a%d='x'" % each for each in range(min(number, 5_000))) + b"/>"
        if kind == 2:
            return root + b"<tariffName>" + b"x" * (10 * number) + b"</tariffName></UsagePoint></UsagePoints>"
        if kind == 3:
            return root + b"<a b='" + b"x" * (10 * number) + b"'/></UsagePoint></UsagePoints>"
        doctype = random.choice(
            (
                b'<!DOCTYPE a [<!ENTITY a "x">' + self._bomb(random) + b"]>",
                b'<!DOCTYPE a [<!ENTITY a SYSTEM "file://@FILE@">]>',
                b'<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd">',
                b'<!DOCTYPE a [<!ENTITY % a SYSTEM "file://@FILE@"> %a;]>',
                b'<!DOCTYPE UsagePoints [<!ATTLIST a b CDATA "&a;">]>',
            )
        )
        use = random.choice((b"<tariffName>&a;</tariffName>", b"<tariffName>&z;</tariffName>", b"<a b='&z;'/>", b""))
        if kind < 7:
            return doctype + root + use + _END
        include = b"<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' parse='text' href='@FILE@'/>"
        return root + random.choice((b"&a;", include, b"<?xml-stylesheet href='a'?>" * 500)) + _END

    @staticmethod
    def _bomb(random: Random) -> bytes:
        width = random.choice((2, 10))
        depth = random.choice((3, 10, 25))
        levels = [b"a", *(b"b%d" % level for level in range(depth))]
        lines = [
            b'<!ENTITY %s "%s">' % (levels[level], (b"&%s;" % levels[level - 1]) * width) for level in range(1, depth)
        ]
        return b"".join(lines) + b'<!ENTITY z "&%s;">' % levels[depth - 1]

    def check(self, data: bytes) -> str:
        """See the class."""
        data = data.replace(_FILE_MARK, str(self._file).encode())
        try:
            document = read(data)
        except DocumentError as error:
            hold(bool(str(error)) and len(str(error)) < 2_000, "an error without words, or with too many")
            hold(error.line is None or error.line >= 0, "a line that there is not")
            # Of what the parser says, the names behind it are left out, which differ with each document.
            return reason_class(": ".join(str(error).split(": ")[:3]).partition(",")[0])
        self._check_values(data, document)
        try:
            written = write(document)
        except DocumentError:  # of a unit that the format has no number for
            return ACCEPTED
        hold(_FILE_CONTENT.encode() not in written, "a file is read that the document names")
        hold(read(written) == document, "a document is not read again as it was written")
        return ACCEPTED

    @staticmethod
    def _check_values(data: bytes, document: Document) -> None:
        """Each value is one that another parser sees as well, in the same order."""
        said = _values(data)
        found = [
            reading.value
            for point in document.usage_points
            for each in point.lists
            for reading in each.readings
            if reading.value is not None
        ]
        if said is not None:
            rest = iter(said)
            hold(all(value in rest for value in found), "a reading's value is not in the document")

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()


def _values(data: bytes) -> list[int] | None:
    """The integers in elements named value, by the parser of the standard library; None if it does not read this."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    found: list[int] = []
    texts: list[list[str]] = []

    def begin(_name: str, _attributes: object) -> None:
        texts.append([])

    def end(name: str) -> None:
        text = "".join(texts.pop()).strip()
        if name == f"{ESPI} value" and re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
            found.append(int(text))

    def say(text: str) -> None:
        if texts:
            texts[-1].append(text)

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, say
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError):
        return None
    return found
