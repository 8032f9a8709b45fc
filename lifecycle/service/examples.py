"""Examples for the API's description: one gateway, met while it is personalised."""

from __future__ import annotations

from typing import Any, Final

GATEWAY: Final = "EXXX0012345678"
FINGERPRINT: Final = "5f2c1d0b9a8e7f6c5d4e3b2a19081726354453627180918a9bacbdcedfe0f102"
_KEEPER: Final = "0c1f2e3d4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
_PREVIOUS: Final = "77c0d8fe12ab34cd56ef7890a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
_HASH: Final = "9d1e5b7c0a2f4e6d8c1b3a5f7e9d0c2b4a6f8e1d3c5b7a9f0e2d4c6b8a1f3e5d"
_TIME: Final = "2026-03-02T09:31:07.250000Z"
_SIGNATURE: Final = "MEUCIQDk2p8nJ3yQ1xv7sYwRj6bCq0Zf5mT4hU9eLrKoAgIgVvWcP0dX8sN1iGzB7tMqE3yFh6aJ2lRkOu5wSx4DpQo="
_CERTIFICATE: Final = "MIIBuzCCAWGgAwIBAgIUQm9oZHh5dGVzYXJlbm90cmVhbA=="

_ACTOR: Final = {"certificate": FINGERPRINT, "name": "GWA Nord", "on_behalf_of": None, "role": "GWA"}
_ENTRY_TOLD: Final[dict[str, Any]] = {
    "actor": _ACTOR,
    "gateway": GATEWAY,
    "kind": "transition",
    "payload": {
        "event": "BEGIN_OPERATION",
        "from": "PERSONALISATION",
        "recommended_met": [],
        "recommended_unmet": [],
        "to": "OPERATION",
        "way": "neutral",
    },
    "previous": _PREVIOUS,
    "seq": 33,
    "time": _TIME,
}


def _entry(kind: str, payload: str) -> str:
    return (
        f'{{"actor":{{"certificate":"{FINGERPRINT}","name":"GWA Nord","on_behalf_of":null,"role":"GWA"}},'
        f'"gateway":"{GATEWAY}","kind":"{kind}","payload":{payload},"previous":"{_PREVIOUS}","seq":33,'
        f'"time":"{_TIME}"}}'
    )


def _command(summary: str, entry: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "value": {"entry": entry, "signature": _SIGNATURE, "certificate": _CERTIFICATE},
    }


_TRANSITION: Final = _entry(
    "transition",
    '{"event":"BEGIN_OPERATION","from":"PERSONALISATION","recommended_met":[],"recommended_unmet":[],'
    '"to":"OPERATION","way":"neutral"}',
)

REGISTER: Final[dict[str, Any]] = {
    "register": _command(
        "A manufacturer (GWH) registers a gateway",
        f'{{"command":"register","gateway":"{GATEWAY}","nonce":"b3BlbiBzbWFydCBtZXRlcg","time":"{_TIME}"}}',
    )
}
COMMANDS: Final[dict[str, Any]] = {
    "transition": _command("The GWA begins operation", _TRANSITION),
    "evidence": _command("The GWA attests a fact", _entry("evidence", '{"fact":"OPERATIONAL_CERTIFICATES_IN_MODULE"}')),
    "fault": _command("A fault is reported", _entry("fault", '{"fault":"disk-full"}')),
    "restored": _command("A fault is cleared", _entry("restored", '{"fault":"disk-full"}')),
}
DRAFTS: Final[dict[str, Any]] = {
    "transition": {
        "summary": "An entry that asks for a transition",
        "value": {"kind": "transition", "what": "BEGIN_OPERATION", "certificate": _CERTIFICATE},
    },
    "fault": {
        "summary": "An entry that reports a fault for one consumer",
        "value": {
            "kind": "fault",
            "what": "consumer-log-full",
            "subject": "consumer-7",
            "detail": {"used_percent": 100},
            "certificate": _CERTIFICATE,
        },
    },
}
DRAFT: Final = {"gateway": GATEWAY, "entry": _TRANSITION, "sha256": _HASH}

