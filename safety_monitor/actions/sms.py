"""How a text becomes SMS: its alphabet, and how many it takes. Pure.

A text in the alphabet of GSM has 160 characters in one SMS and 153 in each of several; one other character anywhere
makes it 70 and 67. So what is only typography is written plainly; letters of names and places stay as they are.

Reference: 3GPP TS 23.038, section 6.2.1
"""

GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("^{}\\[~]|€")
"""These take the room of two."""
PLAIN = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "…": "...", "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"'}
    | {"»": '"', "·": "-", "•": "-", "×": "x", "\t": " ", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "`": "'"}
)


def plain(text: str) -> str:
    """The text without typography that would double its price."""
    return text.translate(PLAIN)


def segments(text: str) -> int:
    """How many SMS a text takes."""
    if set(text) <= GSM | EXTENDED:
        length, alone, each = len(text) + sum(character in EXTENDED for character in text), 160, 153
    else:
        length, alone, each = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= alone else -(-length // each)
