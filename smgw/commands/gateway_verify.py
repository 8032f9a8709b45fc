"""``smgw gateway verify``: are a gateway's lists and logs what the gateway wrote?"""

from __future__ import annotations

import click

from smgw.failing import RefusedFailure, clear_errors
from smgw.printing import json_option, print_json
from smgw.workplace import Workplace, workplace_options


@click.command("verify")
@click.argument("gateway", metavar="ID")
@click.option("--overwriting", is_flag=True, help="Its consumers' logs overwrite their oldest entries when full.")
@json_option
@workplace_options
@clear_errors()
def command(gateway: str, overwriting: bool, as_json: bool, workplace: Workplace) -> None:
    """Follow every list and log of gateway ID: chains, deletions, and the signatures of its security module.

    A signature counts where the certificate that made it was issued to this gateway by the Smart Metering PKI of
    --home. No value and no entry is shown: who may read them shows himself to the gateway.

    \b
    Example:
      smgw gateway verify EXXX0000000001

    Exit code: 0 if every book is whole, 1 if one is broken, 2 if they could not be read.
    """
    from gateway.books import examined
    from gateway.logs.store import LogPolicy, WhenFull
    from gateway.pki.keys import der_of
    from gateway.pki.seal import FOLDER, KeptCertificates
    from smgw.pki_place import PkiPlace
    from smpki.inprocess import InProcessCa
    from smpki.names import Function, PkiName

    repository = workplace.repository()
    repository.kept(gateway)
    place = PkiPlace(workplace)
    holder = PkiName(gateway, Function.SMGW, place.environment()).common_name
    issued = {der_of(one) for one in InProcessCa(place.authority()).certificates(holder)}
    kept = KeptCertificates(workplace.gateway_folder(gateway) / FOLDER)

    def verifies(key: str, digest: bytes, signature: bytes) -> bool:
        certificate = kept.get(key)
        return certificate is not None and der_of(certificate) in issued and kept.verifies(key, digest, signature)

    policy = LogPolicy(consumer_full=WhenFull.OVERWRITE) if overwriting else LogPolicy()
    seen = broken = 0
    for book in examined(repository.engine, gateway, verifies, policy):
        seen += 1
        broken += book.broken is not None
        if as_json:
            print_json(book.told())
            continue
        mark, colour = ("✗", "red") if book.broken is not None else ("✓", "green")
        click.secho(f"{mark} ", fg=colour, nl=False)
        deleted = f", {book.deletions} deletions" if book.deletions else ""
        click.echo(f"{book.name}: {book.entries} entries, {book.signed} signed{deleted}  {book.first} – {book.last}")
        if book.broken is not None:
            click.secho(f"    entry {book.broken.number}: {book.broken.reason}", fg="red")
    if not seen and not as_json:
        click.echo(f"gateway {gateway} has no lists and no logs yet")
    if broken:
        raise RefusedFailure(f"{broken} of {seen} books of gateway {gateway} are broken")
