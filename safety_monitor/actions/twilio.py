"""SMS, WhatsApp messages and voice calls through Twilio; a channel for every contact and medium.

Twilio takes a message and says "queued"; what became of it is asked for later (`follow`). It knows no idempotency key:
every text ends with a short reference made from the key of the delivery, and when an attempt may have got through
unnoticed (a time-out, or the station was killed), the messages that Twilio holds are looked through for it first.

References: https://www.twilio.com/docs/messaging/api/message-resource, https://www.twilio.com/docs/voice/api/call-resource
"""

import hashlib
import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from media.in_time import in_time
from safety_monitor.actions.failure import cause_of, one_line
from safety_monitor.actions.message import Message, said
from safety_monitor.actions.outcome import Outcome
from safety_monitor.actions.sms import plain
from safety_monitor.actions.voice import TEST, answer_url, instructions
from safety_monitor.incident import State
from safety_monitor.local_time import when

Medium = Literal["sms", "whatsapp", "call"]

API = "https://api.twilio.com"
LIMIT_S = 10.0
"""Longest wait for a connection, and for an answer."""
LONGEST_TEXT = 1600
"""Characters of a message; Twilio refuses longer ones (error 21617)."""
CALLS = 3
"""How often somebody who does not answer is called for one delivery."""
LOOKED_THROUGH = 50
"""Newest messages to a number that are looked through for one that may have been sent already."""

ARRIVED = frozenset({"delivered", "read", "completed"})
LOST = frozenset({"undelivered", "failed", "canceled", "busy", "no-answer"})
"""Any other status means that it is under way."""
WORTH_ANOTHER = frozenset({30001, 30003, 30008, 30017, 63018})
"""Queue overflow, telephone off, unknown error, congestion, WhatsApp's rate limit: may go better next time."""
HINTS = {
    20003: "account or token is wrong",
    21211: "not a number that can be reached",
    21608: "a trial account only sends to verified numbers",
    21610: "this number has answered STOP",
    63016: "outside the 24 hours after the contact's last message WhatsApp takes approved templates only; "
    "set twilio.whatsapp_content_sid",
}
"""Twilio's error code -> what to make of it."""


@dataclass(frozen=True, slots=True)
class Account:
    """With what messages are sent.

    Attributes:
        sid: of the account, AC….
        token: the account's token, or the secret of the key.
        key_sid: of an API key, SK…; empty: the account itself.
        number: that messages and calls come from.
        service_sid: of a messaging service, MG…, that sends instead of the number.
        whatsapp_number: that WhatsApp messages come from.
        content_sid: of the approved WhatsApp template, HX…; empty: free text.
        content_variables: number of a variable in the template -> its text, see `variables`.
        language: of the voice, as Twilio names it.
        public_url: where Twilio reaches the station's pages, to say which key was pressed in a call; empty: nowhere.
        api_url: where Twilio is.
        limit_s: longest wait for an answer.
    """

    sid: str
    token: str = field(repr=False)
    key_sid: str = ""
    number: str = ""
    service_sid: str = ""
    whatsapp_number: str = ""
    content_sid: str = ""
    content_variables: Mapping[str, str] = field(default_factory=dict)
    language: str = "en-GB"
    public_url: str = ""
    api_url: str = API
    limit_s: float = LIMIT_S


class _Wire:
    """Twilio's way to its servers, with what the SDK drops: another address, and the wait that an answer asks for.

    The SDK limits each wait; an answer that comes byte by byte, each in time, has no limit but the one here.
    """

    def __init__(self, api_url: str, limit_s: float) -> None:
        quiet = logging.getLogger(f"{__name__}.wire")  # the SDK logs numbers and texts
        quiet.setLevel(logging.CRITICAL)
        self._inner = TwilioHttpClient(timeout=limit_s, logger=quiet, max_retries=0)
        self._api_url = api_url.rstrip("/")
        self._limit_s = limit_s
        self._asked = threading.local()

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        """See `TwilioHttpClient.request`; raises `requests.Timeout` also where the whole answer takes too long."""
        self._asked.wait_s = None
        url = url.replace(API, self._api_url, 1)
        name = f"twilio {hash((method, url, repr(args), repr(kwargs)))}"  # what hangs is not asked a second time
        try:
            response = in_time(name, lambda: self._inner.request(method, url, *args, **kwargs), 2 * self._limit_s)
        except TimeoutError:
            raise requests.Timeout from None
        waited = str((response.headers or {}).get("Retry-After", ""))
        self._asked.wait_s = float(waited) if waited.isdecimal() else None
        return response

    @property
    def retry_after_s(self) -> float | None:
        """The wait that the last answer to this thread asked for."""
        return getattr(self._asked, "wait_s", None)

    def close(self) -> None:
        """End all connections."""
        if self._inner.session is not None:
            self._inner.session.close()


