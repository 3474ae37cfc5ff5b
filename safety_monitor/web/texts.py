"""Every text of the pages, so that another language is another file like this one."""

from safety_monitor.delivery import DeliveryState
from safety_monitor.incident import Mark, Sense, State

LIVE, INCIDENTS, ANALYSE, API, KIOSK, SIGN_OUT = "Live", "Incidents", "Analyse", "API", "Kiosk", "Sign out"
COLLECT, RETRAIN, SETTINGS = "Collect", "Retrain", "Settings"
PAGES = "Pages"

ARMED, DISARMED = "Armed", "Disarmed"
ARM, DISARM = "Arm", "Disarm"
DISARM_HINT = "From now on nobody is called, whatever it hears and sees, until it is armed again."
WATCHING = "Watching and listening."
ALL_QUIET = "Watching and listening. Nothing to report."
NOT_WELL = "Not all of the station works: see Health."
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
CLOSED_AS = {
    State.CLOSED: "Closed, not answered",
    State.ACKNOWLEDGED: "Closed, answered",
    State.CANCELLED: "Closed, called off",
}
"""How an incident is called that is over, by where it stands for people."""
NOT_CONFIRMED = "Noticed, no alarm"
STATE_MEANS = {
    State.PENDING: "Something was noticed; it is not yet enough.",
    State.CONFIRMED: "An emergency: alarm, voice and messages, as far as they are set up.",
    State.ACKNOWLEDGED: "A person has taken it on.",
    State.CANCELLED: "Called off, or not confirmed in time.",
    State.CLOSED: "Over.",
}
UNANSWERED = "It is quiet again, but nobody has answered yet."
SENSE = {Sense.AUDIO: "Hearing", Sense.GESTURE: "Seeing"}
LABEL = {
    "scream": "Scream",
    "conversation": "Conversation",
    "ambient": "Ambient",
    "signal_for_help": "Signal for Help",
    "none": "No sign",
}

SEES, HEARS = "What it sees", "What it hears"
NO_SOUND = "Nothing has been heard yet."
NO_HANDS = "No hand in view."
LEVEL = "Level"
DEAF = "Ignored now: the station itself sounds."
PERSISTED = "Alarm score"
GATE_OPEN = "Gate: open, sound is judged"
GATE_SHUT = "Gate: shut, there is nothing to judge"
HITS = "Hits: {hits} of {of}"
SPECTROGRAM = "Spectrogram of the last seconds"
SPECTROGRAM_HINT = "The last 12 seconds: low pitch at the bottom, 7.8 kHz at the top; brighter is louder."
DROPPED_IN = "Dropped in {seconds:.0f} s unless more is noticed."
NEXT_STEP = "Unless somebody acknowledges: {whom} in {seconds:.0f} s."
LAST_MINUTE = "Last minute"
THRESHOLD, WEAK = "threshold", "counts from here"
NEAR_MISSES = "Why it did not alarm"
NO_NEAR_MISSES = "Nothing has come near an alarm."
HEALTH = "Health"
WELL = "works"
PEOPLE = "People"
LAST_USED, NOT_USED = "used last at {when}", "not used since the start"

SMS, EMAIL, CALL = "SMS", "E-mail", "Call"
CHANNEL_KIND = {"sms": SMS, "whatsapp": "WhatsApp", "call": CALL, "webhook": "Webhook"}
CHANNEL_NAME = {
    "sms": "SMS to {whom}",
    "whatsapp": "WhatsApp to {whom}",
    "call": "Call to {whom}",
    "alarm": "Siren",
    "speech": "Voice",
    "mysql": "MySQL",
    "mongodb": "MongoDB",
    "firebase": "Firebase",
    "mqtt": "MQTT",
    "webhook": "Webhook",
}
MESSAGE_TO = "Message: {name}"
DELIVERY = {
    DeliveryState.PENDING: "waits",
    DeliveryState.SENDING: "is being sent",
    DeliveryState.SENT: "sent",
    DeliveryState.DELIVERED: "arrived",
    DeliveryState.FAILED: "failed",
    DeliveryState.DROPPED: "not needed any more",
}
TELL_NOW = "Tell now:"
NOT_SET_UP = "{what}: not set up"
ALERTED = "{what} is being sent to {whom}."
OPEN_INCIDENT = "Open the incident"

