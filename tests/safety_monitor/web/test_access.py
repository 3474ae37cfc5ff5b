"""Passwords, sessions, tokens and roles."""

import asyncio
import os

import pytest

from safety_monitor.config.web import Role, Web, WebToken, WebUser
from safety_monitor.operating.serving import WebError, check_exposure
from safety_monitor.web.access import (
    NOBODY_ELSE,
    SESSION_S,
    TRIES,
    TRIES_S,
    Access,
    TooManyTriesError,
    Visitor,
    hash_password,
    new_token,
)
from safety_monitor.web.own_threads import deciding, signing_in
from tests.clock import Clock

HASH = hash_password("correct horse")
USERS = (WebUser(name="anna", role="operator", password_hash=HASH),)


def test_without_users_whoever_is_there_may_do_everything() -> None:
    assert Access(Web()).of_session("") == NOBODY_ELSE


def test_a_password_opens_a_session_until_it_ends() -> None:
    clock = Clock()
    access = Access(Web(users=USERS), clock)
    key = access.sign_in("anna", "correct horse", "192.0.2.1")
    assert key is not None
    assert access.of_session(key) == Visitor("anna", "operator")
    clock.now += SESSION_S
    assert access.of_session(key) is None


def test_signing_out_ends_the_session() -> None:
    access = Access(Web(users=USERS))
    key = access.sign_in("anna", "correct horse", "192.0.2.1")
    assert key is not None
    access.sign_out(key)
    assert access.of_session(key) is None


@pytest.mark.parametrize(("name", "password"), [("anna", "wrong"), ("nobody", "correct horse"), ("", ""), ("anna", "")])
def test_wrong_name_or_password_opens_nothing(name: str, password: str) -> None:
    access = Access(Web(users=USERS))
    assert access.sign_in(name, password, "192.0.2.1") is None
    assert access.of_session("") is None


def test_wrong_passwords_are_slowed_down_by_address_and_by_name() -> None:
    clock = Clock()
    access = Access(Web(users=USERS), clock)
    for _ in range(TRIES):
        access.sign_in("anna", "wrong", "192.0.2.1")
    with pytest.raises(TooManyTriesError):
        access.sign_in("other", "wrong", "192.0.2.1")
    with pytest.raises(TooManyTriesError):
        access.sign_in("anna", "correct horse", "192.0.2.2")
    assert access.sign_in("other", "wrong", "192.0.2.2") is None
    clock.now += TRIES_S
    assert access.sign_in("anna", "correct horse", "192.0.2.1") is not None


def test_whoever_signs_in_stands_back_for_detection_and_whoever_decides_does_not() -> None:
    def rank() -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)  # of the thread that asks

    async def ranks() -> tuple[int, int]:
        return await signing_in(rank), await deciding(rank)

    signs_in, decides = asyncio.run(ranks())
    assert signs_in > decides == rank()


def test_only_the_hash_of_a_token_is_kept() -> None:
    token, token_hash = new_token()
    access = Access(Web(users=USERS, tokens=(WebToken(name="grafana", token_hash=token_hash),)))
    assert access.of_token(token) == Visitor("grafana", "viewer")
    assert access.of_token(token_hash) is None
    assert token not in token_hash


def test_a_screen_on_a_wall_stays_signed_in_with_a_token_for_as_long_as_there_is_one() -> None:
    clock, (token, token_hash) = Clock(), new_token()
    web = Web(users=USERS, tokens=(WebToken(name="wall", token_hash=token_hash),))
    access = Access(web, clock)
    assert access.sign_in("anna", token, "192.0.2.1") is None
    key = access.sign_in("wall", token, "192.0.2.1")
    assert key is not None
    clock.now += 2 * SESSION_S
    assert access.of_session(key) == Visitor("wall", "viewer")
    assert Access(web, clock).of_session(key) == Visitor("wall", "viewer")
    assert Access(Web(users=USERS), clock).of_session(key) is None


ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")


@pytest.mark.parametrize(("role", "allowed"), [("viewer", 1), ("operator", 2), ("admin", 3)])
def test_a_role_includes_those_below(role: Role, allowed: int) -> None:
    assert [each for each in ROLES if Visitor("anna", role).may(each)] == list(ROLES[:allowed])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "station.example"])  # noqa: S104
def test_what_others_can_reach_needs_a_password(host: str) -> None:
    with pytest.raises(WebError, match="password-hash"):
        check_exposure(Web(host=host))
    check_exposure(Web(host=host, users=USERS))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_alone_needs_none(host: str) -> None:
    check_exposure(Web(host=host))
