import time

from safety_monitor.actions.own_sound import OwnSound


def test_is_deaf_from_the_beginning_of_a_sound_to_the_end_of_its_tail() -> None:
    own_sound = OwnSound(tail_s=0.5)
    before = time.monotonic()
    own_sound.begin("alarm")
    during = time.monotonic()
    assert own_sound.deaf_at(during)
    assert own_sound.deaf_at(during + 1000), "a sound that has not ended goes on"
    own_sound.end("alarm")
    after = time.monotonic()
    assert not own_sound.deaf_at(before - 0.001)
    assert own_sound.deaf_at(during)
    assert own_sound.deaf_at(after + 0.4)
    assert not own_sound.deaf_at(after + 0.6)


def test_stays_deaf_while_another_sound_goes_on() -> None:
    own_sound = OwnSound(tail_s=0.0)
    own_sound.begin("alarm")
    own_sound.begin("speech")
    own_sound.end("alarm")
    assert own_sound.deaf_at(time.monotonic() + 5)
    own_sound.end("speech")
    assert not own_sound.deaf_at(time.monotonic() + 5)


def test_one_source_may_sound_twice_at_once() -> None:
    own_sound = OwnSound(tail_s=0.0)
    own_sound.begin("alarm")
    own_sound.begin("alarm")
    own_sound.end("alarm")
    assert own_sound.deaf_at(time.monotonic() + 5)
    own_sound.end("alarm")
    assert not own_sound.deaf_at(time.monotonic() + 5)


def test_hears_where_nothing_sounded() -> None:
    own_sound = OwnSound()
    own_sound.end("alarm")
    assert not own_sound.deaf_at(time.monotonic())
