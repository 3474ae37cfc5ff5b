import threading

import pytest

from media.inbox import Inbox


def test_a_full_inbox_loses_the_oldest_and_counts_it() -> None:
    inbox: Inbox[int] = Inbox(3)
    for item in range(5):
        inbox.put(item)
    assert [inbox.take(0) for _ in range(4)] == [2, 3, 4, None]
    inbox.lose()
    assert inbox.dropped == 3


def test_what_came_before_the_end_is_still_given() -> None:
    inbox: Inbox[str] = Inbox(2)
    inbox.put("last words")
    inbox.end(ValueError("over"))
    assert inbox.take(0) == "last words"
    for _ in range(2):
        with pytest.raises(ValueError, match="over"):
            inbox.take(0)


def test_closing_is_news_once_and_nothing_is_given_after_it() -> None:
    inbox: Inbox[int] = Inbox(2)
    inbox.put(1)
    assert not inbox.closed
    assert inbox.close()
    assert not inbox.close()
    assert inbox.closed
    assert inbox.take(0) is None


@pytest.mark.parametrize("wake", ["put", "close", "end"])
def test_a_taker_that_waits_is_woken(wake: str) -> None:
    inbox: Inbox[int] = Inbox(1)
    taken: list[object] = []

    def take() -> None:
        try:
            taken.append(inbox.take(60))
        except ValueError as error:
            taken.append(str(error))

    taker = threading.Thread(target=take, daemon=True)
    taker.start()
    match wake:
        case "put":
            inbox.put(7)
        case "close":
            inbox.close()
        case _:
            inbox.end(ValueError("over"))
    taker.join(30)
    assert taken == [{"put": 7, "close": None, "end": "over"}[wake]]