class Twilio:
    """The channel that reaches one contact by one medium.

    Args:
        medium: SMS, WhatsApp or call.
        contact: short name; the channel is called after it, such as "sms:anna".
        to: the contact's number, E.164.
        account: that sends.
        now: the time, UTC.
    """

    def __init__(
        self,
        medium: Medium,
        contact: str,
        to: str,
        account: Account,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = f"{medium}:{contact}"
        self.aloud = medium == "call"
        self._contact = contact
        self._medium = medium
        self._to = f"whatsapp:{to}" if medium == "whatsapp" else to
        self._account = account
        self._wire = _Wire(account.api_url, account.limit_s)
        self._client = Client(account.key_sid or account.sid, account.token, account.sid, http_client=self._wire)
        self._born = now()
        self._uncertain: set[str] = set()
        """Keys of deliveries that may have got through unnoticed."""
        self._calls: dict[str, list[str]] = {}
        """Key of a delivery -> references of the calls made for it."""

    def deliver(self, message: Message) -> Outcome:
        """Hand the message over, unless an earlier attempt of this delivery already did."""
        if message.reference:
            earlier = self._tried(lambda: self._state_of(message.reference))
            if earlier.ok or (earlier.again and not earlier.reference):
                return earlier
        elif self._may_have_been_sent(message):
            found = self._tried(lambda: self._look_for(message))
            if found.reference or found.again:
                return found
        return self._tried(lambda: self._send(message), message.key)

    def follow(self, reference: str) -> Outcome | None:
        """What became of a message that was handed over; None while it is under way."""
        outcome = self._tried(lambda: self._state_of(reference))
        if outcome.ok:
            return outcome if outcome.delivered else None
        if not outcome.reference and outcome.again:  # Twilio cannot be asked now
            return None
        return outcome

    def check(self) -> Outcome:
        """Log in, without sending anything."""

        def look() -> Outcome:
            try:
                self._client.messages.list(limit=1, page_size=1)
            except TwilioException as error:
                raise _refusal(error) or error from None
            return Outcome(ok=True, detail="Twilio accepts the account")

        return self._tried(look)

    def close(self) -> None:
        """End all connections."""
        self._wire.close()

    def _send(self, message: Message) -> Outcome:
        if self._medium == "call":
            twiml = instructions(message.text, self._account.language, self._answer_to(message))
            sent: Any = self._client.calls.create(to=self._to, from_=self._account.number, twiml=twiml)
            self._calls.setdefault(message.key, []).append(str(sent.sid))
        else:
            sent = self._client.messages.create(to=self._to, **self._sender(), **self._content(message))
        self._uncertain.discard(message.key)
        return self._outcome(sent)

    def _answer_to(self, message: Message) -> str:
        """Where a pressed key is told; nobody can take on what is over, or what must look as if it were."""
        about = {"alarm": message.incident.id, "test": TEST}.get(message.kind, "")
        if message.kind == "alarm" and message.incident.state not in (State.CONFIRMED, State.CLOSED):
            about = ""  # somebody has answered since
        url = self._account.public_url
        return answer_url(url, about, self._contact) if about and url else ""

    def _sender(self) -> dict[str, str]:
        if self._medium == "whatsapp":
            return {"from_": f"whatsapp:{self._account.whatsapp_number}"}
        if self._account.service_sid:
            return {"messaging_service_sid": self._account.service_sid}
        return {"from_": self._account.number}

    def _content(self, message: Message) -> dict[str, str]:
        if self._medium == "whatsapp" and self._account.content_sid:
            filled = variables(self._account.content_variables, message)
            return {"content_sid": self._account.content_sid, "content_variables": json.dumps(filled)}
        if self._medium == "sms":  # before it is cut: what is written plainly may be longer
            message = replace(message, text=plain(message.text))
        return {"body": with_mark(message)}

    def _state_of(self, reference: str) -> Outcome:
        """What Twilio says now of a message or call."""
        resource = self._client.calls if reference.startswith("CA") else self._client.messages
        return self._outcome(resource(reference).fetch())

    def _look_for(self, message: Message) -> Outcome:
        """The message among those that Twilio holds already."""
        sign = mark(message)
        for each in self._client.messages.list(to=self._to, limit=LOOKED_THROUGH, page_size=LOOKED_THROUGH):
            if sign in (each.body or "") and each.status not in LOST:
                return self._outcome(each)
        return Outcome(ok=False, detail="not sent yet")

    def _may_have_been_sent(self, message: Message) -> bool:
        """Calls carry no text that could be looked for: better one call too many."""
        return self._medium != "call" and (message.key in self._uncertain or message.opened_at < self._born)

    def _outcome(self, sent: Any) -> Outcome:
        """A message or call as Twilio describes it."""
        status, sid = str(sent.status), str(sent.sid)
        if status in ARRIVED:
            return Outcome(ok=True, detail=status, reference=sid, delivered=True)
        if status not in LOST:
            return Outcome(ok=True, detail=f"{status} at Twilio", reference=sid)
        if self._medium == "call":
            made = next((calls for calls in self._calls.values() if sid in calls), [])
            again = status in ("busy", "no-answer") and len(made) < CALLS
            return Outcome(ok=False, detail=status, again=again, reference=sid)
        code = sent.error_code
        why = ", ".join(filter(None, (f"error {code}" if code else "", sent.error_message, HINTS.get(code))))
        again = code in WORTH_ANOTHER
        detail = f"{status}{f' ({why})' if why else ''}"
        return Outcome(ok=False, detail=one_line(detail, self._secrets), again=again, reference=sid)

    def _tried(self, ask: Callable[[], Outcome], key: str = "") -> Outcome:
        """Ask Twilio; whatever goes wrong becomes an outcome. With a `key`, something is sent by it."""
        try:
            return ask()
        except TwilioRestException as error:
            if key and error.status >= 500:
                self._uncertain.add(key)
            why = f"HTTP {error.status}, " if error.code is None else f"error {error.code}, "
            hint = HINTS.get(error.code or 0)
            words = f"{why}{error.msg}{f' ({hint})' if hint else ''}"
            again = error.status in (408, 409, 425, 429) or error.status >= 500
            return self._failed(words, again=again, retry_after_s=self._wire.retry_after_s)
        except requests.Timeout:
            self._uncertain |= {key} - {""}
            return self._failed(f"no answer from Twilio within {self._account.limit_s:g} s")
        except requests.RequestException as error:
            self._uncertain |= {key} - {""}
            return self._failed(f"Twilio cannot be reached: {cause_of(error)}")
        except (TwilioException, ValueError, KeyError, TypeError) as error:  # such as a hotspot's login page
            self._uncertain |= {key} - {""}
            return self._failed(f"not an answer of Twilio: {type(error).__name__}")

    def _failed(self, words: str, *, again: bool = True, retry_after_s: float | None = None) -> Outcome:
        detail = one_line(words, self._secrets)
        return Outcome(ok=False, detail=detail, again=again, retry_after_s=retry_after_s)

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self._account.token,)


