"""The traveller: what it says, that it asks for nothing from elsewhere, and that it is one page."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from selenium import webdriver

from lifecycle.chains import Break, BreakKind
from securitymodule.card.module import ATR
from securitymodule.errors import ModuleError
from stations.integrator.order import Arrangement, Unit
from stations.integrator.traveller import Sheet, render
from tests.stations.integrator.plant import Plant
from tests.support.browser import console_errors, requested_urls
from tests.support.gateways import CutConnection


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant.in_folder(tmp_path)
    yield made
    made.world.engine.dispose()


def sheet_of(plant: Plant, unit: Unit) -> Sheet:
    return Sheet(
        gateway=unit.gateway,
        told=plant.told(unit),
        head=plant.repository.kept(unit.gateway).head,
        verdict=plant.verdict(unit),
        url=plant.url(unit),
        atr=ATR,
        certificates=plant.ca.certificates(f"{unit.gateway}.SMGW"),
        administrator="Verwalter.GWA",
        printed=plant.world.clock(),
    )


def text_of(page: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", page[page.index("<body>") :]).split())


@pytest.mark.parametrize("arrangement", Arrangement)
def test_what_it_says(plant: Plant, arrangement: Arrangement) -> None:
    unit = plant.unit(7, arrangement)
    plant.integrator().make(unit)
    sheet = sheet_of(plant, unit)
    said = text_of(render(sheet))
    for words in (
        "E Medium XXX Hersteller 00 Fabrikationsblock 00000007 Fabrikationsnummer",
        "0a 0e 58 58 58 00 00 00 00 07",
        "Serial SM-7",
        ATR.hex(" ").upper(),
        f"Arrangement {arrangement}",
        "Administrator Verwalter.GWA",
        "brainpoolP256r1 EXXX0000000007.SMGW",
        "Auslieferung zum MSB ch. 7 · handed over",
        "Ends with entry 17 · head 18",
        "lawful, 17 entries, and the module attests what is said of it",
    ):
        assert words in said
    without_blanks = said.replace(" ", "")
    assert sheet.head.hash in without_blanks
    for fingerprint in plant.seals(unit):
        assert fingerprint in without_blanks
    order = ["Vorpersonalisierung I ", "Integration "]
    places = [said.index(name, said.index("Phasen beim Hersteller")) for name in order]
    assert (places == sorted(places)) is (arrangement is Arrangement.SEPARATE)


def test_of_a_unit_in_the_making(plant: Plant) -> None:
    unit = plant.unit(1)
    plant.wrap = CutConnection(plant.slot(unit).directory, 2)
    with contextlib.suppress(ModuleError):
        plant.integrator().make(unit)
    said = text_of(render(replace(sheet_of(plant, unit), atr=b"", administrator="")))
    assert "Produktion ch. 3" in said
    assert "in the making · in Fertigung" in said
    assert "not at hand · nicht greifbar" in said
    assert said.count("not yet · noch nicht") == 6
    assert "attests" not in said


def test_a_broken_record_is_said_to_be_broken(plant: Plant) -> None:
    unit = plant.unit(1)
    plant.integrator().make(unit)
    sheet = sheet_of(plant, unit)
    broken = replace(sheet.verdict, broken=Break(9, BreakKind.FORK, "two <b>entries</b>"))
    page = render(replace(sheet, verdict=broken, administrator="<script>alert(1)</script>"))
    assert "BROKEN at entry 9" in page
    assert "lawful" not in page
    assert "<b>entries" not in page
    assert "<script" not in page


@pytest.mark.browser
def test_it_is_one_page_and_asks_for_nothing(plant: Plant, browser: webdriver.Chrome) -> None:
    unit = plant.unit(1, Arrangement.ASSEMBLED)
    plant.integrator().make(unit)
    path = plant.folder / "page.html"
    path.write_text(render(sheet_of(plant, unit)))
    browser.get(path.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    assert len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed["data"]))) == 1
    article = "document.querySelector('article')"
    assert browser.execute_script(f"return {article}.scrollHeight <= {article}.clientHeight + 1")
    assert requested_urls(browser) == []
    assert console_errors(browser) == []
