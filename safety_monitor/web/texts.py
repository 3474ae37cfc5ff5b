"""Every text of the pages, so that another language is another file like this one."""

from safety_monitor.incident import Sense, State

LIVE, INCIDENTS, ANALYSE, API, KIOSK, SIGN_OUT = "Live", "Incidents", "Analyse", "API", "Kiosk", "Sign out"
PAGES = "Pages"

ARMED, DISARMED = "Armed", "Disarmed"
ARM, DISARM = "Arm", "Disarm"
ALL_QUIET = "Watching and listening. Nothing to report."
ONLY_SEES = "Disarmed: what is noticed becomes no incident."
ACKNOWLEDGE, CANCEL, BACK = "Acknowledge", "Call off", "Back"
ACKNOWLEDGE_HINT = "Alarm and voice end; those who were called stay called."
CANCEL_HINT = "It was a false alarm: those who were told are told so."
PIN = "PIN"
NOT_ALLOWED = "Your role does not allow this."
SIGNED_OUT = "You are not signed in any more."
DONE = {State.ACKNOWLEDGED: "Acknowledged.", State.CANCELLED: "Called off."}

STATE = {
    State.PENDING: "Noticed",
    State.CONFIRMED: "Emergency",
    State.ACKNOWLEDGED: "Acknowledged",
    State.CANCELLED: "Cancelled",
    State.CLOSED: "Closed",
}
STATE_MEANS = {
    State.PENDING: "Something was noticed; it is not yet enough.",
    State.CONFIRMED: "Help is being called.",
    State.ACKNOWLEDGED: "A person has taken it on.",
    State.CANCELLED: "Called off, or not confirmed in time.",
    State.CLOSED: "Over.",
}
SENSE = {Sense.AUDIO: "Hearing", Sense.GESTURE: "Seeing"}
LABEL = {
    "scream": "Scream",
    "conversation": "Conversation",
    "ambient": "Ambient",
    "signal_for_help": "Signal for Help",
    "none": "No sign",
}

SEES, HEARS = "What it sees", "What it hears"
NO_PICTURE = "There is no picture."
NO_SOUND = "Nothing has been heard yet."
NO_HANDS = "No hand in view."
LEVEL = "Level"
DEAF = "Ignored now: the station itself sounds."
PERSISTED = "Alarm score"
LAST_MINUTE = "Last minute"
THRESHOLD, WEAK = "threshold", "counts from here"
NEAR_MISSES = "Why it did not alarm"
NO_NEAR_MISSES = "Nothing has come near an alarm."
HEALTH = "Health"
WELL, ILL = "works", "trouble"

SMS, EMAIL = "SMS", "E-mail"
CHANNEL_KIND = {"sms": SMS, "whatsapp": "WhatsApp", "call": "Call", "webhook": "Webhook"}

WHEN, WHAT, WHERE, CONFIDENCE, REASON = "When (UTC)", "What", "Source", "Confidence", "Why"
STATE_COLUMN, SENSES_COLUMN = "State", "Senses"
ANY = "any"
SINCE = "Since (date)"
OLDER, NEWEST = "Older", "Newest"
NO_INCIDENTS = "There are no such incidents."
NO_INCIDENT = "There is no such incident."
TIME_LINE, EVIDENCE, DELIVERIES = "Time line", "Evidence", "Deliveries"
NO_DELIVERIES = "Nothing was asked for."
CHANNEL, ATTEMPTS, DETAIL, PROBABILITY, AT = "Channel", "Attempts", "Detail", "Probability", "At (s)"
AS_JSON = "As JSON"

ANALYSE_HINT = (
    "Drop a recording or a picture here: {kinds}. Up to {megabytes:g} MB. It is judged on this machine and not kept."
)
CHOOSE = "Choose a file, or drop it here"
JUDGING = "Judging …"
VERDICT = "Verdict"
NO_SOUND_IN_IT = "No sound in it"
DOWNLOAD = "Download as JSON"
TOO_LARGE = "The file is larger than {megabytes:g} MB, or could not be sent."
HANDS_IN_IT = "Signs and movements"
INCIDENTS_IN_IT = "What the station would have made of it"

KIOSK_QUIET = "I am watching and listening"
KIOSK_QUIET_HINT = "Scream, or show the Signal for Help: palm out, thumb in, fingers down over it."
KIOSK_HELP = "Emergency noticed"
KIOSK_HELP_HINT = "Help is being called."
KIOSK_TAKEN = "Somebody has answered"
KIOSK_TAKEN_HINT = "A person has taken this on."
KIOSK_OFF = "This station is switched off"
KIOSK_OFF_HINT = "It calls nobody now."
KIOSK_TROUBLE = "This station is not working properly"
KIOSK_TROUBLE_HINT = "Do not rely on it. Please tell the people who look after it."

SIGN_IN, NAME, PASSWORD = "Sign in", "Name", "Password"
WRONG = "Name or password is wrong."

API_HINT = "Programs send a token: Authorization: Bearer …; it is made with safety-monitor web-token."
SCHEMA = "OpenAPI document"
PARAMETERS, ANSWERS = "Parameters", "Answers"


def label(name: str) -> str:
    """A label as people read it."""
    return LABEL.get(name, name.replace("_", " ").capitalize())
