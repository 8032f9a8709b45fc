"""``smgw sml``: what is in a capture of a meter's SML bytes, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from gateway.lmn.sml import OctetValue, Reading, Skipped, SmlFrame

_CHUNK: Final = 65_536
_LONGEST_HEX: Final = 16


@click.command("sml")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: a frame, or a range of skipped bytes.")
def command(file: str, as_json: bool) -> None:
    """Show the readings in FILE, a capture of SML bytes as a meter sends them (- for standard input).

    Each frame shows its readings or the reason why it has none; bytes that make up no intact frame are skipped
    ranges, also with the reason. Nothing is corrected: values appear as the meter sent them.

    \b
    --json prints one object a line, for each frame and each skipped range, in order:
      frame      running number from 0
      offset     of its first byte in FILE
      ok         whether there are readings
      error      null, or why there are none
      server_id  the meter, hexadecimal, or null
      readings   list of {obis, value, scaler, unit, flags}: twelve hexadecimal digits, the integer sent, the
                 power of ten to multiply by, DLMS unit number or null, and of what holds:
                 signed, unsigned, status:0x... and names of its bits, suspect-sign (the meter's status says
                 otherwise), time-untagged, signature-present, crc-kermit

    Exit code: 0 if FILE has a frame with readings, 1 if it has none, 2 if it cannot be read.
    """
    from gateway.lmn.sml import Skipped

    good = bad = skipped_bytes = 0
    with click.open_file(file, "rb") as stream:
        for number, event in enumerate(_events(stream, file)):
            good += event.ok
            if isinstance(event, Skipped):
                skipped_bytes += event.end - event.offset
            else:
                bad += not event.ok
            click.echo(_json_line(number, event) if as_json else _paragraph(number, event))
    if not as_json:
        click.echo(f"frames with readings: {good}, without: {bad}; bytes skipped: {skipped_bytes}")
    if not good:
        raise SystemExit(1)


def _events(stream: IO[bytes], name: str) -> Iterator[SmlFrame | Skipped]:
    """Frames and skipped ranges as they come; of a pipe or a serial port without waiting for a full chunk."""
    from gateway.lmn.sml import Decoder

    decoder = Decoder()
    read = getattr(stream, "read1", stream.read)
    while True:
        try:
            chunk = read(_CHUNK)
        except OSError as error:
            raise click.UsageError(f"{name} cannot be read: {error.strerror}") from error
        if not chunk:
            break
        yield from decoder.feed(chunk)
    yield from decoder.finish()


def _json_line(number: int, event: SmlFrame | Skipped) -> str:
    import json

    from gateway.lmn.sml import Skipped

    error: str | None
    readings: Sequence[Reading]
    if isinstance(event, Skipped):
        error = f"skipped {event.end - event.offset} bytes: {event.reason}"
        server_id, readings = None, ()
    else:
        error, server_id, readings = event.error, event.server_id, event.readings
    return json.dumps(
        {
            "frame": number,
            "offset": event.offset,
            "ok": event.ok,
            "error": error,
            "server_id": None if server_id is None else server_id.hex(),
            "readings": [
                {
                    "obis": reading.obis.hex(),
                    "value": reading.value,
                    "scaler": reading.scaler,
                    "unit": reading.unit,
                    "flags": list(reading.flags),
                }
                for reading in readings
            ],
        }
    )


def _paragraph(number: int, event: SmlFrame | Skipped) -> str:
    from gateway.lmn.sml import Skipped

    length = event.end - event.offset
    if isinstance(event, Skipped):
        return f"#{number}  skipped {length} bytes at {event.offset}: {event.reason}\n"
    head = f"#{number}  frame of {length} bytes at {event.offset}"
    if not event.ok:
        return f"{head}: no readings: {event.error}\n"
    rows = [_reading_row(reading) for reading in event.readings] + [_octets_row(each) for each in event.octet_values]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"  {code:<{widths[0]}}  {name:<{widths[1]}}  {value:>{widths[2]}} {unit:<4} {note}".rstrip()
        for code, name, value, unit, note in rows
    ]
    return "\n".join([f"{head}, meter {_meter_name(event.server_id)}{_time_note(event)}", *lines, ""])


def _reading_row(reading: Reading) -> tuple[str, str, str, str, str]:
    from gateway.lmn.obis import format_obis, format_scaled, obis_name, unit_symbol

    return (
        format_obis(reading.obis),
        obis_name(reading.obis),
        format_scaled(reading.value, reading.scaler),
        unit_symbol(reading.unit),
        " ".join(flag for flag in reading.flags if flag not in ("signed", "unsigned")),
    )


def _octets_row(octets: OctetValue) -> tuple[str, str, str, str, str]:
    from gateway.lmn.obis import format_obis, obis_name

    shown = octets.text
    if shown is None:
        more = f"... ({len(octets.data)} bytes)" if len(octets.data) > _LONGEST_HEX else ""
        shown = octets.data[:_LONGEST_HEX].hex() + more
    return format_obis(octets.obis), obis_name(octets.obis), "", "", shown


def _meter_name(server_id: bytes | None) -> str:
    from gateway.lmn.device_id import DeviceIdError, device_id_from_server_id

    if server_id is None:
        return "(several)"
    try:
        return f"{server_id.hex()} ({device_id_from_server_id(server_id)})"
    except DeviceIdError:
        return server_id.hex()


def _time_note(frame: SmlFrame) -> str:
    time = frame.readings[0].sensor_time
    return "" if time is None else f", {time.kind.name.lower().replace('_', ' ')} {time.seconds}"
