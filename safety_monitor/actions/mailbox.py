"""The mailbox that a station's e-mails come from: found out, tried, and written as an address of Apprise."""

import smtplib
import socket
import ssl
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import quote

import apprise

from safety_monitor.actions.failure import one_line

Encryption = Literal["ssl", "starttls", "insecure"]

PORTS = (587, 465)
"""Tried where none is named: the port for handing in mails, and the one that is encrypted from the first byte."""
SSL_PORT = 465
LIMIT_S = 10.0
"""Longest wait for each answer of a server."""


class MailError(Exception):
    """A mailbox that cannot be used; the text is one line that says why and what to do."""


class SignInError(MailError):
    """The server does not let this user in, and waiting does not help."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """With what mails are sent.

    Attributes:
        sender: address that they come from.
        host: of the server that takes them.
        port: of that server.
        user: to sign in with; empty: nobody signs in.
        password: likewise.
        encryption: of the connection: from the first byte, from STARTTLS on, or none.
    """

    sender: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    encryption: Encryption = "starttls"

    @property
    def bare(self) -> bool:
        """Whether the password goes over the wire as it is."""
        return bool(self.password) and self.encryption == "insecure"

    def to(self, recipient: str) -> str:
        """The Apprise address for somebody who gets mails from here."""
        scheme = "mailto" if self.encryption == "insecure" else "mailtos"
        user = f"{_quoted(self.user)}:{_quoted(self.password)}@" if self.user else ""
        sent = f"from={_quoted(self.sender)}&to={_quoted(recipient)}&mode={self.encryption}"
        return f"{scheme}://{user}{self.host}:{self.port}?{sent}"


def _quoted(text: str) -> str:
    return quote(text, safe="")


def mailbox_of(url: str) -> Mailbox | None:
    """The mailbox that an Apprise address sends from; None if it is no address of e-mail."""
    plugin: Any = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    host, encryption = getattr(plugin, "smtp_host", None), getattr(plugin, "secure_mode", None)
    if plugin is None or not host or encryption not in ("ssl", "starttls", "insecure"):
        return None
    sender, port = str(plugin.from_addr[1]), int(plugin.port or PORTS[0])
    return Mailbox(sender, host, port, plugin.user or "", plugin.password or "", encryption)


def with_password(url: str, password: str) -> str | None:
    """An Apprise address of e-mail with another password, all else as it is; None where that cannot be put in."""
    before = mailbox_of(url)
    scheme, colon, rest = url.partition("://")
    end = min((place for each in "/?" if (place := rest.find(each)) >= 0), default=len(rest))
    user, at, host = rest[:end].rpartition("@")
    other = f"{scheme}{colon}{user.partition(':')[0]}:{_quoted(password)}{at}{host}{rest[end:]}"
    return other if before is not None and mailbox_of(other) == replace(before, password=password) else None


def known_server(sender: str) -> str:
    """The mail server of an address as far as Apprise knows its provider; empty: it does not."""
    user, _, domain = sender.rpartition("@")
    plugin = apprise.Apprise.instantiate(f"mailtos://{_quoted(user)}:x@{domain}")
    host = str(getattr(plugin, "smtp_host", "") or "")
    return "" if host == domain else host


def server_of(text: str) -> tuple[str, int | None]:
    """Host and port of a server that is written `host` or `host:port`.

    Raises:
        MailError: it is written otherwise.
    """
    host, colon, port = text.partition(":")
    if not host or not all(each.isalnum() or each in ".-" for each in host):
        raise MailError(f"'{text}' is not the name of a server, such as smtp.example.org")
    if colon and not (port.isdecimal() and 0 < int(port) < 65_536):
        raise MailError(f"'{port}' is not a port: a number up to 65535, such as 587")
    return host, int(port) if colon else None


def sign_in(sender: str, host: str, port: int | None, user: str, password: str) -> Mailbox:
    """Sign in with a mail server as for sending, but send nothing.

    A server without encryption does not get the password: nobody has agreed yet that others may read it.

    Args:
        sender: address that mails shall come from.
        host: of the server.
        port: None: the usual ones are tried, one without encryption is the last choice.
        user: to sign in with; empty: nobody signs in.
        password: likewise.

    Raises:
        MailError: it cannot be reached, or does not let the user in.
    """
    trouble, bare = MailError(f"{host}: cannot be reached"), None
    for each in (port,) if port else PORTS:
        try:
            encryption = _tried(host, each, user, password)
        except smtplib.SMTPAuthenticationError as error:
            kind = SignInError if error.smtp_code >= 500 else MailError
            raise kind(
                f"{host} refuses this user name and password (Gmail and some others want an app password)"
            ) from None
        except smtplib.SMTPNotSupportedError:
            raise MailError(f"{host} lets nobody sign in on port {each}: leave the password empty") from None
        except socket.gaierror:
            raise MailError(f"{host}: no such server was found; a typing mistake, or no network?") from None
        except (OSError, smtplib.SMTPException, ValueError) as error:
            said = getattr(error, "strerror", None) or one_line(error, (password,))
            why = "did not answer" if isinstance(error, TimeoutError) else said
            trouble = MailError(f"{host}, port {each}: {why}")
        else:
            mailbox = Mailbox(sender, host, each, user, password, encryption)
            if not mailbox.bare:
                return mailbox
            bare = bare or mailbox
    if bare is not None:
        return bare
    raise trouble


def _tried(host: str, port: int, user: str, password: str) -> Encryption:
    encryption: Encryption = "ssl" if port == SSL_PORT else "insecure"
    context = ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(host, port, timeout=LIMIT_S, context=context)
        if encryption == "ssl"
        else smtplib.SMTP(host, port, timeout=LIMIT_S)
    ) as server:
        server.ehlo_or_helo_if_needed()
        if encryption != "ssl" and server.has_extn("starttls"):
            server.starttls(context=context)
            encryption = "starttls"
        if user and encryption != "insecure":
            server.login(user, password)
    return encryption
