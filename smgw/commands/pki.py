"""``smgw pki``: a Smart Metering PKI on this machine: Root, Sub-CA, certificates, CRLs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smgw.failing import UsageFailure
from smgw.pki_options import by_option, place_of, place_options, told_certificate
from smgw.pki_serve import serve
from smgw.pki_status import charge, lift, revoke, suspend
from smgw.pki_views import crl, show, verify
from smgw.printing import print_json
from smgw.workplace import Workplace
from smpki.names import Environment
from smpki.profiles import KeyUse, RequestType

if TYPE_CHECKING:
    from cryptography import x509

    from smgw.pki_place import Founded, PkiPlace
    from smpki.folder import PartyFolder

_TYPES = [str(kind) for kind in RequestType if kind is not RequestType.SUB_CA]
_hosts_option = click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Host name or IP address that the TLS certificate names; repeatable. Not for gateways.",
)


@click.group("pki")
def command() -> None:
    """Keys and certificates of the Smart Metering PKI (SM-PKI): Root, Sub-CA, GWA, GWH, EMT, gateways.

    Each participant has three keys: TLS, SIG and ENC. A gateway has preliminary certificates first (seals, SMGW-G,
    authorised by its manufacturer) and then operational ones (SMGW-W, authorised by its administrator).

    \b
    A gateway's certificates from nothing:
      smgw pki init
      smgw pki issue GWH Werk
      smgw pki issue GWA Admin
      smgw pki issue SMGW-G EXXX0012345678 --by Werk.GWH
      smgw pki issue SMGW-W EXXX0012345678 --by Admin.GWA
      smgw pki show EXXX0012345678.SMGW

    What TR-03109-4 fixes and is not public (names, life times, encodings) is this project's own.
    """


@command.command("init")
@click.option("--sub-ca", default="Energie", show_default=True, help="What the Sub-CA is called: NAME.CA.")
@click.option(
    "--environment",
    type=click.Choice([kind.name.lower() for kind in Environment]),
    default="test",
    show_default=True,
    help="What every name in it says it belongs to: SM-Test-PKI-DE or SM-PKI-DE.",
)
@click.option(
    "--next-root", is_flag=True, help="Beside the PKI that is here: the next Root, a link certificate, a Sub-CA."
)
@place_options
def init(sub_ca: str, environment: str, next_root: bool, as_json: bool, workplace: Workplace) -> None:
    """Make a Root, pin it, and make a Sub-CA under it.

    \b
    Keys lie in HOME/pki/ca (PKCS #8, mode 0600), the pinned Root in HOME/pki/root.pem, the record in the database.
    """
    place = place_of(workplace)
    founded = place.succeed(sub_ca) if next_root else place.found(sub_ca, Environment[environment.upper()])
    told = _told_founded(founded, place)
    if as_json:
        print_json(told)
        return
    for one in (founded.root, founded.sub_ca):
        click.echo(f"{one.profile.label:7} {one.name} ({one.name.number})  {one.mark}")
    if founded.link is not None:
        click.echo(f"a link certificate leads from the pinned Root to it: {told['link']}")
    click.echo(f"pinned: {told['pinned']}")


def _told_founded(founded: Founded, place: PkiPlace) -> dict[str, Any]:
    from smpki.certificates import fingerprint

    return {
        "root": {"name": str(founded.root.name), "number": founded.root.name.number, "certificate": founded.root.mark},
        "sub_ca": {
            "name": str(founded.sub_ca.name),
            "number": founded.sub_ca.name.number,
            "certificate": founded.sub_ca.mark,
        },
        "link": fingerprint(founded.link) if founded.link else None,
        "pinned": str(place.folder / "root.pem"),
    }


@command.command("issue")
@click.argument("kind", type=click.Choice(_TYPES, case_sensitive=False), metavar="TYPE", required=False)
@click.argument("name", required=False)
@click.option(
    "--request",
    "package",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A request package made elsewhere (CMS, DER) instead of TYPE and NAME.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for keys and certificates.  [default: HOME/pki/parties/NAME.FUNCTION]",
)
@by_option
@_hosts_option
@place_options
def issue(
    kind: str | None,
    name: str | None,
    package: Path | None,
    out: Path | None,
    by: str | None,
    hosts: tuple[str, ...],
    as_json: bool,
    workplace: Workplace,
) -> None:
    """Issue a triple of certificates of TYPE to NAME: SMGW-G, SMGW-W, GWA, GWH or EMT.

    Keys are made where there are none yet. Cut short, run again: the same keys get the same certificates.

    \b
    Examples:
      smgw pki issue GWA Admin --host gwa.example
      smgw pki issue SMGW-W EXXX0012345678 --by Admin.GWA
      smgw pki issue --request package.der --out certificates/
    """
    from smpki.names import PkiName

    place = place_of(workplace)
    if package is not None:
        if kind or name or out is None:
            raise UsageFailure("with --request go neither TYPE nor NAME, and certificates go to --out")
        _issue_package(place, package.read_bytes(), out, as_json)
        return
    if kind is None or name is None:
        raise UsageFailure("say TYPE and NAME, such as: smgw pki issue GWA Admin")
    request_type = RequestType(kind.upper())
    folder = place.party(PkiName(name, request_type.function, place.environment()), out)
    _certify(place, folder, request_type, by, hosts, as_json)


@command.command("renew")
@click.argument("who", metavar="WHO")
@by_option
@_hosts_option
@place_options
def renew(who: str, by: str | None, hosts: tuple[str, ...], as_json: bool, workplace: Workplace) -> None:
    """Renew the certificates of WHO (a name, or its folder): new keys, requested with the key in use.

    The old certificates stay good to their end, or until they are revoked. A gateway's renewal is authorised --by the
    GWA in charge.
    """
    from smpki.errors import KeyStoreError
    from smpki.names import Function
    from smpki.profiles import END_ENTITIES, profile_of
    from smpki.requests import RULES

    place = place_of(workplace)
    folder = place.open_party(who)
    current = folder.current()
    if current is None:
        raise KeyStoreError(f"{folder.name} has no certificates yet: 'smgw pki issue' has them made")
    profile = profile_of(current.certificates[KeyUse.SIG])
    request_type = next(kind for (kind, _), known in END_ENTITIES.items() if known is profile)
    if request_type.function is Function.SMGW and by is None:
        authoriser = RULES[request_type].authorised_by
        raise UsageFailure(f"a renewal of {folder.name} is authorised by a {authoriser}: name it with --by")
    _certify(place, folder, request_type, by, hosts, as_json)


def _certify(
    place: PkiPlace,
    folder: PartyFolder,
    request_type: RequestType,
    by: str | None,
    hosts: tuple[str, ...],
    as_json: bool,
) -> None:
    from smpki.requests import authorise, request_triple, sign_package

    current = folder.current()
    number, keys = folder.begin()
    package = request_triple(request_type, folder.name, keys, hosts)
    # Whose certificates have ended cannot sign any more, and is taken by the operator, as at the first time.
    if current is not None and current.signer.certificate.not_valid_after_utc >= place.clock():
        package = sign_package(package, current.signer, place.clock())
    if by is not None:
        package = authorise(package, place.open_party(by).signer(), place.clock())
    certificates = place.authority().issue(package, operator=True)
    folder.finish(number, certificates)
    _tell_issued(certificates, folder.path / str(number), as_json)


def _issue_package(place: PkiPlace, package: bytes, out: Path, as_json: bool) -> None:
    from smpki.folder import write_pem
    from smpki.profiles import profile_of
    from smpki.requests import read_package

    wants_sub_ca = read_package(package).request_type is RequestType.SUB_CA
    ca = place.authority("SM-Root.CA") if wants_sub_ca else place.authority()
    certificates = ca.issue(package, operator=True)
    out.mkdir(parents=True, exist_ok=True)
    for certificate in certificates:
        use = profile_of(certificate).use
        write_pem(out / f"{use.lower() if use else 'ca'}.pem", certificate)
    _tell_issued(certificates, out, as_json)


def _tell_issued(certificates: list[x509.Certificate], folder: Path, as_json: bool) -> None:
    told = [told_certificate(certificate) for certificate in certificates]
    if as_json:
        print_json({"folder": str(folder), "certificates": told})
        return
    for one in told:
        click.echo(
            f"{one['profile']:10} {one['name']} ({one['number']})  to {one['not_after'][:10]}  {one['certificate']}"
        )
    click.echo(f"in {folder}")


for part in (revoke, suspend, lift, charge, crl, show, verify, serve):
    command.add_command(part)
