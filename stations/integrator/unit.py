"""One gateway's way through the production site (ch. 3 to 7): each step does what is missing, so any may be cut short.

What is done is read from the record, the module and the PKI. So whoever runs a unit again, after a loss of power for
instance, goes on where it stands: no key is made twice, and the PKI gives the same certificates for the same keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway.core import Gateway
from gateway.local import LocalClient, LocalInterface
from gateway.local_coding import LocalError
from gateway.module import DeviceError, DeviceSecret
from gateway.pki.keys import CertificateRefused
from gateway.pki.preparation import ModuleContacts
from lifecycle.desk import move
from lifecycle.facts import Fact
from lifecycle.functions import Credential
from lifecycle.parties import Party
from lifecycle.states import Event, State
from securitymodule.card.module import SoftwareModule
from securitymodule.client import SecurityModule
from securitymodule.coding import ModuleState
from securitymodule.errors import NoModule
from securitymodule.reader import EMBEDDED, split_url
from securitymodule.statements import InitialisationFile
from smpki.inprocess import PublishingAuthority
from smpki.names import Environment, Function, PkiName
from smpki.profiles import END_ENTITIES, KeyUse, RequestType, profile_of
from smpki.requests import authorise
from smpki.signed import Signer
from stations.integrator.checks import CONFIGURED, Inspector
from stations.integrator.order import Arrangement, Unit
from stations.integrator.site import Site, UnitRefused

TRANSPORT_PIN: Final = "transport PIN"
INTEGRATOR_PIN: Final = "Integrator-PIN"
"""Purposes that the station derives a module's PINs for; its initialisation file (Initialisierungsfile) has them."""
_FACTS_OF_CH_4: Final = (
    Fact.ROOT_CERTIFICATE_IN_MODULE,
    Fact.PRELIMINARY_KEYS_IN_MODULE,
    Fact.SEAL_CERTIFICATES_IN_MODULE,
)


