"""The audit of dependencies: a weakness fails it; what could not be looked up is never taken for clean."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).resolve().parents[1] / "scripts" / "audit"
CLEAN = {"name": "numpy", "version": "2.4.6", "vulns": []}
UNKNOWN = {"name": "yarl", "skip_reason": "not found"}
WEAK = {"name": "pillow", "version": "1.0", "vulns": [{"id": "PYSEC-0", "fix_versions": ["2.0"]}]}


@pytest.mark.parametrize(
    ("packages", "status", "told"),
    [
        ([CLEAN, UNKNOWN], 0, "requirements.txt: 1 packages looked up, 1 NOT AUDITED"),
        ([CLEAN, WEAK], 1, "pillow 1.0: PYSEC-0; mended in 2.0"),
        (None, 0, "NOT AUDITED, the lists of weaknesses cannot be reached: no route to host"),
    ],
)
def test_audit(packages: list[dict[str, object]] | None, status: int, told: str, tmp_path: Path) -> None:
    """In the place of pip-audit stands what it prints: without a network it finds nothing of its own."""
    answer = "" if packages is None else json.dumps({"dependencies": packages})
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\necho 'no route to host' >&2\ncat <<'END'\n{answer}\nEND\nexit 1\n")
    program.chmod(0o755)
    done = subprocess.run([sys.executable, str(AUDIT), str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert told in done.stdout
