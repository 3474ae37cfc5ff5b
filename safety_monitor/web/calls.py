"""The key that somebody pressed in a call: Twilio posts it, and says what it is answered.

Twilio has no session and cannot sign in: the guard lets its address pass, and nothing is done here before the signature
over address and form is found right. The key that takes an incident on does so once: a post that comes again finds it
taken on.
"""

import logging
import time
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response

from safety_monitor.actions.message import written
from safety_monitor.actions.voice import PATH, TAKE_ON, TEST, answer_url, instructions, is_signed, last_words
from safety_monitor.config import Settings
from safety_monitor.dispatch.composing import began_ago_s
from safety_monitor.escalation import Kind
from safety_monitor.incident import State
from safety_monitor.journal.file import JournalError
from safety_monitor.web.own_threads import deciding
from safety_monitor.web.site import Site

log = logging.getLogger(__name__)

COMPLAIN_EVERY_S = 60.0
"""Whoever knocks with wrong signatures must not fill the log."""
SAID = {
    State.ACKNOWLEDGED: "Somebody has taken it on already.",
    State.CANCELLED: "It has been called off already.",
}
Word = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,64}$")]


def takes_answers(settings: Settings) -> bool:
    """Whether a key that is pressed in a call can take an incident on."""
    return bool(settings.web.public_url and settings.twilio) and not settings.acknowledge.pin_to_acknowledge


def make_calls(site: Site, token: str) -> APIRouter:
    """The route over a site.

    Args:
        site: whose settings take answers.
        token: of the Twilio account.
    """
    router = APIRouter(include_in_schema=False)
    public_url = site.settings.web.public_url
    complained_at = float("-inf")

    @router.post(f"{PATH}/{{about}}/{{contact}}")
    async def pressed(request: Request, about: Word, contact: Word) -> Response:
        """Somebody pressed a key in a call about an incident, or about a test."""
        nonlocal complained_at
        form = await request.form(max_files=0)
        signature = request.headers.get("X-Twilio-Signature", "")
        if not is_signed(token, answer_url(public_url, about, contact), form, signature):
            if time.monotonic() - complained_at > COMPLAIN_EVERY_S:
                complained_at = time.monotonic()
                log.warning("a key pressed in a call is refused: the post is not signed by Twilio for %s", public_url)
            raise HTTPException(403, "not signed by Twilio")
        key = str(form.get("Digits", ""))
        said = await deciding(lambda: answer(site, about, contact, take_on=key == TAKE_ON))
        return Response(said, media_type="text/xml")

    return router


def answer(site: Site, about: str, contact: str, *, take_on: bool) -> str:
    """Take an incident on, or have it told again; gives the instructions with what is said now."""
    station = site.settings.station.name
    if about == TEST:
        return last_words(f"This was a test. {station} has got the key that you pressed.")
    try:
        entry = site.journal.show(about, covert=True)  # whoever listens is elsewhere, and is to know the truth
        if take_on and entry.standing not in SAID:
            try:
                reason = f"key pressed in the call to {contact}"
                site.decisions.decide(entry.incident.id, State.ACKNOWLEDGED, reason=reason)
                return last_words("Thank you. You have taken it on.")
            except JournalError:
                entry = site.journal.show(about, covert=True)
                if entry.standing not in SAID:  # nobody else has answered in the same moment
                    raise
    except JournalError as error:
        log.warning("a key pressed in a call changes nothing: %s", error)
        return last_words("The station could not do that. Please call it, or use another way.")
    forced = any(each.kind == "duress" for each in entry.deliveries)
    if entry.standing in SAID and not forced:
        return last_words(SAID[entry.standing])
    place, opened_at = site.station.place_of(entry.incident), datetime.fromisoformat(entry.opened_at)
    kind: Kind = "duress" if forced else "alarm"
    ago_s = began_ago_s(opened_at, site.journal.clock())
    words = written(kind, entry.incident, station, opened_at, place, discreet=entry.silent, aloud=True, ago_s=ago_s)
    language = site.settings.twilio.voice_language if site.settings.twilio else "en-GB"
    # Nobody can take on what must look as if it were over.
    return instructions(words, language, "" if forced else answer_url(site.settings.web.public_url, about, contact))
