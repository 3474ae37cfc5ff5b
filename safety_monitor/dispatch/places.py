"""What knows where incidents happen, as the settings say."""

import logging

from media.in_time import in_time
from safety_monitor.actions.place import Geocode, Places, geocoder
from safety_monitor.config import Settings
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.place import Place

WRITTEN_S = 1.0
"""So long the journal is asked where an incident happened."""

log = logging.getLogger(__name__)


def make_places(settings: Settings, journal: Journal | None = None) -> Places:
    """What knows where incidents happen.

    Args:
        settings: of the station.
        journal: that holds the places of incidents which browsers heard; None: there are none.

    Raises:
        SettingsError: the geocoder cannot be used.
    """
    given = settings.place
    here: Place | None = None
    if given.latitude is not None or given.address:
        here = Place(given.latitude, given.longitude, given.accuracy_m, given.address, "settings")

    def written(incident_id: str) -> Place | None:
        if journal is None:
            return None
        try:
            return in_time("place-in-journal", lambda: journal.place_of(incident_id), WRITTEN_S)
        except TimeoutError:  # the disk hangs; where the station stands is told all the same
            return None
        except JournalError as error:
            log.warning("the place of an incident is not known: %s", error)
            return None

    return Places(here, ip_lookup_url=given.ip_lookup_url, geocode=make_geocoder(settings), written=written)


def make_geocoder(settings: Settings) -> Geocode | None:
    """What makes addresses of positions; None: nothing does.

    Raises:
        SettingsError: it cannot be used.
    """
    given = settings.place
    key = given.geocoder_key.get_secret_value() if given.geocoder_key else ""
    try:
        return geocoder(given.geocoder, domain=given.geocoder_domain, api_key=key) if given.geocoder else None
    except ValueError as error:
        raise settings.named(f"place.geocoder: {error}") from None
