"""Settings of the pages and the REST API, and of who may use them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from safety_monitor.config.section import HASH, Seconds, Section

Role = Literal["viewer", "operator", "admin"]


class WebUser(Section):
    """A person who may open the pages."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")]
    """For signing in."""
    role: Role = "viewer"
    """viewer: sees all; operator: also acknowledges, cancels, arms, analyses; admin: everything."""
    password_hash: Annotated[str, Field(pattern=HASH)]
    """Made with `safety-monitor password-hash`."""


class WebToken(Section):
    """A program that may use the REST API."""

    name: Annotated[str, Field(min_length=1)]
    """For people."""
    role: Role = "viewer"
    """As for persons."""
    token_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Made with `safety-monitor web-token`."""


class Web(Section):
    """The pages and the REST API."""

    host: str = "127.0.0.1"
    """Address to serve on; any other than this machine's own needs [[web.users]]."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Port to serve on; 0: no pages."""
    public_url: Annotated[str, Field(pattern=r"^(https?://[^/\s?#]+)?$")] = ""
    """Address under which others reach the pages; for links in messages, and for the key pressed in a call."""
    users: tuple[WebUser, ...] = ()
    """Each a table [[web.users]]; none: whoever is at this machine may do everything."""
    tokens: tuple[WebToken, ...] = ()
    """Each a table [[web.tokens]]."""
    certificate: Path | None = None
    """PEM file; with one the pages are served over HTTPS, which browsers ask for before they give a microphone."""
    key: Path | None = None
    """PEM file with the certificate's private key."""
    upload_mb: Annotated[float, Field(gt=0.0, le=4096.0)] = 100.0
    """Largest recording that may be uploaded."""
    analysis_limit_s: Seconds = 120.0
    """Longest time for judging an upload."""
    map_tiles: Annotated[str, Field(pattern=r"^(https?://[^\s;,'\"]+\{z\}[^\s;,'\"]*)?$")] = ""
    """Where an incident's map comes from, such as "https://tile.openstreetmap.org/{z}/{x}/{y}.png"; that server learns
    where the incident was. Nothing else on the pages is from the internet. Empty: no map, only a link to one."""
    map_credit: str = '© <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> contributors'
    """Whose map it is, as HTML; stands in its corner."""

    @model_validator(mode="after")
    def _consistent(self) -> "Web":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        names = [user.name for user in self.users]
        if len(set(names)) < len(names):
            raise ValueError("users: a name stands there twice")
        return self
