"""``smgw pki serve``: a CA's web service (TR-03129-4) with mutual TLS, and the CRLs for anybody."""

from __future__ import annotations

import threading

import click

from smgw.pki_options import place_of, place_options
from smgw.printing import print_json
from smgw.workplace import Workplace


@click.command("serve")
@click.option("--ca", "name", help="Common name of the CA.  [default: the newest Sub-CA]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8443, show_default=True, help="Port of the service (mutual TLS).")
@click.option("--crl-port", type=int, help="Port on which every CA's CRL is there for anybody, without TLS.")
@click.option(
    "--name", "names", multiple=True, help="Host name or IP address it is reached under; repeatable.  [default: --host]"
)
@place_options
def serve(
    name: str | None,
    host: str,
    port: int,
    crl_port: int | None,
    names: tuple[str, ...],
    as_json: bool,
    workplace: Workplace,
) -> None:
    """Serve a CA: requests, chains, revocation, change of the GWA in charge (TR-03129-4), as JSON over HTTPS.

    Callers show their TLS certificate. The messages are POST /smpki/RequestCertificate and so on; the guideline's SOAP
    binding is not public here, so the JSON one is this project's own.
    """
    import uvicorn

    from smpki.service import PeerProtocol, create_app, create_crl_app
    from smpki.tls import server_context

    place = place_of(workplace)
    authority = place.authority(name)
    certificate, key = place.service(authority, names or (host,))
    context = server_context(certificate, key, place.pinned(), place.intermediates())
    if crl_port is not None:
        crls = uvicorn.Config(create_crl_app(place.authorities()), host=host, port=crl_port, log_level="warning")
        threading.Thread(target=uvicorn.Server(crls).run, daemon=True).start()
    told = {"ca": str(authority.name), "url": f"https://{host}:{port}", "crl_port": crl_port}
    if as_json:
        print_json(told)
    else:
        click.echo(f"{authority.name} at {told['url']}; Ctrl-C ends it")
    uvicorn.run(
        create_app(authority),
        host=host,
        port=port,
        log_level="warning",
        http=PeerProtocol,
        ssl_context_factory=lambda _config, _default: context,
    )
