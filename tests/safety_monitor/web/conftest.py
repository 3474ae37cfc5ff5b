"""A site over a real station and journal; the station is not running, its view is told what to show."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from safety_monitor.config import Settings
from safety_monitor.config.file import SettingsFile
from safety_monitor.config.web import Web
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.journal.incidents import Journal
from safety_monitor.learning.training import Trainings
from safety_monitor.listeners import Listeners
from safety_monitor.people.decision import Decisions, hash_of
from safety_monitor.web import site as web_site
from safety_monitor.web.analysis_process import Analyses
from safety_monitor.web.server import would_start
from safety_monitor.web.site import Site
from tests.idle_station import idle_station
from tests.web_site import DURESS_PIN, PIN, MakeSite, client_of


@pytest.fixture
def make_site(journal: Journal, tmp_path: Path) -> Iterator[MakeSite]:
    """Makes a site with these web settings, and with a PIN if one is wanted."""
    silent = Dispatch(journal, [])
    closing: list[Analyses | Listeners] = []

    def make(web: Web | None = None, *, pin: bool = False, dispatch: Dispatch = silent) -> Site:
        settings = Settings(home=tmp_path, web=web or Web())
        pins = [hash_of(PIN), hash_of(DURESS_PIN)] if pin else ["", ""]
        decisions = Decisions(journal, pin_hash=pins[0], duress_pin_hash=pins[1])
        station = idle_station(journal, dispatch, decisions=decisions)
        site = web_site.make_site(
            settings,
            station,
            settings_file=SettingsFile(tmp_path / "station.toml", would_start, {"SAFETY_MONITOR_HOME": str(tmp_path)}),
            analyses=Analyses(settings, settings.web.analysis_limit_s),
            trainings=Trainings(settings),
        )
        closing.extend((site.analyses, site.listeners))
        return site

    yield make
    for each in closing:
        each.close()
    silent.close()


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


@pytest.fixture
def client(site: Site) -> TestClient:
    return client_of(site)
