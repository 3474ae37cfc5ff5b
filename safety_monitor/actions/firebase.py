"""The record of incidents in a Firebase Realtime Database: one node an incident, under the incident's UUID.

A delivery that is repeated writes the same node again.

Reference: https://firebase.google.com/docs/database/rest/save-data
"""

import json
import logging
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import firebase_admin
from firebase_admin import credentials, db
from firebase_admin.exceptions import FirebaseError

from media.in_time import in_time
from safety_monitor.actions.casebook import case, entry_for
from safety_monitor.actions.failure import one_line
from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.identity import Identity
from safety_monitor.journal.entry import Entry

ANSWER_S = 10.0
ANSWERS = 4
"""So many times as long the whole may take: signing in, another attempt, an answer that comes byte by byte."""


class Firebase:
    """The channel that keeps the record of every incident in a Realtime Database.

    Args:
        url: of the database, `https://….firebaseio.com`; of an emulator `http://host:port?ns=name`.
        credentials_file: JSON of a service account; None only for an emulator.
        path: below which the incidents stand.
        station: who writes.
        entry_of: the journal's entry of an incident; raises `JournalError` if there is none.
        threshold: probability from which an incident is confirmed.
        answer_s: longest wait for an answer.

    Raises:
        ValueError: address or file cannot be used.
        OSError: the file cannot be read.
    """

    name = "firebase"
    record = True

    def __init__(
        self,
        url: str,
        *,
        credentials_file: Path | None,
        path: str,
        station: Identity,
        entry_of: Callable[[str], Entry],
        threshold: float,
        answer_s: float = ANSWER_S,
    ) -> None:
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        certificate = credentials.Certificate(str(credentials_file)) if credentials_file else None
        options = {"databaseURL": url, "httpTimeout": answer_s}
        self._app = firebase_admin.initialize_app(certificate, options, name=f"safety-monitor-{uuid.uuid4()}")
        try:
            self._node = db.reference(path, self._app)
        except ValueError:
            firebase_admin.delete_app(self._app)
            raise
        self._limit_s = ANSWERS * answer_s
        self._station = station
        self._entry_of = entry_of
        self._threshold = threshold

    def deliver(self, message: Message) -> Outcome:
        """Write the incident as it stands now."""
        entry = entry_for(message, self._entry_of, self.name)
        document = case(message, entry, self._station, threshold=self._threshold, channel=self.name)
        if not document["duress"]:  # what was once known of somebody being forced is never taken back
            del document["duress"]
        values = json.loads(json.dumps(document, default=lambda moment: moment.isoformat()))
        return self._tried(
            message.incident.id,  # while one write hangs no newer one is begun, which that might undo
            lambda: self._node.child(message.incident.id).update(_flat(values)),
            f"{document['response_status']} written",
            delivered=True,
        )

    def check(self) -> Outcome:
        """Log in and look."""
        return self._tried("check", lambda: self._node.get(shallow=True), "the database can be read")

    def close(self) -> None:
        """End all connections."""
        firebase_admin.delete_app(self._app)

    def _tried(self, about: str, work: Callable[[], object], done: str, *, delivered: bool = False) -> Outcome:
        try:
            in_time(f"firebase {about}", work, self._limit_s)
        except TimeoutError:
            return Outcome(ok=False, detail="no whole answer in time", again=True)
        except (FirebaseError, OSError) as error:
            return Outcome(ok=False, detail=one_line(error), again=True)
        except Exception as error:  # the library for signing in has errors of its own
            return Outcome(ok=False, detail=f"{type(error).__name__}: {one_line(error)}", again=True)
        return Outcome(ok=True, detail=done, delivered=delivered)


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    """Firebase takes no empty tables or lists: what is empty is not there, any more if it was."""
    return {name: None if value in ({}, [], "") else value for name, value in document.items()}
