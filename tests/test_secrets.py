"""No tracked file holds what looks like a key, a password of somebody, or somebody's number."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BINARY = {".png", ".jpg", ".wav", ".mp3", ".mp4", ".npz", ".tflite", ".gz", ".skops", ".task"}
KEYS = {
    "Twilio": re.compile(r"\b(AC|SK|MG|HX)[0-9a-f]{32}\b"),
    "Amazon": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "Google": re.compile(r"\bAIza[\w-]{35}"),
    "GitHub": re.compile(r"\bgh[oprsu]_\w{36}"),
    "Slack": re.compile(r"\bxox[abprs]-[\w-]{10,}"),
    "Telegram": re.compile(r"\b\d{8,10}:[A-Za-z0-9_-]{35}\b"),
    "private key": re.compile(r"BEGIN [A-Z ]*PRIVATE KEY"),
    "web token": re.compile(r"\beyJ[\w-]{20,}\.[\w-]{10,}"),
    "password hash": re.compile(r"\$argon2id?\$v=\d+\$[^\s\"']{40,}"),
    "assigned": re.compile(r"""(?i)(password|secret|token|api_?key)["']?\s*[=:]\s*["'](?=[^"']*\d)[\w/+=-]{20,}["']"""),
}
NUMBERS = re.compile(r"(?<![\w.+])\+[1-9]\d{9,14}\b")
NOBODYS = re.compile(r"\+1500555\d{4}|\+1\d{3}555\d{4}|\+49171392\d{4}|\+447700900\d{3}")
"""Numbers that were set aside for tests and films."""


def tracked() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are tracked is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and Path(name).suffix not in BINARY]


def found_in(text: str) -> list[str]:
    keys = [f"{kind} {match[0][:12]}…" for kind, pattern in KEYS.items() for match in pattern.finditer(text)]
    return keys + [f"number {match[0]}" for match in NUMBERS.finditer(text) if not NOBODYS.fullmatch(match[0])]


def test_no_tracked_file_holds_a_key_or_a_number() -> None:
    found = {
        str(path.relative_to(ROOT)): here
        for path in tracked()
        if path.is_file() and (here := found_in(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "sid = 'AC" + 32 * "0" + "'",
        "AKIA" + 16 * "A",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "123456789:" + 35 * "a",
        "auth_" + 'token = "' + 20 * "a" + '1"',
        "call +49" + "1511234" + "5678",
        "$argon2id$v=19$" + 40 * "m",
    ],
)
def test_the_search_finds_what_it_is_for(text: str) -> None:
    assert found_in(text) != []
