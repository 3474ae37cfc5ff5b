"""How a text becomes SMS: its alphabet. Pure.

A text in the alphabet of GSM has 160 characters in one SMS and 153 in each of several; one other character anywhere
makes it 70 and 67. So what is only typography is written plainly; letters of names and places stay as they are.

Reference: 3GPP TS 23.038, section 6.2.1
"""

PLAIN = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "…": "...", "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"'}
    | {"»": '"', "·": "-", "•": "-", "×": "x", "\t": " ", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "`": "'"}
)


def plain(text: str) -> str:
    """The text without typography that would double its price."""
    return text.translate(PLAIN)
