"""Writes AR 2418-6 documents, in the order and the types that its schema asks for."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from lxml import etree

from gateway.tariffing.ar2418 import (
    ESPI_OF_DLMS,
    Block,
    Certificate,
    Document,
    EventKind,
    GatewayInfo,
    LogEntry,
    LogEvent,
    MeterReadings,
    ReadingType,
    StatedReading,
    UsagePoint,
)
from gateway.tariffing.ar2418_xml import AR, ESPI, Element, ar, espi
from gateway.tariffing.calendar import DayProfile, Season, SpecialDay, TariffCalendar, WeekProfile
from gateway.tariffing.errors import DocumentError
from gateway.tariffing.periods import Period, local_text, midnight
from gateway.tariffing.profile import EvaluationProfile, ExternalEvent, Prepayment, Quantity, TariffStage, Threshold

_NAMES: Final = {None: AR, "espi": ESPI}
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def write(document: Document) -> bytes:
    """A document as XML in UTF-8.

    :raises DocumentError: if it holds what the format cannot say.
    """
    root = etree.Element(ar("UsagePoints"), nsmap=_NAMES)
    _text(root, "GeneratorVersion", document.generator)
    for each in document.usage_points:
        _usage_point(root, each)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def _add(parent: Element, name: str) -> Element:
    return etree.SubElement(parent, ar(name))


def _put(parent: Element, tag: str, written: str) -> None:
    try:
        etree.SubElement(parent, tag).text = written
    except ValueError:
        raise DocumentError(f"{etree.QName(tag).localname} has a character that XML cannot hold") from None


def _text(parent: Element, name: str, value: str) -> None:
    if value:
        _put(parent, ar(name), value)


def _number(parent: Element, name: str, value: int | None) -> None:
    if value is not None:
        _put(parent, ar(name), str(int(value)))


def _octets(parent: Element, name: str, value: bytes | None) -> None:
    if value is not None:
        _put(parent, ar(name), value.hex().upper())


def _time(parent: Element, name: str, value: datetime | None) -> None:
    if value is not None:
        _put(parent, ar(name), local_text(value))


def _interval(parent: Element, name: str, begin: datetime | None, seconds: int | None) -> None:
    element = _add(parent, name)
    _number(element, "duration", seconds)
    _time(element, "start", begin)


def _period(parent: Element, name: str, period: Period) -> None:
    _interval(parent, name, period.begin, period.seconds)


def _usage_point(root: Element, point: UsagePoint) -> None:
    element = _add(root, "UsagePoint")
    if point.kind is not None:
        category = etree.SubElement(element, espi("ServiceCategory"))
        _put(category, espi("kind"), str(point.kind))
    _text(element, "usagePointId", point.usage_point_id)
    for outer, inner, value in (
        ("Customer", "customerId", point.customer),
        ("InvoicingParty", "invoicingPartyId", point.invoicing_party),
    ):
        if value:
            _text(_add(element, outer), inner, value)
    if point.gateway is not None:
        _gateway(element, point.gateway)
    if point.taf_profile is not None:
        _octets(_add(element, "VendorConfig"), "tafProfile", point.taf_profile)
    for certificate in point.certificates:
        _certificate(element, certificate)
    _text(element, "tariffName", point.tariff_name)
    if point.profile is not None:
        _profile(element, point.profile)
    for entry in point.log:
        _log_entry(element, entry)
    for each in point.lists:
        _meter_readings(element, each)


def _gateway(parent: Element, gateway: GatewayInfo) -> None:
    element = _add(parent, "SMGW")
    for number in gateway.certificates:
        _number(element, "certId", number)
    _text(element, "smgwId", gateway.gateway_id)
    _text(element, "Manufacturer", gateway.manufacturer)
    _text(element, "FirmwareVersion", gateway.firmware_version)
    for component in gateway.components:
        part = _add(element, "FirmwareComponent")
        _text(part, "name", component.name)
        _text(part, "version", component.version)
        _text(part, "checksum", component.checksum)
    _time(element, "SystemTime", gateway.time)


def _certificate(parent: Element, certificate: Certificate) -> None:
    element = _add(parent, "Certificate")
    _number(element, "certId", certificate.number)
    _number(element, "certType", certificate.kind)
    _number(element, "parentCertId", certificate.parent)
    _octets(element, "certContent", certificate.content)


def _log_entry(parent: Element, entry: LogEntry) -> None:
    element = _add(parent, "LogEntry")
    _number(element, "parentRecordNumber", entry.parent_record_number)
    _number(element, "recordNumber", entry.record_number)
    _number(element, "repetitionCounter", entry.repetition_counter)
    for event in entry.events:
        _log_event(element, event)


def _log_event(parent: Element, event: LogEvent) -> None:
    element = _add(parent, "LogEvent")
    _octets(element, "evidence", event.evidence)
    if event.kind is not None:
        _event_kind(element, event.kind)
    _number(element, "level", event.level)
    _text(element, "messageExtensions", event.message_extensions)
    _text(element, "text", event.text)
    _number(element, "outcome", event.outcome)
    _number(element, "secondsIndex", event.seconds_index)
    _text(element, "subjectIdentity", event.subject)
    _time(element, "timestamp", event.at)
    _text(element, "destination", event.destination)
    _text(element, "userIdentity", event.user)
    _text(element, "eventKindVendor", event.vendor_kind)


def _event_kind(parent: Element, kind: EventKind) -> None:
    element = _add(parent, "type")
    _number(element, "deviceType", kind.device_type)
    _number(element, "eventId", kind.event_id)
    _number(element, "eventSubId", kind.event_sub_id)
    _number(element, "function", kind.function)
    _number(element, "length", kind.length)
    _number(element, "module", kind.module)
    _text(element, "vendorId", kind.vendor_id)
    _number(element, "version", kind.version)


def _meter_readings(parent: Element, readings: MeterReadings) -> None:
    element = _add(parent, "MeterReading")
    if readings.meter:
        _text(_add(element, "Meter"), "meterId", readings.meter)
    _text(element, "meterReadingId", readings.list_id)
    _reading_type(element, readings.kind)
    for block in readings.blocks:
        _block(element, block)


def _reading_type(parent: Element, kind: ReadingType) -> None:
    element = _add(parent, "ReadingType")
    _put(element, espi("powerOfTenMultiplier"), str(kind.multiplier))
    if kind.unit is not None:
        _put(element, espi("uom"), str(kind.unit))
    _number(element, "converterFactor", kind.converter_factor)
    _number(element, "scaler", kind.scaler)
    _text(element, "obisCode", kind.obis.hex())
    _text(element, "qualifiedLogicalName", kind.name)
    _text(element, "description", kind.description)
    _number(element, "measurementPeriod", kind.period)


def _block(parent: Element, block: Block) -> None:
    element = _add(parent, "IntervalBlock")
    if block.begin is not None or block.seconds is not None:
        _interval(element, "interval", block.begin, block.seconds)
    for reading in block.readings:
        _reading(element, reading)


def _reading(parent: Element, reading: StatedReading) -> None:
    element = _add(parent, "IntervalReading")
    if reading.value is not None:
        _put(element, espi("value"), str(reading.value))
    _interval(element, "timePeriod", reading.at, reading.seconds)
    _time(element, "targetTime", reading.target)
    _time(element, "measurementTimeMeter", reading.measured)
    _number(element, "certId", reading.certificate)
    _octets(element, "meterSig", reading.meter_signature)
    _octets(element, "signature", reading.signature)
    _text(element, "statusFNN", reading.status_fnn)
    _number(element, "statusPTB", reading.status_ptb)
    _text(element, "statusVendor", reading.status_vendor)


def _profile(parent: Element, profile: EvaluationProfile) -> None:
    element = _add(parent, "AnalysisProfile")
    _number(element, "tariffUseCase", profile.use_case)
    _put(element, ar("tariffId"), profile.tariff_id)
    _text(element, "description", profile.description)
    _period(element, "billingPeriod", profile.period)
    for number, stage in enumerate(profile.stages):
        _stage(element, stage, profile if number == 0 else None)
    _number(element, "defaultTariffNumber", profile.default_stage)
    for calendar in profile.calendars:
        _calendar(_add(_add(element, "TariffChangeTrigger"), "TimeTrigger"), calendar)
    for threshold in profile.thresholds:
        _threshold(_add(_add(element, "TariffChangeTrigger"), "ThresholdTrigger"), threshold)
    for event in profile.events:
        _event(_add(_add(element, "TariffChangeTrigger"), "ExternalEventTrigger"), event)


def _stage(parent: Element, stage: TariffStage, profile: EvaluationProfile | None) -> None:
    """A stage; the format keeps what the profile says of extreme values and prepayment in the first."""
    element = _add(parent, "TariffStage")
    _number(element, "tariffNumber", stage.number)
    _text(element, "description", stage.description)
    for extreme in profile.extremes if profile else ():
        counter = _add(element, "MinMaxCounter")
        _number(counter, "count", extreme.count)
        _number(counter, "maxCounter", int(extreme.maximum))
    _text(element, "obisCode", stage.register.hex())
    if profile is not None and profile.prepayment is not None:
        _prepayment(element, profile.prepayment)


def _prepayment(parent: Element, prepaid: Prepayment) -> None:
    element = _add(parent, "Prepaid")
    _number(element, "availableEnergy", prepaid.available.value)
    _number(element, "powerOfTenMultiplier", prepaid.available.scaler)
    _period(element, "toleranceInterval", prepaid.tolerance)
    _number(element, "uom", _unit(prepaid.available))
    for breaker in prepaid.breakers:
        _text(_add(element, "Breaker"), "breakerId", breaker)
    for threshold in prepaid.thresholds:
        _threshold(_add(element, "ThresholdTrigger"), threshold)


def _unit(quantity: Quantity) -> int:
    if quantity.unit is None or quantity.unit not in ESPI_OF_DLMS:
        raise DocumentError(f"AR 2418-6 has no number for DLMS unit {quantity.unit}")
    return ESPI_OF_DLMS[quantity.unit]


def _threshold(parent: Element, threshold: Threshold) -> None:
    element = _add(parent, "Threshold")
    _number(element, "direction", threshold.direction)
    for name, quantity in (("overLimit", threshold.over), ("underLimit", threshold.under)):
        limit = _add(element, name)
        _number(limit, "powerOfTenMultiplier", quantity.scaler)
        _number(limit, "uom", _unit(quantity))
        _number(limit, "value", quantity.value)
    _put(element, ar("meterReadingId"), threshold.reading_list)


def _event(parent: Element, event: ExternalEvent) -> None:
    element = _add(parent, "ExternalEvent")
    _number(element, "eventId", event.number)
    _period(element, "eventPeriod", event.period)
    _number(element, "tariffNumber", event.stage)
    for threshold in event.thresholds:
        _threshold(element, threshold)


def _calendar(element: Element, calendar: TariffCalendar) -> None:
    for profile in calendar.day_profiles:
        _day_profile(element, profile)
    for season in calendar.seasons:
        _season(element, season)
    for week in calendar.weeks:
        _week(element, week)
    for special in calendar.special_days:
        _special_day(element, special)


def _day_profile(parent: Element, profile: DayProfile) -> None:
    element = _add(parent, "DayProfile")
    for name in profile.day_ids:
        _put(element, ar("dayId"), name)
    for second, stage in profile.entries:
        entry = _add(element, "DayTimeProfile")
        start = _add(entry, "startTime")
        _number(start, "hour", second // 3_600)
        _number(start, "minute", second // 60 % 60)
        _number(start, "second", second % 60 or None)
        _number(entry, "tariffNumber", stage)


def _week(parent: Element, week: WeekProfile) -> None:
    element = _add(parent, "WeekProfile")
    _put(element, ar("weekProfileName"), week.name)
    for day, name in zip(_WEEKDAYS, week.day_ids, strict=True):
        _text(element, day, name or "")


def _season(parent: Element, season: Season) -> None:
    element = _add(parent, "SeasonProfile")
    _put(element, ar("seasonProfileName"), season.name)
    _time(element, "seasonStart", midnight(season.start))
    _put(element, ar("weekProfileName"), season.week.name)
    _week(element, season.week)


def _special_day(parent: Element, special: SpecialDay) -> None:
    element = _add(parent, "SpecialDayProfile")
    day = _add(element, "specialDayDate")
    _number(day, "year", special.year)
    _number(day, "month", special.month)
    _number(day, "day_of_week", special.day_of_week)
    _number(day, "day_of_month", special.day_of_month)
    _put(element, ar("dayId"), special.day_id)
