"""Fixtures and settings that every test can rely on; what they are made of is in ``tests.support``."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.browser import browser, phone
from tests.support.campaign import SCALE_VARIABLE, CampaignPlugin, campaign
from tests.support.pcsc import _pcsc_adapter, connected, pcsc_daemon, plug_in
from tests.support.postgres import database_url, postgresql_server, postgresql_url

__all__ = [
    "_pcsc_adapter",
    "browser",
    "campaign",
    "connected",
    "database_url",
    "pcsc_daemon",
    "phone",
    "plug_in",
    "postgresql_server",
    "postgresql_url",
]

# A test run says the same twice: the same examples each time, and nothing that depends on how busy the machine is.
# Half as many as usual: `make campaign` takes more and others, and `make fuzz` goes deeper.
settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    max_examples=50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# A campaign looks where nobody has looked yet, and prints what brings a failure back.
settings.register_profile("campaign", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("campaign" if os.environ.get(SCALE_VARIABLE) else "deterministic")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """What a command sets up for its process holds for the test that runs it, and no longer."""
    kept = structlog.get_config()
    yield
    structlog.configure(**kept)


def pytest_configure(config: pytest.Config) -> None:
    """Let campaigns report, in this process or across the workers of xdist."""
    config.pluginmanager.register(CampaignPlugin(config), "smgw-campaign")
