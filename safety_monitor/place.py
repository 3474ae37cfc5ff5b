"""Where an incident happened."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where an incident happened.

    Attributes:
        latitude: degrees, WGS 84; None, like the longitude, where only the address is known.
        longitude: degrees, WGS 84.
        accuracy_m: radius in metres within which it is; None if unknown.
        address: for people; empty if unknown.
        source: who says so: "settings", "browser" or "ip".
    """

    latitude: float | None
    longitude: float | None
    accuracy_m: float | None
    address: str
    source: str

    @property
    def position(self) -> tuple[float, float] | None:
        """Latitude and longitude, if known."""
        return None if self.latitude is None or self.longitude is None else (self.latitude, self.longitude)

    @property
    def words(self) -> str:
        """The address, or else the position."""
        return self.address or ("{:.6f}, {:.6f}".format(*self.position) if self.position else "")

    @property
    def map_link(self) -> str:
        """A page that shows the place on a map; empty if its position is not known."""
        return "https://www.openstreetmap.org/?mlat={:.6f}&mlon={:.6f}".format(*self.position) if self.position else ""


def from_browser(latitude: float, longitude: float, accuracy_m: float | None) -> Place:
    """The place that a browser told.

    Raises:
        ValueError: no position on earth.
    """
    if not (-90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 180.0):
        raise ValueError(f"{latitude}, {longitude} is no position on earth")
    return Place(latitude, longitude, accuracy_m, "", "browser")
