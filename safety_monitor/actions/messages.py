"""E-mail and a hundred other services, each by an Apprise address; a channel for every address.

Apprise says only whether it worked; why not is taken from what it logs meanwhile. Nothing of that reaches the station's
own log, because it may quote addresses, and addresses hold passwords and tokens.

Reference: https://github.com/caronc/apprise/wiki
"""

import logging
import re
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import apprise
from apprise.plugins import base

from safety_monitor.actions.failure import one_line
from safety_monitor.actions.mailbox import SSL_PORT, Mailbox, MailError, SignInError, mailbox_of, sign_in
from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.escalation import URGENT, Kind

LIMIT_S = 60.0
"""Longest time for one delivery, attachments included."""
LEFT_BEHIND_S, MOST_LEFT_BEHIND = 300.0, 10
"""So long after a delivery that hangs the next one is begun beside it, but an emergency at once, and so many are left
behind: a connection that was cut where nobody noticed must not silence a channel for good."""
SHORTEST_SECRET = 4
"""Shorter parts of an address are not hidden: that would blot out half of every text."""
RECIPIENTS = (
    *("targets", "topics", "users", "groups", "channels", "devices", "phone"),
    *("target_phones", "target_groups", "dm_users"),
)
"""Where the services of Apprise keep whom they send to."""
NEED_ONE = frozenset({"46elks", "CM.com", "Cisco Webex Teams", "Kook", "SerwerSMS"})
"""Services that need a recipient though their templates say that it goes without."""
HERE = frozenset({"dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"})
"""Schemes of what is only to be seen on the machine itself."""
DROPPED = re.compile(r"^Dropped|ignored")
"""How Apprise says that it leaves a recipient out."""
CAUSE = re.compile(r"ConnectionPool\(.*\[Errno -?\d+\] ([^\"')\]]+)")
"""What went wrong on the way, in what requests says of it."""
TITLES: dict[Kind, str] = {
    "alarm": "EMERGENCY",
    "update": "Update",
    "duress": "EMERGENCY, called off under duress",
    "trouble": "Trouble",
    "test": "Test",
}
SEVERITY: dict[Kind, apprise.NotifyType] = {
    "alarm": apprise.NotifyType.FAILURE,
    "update": apprise.NotifyType.INFO,
    "duress": apprise.NotifyType.FAILURE,
    "trouble": apprise.NotifyType.WARNING,
    "test": apprise.NotifyType.INFO,
}

TRACKER = "_delivery_tracker"
"""Where Apprise keeps, while it tries again by itself, who has got a message already; it shows that nowhere else."""

_log = logging.getLogger("apprise")
_heard = threading.local()


class _Ear(logging.Handler):
    """Keeps what Apprise says in the thread that asked it."""

    def emit(self, record: logging.LogRecord) -> None:
        kept = getattr(_heard, "records", None)
        if kept is not None:
            kept.append(record)


_log.propagate = False
_log.setLevel(logging.DEBUG)
_log.addHandler(_Ear())
logging.getLogger("urllib3").setLevel(logging.ERROR)  # it logs the paths of pages, which may be tokens


