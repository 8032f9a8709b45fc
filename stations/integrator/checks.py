"""What is looked at before a unit is touched: its record, its module, its configuration file. Nothing is changed by it.

A PIN is not tried here, for a wrong one costs a try; the module only says how many tries are left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from cryptography import x509

from gateway.configuration import LARGEST_FILE, ConfigurationError, read_initial
from gateway.pki.administrator import check_under
from lifecycle.facts import Fact
from lifecycle.states import State
from securitymodule.coding import ModuleState
from securitymodule.errors import ModuleError, NoModule
from securitymodule.statements import ModuleInformation
from smpki.validation import PathValidator
from stations.integrator.order import Unit
from stations.integrator.site import Site
from stations.integrator.told import Told, read_told

_LIST: Final = (("GW-System-PIN", "system_tries"), ("Integrator-PIN", "integrator_tries"))


CONFIGURED: Final = (
    Fact.INITIAL_CONFIGURATION_IMPORTED,
    Fact.GWA_CERTIFICATES_VERIFIED,
    Fact.CONFIGURATION_SIGNATURE_VERIFIED,
    Fact.GWA_PUBLIC_KEYS_IN_MODULE,
    Fact.GWA_COMMUNICATION_ENABLED,
)
"""What is on record once the initial configuration file is imported (ch. 6)."""


class Inspector:
    """Looks at units, and changes nothing.

    :param site: where they are made.
    :param root: the pinned Root of the SM-PKI.
    :param clock: tells the time, UTC.
    :raises smpki.path_errors.PathInvalid: if it is no Root.
    """

    def __init__(self, site: Site, root: x509.Certificate, clock: Callable[[], datetime]) -> None:
        self._site = site
        self._validator = PathValidator(root)
        self._clock = clock

    def told(self, gateway: str) -> Told | None:
        """What is on record of a gateway, ``None`` where nothing is.

        :raises RecordContradicted: if its module says otherwise.
        """
        entries = self._site.entries(gateway)
        return None if entries is None else read_told(entries)

    def problems(self, unit: Unit, told: Told | None) -> list[str]:
        """Why a unit cannot be made, or gone on with; empty where nothing is known against it.

        :param told: what is on record of it.
        """
        found = list(_wrong_on_record(unit, self._site.taken_for(unit.serial), told))
        if told is not None and told.delivered:
            return found
        found += _wrong_with_module(unit, self._site, told)
        if told is None or not told.facts.keys() >= set(CONFIGURED):
            found += _wrong_with_configuration(unit, self._validator, self._clock())
        return found


def _wrong_on_record(unit: Unit, taken_for: str | None, told: Told | None) -> Iterator[str]:
    """Why a unit cannot be made, by what is on record of its gateway."""
    if taken_for not in {None, unit.gateway}:
        yield f"module {unit.serial} was taken for {taken_for} before"
    if told is None:
        return
    if told.module is None and taken_for != unit.gateway:
        yield f"the record of {unit.gateway} was begun for another module, or by hand"
    if told.module is not None and told.module.serial != unit.serial:
        yield f"{unit.gateway} is on record with module {told.module.serial}, not {unit.serial}: of another order"
    if told.arrangement is not None and told.arrangement is not unit.arrangement:
        yield f"{unit.gateway} is on record as {told.arrangement}, not {unit.arrangement}"
    if told.module is None and Fact.MODULE_INITIALISED in told.facts:
        yield f"the record of {unit.gateway} claims a module without its attestation: it was not made here"


def _wrong_with_module(unit: Unit, site: Site, told: Told | None) -> Iterator[str]:
    """Why a unit cannot be made, by what its module says of itself to anybody."""
    pinned = told.module if told is not None else None
    try:
        with site.connect(unit) as module:
            found = module.information()
    except NoModule as error:
        if pinned is not None:
            yield f"module {pinned.serial} is on record, and is not there: {error}"
        elif unit.reader is not None:
            yield str(error)
        return  # a software module is made when it is needed
    except ModuleError as error:
        yield str(error)
        return
    url = site.url(unit)
    if pinned is not None:
        if (found.serial, found.attestation_point) != pinned:
            yield f"{url} holds {_named(found)}; on record is module {pinned.serial} with a key of its own"
    elif not _may_be_new(found, unit, told):
        yield f"{url} holds {_named(found)}, which is used already; a blank one is wanted for {unit.serial}"
    if found.state is ModuleState.TERMINATED:
        yield f"{_named(found)} is terminated"
    elif found.state is not ModuleState.CREATED:
        yield from (f"the {name} of {_named(found)} is blocked" for name, tries in _LIST if not getattr(found, tries))


def _may_be_new(found: ModuleInformation, unit: Unit, told: Told | None) -> bool:
    """Whether a module that no record pins is a blank one, or one that this station was about to put on record."""
    if found.state is ModuleState.CREATED:
        return True
    begun = told is not None and told.standing.state is not State.DEVELOPMENT
    return begun and found.state is ModuleState.INITIALISED and found.serial == unit.serial


def _named(found: ModuleInformation) -> str:
    return f"module {found.serial or '(blank)'} ({found.state.name})"


def _wrong_with_configuration(unit: Unit, validator: PathValidator, at: datetime) -> Iterator[str]:
    """Why a unit's initial configuration file cannot be imported: the gateway will look at the same (ch. 6)."""
    try:
        with unit.configuration.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        configuration, message = read_initial(data)
    except OSError as error:
        yield f"the configuration {unit.configuration}: {error.strerror}"
        return
    except ConfigurationError as error:
        yield f"{unit.configuration}: {error}"
        return
    where = unit.configuration.name
    if configuration.gateway != unit.gateway:
        yield f"{where} is for gateway {configuration.gateway}, not for {unit.gateway}"
    try:
        check_under(validator, configuration, message, at)
    except ConfigurationError as error:
        yield f"{where}: {error}"
