"""What is said in a call, as instructions for Twilio (TwiML), and the key that is pressed in it.

Where Twilio can reach the station's pages, a call about an emergency asks for a key. Twilio posts which one was
pressed, signed with the account's token, and says what it is answered (`safety_monitor.web.calls`).

References: https://www.twilio.com/docs/voice/twiml/gather, https://www.twilio.com/docs/usage/security
"""

import re
from collections.abc import Mapping

from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Gather, VoiceResponse

PATH = "/twilio/calls"
"""Below this Twilio says which key was pressed; then come the incident's id, or `TEST`, and the contact."""
TEST = "test"
TAKE_ON = "1"
"""The key that acknowledges."""
LONGEST = 1200
"""Characters that are read out, twice; instructions for a call may have 4000."""
WAIT_S = 8
"""How long a key is waited for after the words."""
QUESTION = "To take this on, press 1. To hear it again, press any other key."


def instructions(words: str, language: str, answer_to: str = "") -> str:
    """Instructions for a call: the text, twice, without the addresses of pages that nobody can listen to.

    Args:
        words: the text.
        language: of the voice, as Twilio names it.
        answer_to: address that Twilio tells which key was pressed; empty: no key is asked for.
    """
    heard = " ".join(re.sub(r"https?://\S+", "", words).split())[:LONGEST]
    response = VoiceResponse()
    response.pause(length=1)
    if answer_to:
        for _ in range(2):
            gather = Gather(input="dtmf", num_digits=1, timeout=WAIT_S, action=answer_to, method="POST")
            gather.say(heard, language=language)
            gather.say(QUESTION, language="en-GB")
            response.append(gather)
    else:
        response.say(heard, language=language, loop=2)
    return str(response)


def last_words(words: str) -> str:
    """Instructions that end a call with these words."""
    response = VoiceResponse()
    response.say(words, language="en-GB")
    response.hangup()
    return str(response)


def answer_url(public_url: str, asked_about: str, contact: str) -> str:
    """Where Twilio says which key was pressed in the call to a contact about an incident, or about a test."""
    return f"{public_url}{PATH}/{asked_about}/{contact}"


def is_signed(token: str, url: str, form: Mapping[str, object], signature: str) -> bool:
    """Whether a request comes from Twilio.

    Args:
        token: of the account.
        url: that Twilio was told to post to.
        form: all that was posted.
        signature: the header `X-Twilio-Signature`.
    """
    return bool(RequestValidator(token).validate(url, form, signature))