class Messages:
    """The channel that sends to one Apprise address.

    Args:
        name: short; the channel is called after it, such as "messages:mail".
        url: the address, such as `mailtos://user:password@gmail.com?to=anna@example.org`.
        limit_s: longest time for one delivery.

    Raises:
        ValueError: Apprise does not understand the address, or it would reach nobody; the text does not repeat it.
    """

    def __init__(self, name: str, url: str, *, limit_s: float = LIMIT_S) -> None:
        self.name = f"messages:{name}"
        self._url = url
        self._limit_s = limit_s
        self._secrets = secrets_of(url)
        self._asset = apprise.AppriseAsset(app_id="safety-monitor", app_desc="safety-monitor", app_url="")
        heard: list[logging.LogRecord] = []
        _heard.records = heard
        try:
            plugin = self._plugin()
        finally:
            _heard.records = None
        self._service = str(plugin.service_name)
        if url.strip().partition(":")[0].lower() in HERE:
            raise ValueError(f"would reach nobody elsewhere: {self._service} is only seen on this machine")
        if not _names_somebody(plugin):
            raise ValueError(f"would reach nobody: {self._service} needs a recipient in it, see docs/channels.md")
        if any(record.levelno >= logging.WARNING and DROPPED.search(record.getMessage()) for record in heard):
            raise ValueError(f"somebody whom it names is not written as {self._service} has it, and would be left out")
        self._left_behind: list[tuple[str, threading.Thread]] = []
        """What hung and may still, and its keys; and when the newest of it was begun."""
        self._begun = 0.0
        self._lock = threading.Lock()
        self._taken: dict[str, Outcome] = {}
        """By key, what was taken and of which nobody has heard yet: maybe after its time was over."""
        self._told: dict[str, set[Any]] = {}
        """By key, whom of several that an address names an attempt has told that failed with others."""
        self._plain: set[str] = set()
        """Keys of deliveries that failed with attachments: they are tried without."""

    def deliver(self, message: Message) -> Outcome:
        """Send the message, with the evidence files if the service takes any, unless an earlier attempt did so late."""
        may_begin = self._may_begin(message)  # first: what ends only now is known to be taken by then
        if (late := self._taken.pop(message.key, None)) is not None:
            return late
        if not may_begin:
            return Outcome(ok=False, detail="still busy with an earlier message", again=True)
        answer: list[Outcome] = []

        def send() -> None:
            outcome = self._send(message)
            if outcome.ok:
                self._taken[message.key] = outcome
            answer.append(outcome)

        # Not every service has time limits of its own: one that hangs keeps a thread, not the station.
        sending = threading.Thread(target=send, name=f"{self.name}-send", daemon=True)
        begun = time.monotonic()
        sending.start()
        sending.join(self._limit_s)
        if not answer:
            with self._lock:
                self._left_behind.append((message.key, sending))
                self._begun = max(self._begun, begun)
            detail = f"{self._service} did not take it within {self._limit_s:g} s"
            return Outcome(ok=False, detail=detail, again=True)
        self._taken.pop(message.key, None)
        return answer[0]

    def _may_begin(self, message: Message) -> bool:
        """Whether a message may be sent beside what hangs: an emergency that does not hang itself may."""
        with self._lock:
            self._left_behind = [(key, thread) for key, thread in self._left_behind if thread.is_alive()]
            if not self._left_behind:
                return True
            first = message.kind in URGENT and message.key not in dict(self._left_behind)
            waited = time.monotonic() - self._begun > LEFT_BEHIND_S
            return (first or waited) and len(self._left_behind) < MOST_LEFT_BEHIND

    def check(self) -> Outcome:
        """Sign in with the mail server where it is e-mail; whether anything arrives, only a test message can show."""
        mailbox = mailbox_of(self._url)
        if mailbox is None or not self._can_sign_in(mailbox):
            return Outcome(ok=True, detail=f"an address of {self._service}; not tried without a message")
        try:
            sign_in(mailbox.sender, mailbox.host, mailbox.port, mailbox.user, mailbox.password)
        except MailError as error:
            again = not isinstance(error, SignInError)
            return Outcome(ok=False, detail=one_line(str(error), self._secrets), again=again)
        return Outcome(ok=True, detail=f"{mailbox.host} lets the station in; not tried without a message")

    def _can_sign_in(self, mailbox: Mailbox) -> bool:
        """Whether signing in alone goes as sending does, so that it fails only where that would."""
        as_usual = (mailbox.encryption == "ssl") is (mailbox.port == SSL_PORT)
        return bool(mailbox.user and mailbox.password) and as_usual and self._plugin().verify_certificate is True

    def close(self) -> None:
        """Nothing is kept open."""

    def _plugin(self) -> Any:
        """A fresh one for every message: they remember whom they have told."""
        plugin = apprise.Apprise.instantiate(self._url, asset=self._asset, suppress_exceptions=True)
        if plugin is None:
            raise ValueError("is not an address that Apprise understands")
        return plugin

    def _send(self, message: Message) -> Outcome:
        heard: list[logging.LogRecord] = []
        _heard.records = heard
        attachments = [str(path) for path in message.attachments if path.is_file()]
        try:
            plugin = self._plugin()
            if isinstance(getattr(plugin, "headers", None), dict):
                plugin.headers["X-Safety-Monitor-Key"] = message.key
            attach = None
            if attachments and plugin.attachment_support and message.key not in self._plain:
                attach = apprise.AppriseAttachment(attachments, asset=self._asset)
            if (tracker := getattr(base, TRACKER, None)) is not None:
                tracker.set(self._told.setdefault(message.key, set()))
            done = plugin.notify(
                body=message.text,
                title=f"{TITLES[message.kind]}: {message.station}",
                notify_type=SEVERITY[message.kind],
                body_format=apprise.NotifyFormat.TEXT,
                attach=attach,
            )
        except Exception as error:  # a hundred services, each with errors of its own
            return self._failed(f"{type(error).__name__}: {error}")
        if done:
            self._told.pop(message.key, None)
            self._plain.discard(message.key)
            count = len(attachments)
            with_files = f" with {count} file{'s' if count > 1 else ''}" if attach else ""
            return Outcome(ok=True, detail=f"{self._service} took the message{with_files}")
        if attach:
            self._plain.add(message.key)
        return self._failed(reason(heard))

    def _failed(self, why: str) -> Outcome:
        return Outcome(ok=False, detail=one_line(f"{self._service}: {why}", self._secrets), again=True)


