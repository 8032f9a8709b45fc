"""Roles, participants, and who may act for whom."""

from __future__ import annotations

from lifecycle.functions import Credential
from lifecycle.phases import PHASES
from lifecycle.roles import MAY_BE_REPRESENTED, PARTICIPANTS, ROLES, Role, may_act_for, principal_of


def test_roles_are_total_and_seven_are_responsible() -> None:
    assert list(ROLES) == list(Role)
    responsible = {role for role, description in ROLES.items() if description.responsible}
    assert responsible == {
        Role.GWH,
        Role.MSB,
        Role.GWA,
        Role.MONTEUR,
        Role.ERSTKONFIGURATOR,
        Role.SERVICETECHNIKER,
        Role.RECYCLER,
    }
    assert not responsible & PARTICIPANTS


def test_who_acts_on_behalf_of_whom() -> None:
    """Table 1.2, and the service providers of ch. 7, 8, 13 and 19."""
    principals = {role: principal_of(role) for role in Role if principal_of(role) is not None}
    assert principals == {
        Role.MONTEUR: Role.MSB,
        Role.RECYCLER: Role.MSB,
        Role.ERSTKONFIGURATOR: Role.GWA,
        Role.SERVICETECHNIKER: Role.GWA,
    }
    for role in Role:
        allowed = {other for other in (None, *Role) if may_act_for(role, other)}
        fixed = principals.get(role)
        provider = {role} if role in MAY_BE_REPRESENTED else set()
        assert allowed == ({fixed} if fixed is not None else {None, *provider})


def test_every_credential_is_held_by_a_role_and_every_grant_given_to_one_that_holds_it() -> None:
    assert {credential for description in ROLES.values() for credential in description.credentials} == set(Credential)
    for phase in PHASES.values():
        for grant in phase.grants:
            assert grant.credential in ROLES[grant.role].credentials


def test_the_keeper_opens_nothing() -> None:
    assert not ROLES[Role.KEEPER].credentials