LISTEN = "Listen with this device"
LISTEN_HINT = (
    "The microphone of this phone or computer becomes one of the station's: a scream that it hears is an incident like "
    "any other, with the position of this device. The sound is judged by the station; only that of an incident is kept."
)
LISTEN_API = (
    "A microphone over a web socket: 16-bit PCM in, readings and incidents out. docs/pages.md says how; the OpenAPI "
    "document knows no web sockets."
)
LISTEN_START, LISTEN_STOP = "Listen", "Stop listening"
LISTENING = {
    "level": LEVEL,
    "score": PERSISTED,
    "asking": "Waiting for the microphone …",
    "hears": "Listening. It hears: {what}",
    "deaf": DEAF,
    "disarmed": "The station is disarmed: a scream becomes no incident.",
    "silent": "The microphone gives nothing but silence. Is it switched off?",
    "lost": "The station does not hear this microphone{why}. Trying again …",
    "stalled": "Nothing comes back from the station: do not rely on being heard.",
    "ended": "Not listening any more: {why}.",
    "unplugged": "Not listening any more: the microphone has gone.",
    "forbidden": "The browser does not give the microphone: allow it for this page, then press Listen again.",
    "failed": "The microphone cannot be used: {why}",
    "insecure": (
        "A browser gives the microphone only over HTTPS, or on the machine itself. Set web.certificate and web.key in "
        "the settings."
    ),
    "locating": "Position: looking …",
    "located": "Position: known to {metres} m",
    "nowhere": "Position: unknown. The incident will carry the place of the station, if that is set.",
}

WHEN, WHAT, CONFIDENCE, REASON = "When ({zone})", "What", "Confidence", "Why"
STATE_COLUMN, SENSES_COLUMN = "State", "Senses"
ANY = "any"
SINCE = "Since (date)"
OLDER, NEWEST = "Older", "Newest"
NO_INCIDENTS, NOTHING_HAPPENED = "There are no such incidents.", "There has been no incident yet."
NO_INCIDENT = "There is no such incident."
TIME_LINE, DELIVERIES = "Time line", "Deliveries"
NO_DELIVERIES = "Nothing was asked for."
ATTEMPTS, PROBABILITY, AT = "Attempts", "Probability", "At (s)"
AS_JSON, AS_CSV = "As JSON", "As a table (CSV)"
READINGS = "Readings"
AFTER_S = " (after {seconds:.0f} s)"
CONFIDENCE_SO_FAR = "Confidence so far"
RECORDED = "Sound and picture"
NOT_RECORDED = "No recording of it is there (any more)."
UNREADABLE = "What was recorded cannot be read: {why}"
FILE = {
    "sound.flac": "Sound",
    "clip.mp4": "Clip",
    "picture.jpg": "Picture",
    "hands.csv": "Hands, as a table (CSV)",
}
KEEP, LET_GO = "Keep this evidence", "Let it go"
KEPT = "Kept for good."
GOES = "Goes after {days:g} days, or sooner where all evidence takes more than {gigabytes:g} GB."
MAP, ON_THE_MAP = "Where", "Open a map"
NO_PLACE = "Where it was is not known: set place.address in the settings."
WITHIN = "within {metres:.0f} m"
PLACE_SOURCE = {
    "browser": "told by the device that heard it",
    "settings": "the place of the station",
    "ip": "guessed from the internet address",
}
NEXT, RETRY, RETRIED = "Next", "Try again", "It is tried again."
MESSAGE_KIND = {
    "alarm": "alarm",
    "update": "update",
    "duress": "alarm under duress",
    "trouble": "trouble",
    "test": "test",
}
REMARKS = "What it was"
REMARKS_HINT = "Say whether it was right: what you mark teaches the next training, and stays on the station."
MARK = "Mark"
MARKED = {Mark.REAL: "Real", Mark.FALSE: "False alarm"}
NOTE, ADD_NOTE = "Note", "Add the note"
NOTED = "Noted."
TAKEN_BACK = "mark taken back"

ANALYSE_HINT = (
    "Drop a recording or a picture here: {kinds}. Up to {megabytes:g} MB. It is judged on this machine and not kept."
)
CHOOSE = "Choose a file, or drop it here"
JUDGING = "Judging …"
VERDICT = "Verdict"
SPECTROGRAM_OF_IT = "Spectrogram: low pitch at the bottom, 7.8 kHz at the top; brighter is louder."
NO_SOUND_IN_IT = "No sound in it"
DOWNLOAD = "Download as JSON"
TOO_LARGE = "The file is larger than {megabytes:g} MB, or could not be sent."
HANDS_IN_IT = "Signs and movements"
INCIDENTS_IN_IT = "What the station would have made of it"

