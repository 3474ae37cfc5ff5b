"""Sound that comes as time goes by: somebody gives it, the reader gets blocks on the monotonic clock."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from av.container import InputContainer

from audio.blocks import RATES, Block, Chunk, Samples, SoundError, blocks_of, finite
from audio.liveness import Rate, measure
from audio.recording import decoded_chunks
from media.container import in_pieces, packets_of, read_limit_s
from media.inbox import Inbox
from media.pieces import CATCH_UP

KEPT_ITEMS = 600
"""Blocks that a live source keeps for a reader that is late: 30 s. A scream that is heard late is better than none."""
AHEAD_S = 0.25
"""Live sound that comes faster than time passes is left out beyond this."""
KEPT_ITEMS_OF_PIECES = 3_000
"""The same of a stream in pieces: besides, all of a piece is there before its time."""
STREAM_LAG_S = 10.0
STREAM_RATE_OVER_S, STREAM_RATE_OFF = 30.0, 0.25
"""A stream comes in pieces of up to ten seconds: what twice errs by so much to the same side is wrong all the same."""
LAG_LASTS_S = 1.0
"""Live sound all of which comes later than the one for so long has lost something on its way: the clock is set anew. On
a busy machine sound is often late, and none of it lost."""
BEHIND_LASTS_S = 60.0
"""Sound that comes later than it did by more than `AHEAD_S` all this time is made by a slower clock than ours."""
JUMP_S = 1.0
"""A time line that goes back by so much, or so far into the future, has been set anew, as a camera's clock is in spring
and autumn: the sound goes on."""
BACKLOG_WAIT_S = 0.005
"""Sound of a stream that arrives without such a wait was not made just now; servers send some when one connects."""
PUSHED_ITEMS = 40
"""Pieces that somebody has pushed and nobody has taken yet."""
PUSHED_QUIET_S = 10.0


class Arrival(NamedTuple):
    """Samples that have come."""

    chunk: Chunk
    at: float
    """`time.monotonic()` when its last sample was there."""


@dataclass(eq=False)
class Live:
    """A microphone or stream: somebody fills the inbox, the reader gets blocks on the monotonic clock.

    Attributes:
        name: for people.
        inbox: what has arrived.
        start: the `time.monotonic()` that is zero.
        quiet_s: silence of the giver, in seconds, that means it is broken.
        lag_s: sound that comes later than this has lost something on its way.
        stop: ends the giver.
        clocked: whether the giver counts samples by a clock of its own.
        rate_over_s: over how long there must be as much sound as time passes; None: nobody asks.
        in_pieces: whether it comes in pieces of seconds, and is given at its own pace all the same.
        position: see `audio.capture.SoundSource`.
        late_s: see there.
    """

    live = True
    name: str
    inbox: Inbox[Arrival]
    start: float
    quiet_s: float
    lag_s: float
    stop: Callable[[], None]
    clocked: bool = False
    rate_over_s: float | None = None
    in_pieces: bool = False
    position: tuple[float, float] | None = field(default=None, init=False)
    late_s: float = field(default=0.0, init=False)

    @property
    def dropped(self) -> int:
        return self.inbox.dropped

    def __iter__(self) -> Iterator[Block]:
        try:
            yield from blocks_of(self._on_clock())
        finally:
            self.close()

    def close(self) -> None:
        if self.inbox.close():
            self.stop()

    def _on_clock(self) -> Iterator[Chunk]:
        """Put the source's own time line, which has no jitter, on the monotonic clock, which does not drift."""
        offset_s: float | None = None
        lost, slower = _Late(self.lag_s, LAG_LASTS_S), _Late(AHEAD_S, BEHIND_LASTS_S)
        end_s = given_s = -math.inf
        rate = Rate()
        for chunk, at in self._arrivals():
            seconds = len(chunk.samples) / chunk.rate
            now_s = at - self.start - (chunk.at_s + seconds)
            if offset_s is None:
                offset_s = now_s
            elif chunk.at_s < end_s - JUMP_S:
                offset_s, rate = offset_s + end_s - chunk.at_s, Rate()
            if offset_s - now_s > JUMP_S:
                offset_s, rate = now_s, Rate()
            end_s = chunk.at_s + seconds
            if self.rate_over_s is not None:
                rate = measure(rate, (chunk.at_s + seconds, at), self.rate_over_s, STREAM_RATE_OFF)
                if rate.fault is not None:
                    raise SoundError(f"{self.name}: gives more or less sound than time passes; is its rate right?")
            if self.clocked:
                self.position = chunk.at_s + seconds, at
            for late in (lost, slower):
                offset_s = late.offset_s(offset_s, now_s, at)
            if offset_s - now_s > AHEAD_S:
                offset_s -= seconds
                self.inbox.lose()
                continue
            at_s = chunk.at_s + offset_s
            if given_s - at_s > AHEAD_S:  # samples by one clock, time stamps by another
                self.inbox.lose()
                continue
            at_s = max(at_s, given_s)
            given_s = at_s + seconds
            late_s = max(now_s - offset_s, 0.0)
            if self.in_pieces:
                late_s = max(late_s, self.late_s - CATCH_UP * seconds)
                due = self.start + given_s + late_s
                if self.inbox.closed_within(due - time.monotonic()):
                    return
            if not self.clocked:
                self.late_s = late_s
            yield Chunk(finite(chunk.samples), chunk.rate, at_s)

    def _arrivals(self) -> Iterator[Arrival]:
        while (arrival := self.inbox.take(self.quiet_s)) is not None:
            yield arrival
        if not self.inbox.closed:
            raise SoundError(f"{self.name}: has given no sound for {self.quiet_s:.0f} s")