def _refusal(error: TwilioException) -> TwilioRestException | None:
    """What Twilio said when it refused a list: the SDK passes on its answer unread; None if it is none."""
    answer = next((each for each in error.args if isinstance(each, Response)), None)
    if answer is None:
        return None
    said = json.loads(answer.text)
    return TwilioRestException(answer.status_code, "", str(said["message"]), said["code"])


def mark(message: Message) -> str:
    """The reference by which a message is known again: the same for every attempt of a delivery."""
    return "Ref " + hashlib.sha256(message.key.encode()).hexdigest()[:10]


def with_mark(message: Message) -> str:
    """The text with its reference, no longer than allowed."""
    end = f"\n{mark(message)}"
    room = LONGEST_TEXT - len(end)
    return (message.text if len(message.text) <= room else message.text[: room - 3] + "...") + end


def variables(template: Mapping[str, str], message: Message) -> dict[str, str]:
    """The variables of a WhatsApp template, filled in: {what}, {station}, {time}, {place}, {link}, {text} and {ref}.

    WhatsApp refuses line breaks and empty variables.
    """
    place = message.place
    what = said(message.kind, message.incident, message.station, discreet=message.discreet)
    if message.besides:
        what.append(f"Held back until now, too: {message.besides} more.")
    known = {
        "what": " ".join(what),
        "station": message.station,
        "time": when(message.opened_at.isoformat(), zoned=True),
        "place": place.words if place else "unknown",
        "link": (place.map_link if place else "") or "no map",
        "text": message.text,
        "ref": mark(message),
    }

    def fill(words: str) -> str:
        filled = re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], found[0]), words)
        return " ".join(filled.split()) or "–"

    return {number: fill(words) for number, words in template.items()}