COLLECT_HINT = (
    "Teach the station a gesture of your own: choose what you show, hold the button, and move your hand a little while "
    "it records. 100 rows of a gesture are a good start; two or three people are much better than one. "
    "Then train on the page Retrain."
)
KINDS = {"signs": "Sign (a still hand)", "motions": "Movement (a moving hand)"}
CHOOSE_GESTURE, SHOW_IT, COLLECTED = "1. What will you show?", "2. Show it", "Collected"
KIND, LABEL_FIELD, PERSON, SESSION = "Kind", "Gesture", "Person", "Session"
PERSON_HINT = "Who shows it: a name or initials. It tells how well the gesture works on other people."
SESSION_HINT = "What is recorded in one go belongs together."
NEW_LABEL = "New gesture"
NEW_LABEL_HINT = "A short name, such as my_sign"
ADD = "Add"
HOLD = "Hold to record"
HOLD_HINT = "or hold the space bar"
COUNT_DOWN = "Count down, then record {seconds:g} s"
STOP = "Stop"
UNDO = "Take back the last row"
RECORDING = "Recording {label}"
NOT_RECORDING = "Not recording"
STARTS_IN = "Starts in {seconds}"
CHOOSE_FIRST = "Choose a gesture first."
NO_HAND_SEEN, HANDS_SEEN = "No hand in view", "Hands in view: {count}"
THIS_SESSION, ALTOGETHER = "This session", "Altogether"
NOTHING_COLLECTED = "Nothing has been collected yet."
NO_CAMERA = "This station has no camera: there is nothing to collect from."
WHILE_ARMED = "The station is armed: an emergency gesture shown now calls for help. Disarm it while you collect."
WHILE_DISARMED = "The station is disarmed, and calls nobody. Arm it again when you have finished."

KIOSK_QUIET = "I am watching and listening"
KIOSK_QUIET_HINT = "Scream, or show the Signal for Help: palm out, thumb in, fingers down over it."
KIOSK_HELP = "Emergency noticed"
KIOSK_HELP_HINT = "Help is being called."
KIOSK_WAITS_HINT = "Help has been called. Nobody has answered yet."
KIOSK_ALONE_HINT = "This station calls nobody: call for help yourself."
KIOSK_TAKEN = "Somebody has answered"
KIOSK_TAKEN_HINT = "A person has taken this on."
KIOSK_OFF = "This station is switched off"
KIOSK_OFF_HINT = "It calls nobody now."
KIOSK_DARK = "I am listening"
KIOSK_DARK_HINT = "It is too dark here to see a sign. Scream if you need help."
KIOSK_TROUBLE = "This station is not working properly"
KIOSK_LOST = "No connection to the station"
KIOSK_TROUBLE_HINT = "Do not rely on it. Please tell the people who look after it."

RETRAIN_HINT = (
    "Makes a model of the examples that came with the program and of what you have collected. It takes some minutes, "
    "the station goes on watching meanwhile, and nothing changes until you put the new model in use."
)
TRAINING_MISSING = (
    "Training needs packages that are not installed: {packages}. What installs them, in a terminal: {command}"
)
ROWS_OF = "Collected: {rows}; people: {people}"
TRAIN, CANCEL_TRAINING = "Train", "Cancel"
TRAINING, TRAINED = "Training …", "Trained."
TRAINING_FAILED = "Not trained: {why}"
NEW_MODEL, NEW_IN_USE = "The new model, not in use", "The new model, in use from the next start on"
OTHERS_RECALL = "Of people it has not seen"
NEW_RECALL, OLD_RECALL = "Of all examples, new model", "Of all examples, model in use"
FIGURES_HINT = (
    "How many of 100 examples are recognised. The first column is what to expect of others: it was measured by leaving "
    "each person out of a training. Where one person alone has shown a gesture, some of that person's examples were "
    "left out instead, and it says little of others. The other two tell whether a gesture was lost: both models on the "
    "same examples."
)
CONFUSION, SHOWN_TAKEN = "What is taken for what", "Shown ↓ taken for →"
WORSE = "The new model recognises these less well than the model in use: {labels}"
DOES_NOT_KNOW = "These mean an emergency, and the new model does not know them: {labels}"
OBJECTIONS = "It should not take the place of the model in use: {why}"
USE_ANYWAY = "Use it all the same"
USE_ANYWAY_HINT = (
    "An emergency may be missed, or something else be taken for one. The model in use now is kept, and comes back with "
    "one press."
)
CHANGE_MODEL = "Change the model"
CHANGE_HINT = "Nobody signs in here, so this takes the PIN."
PUT_IN_USE, GO_BACK = "Put in use", "Go back to the model before"
IN_USE_LATER = "It is in use from the next start on; the model before is kept."

