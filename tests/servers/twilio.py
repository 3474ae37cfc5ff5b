"""A server that answers as Twilio's documented API does: messages and calls, states that change, errors and waits."""

import json
import queue
import re
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import requests
from twilio.request_validator import RequestValidator

from tests.servers.http import http_server

SID = "AC" + "0" * 32
TOKEN = "planted-twilio-token"
ERRORS = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    21211: (400, "Invalid 'To' Phone Number: {To}"),
    20500: (500, "Internal Server Error"),
}


@dataclass
class FakeTwilio:
    """The state of the server.

    Attributes:
        url: where it is.
        messages: sent so far, oldest first, as the API describes them.
        calls: likewise.
        requests: how many were made of each kind, such as "POST Messages".
        next: how the next posts are answered: an error code, "hang", "html", "drop", or "take and hang", which sends
            the message and does not say so; empty: normally.
    """

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    next: list[int | str] = field(default_factory=list)
    becomes: dict[str, str] = field(default_factory=dict)
    """What messages and calls have become when somebody asks for one: kind of resource -> status."""
    pressed: str = ""
    """Key that whoever is called presses when a call asks for one."""
    answers: "queue.Queue[str]" = field(default_factory=queue.Queue)
    """What was answered to the posts that told of it, or why they were refused."""
    released: threading.Event = field(default_factory=threading.Event)

    def set_status(self, status: str, error_code: int | None = None, error_message: str | None = None) -> None:
        """The newest message or call turns into this."""
        newest = (self.messages or self.calls)[-1]
        newest |= {"status": status, "error_code": error_code, "error_message": error_message}

    def message(self, form: dict[str, str]) -> dict[str, Any]:
        """Take a message."""
        sent = {
            "sid": f"SM{len(self.messages):032x}",
            "account_sid": SID,
            "status": "queued",
            "body": form.get("Body", ""),
            "to": form["To"],
            "from": form.get("From"),
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "error_code": None,
            "error_message": None,
            "date_created": "Mon, 04 May 2026 03:02:01 +0000",
            "date_updated": "Mon, 04 May 2026 03:02:01 +0000",
            "date_sent": None,
            "direction": "outbound-api",
            "num_segments": "1",
            "num_media": "0",
            "price": None,
            "price_unit": "USD",
            "api_version": "2010-04-01",
            "form": form,
        }
        self.messages.append(sent)
        return sent

    def call(self, form: dict[str, str]) -> dict[str, Any]:
        """Take a call."""
        made = {
            "sid": f"CA{len(self.calls):032x}",
            "account_sid": SID,
            "status": "queued",
            "to": form["To"],
            "form": form,
        }
        self.calls.append(made)
        gather = ElementTree.fromstring(form["Twiml"]).find("Gather")  # noqa: S314
        if self.pressed and gather is not None:
            threading.Thread(target=self.press, args=(gather.attrib["action"], made), daemon=True).start()
        return made

    def press(self, url: str, call: dict[str, Any]) -> None:
        """Tell the station of a pressed key, signed as Twilio does it."""
        form = {"Digits": self.pressed, "CallSid": call["sid"], "AccountSid": SID, "To": call["to"], "CallerCity": ""}
        signature = RequestValidator(TOKEN).compute_signature(url, form)
        answer = requests.post(url, data=form, headers={"X-Twilio-Signature": signature}, timeout=60.0)
        self.answers.put(answer.text)


@contextmanager
def fake_twilio() -> Iterator[FakeTwilio]:
    """A running server."""
    state = FakeTwilio()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            kind = "text/html" if isinstance(body, str) else "application/json"
            for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def error(self, code: int, form: dict[str, str] | None = None) -> None:
            status, words = ERRORS[code]
            body = {
                "code": code,
                "message": words.format(**(form or {"To": ""})),
                "more_info": f"https://www.twilio.com/docs/errors/{code}",
                "status": status,
            }
            self.answer(status, body, {"Retry-After": "7"} if status == 429 else None)

        def resource(self) -> list[str]:
            found = re.fullmatch(rf"/2010-04-01/Accounts/{SID}/(\w+?)(?:/(\w+))?\.json", urlsplit(self.path).path)
            if found is None:
                return []
            state.requests.append(f"{self.command} {found[1]}")
            return [found[1], found[2] or ""]

        def allowed(self) -> bool:
            given = b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            if given == f"{SID}:{TOKEN}":
                return True
            self.error(20003)
            return False

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            path = self.resource()
            if not path:
                return self.error(20404)
            if not self.allowed():
                return None
            how = state.next.pop(0) if state.next else 0
            if how == "hang":
                state.released.wait()
                self.close_connection = True
                return None
            if how == "drop":
                self.close_connection = True
                return None
            if how == "html":
                return self.answer(200, "<html>Welcome to the hotel's network</html>")
            if isinstance(how, int) and how:
                return self.error(how, form)
            if not re.fullmatch(r"(whatsapp:)?\+[1-9]\d{6,14}", form.get("To", "")):
                return self.error(21211, form)
            taken = state.message(form) if path[0] == "Messages" else state.call(form)
            if how == "take and hang":
                state.released.wait()
                self.close_connection = True
                return None
            return self.answer(201, taken)

        def do_GET(self) -> None:
            path = self.resource()
            if not path:
                return self.error(20404)
            if not self.allowed():
                return None
            kept = state.messages if path[0] == "Messages" else state.calls
            if path[1]:
                found = next((each for each in kept if each["sid"] == path[1]), None)
                if found is not None and path[0] in state.becomes:
                    found["status"] = state.becomes[path[0]]
                return self.error(20404) if found is None else self.answer(200, found)
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            fitting = [each for each in reversed(kept) if query.get("To") in (None, each["to"])]
            return self.answer(200, {path[0].lower(): fitting, "page": 0, "page_size": 50, "next_page_uri": None})

    with http_server(Handler) as state.url:
        try:
            yield state
        finally:
            state.released.set()
