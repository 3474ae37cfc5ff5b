"""Who is told when: tables, and what holds for every policy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety_monitor.escalation import (
    DEFAULT,
    DEFAULT_TROUBLE,
    Kind,
    Nature,
    Policy,
    Step,
    choose,
    choose_for_trouble,
    mistakes,
    never_taken,
    plan,
    resolve,
)
from safety_monitor.incident import Evidence, Incident, Sense, State

CHANNELS = {
    "alarm": Nature.SOUND,
    "speech": Nature.SOUND,
    "sms:anna": Nature.MESSAGE,
    "sms:ben": Nature.MESSAGE,
    "email": Nature.MESSAGE,
    "mysql": Nature.RECORD,
}
LOUD = Policy(("scream",))
HIDDEN = Policy(("signal_for_help",), silent=True)
TOGETHER = Policy(("both",))
REST = Policy(("any",))
TROUBLES = Policy(("trouble",))


def incident(*labels: str) -> Incident:
    evidence = tuple(
        Evidence(Sense.AUDIO if label == "scream" else Sense.GESTURE, label, 0.9, float(number))
        for number, label in enumerate(labels)
    )
    return Incident("id", State.CONFIRMED, 1.0, 0.9, evidence, "")


@pytest.mark.parametrize(
    ("policies", "labels", "chosen"),
    [
        ((), ("scream",), DEFAULT),
        ((LOUD, HIDDEN), ("scream",), LOUD),
        ((LOUD, HIDDEN), ("signal_for_help",), HIDDEN),
        ((LOUD, HIDDEN), ("scream", "signal_for_help"), LOUD),
        ((HIDDEN, LOUD), ("scream", "signal_for_help"), HIDDEN),
        ((TOGETHER, LOUD), ("scream",), LOUD),
        ((TOGETHER, LOUD), ("scream", "open"), TOGETHER),
        ((TOGETHER, REST), ("open", "close"), REST),
        ((HIDDEN, REST), ("scream", "open"), REST),
        ((TROUBLES, LOUD), ("open",), DEFAULT),
    ],
)
def test_the_first_policy_that_fits_is_taken(
    policies: tuple[Policy, ...], labels: tuple[str, ...], chosen: Policy
) -> None:
    assert choose(policies, incident(*labels)) is chosen


@pytest.mark.parametrize(
    ("policies", "found"),
    [
        ((TOGETHER, HIDDEN, LOUD, TROUBLES, REST), []),
        ((REST, LOUD, TROUBLES), [(1, "scream", 0)]),
        ((LOUD, TOGETHER), [(1, "both", 0)]),
        ((HIDDEN, LOUD, Policy(("open", "scream"))), [(2, "scream", 1)]),
        ((TROUBLES, REST, TROUBLES, REST), [(2, "trouble", 0), (3, "any", 1)]),
    ],
)
def test_what_a_policy_is_never_taken_for_is_found(
    policies: tuple[Policy, ...], found: list[tuple[int, str, int]]
) -> None:
    assert never_taken(policies) == found


def test_a_trouble_has_its_own_policy() -> None:
    assert choose_for_trouble((REST, TROUBLES)) is TROUBLES
    assert choose_for_trouble((REST,)) is DEFAULT_TROUBLE


def test_by_default_everything_is_done_at_once() -> None:
    planned = plan(DEFAULT, "id", CHANNELS)
    assert [(each.channel, each.after_s) for each in planned] == [(name, 0.0) for name in CHANNELS]
    assert planned[2].key == "id:sms:anna:alarm"


def test_a_silent_policy_and_a_trouble_are_neither_heard_nor_seen() -> None:
    for planned in (plan(HIDDEN, "id", CHANNELS), plan(DEFAULT_TROUBLE, "id", CHANNELS, "trouble")):
        assert [each.channel for each in planned] == ["sms:anna", "sms:ben", "email", "mysql"]


@pytest.mark.parametrize(
    ("policy", "kind", "instead"),
    [
        (Policy(fallback=("all",)), "alarm", ("alarm", "speech", "sms:ben", "email", "mysql")),
        (Policy(fallback=("all",), silent=True), "alarm", ("sms:ben", "email", "mysql")),
        (Policy(fallback=("all",)), "trouble", ("sms:ben", "email", "mysql")),
    ],
)
def test_a_siren_may_sound_where_a_message_fails_but_for_a_silent_policy_or_a_trouble(
    policy: Policy, kind: Kind, instead: tuple[str, ...]
) -> None:
    planned = {each.channel: each.fallback for each in plan(policy, "id", CHANNELS, kind)}
    assert planned["sms:anna"] == instead


def test_steps_wait_and_tell_the_same_person_again_under_another_key() -> None:
    policy = Policy(steps=(Step(300.0, ("sms", "mysql")), Step(0.0, ("sms:anna", "mysql"))), fallback=("email", "sms"))
    assert [(each.key, each.after_s, each.fallback) for each in plan(policy, "id", CHANNELS)] == [
        ("id:sms:anna:alarm", 0.0, ("email", "sms:ben")),
        ("id:mysql:alarm", 0.0, ()),
        ("id:sms:anna:alarm:1", 300.0, ("email", "sms:ben")),
        ("id:sms:ben:alarm", 300.0, ("email", "sms:anna")),
    ]


@pytest.mark.parametrize(
    ("policy", "mistake"),
    [
        (Policy(triggers=("yell",)), "policies.0.triggers: unknown 'yell'; known: any, both, open, scream, trouble"),
        (Policy(steps=(Step(0.0, ("fax",)),)), "policies.0.steps.0.actions: no channel 'fax' is turned on; on are: "),
        (Policy(fallback=("sms:carl",)), "policies.0.fallback: no channel 'sms:carl' is turned on"),
        (Policy(silent=True, steps=(Step(0.0, ("alarm",)),)), "'alarm' is heard, and the policy is silent"),
    ],
)
def test_a_name_that_would_do_nothing_is_a_mistake(policy: Policy, mistake: str) -> None:
    (found,) = mistakes([policy], CHANNELS, ["open"])
    assert mistake in found


def test_where_no_channel_is_turned_on_a_mistake_says_so() -> None:
    assert mistakes([Policy(fallback=("sms",))], {}, []) == [
        "policies.0.fallback: no channel 'sms' is turned on; on are: none"
    ]


@pytest.mark.parametrize(
    ("name", "contacts", "means"),
    [
        ("anna", ["anna", "anna_m"], ["sms:anna", "messages:anna", "messages:anna_ntfys"]),
        ("Anna", ["anna"], ["sms:anna", "messages:anna", "messages:anna_ntfys", "messages:anna_m_mail"]),
        ("anna_m", ["anna", "anna_m"], ["messages:anna_m_mail"]),
        ("ann", ["anna"], []),
        ("anna", [], ["sms:anna", "messages:anna"]),
        ("messages", ["anna"], ["messages:anna", "messages:anna_ntfys", "messages:anna_m_mail", "messages:annabel"]),
    ],
)
def test_a_contact_is_reached_by_all_addresses_that_bear_the_name(
    name: str, contacts: list[str], means: list[str]
) -> None:
    members = ["sms:anna", *(f"messages:{each}" for each in ("anna", "anna_ntfys", "anna_m_mail", "annabel"))]
    assert list(resolve([name], dict.fromkeys(members, Nature.MESSAGE), contacts)) == means


def test_a_sound_policy_has_no_mistakes() -> None:
    siren, quietly = (Step(0.0, ("alarm",)),), (Step(0.0, ("sms",)),)
    sound = [LOUD, REST, TROUBLES, Policy(silent=True), Policy(steps=siren, fallback=("sms",))]
    assert not mistakes([*sound, Policy(silent=True, steps=quietly)], CHANNELS, [])


actions = st.lists(st.sampled_from([*CHANNELS, "sms", "all", "unknown"]), min_size=1, max_size=4).map(tuple)
steps = st.lists(st.builds(Step, st.floats(0, 1000), actions), min_size=1, max_size=5).map(tuple)
policies = st.builds(Policy, steps=steps, silent=st.booleans(), fallback=actions)


@given(policies)
def test_every_plan_is_in_order_of_time_and_no_key_is_given_twice(policy: Policy) -> None:
    planned = plan(policy, "id", CHANNELS)
    assert [each.after_s for each in planned] == sorted(each.after_s for each in planned)
    assert len({each.key for each in planned}) == len(planned)
    assert {each.channel for each in planned} <= set(CHANNELS)
    assert all(each.channel not in each.fallback for each in planned)


@given(policies)
def test_every_channel_is_told_when_a_step_first_names_it(policy: Policy) -> None:
    planned = plan(policy, "id", CHANNELS)
    for channel, nature in CHANNELS.items():
        named = [step.after_s for step in policy.steps if channel in resolve(step.actions, CHANNELS)]
        told = [each.after_s for each in planned if each.channel == channel]
        if policy.silent and nature is Nature.SOUND:
            assert not told
        elif nature is Nature.RECORD:
            assert told == sorted(named)[:1]
        else:
            assert told == sorted(named)