SETTINGS_HINT = (
    "All of it stands in {path}, where it can be changed by hand, too; comments there are kept. Passwords, tokens and "
    "PINs stand in {secrets}: they are asked for, and changed, by {command} in a terminal."
)
FIND = "Find a setting"
CHANNELS = "Ways out"
CHANNELS_HINT = "What is turned on now. A test is marked as such, and makes no incident."
NO_CHANNELS = "No way out is turned on: nobody would be told."
SEND_TEST, TESTING = "Send test", "Trying …"
ARRIVED, HANDED_OVER, TEST_FAILED = "Arrived", "Handed over", "Failed"
AT_ONCE, AT_NEXT_START = "in force at once", "in force after a restart"
OFF_UNLESS = "Use it"
SAVE, DISCARD = "Save", "Discard"
UNSAVED = "There are changes that are not saved."
NO_CHANGES = "Everything is saved."
SAVED = "Saved, and in force."
SAVED_FOR_LATER = "Saved. It comes into force when the station starts again."
BUT = "But: {}."
RESTART_NEEDED = "The station must start again for: {what}"
RESTART_NOW = "Start again now"
RESTART_ASK = "It does not watch or listen for about {seconds} seconds."
RESTARTING = "The station starts again. This page comes back by itself."
SECRET_SET = "A secret; it is set, and not shown. Change it as {variable} in the environment or in {secrets}."
SECRET_OPEN = "A secret; it is not set. Set it as {variable} in the environment or in {secrets}."
SECRETS_OPEN = "Secrets; set them as {variable} in the environment or in {secrets}."
SET_OUTSIDE = "Set as {variable} in the environment or in {secrets}; the file cannot change it."
WHICH_DEVICES, NO_DEVICES = "Which are there?", "None is there."
NEW_PASSWORD = "New password (empty: stays as it is)"
NEW_TOKEN = "Make a new token"
TOKEN_SET = "It is set."
TOKEN_ONCE = "It is shown only now. It lets a program in when the station has saved it and started again."
TOKEN_COPIED = "I have copied it"
ONE_A_LINE = "One a line"
DEFAULT = "Default: {value}"
BETWEEN, AT_LEAST, MORE_THAN = "From {least} to {most}.", "At least {least}.", "More than {least}."
NONE_YET = "There is none yet."
REMOVE, ADD_ONE = "Remove", "Add to {what}"

NAMES = {
    "mysql": "MySQL", "mqtt": "MQTT", "mongodb": "MongoDB", "sms": "SMS", "whatsapp": "WhatsApp", "web": "Pages",
    "fusion": "Decision", "log": "Log", "url": "Address", "tls": "Encryption",
}  # fmt: skip
"""Settings that are not called as their key."""
UNITS = {"s": "seconds", "m": "metres", "mb": "MB", "fps": "pictures a second"}
"""Ends of the names of settings."""

LOST_HINT = "What stands on this page is old. Do not rely on the station; see whether it runs."
NO_PAGE_TITLE, NO_PAGE = "Nothing here", "There is nothing at this address."
TO_LIVE, TO_INCIDENTS = "To the live page", "To all incidents"
SIGN_IN, NAME, PASSWORD = "Sign in", "Name", "Password"
WRONG = "Name or password is wrong."

API_HINT = "Programs send a token: Authorization: Bearer …; it is made with safety-monitor web-token."
SCHEMA = "OpenAPI document"
ANSWERS, BODY = "Answers", "body"


def state(is_now: State, standing: State | None = None) -> str:
    """What is said of where an incident is, and where it stands for people, see `Entry.standing`; None: not known."""
    if is_now is State.CANCELLED and standing is State.PENDING:
        return NOT_CONFIRMED
    return CLOSED_AS[standing] if is_now is State.CLOSED and standing is not None else STATE[is_now]


def label(name: str) -> str:
    """A label as people read it."""
    return LABEL.get(name, name.replace("_", " ").capitalize())


def part(name: str) -> str:
    """A part of the station as people read it."""
    return name.capitalize()


def channel(name: str) -> str:
    """A channel as people read it."""
    kind, _, member = name.partition(":")
    if kind == "messages":
        return MESSAGE_TO.format(name=member)
    return CHANNEL_NAME.get(kind, name).format(whom=member)


def setting(key: str) -> str:
    """The name of a setting as people read it."""
    if key in NAMES:
        return NAMES[key]
    *words, unit = key.split("_")
    name = " ".join(words if words and unit in UNITS else [*words, unit])
    return name[:1].upper() + name[1:] + (f" ({UNITS[unit]})" if words and unit in UNITS else "")
