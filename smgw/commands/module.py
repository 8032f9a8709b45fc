"""``smgw module``: security modules, in a folder or in a reader."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smgw.failing import RefusedFailure, UsageFailure, clear_errors
from smgw.printing import json_option, print_json

if TYPE_CHECKING:
    from securitymodule.statements import Attestation, ModuleInformation

_url_argument = click.argument("url", metavar="URL")
_directory_argument = click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))


def _pin_file_option(name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        f"--{name}-pin-file",
        f"{name}_file",
        type=click.Path(exists=True, dir_okay=False, allow_dash=True),
        help=f"File with the {text} in its first line, - for standard input.  "
        f"[default: SMGW_{name.upper()}_PIN in the environment, else a prompt]",
    )


_system_pin_option = _pin_file_option("system", "GW-System-PIN")
_integrator_pin_option = _pin_file_option("integrator", "Integrator-PIN")


@click.group("module")
def command() -> None:
    """Security modules (Sicherheitsmodul, BSI TR-03109-2): what holds the keys.

    A module is named by a URL: module:DIR for the software module kept in the folder DIR, used within this process, or
    pcsc:READER NAME for whatever is in a reader, reached over PC/SC. Both take the same commands, byte for byte.

    \b
    A module of your own in a virtual reader (pcscd with vsmartcard-vpcd must run):
      smgw module create sm1 --serial SM-0001     make it; asks for its two PINs
      smgw module run sm1 &                       put it into the virtual reader
      smgw module list                            see it there
      smgw module info "pcsc:Virtual PCD 00 00"   ask it who it is

    A PIN is never an argument: it is read from a file, from the environment, or from a prompt that does not show it.
    """


@command.command("list")
@json_option
@clear_errors()
def list_(as_json: bool) -> None:
    """List the readers that the PC/SC daemon knows, and what is in them. No module is disturbed.

    --json prints one object a line: {url, reader, present, atr}.
    """
    from securitymodule.pcsc import list_readers

    for reader in list_readers():
        atr = reader.atr.hex().upper() if reader.atr is not None else None
        if as_json:
            print_json({"url": f"pcsc:{reader.name}", "reader": reader.name, "present": atr is not None, "atr": atr})
        else:
            click.echo(f"pcsc:{reader.name}  {f'ATR {atr}' if atr else 'empty'}")


@command.command("create")
@_directory_argument
@click.option("--serial", help="Initialise it too, with this serial number: 1 to 32 letters, digits, . _ -")
@click.option(
    "--tries", type=click.IntRange(3, 15), default=8, show_default=True, help="Tries before a PIN is blocked."
)
@_system_pin_option
@_integrator_pin_option
@json_option
@clear_errors()
def create(
    directory: Path,
    serial: str | None,
    tries: int,
    system_file: str | None,
    integrator_file: str | None,
    as_json: bool,
) -> None:
    """Make a software module in the folder DIR, which must be empty or missing.

    Without --serial it is blank, and waits for its initialisation file. With it, it is initialised (Initialisierung):
    it gets its PINs, 10 to 32 digits each, and generates the key that signs what it says of itself.
    """
    from securitymodule.card.module import SoftwareModule
    from securitymodule.statements import InitialisationFile

    file = None
    if serial is not None:
        system_pin, integrator_pin = _pin("system", system_file), _pin("integrator", integrator_file)
        file = InitialisationFile(serial, system_pin, integrator_pin, tries)
    SoftwareModule.create(directory, file).close()
    _show_information(f"module:{directory}", as_json)


@command.command("info")
@_url_argument
@json_option
@clear_errors()
def info(url: str, as_json: bool) -> None:
    """Show who the module at URL says it is. Needs no PIN; the answer is not signed (see attest).

    --json prints {url, atr, serial, state, counter, version, curves, pace, system_tries, integrator_tries,
    attestation_point}: state as in securitymodule.coding.ModuleState, the tries left of both PINs, the attestation key
    as an uncompressed point on brainpoolP256r1, hexadecimal.
    """
    _show_information(url, as_json)


@command.command("attest")
@_url_argument
@click.option("--nonce", metavar="HEX", help="8 to 64 bytes that make the answer fresh.  [default: 16 random ones]")
@click.option(
    "--key",
    metavar="HEX",
    help="The module's attestation key as you know it, an uncompressed point.  [default: whatever the module says]",
)
@json_option
@clear_errors()
def attest(url: str, nonce: str | None, key: str | None, as_json: bool) -> None:
    """Have the module at URL sign what is in it: state, counter, record head, keys and certificates by their hashes.

    The signature is checked. Give --key to be told the truth: without it, whoever answers signs with a key of its own.
    """
    from securitymodule.client import SecurityModule
    from securitymodule.curves import decode_point
    from securitymodule.statements import ATTESTATION_CURVE

    asked = _hexadecimal("--nonce", nonce) if nonce is not None else os.urandom(16)
    with SecurityModule.open(url) as module:
        point = _hexadecimal("--key", key) if key is not None else module.information().attestation_point
        signed = module.attest(asked)
    try:
        public = decode_point(ATTESTATION_CURVE, point)
    except ValueError as error:
        raise UsageFailure(f"the attestation key: {error}") from error
    told = _attested(signed.verify(public, asked)) | {"attestation": signed.encode().hex().upper()}
    if as_json:
        print_json(told)
        return
    for member in ("serial", "state", "counter", "record_head"):
        click.echo(f"{member:12} {told[member] or '-'}")
    for each in told["keys"]:
        click.echo(f"{each['key']:20} {each['curve']:16} certificate {each['certificate_sha256'] or '-'}")


@command.command("verify-pin")
@_url_argument
@click.option(
    "--which",
    type=click.Choice(["system", "integrator"]),
    default="integrator",
    show_default=True,
    help="system: PACE alone. integrator: PACE, then the Integrator-PIN.",
)
@_system_pin_option
@_integrator_pin_option
@json_option
@clear_errors()
def verify_pin(url: str, which: str, system_file: str | None, integrator_file: str | None, as_json: bool) -> None:
    """Try a PIN on the module at URL. A wrong one costs a try; the message says how many are left.

    The GW-System-PIN is not sent: both sides prove that they know it (PACE), and a secure channel comes of it. Through
    that channel the Integrator-PIN is sent.

    \b
    Example:
      SMGW_SYSTEM_PIN=... smgw module verify-pin module:sm1 --which system

    Exit code: 0 if it is right, 1 if it is wrong or blocked, 2 if the module cannot be reached.
    """
    from securitymodule.client import SecurityModule

    with SecurityModule.open(url) as module:
        module.authenticate(lambda: _pin("system", system_file))
        if which == "integrator":
            module.verify_pin(_pin("integrator", integrator_file))
    if as_json:
        print_json({"url": url, "pin": which, "right": True})
    else:
        click.echo(f"{which} PIN of {url}: right")


@command.command("run")
@_directory_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the virtual reader's driver waits.")
@click.option("--port", type=click.IntRange(1, 65535), default=35963, show_default=True, help="The slot's port.")
@json_option
@clear_errors()
def run(directory: Path, host: str, port: int, as_json: bool) -> None:
    """Put the software module in DIR into a virtual PC/SC reader, until Ctrl-C, SIGTERM, or the reader's end.

    The driver (Debian's vsmartcard-vpcd, loaded by pcscd) waits for the card on a TCP port, the first slot on 35963 and
    the second on the next. To the rest of the machine the module is a smart card then. Pulling it ends with the command
    it works on; what was written is whole.

    Exit code: 0 if it was pulled, 1 if the reader went away.
    """
    from securitymodule.card.module import SoftwareModule
    from securitymodule.vpcd import VirtualSlot, reach_reader

    pulled = False

    def pull(_number: int, _frame: object) -> None:
        nonlocal pulled
        pulled = True
        slot.pull()

    with SoftwareModule.open(directory) as module:
        slot = VirtualSlot(module, reach_reader(host, port))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, pull)
        if as_json:
            print_json({"inserted": str(directory), "host": host, "port": port})
        else:
            click.echo(f"the module in {directory} is in the virtual reader at {host} port {port}; Ctrl-C pulls it")
        sys.stdout.flush()
        slot.serve()
    if not pulled:
        raise RefusedFailure(f"the virtual reader at {host} port {port} went away")


def _pin(name: str, file: str | None) -> str:
    """A PIN from a file, the environment or a prompt, in this order."""
    if file is not None:
        with click.open_file(file, "r") as lines:
            return str(lines.readline()).strip()
    given = os.environ.get(f"SMGW_{name.upper()}_PIN")
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise UsageFailure(
            f"no {name} PIN: give --{name}-pin-file, set SMGW_{name.upper()}_PIN, or use a terminal to be asked"
        )
    answer: str = click.prompt(f"{name.capitalize()} PIN", hide_input=True, err=True)
    return answer


def _hexadecimal(option: str, digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise UsageFailure(f"{option} is not hexadecimal") from None


def _show_information(url: str, as_json: bool) -> None:
    from securitymodule.client import SecurityModule
    from securitymodule.coding import ModuleState

    with SecurityModule.open(url) as module:
        found = module.information()
        # A module that has no PIN, before or after its life, speaks no PACE.
        silent = found.state in {ModuleState.CREATED, ModuleState.TERMINATED}
        pace = [] if silent else [str(each) for each in module.pace_infos()]
        told = {"url": url, "atr": module.atr.hex().upper(), **_informed(found), "pace": pace}
    if as_json:
        print_json(told)
        return
    for member, value in told.items():
        click.echo(f"{member:17} {', '.join(value) if isinstance(value, list) else value}")


def _informed(found: ModuleInformation) -> dict[str, object]:
    from securitymodule.curves import curve_by_domain

    return {
        "serial": found.serial,
        "state": found.state.name,
        "counter": found.counter,
        "version": found.version,
        "curves": [curve_by_domain(domain).name for domain in found.domains],
        "system_tries": found.system_tries,
        "integrator_tries": found.integrator_tries,
        "attestation_point": found.attestation_point.hex().upper(),
    }


def _attested(told: Attestation) -> dict[str, Any]:
    from securitymodule.curves import curve_by_domain

    return {
        "serial": told.serial,
        "state": told.state.name,
        "counter": told.counter,
        "record_head": told.record_head.hex().upper(),
        "keys": [
            {
                "key": each.key.name,
                "curve": curve_by_domain(each.domain).name,
                "point_sha256": each.point_hash.hex().upper(),
                "certificate_sha256": each.certificate_hash.hex().upper() if each.certificate_hash else None,
            }
            for each in told.keys
        ],
    }