@dataclass(slots=True)
class _Late:
    """Notices sound all of which comes later than it did.

    Attributes:
        by_s: more than so much.
        lasts_s: for so long.
    """

    by_s: float
    lasts_s: float
    _since: float = math.inf
    _least_s: float = math.inf

    def offset_s(self, before_s: float, now_s: float, at: float) -> float:
        """Between the source's time line and ours from now on; that of what was least late, once it has lasted.

        Args:
            before_s: it until now.
            now_s: that of what has just come.
            at: `time.monotonic()` when that came.
        """
        if now_s - before_s <= self.by_s:
            self._since = self._least_s = math.inf
            return before_s
        self._since, self._least_s = min(self._since, at), min(self._least_s, now_s)
        return self._least_s if at - self._since >= self.lasts_s else before_s


def open_stream(name: str, container: InputContainer, start: float) -> Live:
    """What an address sends, from now on; `container` is closed at its end."""
    pieces, quiet_s = in_pieces(container), read_limit_s(container) + 1.0
    inbox: Inbox[Arrival] = Inbox(KEPT_ITEMS_OF_PIECES if pieces else KEPT_ITEMS)
    threading.Thread(target=_read_stream, args=(name, container, inbox), name="sound-stream", daemon=True).start()
    rate_over_s = STREAM_RATE_OVER_S
    return Live(name, inbox, start, quiet_s, STREAM_LAG_S, lambda: None, rate_over_s=rate_over_s, in_pieces=pieces)


def _read_stream(name: str, container: InputContainer, inbox: Inbox[Arrival]) -> None:
    """Fill the inbox until the stream ends or nobody wants it; runs in a thread of its own."""
    try:
        with container:
            before = time.monotonic()
            backlog = True
            packets = packets_of(container, container.streams.audio[0], lambda: inbox.closed)
            for chunk in decoded_chunks(container, name, packets):
                now = time.monotonic()
                backlog = backlog and now - before < BACKLOG_WAIT_S
                before = now
                if not backlog:
                    inbox.put(Arrival(chunk, now))
                if inbox.closed:
                    return
        inbox.end(SoundError(f"{name}: the stream has ended"))
    except Exception as error:  # whatever it is, the reader must hear of it
        inbox.end(error)


def open_pushed(name: str, rate: int, *, start: float | None = None) -> tuple[Live, Callable[[Samples], None]]:
    """A live source whose sound somebody pushes, such as a browser over the network.

    Args:
        name: for people.
        rate: samples a second of what is pushed, within `RATES`.
        start: the `time.monotonic()` that is zero on the source's clock; None: now.

    Returns:
        The source, and what takes its samples: float32 of shape (n,), mono, full scale ±1; it never waits. What comes
        faster than time passes, or waits too long for a reader, is left out and counted.

    Raises:
        SoundError: no such rate.
    """
    if rate not in RATES:
        raise SoundError(f"{name}: {rate} samples a second is no sound that can be judged")
    inbox: Inbox[Arrival] = Inbox(PUSHED_ITEMS)
    given = 0

    def push(samples: Samples) -> None:
        nonlocal given
        inbox.put(Arrival(Chunk(samples, rate, given / rate), time.monotonic()))
        given += len(samples)

    begin = time.monotonic() if start is None else start
    return Live(name, inbox, begin, PUSHED_QUIET_S, STREAM_LAG_S, stop=lambda: None), push
