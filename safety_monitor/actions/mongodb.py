"""The record of incidents in a MongoDB collection: one document an incident, under the incident's UUID.

A delivery that is repeated writes the same document again.
"""

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError

from safety_monitor.actions.casebook import case, entry_for
from safety_monitor.actions.failure import one_line
from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.identity import Identity
from safety_monitor.journal.entry import Entry

CONNECT_S, ANSWER_S = 5.0, 10.0


class MongoDB:
    """The channel that keeps the record of every incident in MongoDB.

    Args:
        url: `mongodb://…` or `mongodb+srv://…`.
        database: its name.
        collection: its name.
        station: who writes.
        entry_of: the journal's entry of an incident; raises `JournalError` if there is none.
        threshold: probability from which an incident is confirmed.
        limits_s: longest waits for a connection, and for an answer.

    Raises:
        ValueError: the address is malformed; the text does not repeat it.
    """

    name = "mongodb"
    record = True

    def __init__(
        self,
        url: str,
        *,
        database: str,
        collection: str,
        station: Identity,
        entry_of: Callable[[str], Entry],
        threshold: float,
        limits_s: tuple[float, float] = (CONNECT_S, ANSWER_S),
    ) -> None:
        password = urlsplit(url).password or ""
        self._secrets = (url, password, unquote(password))
        for noisy in ("pymongo.topology", "pymongo.serverSelection", "pymongo.connection", "pymongo.command"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        try:
            self._client: MongoClient[dict[str, Any]] = MongoClient(
                url,
                connect=False,
                serverSelectionTimeoutMS=int(limits_s[0] * 1000),
                connectTimeoutMS=int(limits_s[0] * 1000),
                socketTimeoutMS=int(limits_s[1] * 1000),
                timeoutMS=int(sum(limits_s) * 1000),
                tz_aware=True,
                appname="safety-monitor",
            )
        except (InvalidURI, ConfigurationError, ValueError) as error:
            raise ValueError(one_line(error, self._secrets)) from None
        self._incidents = self._client[database][collection]
        self._where = f"{database}.{collection}"
        self._station = station
        self._entry_of = entry_of
        self._threshold = threshold

    def deliver(self, message: Message) -> Outcome:
        """Write the incident as it stands now."""
        entry = entry_for(message, self._entry_of, self.name)
        document = case(message, entry, self._station, threshold=self._threshold, channel=self.name)
        change: dict[str, Any] = {"$set": document}
        if not document["duress"]:  # what was once known of somebody being forced is never taken back
            change["$setOnInsert"] = {"duress": document.pop("duress")}
        return self._tried(
            lambda: self._incidents.update_one({"_id": message.incident.id}, change, upsert=True),
            f"{document['response_status']} written to {self._where}",
            delivered=True,
        )

    def check(self) -> Outcome:
        """Connect and log in."""
        return self._tried(lambda: self._incidents.find_one({}, {"_id": 1}), f"connected, {self._where} can be read")

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    def _tried(self, work: Callable[[], object], done: str, *, delivered: bool = False) -> Outcome:
        try:
            work()
        except PyMongoError as error:
            # Behind that the driver tells its own state, at length.
            detail = one_line(error, self._secrets).partition(" (configured timeouts")[0]
            return Outcome(ok=False, detail=detail, again=True)
        return Outcome(ok=True, detail=done, delivered=delivered)