HEAD: Final = {
    "format": "smgw-head/1",
    "gateway": GATEWAY,
    "seq": 33,
    "hash": _HASH,
    "counter": 34,
    "time": "2026-03-02T09:31:07.311000Z",
    "certificate": _KEEPER,
    "signature": _SIGNATURE,
}
ACCEPTED: Final = {"gateway": GATEWAY, "repeated": False, "sequence": 33, "state": "OPERATION", "head": HEAD}
REGISTERED: Final = {
    **ACCEPTED,
    "sequence": 0,
    "state": "DEVELOPMENT",
    "head": {**HEAD, "seq": 0, "counter": 1, "hash": _PREVIOUS},
}
SUMMARY: Final[dict[str, Any]] = {
    "gateway": GATEWAY,
    "state": "OPERATION",
    "name_de": "Betrieb",
    "chapter": 11,
    "entries": 33,
    "last_entry": _TIME,
    "open_faults": [],
}
FLEET: Final = {"counts": {"OPERATION": 1}, "unreadable": 0, "total": 1, "gateways": [SUMMARY], "next": None}
ONE_GATEWAY: Final = {
    **SUMMARY,
    "place": "field",
    "responsible": "GWA",
    "functionality": "full, in certified configuration",
    "facts": ["DEVELOPMENT_COMPLETE", "OPERATIONAL_CERTIFICATES_IN_MODULE"],
    "head": HEAD,
}
ENTRY: Final = {"entry": _TRANSITION, "hash": _HASH, "signature": _SIGNATURE, "told": _ENTRY_TOLD}
ENTRIES: Final = {"gateway": GATEWAY, "entries": [ENTRY], "next": None}
CERTIFICATE: Final = {
    "fingerprint": FINGERPRINT,
    "der": _CERTIFICATE,
    "believed": True,
    "role": "GWA",
    "name": "GWA Nord",
    "on_behalf_of": None,
    "not_before": "2026-01-01T00:00:00.000000Z",
    "not_after": "2028-01-01T00:00:00.000000Z",
}
CERTIFICATES: Final = {"gateway": GATEWAY, "certificates": [CERTIFICATE]}
VERDICT: Final = {"gateway": GATEWAY, "ok": True, "entries": 33, "state": "OPERATION", "break": None}
HEAD_CHECK: Final = {"gateway": GATEWAY, "reached": True, "break": None}
EXITS: Final = {
    "gateway": GATEWAY,
    "state": "PERSONALISATION",
    "exits": [
        {
            "number": 12,
            "event": "BEGIN_OPERATION",
            "to": "OPERATION",
            "to_de": "Betrieb",
            "actors": ["GWA"],
            "chapter": "10, 11",
            "advice": "neutral",
            "open": False,
            "lacking": [
                {
                    "condition": "operational-certificates",
                    "needed": "operational certificates (Wirkzertifikate: TLS, SIG, ENC) in the module",
                    "found": "not on record: OPERATIONAL_CERTIFICATES_IN_MODULE",
                    "chapter": "10, 11",
                }
            ],
            "recommended_met": [],
            "recommended_unmet": [],
        }
    ],
}
GATE: Final = {
    "gateway": GATEWAY,
    "state": "OPERATION",
    "shut": None,
    "grants": [
        {
            "role": "ANSCHLUSSNUTZER",
            "interface": "HAN_CONSUMER",
            "function": "han:read-own-data",
            "credential": "CONSUMER_CERTIFICATE",
            "open": True,
            "reasons": [],
        }
    ],
}
GATE_ANSWER: Final = {
    "gateway": GATEWAY,
    "open": False,
    "chapter": None,
    "reasons": [
        {
            "condition": "function-granted",
            "needed": "a function that this state grants",
            "found": "metering:receive-readings",
            "chapter": "7",
        }
    ],
}
EXPORT: Final = (
    f'{{"certificates":["{_CERTIFICATE}"],"format":"smgw-journal/1","gateway":"{GATEWAY}","hash":"…","head":{{…}}}}\n'
    f'{{"entry":{{…}},"hash":"{_HASH}","signature":"{_SIGNATURE}"}}\n'
)
