"""Values change, everything else in the file stays as it was written."""

import copy
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety_monitor.config import Settings
from safety_monitor.config.page import template
from safety_monitor.config.text import changed

WRITTEN = """\
# Our station; ask Maria before you change it.
log_level = "info"  # not too much

[fusion]
threshold = 0.8   # tried on the 3rd of May
# weak = 0.5

[speech]
text = "Help"  # short

# my sister
[[contacts]]
name = "anna"  # works nights
sms = "+15005550001"

# the neighbour
[[contacts]]
name = "bob"
sms = "+15005550002"

[[policies]]
name = "day"
[[policies.steps]]
actions = ["sms"]
# later
[[policies.steps]]
after_s = 60
actions = ["call"]

# who looks after it
[[policies]]
name = "night"
[[policies.steps]]
actions = ["all"]
"""

Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "gone", "come"),
    [
        (lambda v: v["fusion"].update(threshold=0.7), ["threshold = 0.8   # t"], ["threshold = 0.7   # tried on the"]),
        (lambda v: v["fusion"].update(weak=0.4), ["# weak = 0.5"], ["weak = 0.4"]),
        (lambda v: v["fusion"].update(window_s=2.0), [], ["threshold = 0.8   # tried on the 3rd of May\nwindow_s"]),
        (lambda v: v["speech"].pop("text"), ['text = "Help"  # short'], []),
        (lambda v: v.update(home="/x"), [], ['log_level = "info"  # not too much\nhome = "/x"\n\n[fusion]']),
        (lambda v: v.update(mqtt={"host": "broker"}), [], ['\n\n[mqtt]\nhost = "broker"\n']),
        (
            lambda v: v["contacts"].pop(0),
            ["[[contacts]]", 'name = "anna"  # works nights', 'sms = "+15005550001"'],
            ["# my sister\n", "# the neighbour\n[[contacts]]\n"],
        ),
        (
            lambda v: v["contacts"].append({"name": "eve", "call": "+15005550003"}),
            [],
            ['sms = "+15005550002"\n\n[[contacts]]\nname = "eve"\ncall = "+15005550003"\n\n[[policies]]'],
        ),
        (lambda v: v.pop("contacts"), ["[[contacts]]"] * 2 + ['name = "anna"', 'name = "bob"', "sms"], ["# my sister"]),
        (
            lambda v: v["policies"][0]["steps"].append({"actions": ["email"]}),
            [],
            ['actions = ["call"]\n\n[[policies.steps]]\nactions = ["email"]\n\n# who looks after it\n[[policies]]'],
        ),
        (lambda v: v["policies"][0]["steps"].pop(), ["[[policies.steps]]", "after_s = 60", '["call"]'], ["# later"]),
        (
            lambda v: v["policies"].pop(0),
            ['name = "day"', '["sms"]', '["call"]', "[[policies", "after_s"],
            ["# who looks after it\n[[policies]]"],
        ),
        (lambda v: v["policies"][1].update(silent=True), [], ['name = "night"\nsilent = true\n[[policies.steps]]']),
    ],
)
def test_one_change_touches_its_own_lines(change: Change, gone: list[str], come: list[str]) -> None:
    values = tomllib.loads(WRITTEN)
    change(values)
    text = changed(WRITTEN, values)
    assert tomllib.loads(text) == values
    for part in come:
        assert part in text
    for comment in ("ask Maria", "not too much", "# my sister", "# the neighbour", "# later", "# who looks after it"):
        assert comment in text
    before, after = WRITTEN.splitlines(), text.splitlines()
    lost = [line for line in before if before.count(line) > after.count(line) and line]
    assert all(any(part in line for part in gone) for line in lost), lost


def test_nothing_changed_is_the_same_text() -> None:
    assert changed(WRITTEN, tomllib.loads(WRITTEN)) == WRITTEN


def test_in_a_file_made_by_the_program_values_take_their_places() -> None:
    text = changed(template(), {"alarm": {"volume": 0.5}, "mqtt": {"host": "broker", "tls": True}})
    assert "# Loudness, 0 to 1.\nvolume = 0.5\n" in text
    assert '\n[mqtt]\n\n# Name or address of the broker.\nhost = "broker"\n' in text
    Settings.model_validate(tomllib.loads(text))


PLAIN = st.one_of(
    st.booleans(),
    st.integers(-5, 5),
    st.floats(0, 1, width=16),
    st.text("ab\"'\\\n#[]=é", max_size=6),
    st.lists(st.text("xy", max_size=3), max_size=2),
)
KEYS = st.sampled_from(["a", "b", "c"])
ROWS = st.lists(st.dictionaries(KEYS, PLAIN, max_size=2), min_size=1, max_size=3)
TABLES = st.dictionaries(st.sampled_from(["t", "u", "v", "w"]), st.one_of(PLAIN, ROWS, st.dictionaries(KEYS, PLAIN)))


@settings(max_examples=150, deadline=None)
@given(before=TABLES, after=TABLES)
def test_any_values_can_become_any_others(before: dict[str, Any], after: dict[str, Any]) -> None:
    text = changed("# kept\n", copy.deepcopy(before))
    assert tomllib.loads(text) == before
    text = changed(text, copy.deepcopy(after))
    assert tomllib.loads(text) == after
    assert "# kept" in text