@dataclass(frozen=True, slots=True)
class Manufacturer:
    """The GWH: its keys, and whom it asks.

    :ivar party: signs the record.
    :ivar signer: authorises requests for seal certificates: the SIG key of the GWH's triple in the SM-PKI.
    :ivar secret: what PINs are derived from; they are stored nowhere.
    :ivar ca: the Sub-CA.
    :ivar root: the pinned Root of the SM-PKI.
    :ivar environment: which PKI it is.
    """

    party: Party
    signer: Signer
    secret: DeviceSecret = field(repr=False)
    ca: PublishingAuthority = field(repr=False)
    root: x509.Certificate = field(repr=False)
    environment: Environment


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to the module for the four things that Vorpersonalisierung I does (ch. 4)."""

    import_root: Callable[[x509.Certificate], object]
    generate_preliminary_keys: Callable[[], object]
    request_seals: Callable[[Environment], bytes]
    import_seals: Callable[[Sequence[x509.Certificate], x509.Certificate], object]


class Integrator:
    """The station.

    :param site: where units are made.
    :param maker: the GWH.
    :param clock: tells the time, UTC.
    """

    def __init__(self, site: Site, maker: Manufacturer, clock: Callable[[], datetime]) -> None:
        self._site = site
        self._maker = maker
        self._clock = clock
        self._inspector = Inspector(site, maker.root, clock)

    def make(self, unit: Unit) -> bool:
        """Make a unit, from wherever it stands to its hand-over.

        :returns: whether anything was left to do.
        :raises UnitRefused: before anything has changed.
        """
        with self._site.alone(unit.gateway):
            told = self._inspector.told(unit.gateway)
            problems = self._inspector.problems(unit, told)
            if problems:
                raise UnitRefused(problems)
            if told is not None and told.delivered:
                return False
            if told is None or told.module is None:
                self._site.begin(unit)
            with self._site.device(unit) as gateway:
                _Bench(unit, gateway, self._site, self._inspector, self._maker, self._clock).work()
            return True


class _Bench:
    """A unit at work."""

    def __init__(
        self,
        unit: Unit,
        gateway: Gateway,
        site: Site,
        inspector: Inspector,
        maker: Manufacturer,
        clock: Callable[[], datetime],
    ) -> None:
        self._unit = unit
        self._gateway = gateway
        self._site = site
        self._inspector = inspector
        self._maker = maker
        self._clock = clock

    def work(self) -> None:
        """State after state, until the gateway has left the production site."""
        steps: Mapping[State, Callable[[], None]] = {
            State.DEVELOPMENT: self._develop,
            State.PRODUCTION: self._initialise,
            State.PREPERSONALISATION_1_SEPARATE: self._prepare_apart,
            State.INTEGRATION: self._integrate,
            State.PREPERSONALISATION_1_ASSEMBLED: self._prepare_assembled,
            State.PREPERSONALISATION_2: self._configure,
            State.DELIVERY_TO_MSB: self._hand_over,
        }
        while True:
            gate = self._gateway.gate()
            if gate.state is None:
                raise UnitRefused([f"{self._gateway.id} is shut: {gate.shut}"])
            if gate.state not in steps or Fact.GWH_HANDED_OVER in gate.evidence:
                return
            steps[gate.state]()

    def _develop(self) -> None:
        self._attest(Fact.DEVELOPMENT_COMPLETE)
        self._move(Event.BEGIN_PRODUCTION)

    def _initialise(self) -> None:
        """Ch. 3: the module is told who it is, by its initialisation file."""
        with self._blank_or_ours() as module:
            if module.information().state is ModuleState.CREATED:
                serial = self._unit.serial
                module.initialise(InitialisationFile(serial, self._pin(TRANSPORT_PIN), self._pin(INTEGRATOR_PIN)))
            module.authenticate(lambda: self._pin(TRANSPORT_PIN))  # a module of somebody else's never gets on record
            self._attest(Fact.MODULE_INITIALISED, module=module)
        separate = self._unit.arrangement is Arrangement.SEPARATE
        self._move(Event.BEGIN_PREPERSONALISATION_1 if separate else Event.BEGIN_INTEGRATION)

    def _blank_or_ours(self) -> SecurityModule:
        try:
            return self._site.connect(self._unit)
        except NoModule:
            way, place = split_url(self._site.url(self._unit))
            if way != EMBEDDED:
                raise
            SoftwareModule.create(Path(place)).close()
            return self._site.connect(self._unit)

    def _prepare_apart(self) -> None:
        """Ch. 4, gateway and module apart: at the module's contacts, with the transport PIN."""
        with self._site.connect(self._unit) as module:
            module.authenticate(lambda: self._pin(TRANSPORT_PIN))
            contacts = ModuleContacts(self._gateway.gate, module, self._gateway.id)
            shown = Credential.MODULE_CONTACT
            self._prepare(
                _Way(
                    partial(contacts.import_root, shown),
                    partial(contacts.generate_preliminary_keys, shown),
                    partial(contacts.request_seals, shown),
                    partial(contacts.import_seals, shown),
                )
            )
            self._attest(*_FACTS_OF_CH_4, module=module)
        self._move(Event.BEGIN_INTEGRATION)

    def _integrate(self) -> None:
        """Ch. 5: the module goes into the gateway, which gives it a system PIN of its own."""
        self._gateway.integrate(Credential.PRODUCTION_SITE, self._pin(TRANSPORT_PIN), self._pin(INTEGRATOR_PIN))
        self._attest(Fact.MODULE_INTEGRATED)
        sealed = Fact.SEAL_CERTIFICATES_IN_MODULE in self._gateway.gate().evidence
        self._move(Event.BEGIN_PREPERSONALISATION_2 if sealed else Event.BEGIN_PREPERSONALISATION_1)

    def _prepare_assembled(self) -> None:
        """Ch. 4, assembled: through the gateway's local interface, with the Integrator-PIN."""
        with self._at_local_interface() as client:
            self._prepare(
                _Way(client.import_root, client.generate_preliminary_keys, client.export_requests, client.import_seals)
            )
        self._attest(*_FACTS_OF_CH_4)
        self._move(Event.BEGIN_PREPERSONALISATION_2)

    def _prepare(self, way: _Way) -> None:
        way.import_root(self._maker.root)
        way.generate_preliminary_keys()
        seals = self._seals(way)
        way.import_seals(seals, self._maker.ca.chain(seals[0].issuer)[-1])

    def _seals(self, way: _Way) -> Sequence[x509.Certificate]:
        """The seal certificates for the keys in the module; the PKI gives the same ones for the same keys."""
        try:
            package = way.request_seals(self._maker.environment)
        except CertificateRefused:  # they are in the module already, and a key with its certificate asks for no other
            return self._issued()
        package = authorise(package, self._maker.signer, self._clock())
        return self._maker.ca.request_certificate(package, RequestType.SMGW_G)

    def _issued(self) -> Sequence[x509.Certificate]:
        holder = PkiName(self._gateway.id, Function.SMGW, self._maker.environment).common_name
        profiles = [END_ENTITIES[RequestType.SMGW_G, use] for use in KeyUse]
        seals = [seal for seal in self._maker.ca.certificates(holder) if profile_of(seal) in profiles]
        last = max((PkiName.of(seal.subject).number for seal in seals), default=0)
        if not last:
            raise UnitRefused([f"the seal certificates in the module are none that the Sub-CA has issued to {holder}"])
        return [seal for seal in seals if PkiName.of(seal.subject).number == last]

    def _configure(self) -> None:
        """Ch. 6: the GWA's initial configuration file, through the local interface, with the Integrator-PIN."""
        if not self._configured:
            try:
                with self._at_local_interface() as client:
                    client.import_initial_configuration(self._unit.configuration.read_bytes())
            except (DeviceError, LocalError):
                # An import that was cut short is finished by the gateway itself, which then asks for no PIN any more.
                if not self._configured:
                    raise
        self._attest(*CONFIGURED)
        self._move(Event.DISPATCH_TO_MSB)

    @property
    def _configured(self) -> bool:
        return self._gateway.configuration is not None and self._gateway.configuration.initial() is not None

    def _hand_over(self) -> None:
        """Ch. 7: on its way to the MSB, with a module that knows where the record ends."""
        self._gateway.write_record_head()
        self._attest(Fact.GWH_HANDED_OVER)

    @contextmanager
    def _at_local_interface(self) -> Iterator[LocalClient]:
        told = self._inspector.told(self._gateway.id)
        key = told.module.point if told is not None and told.module is not None else None
        with (
            closing(LocalInterface(self._gateway, "tcp:127.0.0.1:0")) as interface,
            LocalClient.connect(interface.address, module_key=key) as client,
        ):
            client.authenticate_integrator(self._pin(INTEGRATOR_PIN))
            yield client

    def _pin(self, purpose: str) -> str:
        return self._maker.secret.pin(purpose, self._unit.serial)

    def _move(self, event: Event) -> None:
        self._gateway.act(self._maker.party, move(self._maker.party, event))

    def _attest(self, *facts: Fact, module: SecurityModule | None = None) -> None:
        """Put facts on record that are not yet, the module's with its attestation."""
        self._gateway.attest(self._maker.party, *facts, module=module)
