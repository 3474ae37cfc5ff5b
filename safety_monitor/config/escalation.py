"""Settings of who is told of what, when and how often, and of who may call it off."""

import re
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from safety_monitor.config.section import HASH, ClockTime, PhoneNumber, Seconds, Section, ShortName

CHANNEL_WORDS = frozenset(
    {"all", "any", "both", "trouble", "alarm", "speech", "sms", "whatsapp", "call", "messages", "webhook"}
    | {"mysql", "mongodb", "firebase", "mqtt"}
)
"""Words of policies that no contact can be called."""
LONGEST_HOLD_S = 1800.0
"""Longer no limit may hold an emergency back."""


class Contact(Section):
    """A person who is told."""

    name: ShortName
    """Short name: letters, digits, - and _; the channels are called after it, such as "sms:anna". Addresses of
    [messages] that are called anna, or anna_ and something more, reach this person, too."""
    sms: PhoneNumber | None = None
    """Number that gets an SMS, written +<country><number>."""
    whatsapp: PhoneNumber | None = None
    """Number that gets a WhatsApp message."""
    call: PhoneNumber | None = None
    """Number that is called."""


class PolicyStep(Section):
    """Actions that are taken together."""

    after_s: Annotated[float, Field(ge=0.0, le=86_400.0)] = 0.0
    """How long after the incident was confirmed; a later step is dropped once somebody acknowledged or cancelled."""
    actions: Annotated[tuple[str, ...], Field(min_length=1)] = ("all",)
    """Channels by name; "sms" stands for every sms:…, "anna" for all that reach anna, "all" for every one."""


class PolicySettings(Section):
    """What is done about which incidents; the first policy that fits is taken."""

    name: str
    """For people."""
    triggers: Annotated[tuple[str, ...], Field(min_length=1)] = ("any",)
    """"scream", the name of an emergency gesture, "both" (sound and hand together), "trouble" or "any"."""
    silent: bool = False
    """No alarm, no voice, nothing on the screen: for signs made by people who must not be noticed."""
    steps: Annotated[tuple[PolicyStep, ...], Field(min_length=1)] = (PolicyStep(),)
    """Each a table [[policies.steps]]."""
    fallback: tuple[str, ...] = ()
    """Channels to try when one of the steps failed, or has not got through for `outbox.fallback_after_s`."""
    evidence: tuple[Literal["sound", "picture", "clip"], ...] | None = None
    """What is kept of an incident and sent along, of what [evidence] keeps at all; unset: all of that; []: nothing."""


class Acknowledge(Section):
    """Who may call off an incident, and disarm."""

    pin_hash: SecretStr | None = None
    """Hash of the PIN that cancelling and disarming take, made with `safety-monitor pin-hash`; unset: anybody may."""
    duress_pin_hash: SecretStr | None = None
    """Hash of the PIN that seems to do the same, and tells the contacts that help is needed."""
    pin_to_acknowledge: bool = False
    """Whether acknowledging asks for the PIN, too."""

    @model_validator(mode="after")
    def _hashes(self) -> "Acknowledge":
        for name, value in (("pin_hash", self.pin_hash), ("duress_pin_hash", self.duress_pin_hash)):
            if value is not None and not re.match(HASH, value.get_secret_value()):
                raise ValueError(f"{name} is not a whole hash; make one with `safety-monitor pin-hash`")
        if self.duress_pin_hash is not None and self.pin_hash is None:
            raise ValueError("duress_pin_hash needs pin_hash")
        return self


class LimitsSettings(Section):
    """How much a person is told; what is held back comes together as one message. Under duress nothing waits."""

    cool_down_s: Annotated[float, Field(ge=0.0, le=600.0)] = 30.0
    """Shortest time between two messages to one contact; about the same, other channels need not wait."""
    most: Annotated[int, Field(ge=1, le=1000)] = 12
    """Most messages to one contact within `within_s`; what comes on several channels counts once. Beyond that an
    emergency waits for `within_s` / `most` only, 5 minutes by default and 30 at most."""
    within_s: Seconds = 3600.0
    """See `most`."""
    quiet_from: ClockTime | None = None
    """Local time, HH:MM, from which messages are held back; unset: never."""
    quiet_until: ClockTime | None = None
    """Local time, HH:MM, at which what was held back is told."""
    quiet_channels: tuple[str, ...] = ()
    """Channels that keep the quiet hours, emergencies included, by name, group ("sms"), contact ("anna") or "all"."""

    @model_validator(mode="after")
    def _emergencies(self) -> "LimitsSettings":
        if (wait_s := self.within_s / self.most) > LONGEST_HOLD_S:
            raise ValueError(
                f"within_s / most is how long an emergency may have to wait: {wait_s:g} s; at most {LONGEST_HOLD_S:g} s"
            )
        return self

    @model_validator(mode="after")
    def _quiet_hours(self) -> "LimitsSettings":
        if len({self.quiet_from is None, self.quiet_until is None, not self.quiet_channels}) > 1:
            raise ValueError("quiet_from, quiet_until and quiet_channels belong together")
        return self


class OutboxSettings(Section):
    """How long and how often deliveries are tried."""

    first_wait_s: Annotated[float, Field(gt=0.0, le=60.0)] = 2.0
    """Wait after the first attempt that failed; it doubles from attempt to attempt, give or take a quarter."""
    longest_wait_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 300.0
    """Longest wait between two attempts."""
    fallback_after_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 60.0
    """A policy's fallback channels are tried when a message has not got through for this long."""
    give_up_messages_s: Annotated[float, Field(ge=60.0, le=604_800.0)] = 86_400.0
    """A message that has not got through for this long has failed."""
    give_up_records_s: Annotated[float, Field(ge=60.0, le=31_536_000.0)] = 2_592_000.0
    """A record for a database that has not got through for this long has failed."""
    follow_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 3_600.0
    """How long a message that was handed over is followed, to see whether it arrives."""
