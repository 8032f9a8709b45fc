"""``smgw pki crl|show|verify``: to look at a CRL, at certificates, and at whether one is believed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smgw.failing import UsageFailure
from smgw.pki_options import place_of, place_options, told_certificate
from smgw.printing import print_json
from smgw.workplace import Workplace
from smpki.profiles import KeyUse

if TYPE_CHECKING:
    from cryptography import x509

    from smpki.store import KeptCertificate


@click.command("crl")
@click.option("--ca", "name", help="Common name of the CA.  [default: the newest Sub-CA]")
@click.option("--new", "anew", is_flag=True, help="Make a new one now, whatever the last one says.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file, DER.")
@place_options
def crl(name: str | None, anew: bool, out: Path | None, as_json: bool, workplace: Workplace) -> None:
    """Show the CRL of a CA: number, from when to when, and what is on it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    place = place_of(workplace)
    ca = place.authority(name)
    if anew:
        with place.store.unit() as unit:
            made = ca.publish(unit, place.clock())
    else:
        made = ca.crl()
    if out is not None:
        out.write_bytes(made.public_bytes(serialization.Encoding.DER))
    lines = []
    for entry in made:
        try:
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
        except x509.ExtensionNotFound:
            reason = "unspecified"
        lines.append(
            {"serial": f"{entry.serial_number:x}", "since": entry.revocation_date_utc.isoformat(), "reason": reason}
        )
    told = {
        "ca": str(ca.name),
        "number": made.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number,
        "this_update": made.last_update_utc.isoformat(),
        "next_update": made.next_update_utc.isoformat() if made.next_update_utc else None,
        "revoked": lines,
    }
    if as_json:
        print_json(told)
        return
    click.echo(f"CRL {told['number']} of {told['ca']}, {told['this_update']} to {told['next_update']}")
    for line in lines:
        click.echo(f"  {line['serial']:40}  {line['since']}  {line['reason']}")


@click.command("show")
@click.argument("what", metavar="[WHAT]", required=False)
@place_options
def show(what: str | None, as_json: bool, workplace: Workplace) -> None:
    """List all certificates; or those of a holder, or the one with a fingerprint, with what was done to them."""
    place = place_of(workplace)
    place.pinned()
    with place.store.unit() as unit:
        everything = list(unit.all())
    wanted = set(place.marks_of(what)) if what else None
    for kept in everything:
        if wanted is not None and kept.fingerprint not in wanted:
            continue
        told = told_certificate(kept.certificate) | {"status": kept.status, "reason": kept.reason}
        if wanted is not None:
            told["history"] = list(place.history(kept.fingerprint))
        if as_json:
            print_json(told)
            continue
        _show_kept(kept, told)


def _show_kept(kept: KeptCertificate, told: dict[str, Any]) -> None:
    colours = {"good": "green", "suspended": "yellow", "revoked": "red"}
    status = click.style(f"{kept.status:9}", fg=colours[kept.status])
    who, until = f"{kept.name} ({kept.number})", told["not_after"][:10]
    click.echo(f"{status} {told['profile']:11} {who}  to {until}  {kept.fingerprint[:16]}")
    for event in told.get("history", []):
        because = f": {event['reason']}" if event["reason"] else ""
        click.echo(f"          {event['time'][:19]}  {event['change']} by {event['by']}{because}")


@click.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--at", metavar="TIME", help="At this time (ISO 8601, UTC unless it says otherwise) instead of now.")
@click.option("--use", type=click.Choice([str(use) for use in KeyUse], case_sensitive=False), help="For this use only.")
@click.option("--root", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Another pinned Root, PEM.")
@click.option(
    "--crl",
    "crl_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CRLs, DER or PEM, instead of those on record; repeatable.",
)
@place_options
def verify(
    file: Path,
    at: str | None,
    use: str | None,
    root: Path | None,
    crl_files: tuple[Path, ...],
    as_json: bool,
    workplace: Workplace,
) -> None:
    """Validate the first certificate in FILE (PEM) against the pinned Root, with CRLs; others in it may be Sub-CAs.

    Exit code: 0 if it is believed, 1 if not, with the reason.
    """
    from smpki.folder import read_all_pem

    place = place_of(workplace)
    leaf, *others = read_all_pem(file)
    path = place.validator(root).validate(
        leaf,
        at=_time(at) if at else place.clock(),
        intermediates=[*others, *place.intermediates()],
        crls=[_read_crl(one) for one in crl_files] if crl_files else place.crls(),
        use=KeyUse(use.upper()) if use else None,
    )
    if as_json:
        print_json({"ok": True, "path": [told_certificate(one) for one in path.certificates]})
        return
    for one in path.certificates:
        told = told_certificate(one)
        click.echo(f"{told['profile']:11} {told['name']} ({told['number']})  to {told['not_after'][:10]}")
    click.secho("believed", fg="green")


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageFailure(f"{text!r} is no time, such as 2030-01-02T03:04") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _read_crl(path: Path) -> x509.CertificateRevocationList:
    from cryptography import x509

    data = path.read_bytes()
    try:
        return x509.load_pem_x509_crl(data) if data.startswith(b"-----") else x509.load_der_x509_crl(data)
    except ValueError as error:
        raise UsageFailure(f"{path} holds no CRL") from error
