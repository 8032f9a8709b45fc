"""The words of the law: states, the events between them, categories (Table 1.1) and places.

Nineteen phases, twenty states: *Vorpersonalisierung I* (ch. 4) grants different access with gateway and module apart
and assembled, so its two arrangements are two states. Both carry chapter 4 and the phase's German name.
"""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class State(StrEnum):
    """Where a gateway is in its life. Terms, chapters and grants are in :mod:`lifecycle.phases`."""

    DEVELOPMENT = "DEVELOPMENT"
    PRODUCTION = "PRODUCTION"
    PREPERSONALISATION_1_SEPARATE = "PREPERSONALISATION_1_SEPARATE"
    PREPERSONALISATION_1_ASSEMBLED = "PREPERSONALISATION_1_ASSEMBLED"
    INTEGRATION = "INTEGRATION"
    PREPERSONALISATION_2 = "PREPERSONALISATION_2"
    DELIVERY_TO_MSB = "DELIVERY_TO_MSB"
    FIRST_DELIVERY = "FIRST_DELIVERY"
    FIRST_INSTALLATION = "FIRST_INSTALLATION"
    PERSONALISATION = "PERSONALISATION"
    OPERATION = "OPERATION"
    REMOVAL_FOR_SCRAPPING = "REMOVAL_FOR_SCRAPPING"
    DELIVERY_FOR_SCRAPPING = "DELIVERY_FOR_SCRAPPING"
    HARDWARE_SCRAPPING = "HARDWARE_SCRAPPING"
    REVERSIBLE_FAULT = "REVERSIBLE_FAULT"
    IRREVERSIBLE_FAULT = "IRREVERSIBLE_FAULT"
    OUTAGE = "OUTAGE"
    REMOVAL_FOR_SM_DESTRUCTION = "REMOVAL_FOR_SM_DESTRUCTION"
    DELIVERY_FOR_SM_DESTRUCTION = "DELIVERY_FOR_SM_DESTRUCTION"
    SM_DESTRUCTION = "SM_DESTRUCTION"


@unique
class Event(StrEnum):
    """What is asked for when a phase is to change. An event and a state together name at most one transition."""

    BEGIN_PRODUCTION = "BEGIN_PRODUCTION"
    BEGIN_PREPERSONALISATION_1 = "BEGIN_PREPERSONALISATION_1"
    BEGIN_INTEGRATION = "BEGIN_INTEGRATION"
    BEGIN_PREPERSONALISATION_2 = "BEGIN_PREPERSONALISATION_2"
    DISPATCH_TO_MSB = "DISPATCH_TO_MSB"
    BEGIN_FIRST_DELIVERY = "BEGIN_FIRST_DELIVERY"
    BEGIN_FIRST_INSTALLATION = "BEGIN_FIRST_INSTALLATION"
    BEGIN_PERSONALISATION = "BEGIN_PERSONALISATION"
    BEGIN_OPERATION = "BEGIN_OPERATION"
    ENTER_REVERSIBLE_FAULT = "ENTER_REVERSIBLE_FAULT"
    RESTORE_OPERATION = "RESTORE_OPERATION"
    ENTER_IRREVERSIBLE_FAULT = "ENTER_IRREVERSIBLE_FAULT"
    ENTER_OUTAGE = "ENTER_OUTAGE"
    REMOVE_FOR_SCRAPPING = "REMOVE_FOR_SCRAPPING"
    REMOVE_FOR_SM_DESTRUCTION = "REMOVE_FOR_SM_DESTRUCTION"
    DELIVER_FOR_SCRAPPING = "DELIVER_FOR_SCRAPPING"
    DELIVER_FOR_SM_DESTRUCTION = "DELIVER_FOR_SM_DESTRUCTION"
    BEGIN_SM_DESTRUCTION = "BEGIN_SM_DESTRUCTION"
    SCRAP_HARDWARE = "SCRAP_HARDWARE"


@unique
class Category(StrEnum):
    """Table 1.1 (Kategorien): sets of phases without further meaning, named in German as there."""

    PREPERSONALISATION_AND_INTEGRATION = "Vorpersonalisierung und Integration"
    DELIVERY = "Auslieferung"
    FAULT = "Störung"
    REMOVAL = "Ausbau"
    SCRAPPING = "Verschrottung"


@unique
class Place(StrEnum):
    """Where the gateway physically is (Ort)."""

    PRODUCTION_SITE = "production site"
    """Produktionsstätte des GWH."""
    IN_TRANSIT = "in transit"
    """Lieferweg, whatever store or box it means at the moment (ch. 7)."""
    FIELD = "field"
    """Einsatzumgebung as PP-0073 defines it."""
    RECYCLING = "recycling"
    """Recycling."""