def _names_somebody(plugin: Any) -> bool:
    """Whether there is anybody whom an address reaches. Apprise itself notices only when a message is sent.

    Args:
        plugin: what Apprise made of the address.
    """
    if len(plugin) == 0:
        return False
    kept = {name: getattr(plugin, name, None) for name in RECIPIENTS}
    if isinstance(kept["targets"], Collection):  # then the others are something else, such as ways to reach these
        kept = {"targets": kept["targets"]}
    named = [each for each in kept.values() if isinstance(each, Collection)]
    if any(any(each.values()) if isinstance(each, Mapping) else each for each in named) or not named:
        return True
    tokens = {name for name, token in plugin.template_tokens.items() if "targets" in (name, token.get("map_to"))}
    goes_without = not all(any(f"{{{name}}}" in form for name in tokens) for form in plugin.templates)
    # Telegram without a chat is sent to whoever wrote to the bot last, if that was today.
    return goes_without and not getattr(plugin, "detect_owner", False) and str(plugin.service_name) not in NEED_ONE


def reason(heard: Iterable[logging.LogRecord]) -> str:
    """What Apprise says of a failure: its last complaint, and the error behind it."""
    complaint, error = "", ""
    for record in heard:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            complaint = text
        elif "xception:" in text or "error:" in text.lower():
            error = text.split(":", 1)[1].strip()
    if (cause := CAUSE.search(error)) is not None:
        error = cause[1]
    return " – ".join(filter(None, (complaint, error))) or "did not take the message"


def secrets_of(url: str) -> tuple[str, ...]:
    """All that may be secret in an address: of mail the password, of any other every part of it."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query)
    except ValueError:
        return (url,)
    passwords = [parts.password or "", *(value for key, value in query if key in ("pass", "password", "token"))]
    if not parts.scheme.startswith("mailto"):
        host = parts.netloc.rsplit("@", 1)[-1]
        passwords += [parts.username or "", host, *parts.path.split("/"), *(value for _, value in query)]
    written = {form for each in passwords for form in (each, unquote(each)) if len(form) >= SHORTEST_SECRET}
    return (url, *sorted(written))
