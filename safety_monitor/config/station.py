"""Settings of the station itself: its name and place, its hours, what it keeps, and how it watches over itself."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from safety_monitor.config.section import ClockTime, Section, Threshold, WebAddress, web_address

LONGEST_NAME = 60


def _station_name(text: str) -> str:
    name = text.strip()
    if not name:
        raise ValueError("must not be empty: it is said and written in every message")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"must have at most {LONGEST_NAME} characters, in one line; this has {len(name)}")
    return name


class Station(Section):
    """What the station is called."""

    name: Annotated[str, AfterValidator(_station_name)] = "station"
    """Said and written in messages; at most 60 characters."""


class PlaceSettings(Section):
    """Where the station stands, for messages and records."""

    latitude: Annotated[float, Field(ge=-90.0, le=90.0)] | None = None
    """Degrees, WGS 84."""
    longitude: Annotated[float, Field(ge=-180.0, le=180.0)] | None = None
    """Degrees, WGS 84."""
    accuracy_m: Annotated[float, Field(gt=0.0)] | None = None
    """How exact that is, metres."""
    address: str = ""
    """For people; floor and room help most."""
    ip_lookup_url: WebAddress | Literal[""] = ""
    """Page that tells as JSON where its visitor is, asked at start when no position is set; empty: nobody is asked."""
    geocoder: str = ""
    """Service that makes addresses of positions, as geopy names it, such as "nominatim"; empty: nobody is asked."""
    geocoder_domain: str = ""
    """A server of that service of one's own."""
    geocoder_key: SecretStr | None = None
    """Where the service asks for one."""

    @model_validator(mode="after")
    def _both(self) -> "PlaceSettings":
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude belong together")
        return self


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)


class ArmedHours(Section):
    """Hours in which the station is armed."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS
    """Days on which they begin."""
    begin: ClockTime
    """Local time, HH:MM."""
    end: ClockTime
    """Local time, HH:MM; where it is not after `begin` it is that of the next day."""


class ThresholdHours(ArmedHours):
    """Hours in which the station must be more or less sure than at other times."""

    threshold: Threshold
    """In place of `fusion.threshold`."""


class ScheduleSettings(Section):
    """When a station with live sources is armed, and how sure it must be."""

    armed: tuple[ArmedHours, ...] = ()
    """Each a table [[schedule.armed]]; none: always. Who arms or disarms by hand is obeyed until the next such time."""
    thresholds: tuple[ThresholdHours, ...] = ()
    """Each a table [[schedule.thresholds]]; the first that fits counts."""


class EvidenceSettings(Section):
    """Sound and picture of an incident, kept on the station."""

    enabled: bool = True
    """Whether any are kept at all."""
    sound: bool = True
    """Whether sound is kept."""
    picture: Literal["clip", "snapshot", "off"] = "clip"
    """A clip and a single picture, only the single picture, or none."""
    before_s: Annotated[float, Field(gt=0.0, le=120.0)] = 10.0
    """Seconds from before the trigger."""
    after_s: Annotated[float, Field(gt=0.0, le=120.0)] = 10.0
    """Seconds after it."""
    days: Annotated[float, Field(gt=0.0, le=3650.0)] = 30.0
    """How long they are kept."""
    gigabytes: Annotated[float, Field(gt=0.0, le=100_000.0)] = 5.0
    """How much of them; beyond that the oldest go first. Protected ones stay."""

    @property
    def kinds(self) -> frozenset[str]:
        """What is kept at all, of sound, picture and clip."""
        kept = {"sound": self.sound, "picture": self.picture != "off", "clip": self.picture == "clip"}
        return frozenset(kind for kind, is_kept in kept.items() if is_kept and self.enabled)


class LogSettings(Section):
    """What the station writes about itself."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is written."""
    format: Literal["text", "json"] = "text"
    """Lines for people, or a JSON object a line for programs."""
    file: Path | None = None
    """Where to; none: standard error, which a service hands to the system's journal."""
    megabytes: Annotated[float, Field(ge=0.1, le=10_000.0)] = 10.0
    """Size at which the file is put aside and a fresh one begun."""
    kept: Annotated[int, Field(ge=1, le=100)] = 5
    """How many of those put aside are kept."""


FaultName = Literal[
    "silent", "stuck", "clipped", "wrong-rate", "unplugged", "muted", "faint",
    "frozen", "black", "overexposed", "covered", "blurred", "moved", "torn",
]  # fmt: skip


class Supervision(Section):
    """What the station notices about itself."""

    wait_for_devices: Literal["as-service", "always", "never"] = "as-service"
    """When a station begins without a camera or microphone that cannot be opened at its start, or a journal that cannot
    be written, and keeps trying: as a service of systemd, where nobody reads why it ended; always; or never. What it is
    to do without for good has to be "off" then."""
    shown_only: tuple[FaultName, ...] = ("black",)
    """Faults of sound and picture that are shown, but of which nobody is told; a room is dark every night."""
    ignored: tuple[FaultName, ...] = ()
    """Faults of sound and picture that are no matter here at all."""
    failed_after_s: Annotated[float, Field(ge=5.0, le=3600.0)] = 30.0
    """How long a part of the station must have failed before the contacts are told."""
    ping_url: SecretStr | None = None
    """Page to ask for while all is well, such as a check of healthchecks.io: whoever runs it learns that it ceased."""
    ping_every_s: Annotated[float, Field(ge=10.0, le=86_400.0)] = 60.0
    """How often."""

    @field_validator("wait_for_devices", mode="before")
    @classmethod
    def _when(cls, given: Any) -> Any:
        """It was once true or false."""
        return {"true": "always", "false": "never"}.get(str(given).lower(), given)

    @field_validator("ping_url")
    @classmethod
    def _page(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            web_address(url.get_secret_value())
        return url
