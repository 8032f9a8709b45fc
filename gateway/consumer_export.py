"""Files that a consumer takes away: AR 2418-6 for the official checking software, a table, and the signed originals.

The table (CSV) is for German spreadsheets: semicolons, decimal commas, UTF-8 with a byte order mark, times by German
clocks with a column that says which (MEZ, MESZ). A text that would be taken for a formula begins with an apostrophe.

The signed originals are CMS SignedData (RFC 5652) around one line of canonical JSON for each entry: ``body`` as it is
kept, its ``hash``, and where it was signed ``key`` and ``signature`` (Base64). Each body names the hash before it, so
that nobody can take one out unseen.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.consumer_lists import ConsumerLists, is_derived
from gateway.consumer_log import ConsumerLog
from gateway.consumer_words import german_time, sentence_of
from gateway.contracts import Contract
from gateway.derived.charts import BY_BILLING_PERIOD
from gateway.derived.originals import ptb_of_word, time_of
from gateway.derived.port import TariffPort
from gateway.han.data import GatewayInformation
from gateway.han.errors import HanError
from gateway.han.page_data import Export, ExportFile
from gateway.lmn.obis import format_obis, format_scaled, unit_symbol
from gateway.logs.store import LogEntry as KeptLogEntry
from gateway.metering.entries import ListEntry
from gateway.metering.list_reading import MAX_READ
from gateway.metering.port import MeteringPort
from gateway.sealing import Line
from gateway.tariffing.ar2418 import (
    ESPI_OF_DLMS,
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
from gateway.tariffing.ar2418_export import derived_lists
from gateway.tariffing.ar2418_write import write
from gateway.tariffing.booking import Account
from gateway.tariffing.errors import ReadingsError, TariffingError
from gateway.tariffing.periods import LOCAL, SECOND, Period
from gateway.tariffing.profile import LONGEST_PERIOD
from gateway.tariffing.status import fnn_of_word
from lifecycle.canonical import canonical, encode_signature
from lifecycle.functions import Credential
from smpki.oids import DATA
from smpki.signed import Signer, sign

MOST_EXPORTED: Final = 18_000
"""Readings in one file; ours: 93 days of quarter hours of two registers."""
_MOST_LOGGED: Final = 1_000
_SIG, _SUB_CA = 1, 2
"""Kinds of certificates in AR 2418-6."""
_SHOWN: Final = Credential.CONSUMER_PASSWORD
"""By what who asks has shown himself; the HAN interface has checked it, or a certificate in its place."""
_MEDIA: Final = {
    Export.AR2418: "application/xml",
    Export.CSV: "text/csv; charset=utf-8",
    Export.SIGNED: "application/pkcs7-mime",
}
_SUFFIXES: Final = {Export.AR2418: "xml", Export.CSV: "csv", Export.SIGNED: "p7m"}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class _Register:
    """What of a register goes into a file."""

    obis: bytes
    entries: Sequence[ListEntry]


class ConsumerExports:
    """Files for all consumers, each with his own data."""

    def __init__(
        self,
        metering: MeteringPort,
        tariffs: TariffPort,
        lists: ConsumerLists,
        log: ConsumerLog,
        *,
        information: Callable[[], GatewayInformation],
        signed_profile: Callable[[Contract], bytes],
        signer: Callable[[], Signer],
        raster: Callable[[Contract], timedelta],
        clock: Callable[[], datetime],
    ) -> None:
        """:param information: what the gateway says of itself.
        :param signed_profile: CMS SignedData over a contract.
        :param signer: the gateway's SIG key.
        :param raster: the registration period of a contract's meter.
        :param clock: the time, UTC.
        """
        self._metering = metering
        self._tariffs = tariffs
        self._lists = lists
        self._log = log
        self._information = information
        self._signed_profile = signed_profile
        self._signer = signer
        self._raster = raster
        self._clock = clock

    def export(self, contract: Contract, begin: datetime, end: datetime, kind: Export) -> ExportFile:
        """The values of a contract, those of begin and end among them; none before it began or after now.

        :raises HanError: 400 if the range is none or too long, or holds more than :data:`MOST_EXPORTED` readings.
        :raises lifecycle.gate.Closed: if the gate is shut for it.
        :raises CertificateRefused: if there is nothing to sign with, where it is signed.
        :raises ModuleError: if the module does not sign, where it is signed.
        """
        if end <= begin:
            raise HanError(400, "the range ends before it begins")
        begin, end = max(begin, contract.start), min(end, self._clock() + timedelta.resolution)
        if end <= begin:
            raise HanError(400, "the contract has nothing in this range")
        if end - begin > LONGEST_PERIOD:
            raise HanError(400, f"the range is longer than {LONGEST_PERIOD.days} days")
        period = Period(begin, end)
        write_as = {Export.AR2418: self._ar2418, Export.CSV: self._csv, Export.SIGNED: self._signed}[kind]
        days = f"{begin.astimezone(LOCAL):%Y%m%d}-{end.astimezone(LOCAL):%Y%m%d}"
        name = f"{contract.id.removesuffix('.sm')}-{days}.{_SUFFIXES[kind]}"
        return ExportFile(name, _MEDIA[kind], write_as(contract, period))

    def _registers(self, contract: Contract, period: Period) -> list[_Register]:
        found, count = [], 0
        for obis in contract.registers:
            entries = []
            for entry in self._lists.entries(contract, obis, period.begin - timedelta.resolution, period.end):
                count += 1
                _check_count(count)
                entries.append(entry)
            found.append(_Register(obis, entries))
        return found

    # AR 2418-6

    def _ar2418(self, contract: Contract, period: Period) -> bytes:
        information = self._information()
        certificates = _certificates(information)
        lists = [self._original(contract, each, period) for each in self._registers(contract, period)]
        for account in self._accounts(contract, period):
            lists += derived_lists(account, contract.id.removesuffix(".sm"), contract.metering_point)
        profile = self._signed_profile(contract)
        point = UsagePoint(
            usage_point_id=contract.metering_point,
            customer=contract.consumer,
            invoicing_party=contract.supplier,
            gateway=_gateway_info(information, certificates),
            certificates=certificates,
            tariff_name=contract.name,
            profile=contract.evaluation(period) if is_derived(contract) else None,
            log=tuple(map(_logged, self._log.within(contract.consumer, period.begin, period.end, _MOST_LOGGED))),
            lists=tuple(lists),
            taf_profile=profile or None,
        )
        version = information.firmware[0].version if information.firmware else ""
        return write(Document((point,), f"smgw {version}".strip()))

    def _original(self, contract: Contract, register: _Register, period: Period) -> MeterReadings:
        readings = [entry for entry in register.entries if entry.value is not None]
        unit = readings[-1].unit if readings else None
        same = [entry for entry in readings if entry.unit == unit]
        scaler = min((entry.scaler for entry in same), default=0)
        kind = ReadingType(
            register.obis,
            unit=None if unit is None else ESPI_OF_DLMS.get(unit),
            scaler=scaler,
            name=f"{register.obis.hex()}.{contract.meter}.sm",
            period=self._raster(contract) // SECOND,
        )
        stated = tuple(self._stated(entry, scaler) for entry in same)
        block = Block(stated, period.begin, period.seconds)
        list_id = f"{kind.name.removesuffix('.sm')}.{contract.metering_point}"
        return MeterReadings(kind, (block,), contract.meter, list_id)

    def _stated(self, entry: ListEntry, scaler: int) -> StatedReading:
        assert entry.captured is not None and entry.value is not None  # noqa: S101, PT018  it is no gap
        return StatedReading(
            entry.captured,
            entry.value * 10 ** (entry.scaler - scaler),
            target=entry.target,
            certificate=None if entry.seal is None else _number(self._lists.owner_of(entry), _SIG),
            signature=None if entry.seal is None else entry.seal.signature,
            status_fnn=fnn_of_word(entry.status),
            status_ptb=ptb_of_word(entry.status),
        )

    def _accounts(self, contract: Contract, period: Period) -> Iterator[Account]:
        """Of each billing period what lies in the range; whole where its stages depend on what was before."""
        if not is_derived(contract):
            return
        for billing in contract.billing_periods(period.end):
            if billing.end <= period.begin or billing.begin >= period.end:
                continue
            part = Period(max(billing.begin, period.begin), min(billing.end, period.end))
            chosen = billing if contract.use_case in BY_BILLING_PERIOD else part
            try:
                yield from self._tariffs.derive(Credential.INSIDE, contract.id, chosen, consumer=contract.consumer)
            except ReadingsError:
                continue  # the originals in the file show what is missing
            except TariffingError as error:
                raise HanError(400, str(error)) from None

    # A table

    def _csv(self, contract: Contract, period: Period) -> bytes:
        written = io.StringIO(newline="")
        rows = csv.writer(written, delimiter=";", lineterminator="\r\n")
        rows.writerow([_cell("Vertrag"), _cell(contract.id), _cell(contract.name)])
        rows.writerow([_cell("Messlokation"), _cell(contract.metering_point)])
        rows.writerow([_cell("Zähler"), _cell(contract.meter)])
        rows.writerow([_cell("Zeitraum"), *german_time(period.begin), *german_time(period.end)])
        rows.writerow([])
        registers = self._registers(contract, period)
        for register in registers:
            units = {unit_symbol(entry.unit) for entry in register.entries if not entry.is_gap}
            name = format_obis(register.obis)
            rows.writerow([_cell("Register"), _cell(name), _cell("Einheit"), _cell(", ".join(sorted(units)))])
        rows.writerow([])
        rows.writerow(
            [
                *("Zeitpunkt", "Zeit", "Erfasst", "Register", "Zählerstand", "Einheit"),
                *("PTB-Status", "Statuswort", "Listeneintrag"),
            ]
        )
        for register in registers:
            rows.writerows(_row(register.obis, entry) for entry in register.entries)
        return written.getvalue().encode("utf-8-sig")

    # Signed originals

    def _signed(self, contract: Contract, period: Period) -> bytes:
        content, count = bytearray(), 0
        for obis in contract.registers:
            for line in self._lines(contract, obis, period):
                count += 1
                _check_count(count)
                content += line_as_text(line) + b"\n"
        return sign(bytes(content), DATA, self._signer(), self._clock())

    def _lines(self, contract: Contract, obis: bytes, period: Period) -> Iterator[Line]:
        number = 0
        while page := self._metering.own_lines(
            _SHOWN,
            contract.consumer,
            contract.server_id,
            obis.hex(),
            since=period.begin - timedelta.resolution,
            until=period.end,
            number=number,
        ):
            yield from page
            number = page[-1].number
            if len(page) < MAX_READ:
                return


def line_as_text(line: Line) -> bytes:
    """A line of a list with its hash and its signature, as canonical JSON."""
    told = {"body": line.body.decode(), "hash": line.hash}
    if line.seal is not None:
        told |= {"key": line.seal.key, "signature": encode_signature(line.seal.signature)}
    return canonical(told)


def _check_count(count: int) -> None:
    if count > MOST_EXPORTED:
        raise HanError(400, f"the file would have more than {MOST_EXPORTED} readings: take a shorter time")


def _number(index: int, kind: int) -> int:
    """The number of a certificate in a file, by its number at the interface and its kind."""
    return 2 * index + kind


def _certificates(information: GatewayInformation) -> tuple[Certificate, ...]:
    found = []
    for each in information.certificates:
        parent = _number(each.index, _SUB_CA) if each.sub_ca else None
        found.append(Certificate(_number(each.index, _SIG), _SIG, each.sig, parent))
        if each.sub_ca:
            found.append(Certificate(_number(each.index, _SUB_CA), _SUB_CA, each.sub_ca))
    return tuple(found)


def _gateway_info(information: GatewayInformation, certificates: Sequence[Certificate]) -> GatewayInfo:
    return GatewayInfo(
        information.gateway,
        tuple(each.number for each in certificates if each.kind == _SIG),
        firmware_version=information.firmware[0].version if information.firmware else "",
        components=tuple(
            FirmwareComponent(part.component, part.version, part.hash.hex()) for part in information.firmware
        ),
        time=information.time,
    )


def _logged(entry: KeptLogEntry) -> LogEntry:
    event = LogEvent(
        level=int(entry.level),
        text=sentence_of(entry).german,
        outcome=int(entry.outcome),
        at=entry.time,
        subject=entry.by,
        kind=EventKind(event_id=int(entry.event.number)),
    )
    return LogEntry(record_number=entry.number, events=(event,))


def _row(obis: bytes, entry: ListEntry) -> list[str]:
    value = "" if entry.value is None else format_scaled(entry.value, entry.scaler).replace(".", ",")
    return [
        *german_time(time_of(entry)),
        "fehlt" if entry.captured is None else german_time(entry.captured)[0],
        _cell(format_obis(obis)),
        value,
        _cell(unit_symbol(entry.unit)),
        str(int(ptb_of_word(entry.status))),
        _cell(fnn_of_word(entry.status)),
        str(entry.number),
    ]


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
