"""What the Servicetechniker looks at on site, step by step (ch. 15 to 17): one table of questions and answers.

Which of the findings that it names are offered is for the law to say, see :mod:`gateway.technician_guide`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, NamedTuple

from lifecycle.facts import Fact


class Text(NamedTuple):
    """Words in German and in English."""

    german: str
    english: str


@unique
class Says(StrEnum):
    """What a finding says."""

    FOUND = "found"
    CLEARED = "cleared"
    NOTHING = "nothing"
    """Nothing that would go on record."""


class Finding(NamedTuple):
    """What a diagnosis can come to. :attr:`fault` is empty where nothing goes on record."""

    says: Says
    fault: str = ""

    def command(self, gateway: str, connected: bool | None = None) -> str:
        """What the Servicetechniker calls at its own station to record it, or to sign that nothing was found.

        :param connected: whether the GWA was reached from here, ``None`` where nobody has tried.
        """
        option = {
            Says.FOUND: ("--fault", self.fault),
            Says.CLEARED: ("--cleared", self.fault),
            Says.NOTHING: ("--no-fault",),
        }[self.says]
        seen: tuple[str, ...] = ()
        if connected is not None and not (self.says is Says.CLEARED and not connected):
            seen = ("--connected",) if connected else ("--not-connected",)
        return shlex.join(("smgw", "technician", "diagnose", gateway, *option, *seen, "--out", "diagnosis.json"))


NO_FINDING: Final = Finding(Says.NOTHING)


@unique
class Shows(StrEnum):
    """What the gateway itself has to say to a question."""

    PARTS = "parts"
    LOG = "log"
    CONNECTION = "connection"
    FAULTS = "faults"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and where it leads.

    :ivar to: the next question; empty where the diagnosis ends.
    :ivar finding: what it ends in, where the law admits that; else in nothing new.
    :ivar then: what is to be done then.
    :ivar needs: given only with this on record.
    :ivar unless: not given with this on record.
    """

    text: Text
    to: str = ""
    finding: Finding = NO_FINDING
    then: Text | None = None
    needs: Fact | None = None
    unless: Fact | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One step.

    :ivar look: what to look at before it is answered.
    :ivar chapter: chapters of the Anlage.
    """

    id: str
    text: Text
    look: tuple[Text, ...]
    shows: Shows
    chapter: str
    answers: tuple[Answer, ...]


TELL: Final = Text(
    "Den Befund an der eigenen Station unterschreiben und dem GWA geben.",
    "Sign the finding at your own station, and give it to the GWA.",
)
ALREADY_OPEN: Final = Text(
    "Diese Störung ist schon offen; neu einzutragen ist nichts.",
    "This fault is open already; there is nothing new to record.",
)
NOTHING_TO_CLEAR: Final = Text(
    "Es ist keine Verbindungsstörung offen, also ist keine aufzuheben. Was andere offene Störungen behebt, und wer sie "
    "aufhebt, steht bei jeder.",
    "No connection fault is open, so there is none to clear. What clears other open faults, and who, stands with each "
    "of them.",
)
_OUT: Final = Text(
    "Nichts verändern, was ein Beweis sein kann. Mit dem Befund führt der GWA das SMGW in die Phase Ausfall; das "
    "Sicherheitsmodul wird dann nicht terminiert, sondern zerstört (Kap. 17, 18).",
    "Change nothing that may be proof. With the finding the GWA takes the gateway to the phase Ausfall; its module is "
    "then destroyed, not terminated (ch. 17, 18).",
)
_FOR_GOOD: Final = Text(
    "Mit dem Befund bereitet der GWA die Außerbetriebnahme vor (Kap. 16).",
    "With the finding the GWA prepares the end of its operation (ch. 16).",
)
_MENDED: Final = Text(
    "Die Verbindungsprüfung muss gut sein. Mit dem Befund führt der GWA das SMGW zurück in den Betrieb, wenn keine "
    "andere Störung offen ist (Kap. 15).",
    "The connection test has to be good. With the finding the GWA takes the gateway back to operation, if no other "
    "fault is open (ch. 15).",
)
_LATER: Final = Text(
    "Dem GWA sagen, was fehlt. Die Störung bleibt offen, bis ein Servicetechniker sie vor Ort behebt (Kap. 15).",
    "Tell the GWA what is missing. The fault stays open until a Servicetechniker clears it on site (ch. 15).",
)
OTHER: Final = "other"
"""The question for whatever the law admits and no other question names; asked only where there is something."""


def _fault(name: str) -> Finding:
    return Finding(Says.FOUND, name)


_CONNECTION_CLEARED: Final = Finding(Says.CLEARED, "connection-fault")

QUESTIONS: Final[tuple[Question, ...]] = (
    Question(
        "housing",
        Text(
            "Sind Gehäuse, Plomben und Siegel heil, und hängt nichts an den Leitungen, was nicht dorthin gehört?",
            "Are housing and seals whole, and is nothing on the lines that does not belong there?",
        ),
        (
            Text("Gehäuse, Plomben und Siegel rundum ansehen", "Look at housing and seals from all sides"),
            Text(
                "Die Leitungen an WAN, HAN und LMN bis zum Gerät verfolgen",
                "Follow the lines at WAN, HAN and LMN up to the device",
            ),
        ),
        Shows.FAULTS,
        "17",
        (
            Answer(Text("Ja, alles ist heil", "Yes, all is whole"), to="module"),
            Answer(
                Text("Nein, jemand hat eingegriffen", "No, somebody has tampered with it"),
                finding=_fault("security-breach"),
                then=_OUT,
            ),
        ),
    ),
    Question(
        "module",
        Text("Was ist vom Sicherheitsmodul zu sehen?", "What is to be seen of the security module?"),
        (
            Text(
                "Was das SMGW selbst von seinem Sicherheitsmodul sieht, steht unten",
                "What the gateway itself sees of its module stands below",
            ),
            Text(
                "Ist das Gerät geöffnet: die eigene Station fragt das Modul ohne PIN und vergleicht es mit der Akte",
                "If the device is open: your own station asks the module without a PIN and compares it with the record",
            ),
        ),
        Shows.PARTS,
        "17",
        (
            Answer(
                Text(
                    "Es antwortet und ist das eingebaute, oder das Gerät bleibt zu",
                    "It answers and is the one built in, or the device stays shut",
                ),
                to="software",
            ),
            Answer(
                Text("Es ist terminiert, wie der GWA es wollte", "It is terminated, as the GWA wanted"),
                to="software",
                needs=Fact.MODULE_TERMINATED,
            ),
            Answer(Text("Es fehlt", "It is absent"), finding=_fault("module-absent"), then=_OUT),
            Answer(
                Text(
                    "Es antwortet nicht wie ein Modul, oder es ist ein anderes",
                    "It does not answer as a module does, or it is another one",
                ),
                finding=_fault("module-integrity-lost"),
                then=_OUT,
            ),
            Answer(
                Text(
                    "Es ist terminiert, und der GWA wollte das nicht", "It is terminated, and the GWA did not want that"
                ),
                finding=_fault("module-terminated-unasked"),
                then=_OUT,
                unless=Fact.MODULE_TERMINATED,
            ),
        ),
    ),
    Question(
        "software",
        Text(
            "Beanstandet ein Selbsttest die Firmware oder die Lebenslaufakte?",
            "Does a self-test complain about the firmware or the record?",
        ),
        (
            Text(
                "Im System-Log nach „Selbsttest nicht bestanden“ sehen",
                "Look for “self-test failed” in the system log",
            ),
            Text(
                "Den GWA fragen, ob seine Abschrift der Akte dasselbe sagt",
                "Ask the GWA whether its copy of the record says the same",
            ),
        ),
        Shows.LOG,
        "17",
        (
            Answer(Text("Nein", "No"), to=OTHER),
            Answer(Text("Ja, die Firmware", "Yes, the firmware"), finding=_fault("firmware-integrity-lost"), then=_OUT),
            Answer(
                Text("Ja, die Lebenslaufakte", "Yes, the record"), finding=_fault("record-integrity-lost"), then=_OUT
            ),
        ),
    ),
    Question(
        OTHER,
        Text(
            "Liegt eine Störung vor, die der Hersteller vorsieht?",
            "Is there a fault that the manufacturer provides for?",
        ),
        (Text("In der Anleitung des Herstellers nachsehen", "Look it up in the manufacturer’s manual"),),
        Shows.FAULTS,
        "15",
        (Answer(Text("Nein", "No"), to="life"),),
    ),
    Question(
        "life",
        Text("Arbeitet das SMGW?", "Does the gateway work?"),
        (
            Text(
                "Uhr mit der eigenen vergleichen; sehen, wann die LMN-Leitungen zuletzt gehört wurden",
                "Compare its clock with yours; see when the LMN lines were last heard",
            ),
            Text(
                "Tut es nichts mehr: Versorgung trennen, wiederherstellen, einige Minuten warten",
                "If it does nothing any more: cut the power, restore it, wait some minutes",
            ),
        ),
        Shows.PARTS,
        "15, 17",
        (
            Answer(Text("Ja, wenn auch eingeschränkt", "Yes, if with limits"), to="connection"),
            Answer(
                Text("Nein, auch nach der Unterbrechung der Versorgung nicht", "No, not even after the power was cut"),
                finding=_fault("functionless"),
                then=_OUT,
            ),
        ),
    ),
    Question(
        "connection",
        Text("Erreicht das SMGW den GWA?", "Does the gateway reach the GWA?"),
        (
            Text("Die Verbindung prüfen", "Test the connection"),
            Text(
                "Netzteil, Antenne, SIM, Leitungen, Router und Proxy ansehen",
                "Look at power supply, antenna, SIM, lines, router and proxy",
            ),
        ),
        Shows.CONNECTION,
        "15, 16",
        (
            Answer(Text("Ja", "Yes"), finding=_CONNECTION_CLEARED, then=_MENDED),
            Answer(Text("Nein", "No"), to="repair"),
        ),
    ),
    Question(
        "repair",
        Text("Lässt sich die Verbindung hier wiederherstellen?", "Can the connection be restored here?"),
        (
            Text(
                "Scheitert der Name: Netz, DNS und Kommunikationsparameter prüfen",
                "If the name fails: check network, DNS and communication parameters",
            ),
            Text(
                "Scheitert TCP: Empfang, Router, Firewall und Proxy prüfen",
                "If TCP fails: check reception, router, firewall and proxy",
            ),
            Text("Danach die Verbindung noch einmal prüfen", "Then test the connection again"),
        ),
        Shows.CONNECTION,
        "15, 16",
        (
            Answer(Text("Ja, sie steht jetzt", "Yes, it stands now"), finding=_CONNECTION_CLEARED, then=_MENDED),
            Answer(Text("Ja, aber nicht heute", "Yes, but not today"), finding=_fault("connection-fault"), then=_LATER),
            Answer(
                Text("Nein, sie ist nicht behebbar", "No, it is beyond repair"),
                finding=_fault("connection-beyond-repair"),
                then=_FOR_GOOD,
            ),
        ),
    ),
)
"""The questions, the first first."""
