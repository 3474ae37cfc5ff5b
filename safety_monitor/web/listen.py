"""`WS /api/v1/listen`: a microphone elsewhere. Its sound comes in, what is heard in it goes out.

In: binary messages, PCM of 16 bits, little endian, mono, at `rate` samples a second as the address says, each at most
half a second long; and text messages `{"latitude": …, "longitude": …, "accuracy_m": …}`, whenever the position changes.
Out: JSON messages, told apart by `type`: `ready`, `reading`, `incident`, `problem`, `ended`.
"""

import asyncio
import json
from contextlib import suppress
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse

from audio.blocks import Samples, SoundError
from audio.detector import SoundReading
from safety_monitor.incident import Incident, incident_json
from safety_monitor.listeners import Listener, ListenError
from safety_monitor.web.access import Visitor
from safety_monitor.web.site import Site

RATES = range(8_000, 96_001)
LONGEST_RATE = 10
"""Digits; what has thousands of them is no number to Python either."""
LONGEST_S = 0.5
"""Of the sound in one message."""
LONGEST_TEXT = 1000
MOST_WAITING = 50
"""Messages for somebody who takes them too slowly; then the oldest reading is left out."""
ENDED, MALFORMED, TOO_LONG = 1000, 1007, 1009


class Position(BaseModel):
    """Where a microphone is."""

    model_config = ConfigDict(extra="forbid")

    latitude: Annotated[float, Field(ge=-90.0, le=90.0)]
    longitude: Annotated[float, Field(ge=-180.0, le=180.0)]
    accuracy_m: Annotated[float, Field(ge=0.0, le=1e8)] | None = None


class Outgoing:
    """What a listener's thread has to tell, on its way to the event loop; see `listeners.Told`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._loop = asyncio.get_running_loop()
        self._waiting: list[dict[str, Any]] = []
        self._more = asyncio.Event()

    def reading(self, reading: SoundReading, *, deaf: bool) -> None:
        """Sound was judged."""
        self._tell(
            {
                "type": "reading",
                "at_s": round(reading.at_s, 3),
                "label": reading.label,
                "probabilities": {label: round(value, 4) for label, value in reading.probabilities.items()},
                "scream": round(reading.scream, 4),
                "level_dbfs": round(reading.level_dbfs, 1),
                "deaf": deaf,
                "armed": self._site.station.armed,
            }
        )

    def incident(self, incident: Incident) -> None:
        """An incident has changed its state."""
        self._tell({"type": "incident", **incident_json(incident)})

    def ended(self, trouble: str) -> None:
        """Nothing more is judged."""
        self._tell({"type": "ended", "detail": trouble})

    def problem(self, detail: str) -> None:
        """A message was of no use."""
        self._offer({"type": "problem", "detail": detail})

    async def next(self) -> dict[str, Any]:
        """The oldest message, as soon as there is one."""
        while not self._waiting:
            self._more.clear()
            await self._more.wait()
        return self._waiting.pop(0)

    def _tell(self, message: dict[str, Any]) -> None:
        with suppress(RuntimeError):  # the pages have ended before the listener
            self._loop.call_soon_threadsafe(self._offer, message)

    def _offer(self, message: dict[str, Any]) -> None:
        if len(self._waiting) >= MOST_WAITING:
            dull = (place for place, each in enumerate(self._waiting) if each["type"] == "reading")
            self._waiting.pop(next(dull, 0))
        self._waiting.append(message)
        self._more.set()


def make_listen(site: Site) -> APIRouter:
    """The route over a site."""
    router = APIRouter(prefix="/api/v1")

    @router.websocket("/listen")
    async def listen(websocket: WebSocket) -> None:
        """Listen as long as sound comes."""
        visitor: Visitor = websocket.state.visitor
        rate = websocket.query_params.get("rate", "16000")
        if not visitor.may("operator"):
            await _refuse(websocket, 403, f"needs the role operator; you are {visitor.role}")
            return
        if not rate.isdecimal() or len(rate) > LONGEST_RATE or int(rate) not in RATES:
            await _refuse(websocket, 422, f"rate: a number of samples a second from {RATES[0]} to {RATES[-1]}")
            return
        outgoing = Outgoing(site)
        source = "page" if site.access.open else f"page ({visitor.name})"
        try:
            listener = site.listeners.open(source, int(rate), outgoing)
        except (ListenError, SoundError) as error:
            await _refuse(websocket, 503, str(error))
            return
        sending: asyncio.Task[None] | None = None
        try:
            await websocket.accept()
            await websocket.send_json({"type": "ready", "threshold": site.view.rules.threshold})
            sending = asyncio.create_task(_send(websocket, outgoing))
            code, why = await _receive(websocket, listener, outgoing, int(rate))
            if code:
                with suppress(RuntimeError):  # the other side has gone meanwhile
                    await websocket.close(code, why)
        finally:
            listener.close()
            if sending is not None:
                sending.cancel()

    return router


async def _refuse(websocket: WebSocket, status: int, detail: str) -> None:
    await websocket.send_denial_response(JSONResponse({"detail": detail}, status))


async def _send(websocket: WebSocket, outgoing: Outgoing) -> None:
    """Pass on what there is to tell, until there is nothing more or nobody listens."""
    with suppress(Exception):  # whatever it is, the other side has gone; `_receive` sees it, too
        while True:
            message = await outgoing.next()
            await websocket.send_json(message)
            if message["type"] == "ended":
                await websocket.close(ENDED, message["detail"][:100])
                return


async def _receive(websocket: WebSocket, listener: Listener, outgoing: Outgoing, rate: int) -> tuple[int, str]:
    """Take sound and positions; the code and reason to close with, 0 if it is closed: `_send` does so without sound."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return 0, ""
        if (sound := message.get("bytes")) is not None:
            if len(sound) > 2 * rate * LONGEST_S:
                return TOO_LONG, f"more than {LONGEST_S:g} s of sound in a message"
            if len(sound) % 2:
                return MALFORMED, "not samples of 16 bits"
            if sound:
                listener.push(samples_of(sound))
            continue
        try:
            position = Position.model_validate(json.loads((message.get("text") or "")[:LONGEST_TEXT]))
        except (ValidationError, ValueError, RecursionError):
            outgoing.problem("neither sound nor a position")
        else:
            listener.move(position.latitude, position.longitude, position.accuracy_m)


def samples_of(sound: bytes) -> Samples:
    """PCM of 16 bits, little endian, as float32 within ±1."""
    return np.frombuffer(sound, "<i2").astype(np.float32) / np.float32(32_768)
