"""The station as a service of systemd: its unit, and putting it in place."""

import grp
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import hand_landmarker
from models.atomic_file import write_whole
from models.card import ModelError
from safety_monitor.config import PREFIX
from safety_monitor.config.file import BACKUP
from safety_monitor.config.secret_file import SECRETS_VARIABLE
from safety_monitor.config.sources import CONFIG_VARIABLE

NAME = "safety-monitor"
USER = "safety-monitor"
GROUPS = ("audio", "video")
"""Who may use microphones, loudspeakers and cameras."""
LOG_GROUP = "systemd-journal"
"""Who may read the system's journal, in which the log of the service is."""
UNIT = Path("/etc/systemd/system/safety-monitor.service")
CONFIG = Path("/etc/safety-monitor")
SETTINGS = CONFIG / "station.toml"
SECRETS = CONFIG / "secrets.env"
HOME = Path("/var/lib/safety-monitor")

SECRETS_TEXT = """\
# Secrets of the station: a line each, as docs/channels.md says, such as
# SAFETY_MONITOR_TWILIO__AUTH_TOKEN=...
# Restart the service after a change: systemctl restart safety-monitor
"""

TEMPLATE = """\
[Unit]
Description=safety-monitor: hears screams, sees an emergency gesture, gets help
After=sound.target network.target
# It never gives up: a station that is not started again helps nobody.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run --config {settings}
Environment=SAFETY_MONITOR_HOME={home} SAFETY_MONITOR_CACHE={home}/cache SAFETY_MONITOR_SECRETS={secrets}
Environment=PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WorkingDirectory={home}
Restart=always
RestartSec=2
# The models are loaded and the devices opened within this time.
TimeoutStartSec=300
# Signs of life come three times as often, and only while every part of the station gives one.
WatchdogSec=60
# What is due when the station ends is still delivered.
TimeoutStopSec=60
# When memory is short, others go first; when the processor is, they wait.
OOMScoreAdjust=-500
Nice=-10

User={user}
Group={user}
SupplementaryGroups={groups}
StateDirectory={user}
StateDirectoryMode=0700
UMask=0077

# What it does not need it cannot do.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
# Its settings are changed on its pages.
ReadWritePaths=-{config}
ProtectHome={protect_home}
PrivateTmp=yes
PrivateMounts=yes
DevicePolicy=closed
DeviceAllow=char-alsa rw
DeviceAllow=char-video4linux rw
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# Not set: MemoryDenyWriteExecute, because the inference engines compile code for this processor as they run.

[Install]
WantedBy=multi-user.target
"""


class ServiceError(Exception):
    """The service cannot be put in place or taken out; the text is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is put: the machine itself, or a folder that holds the file system of one.

    Attributes:
        root: `/`; any other folder gets the files, and nothing is started there.
    """

    root: Path = Path("/")

    @property
    def here(self) -> bool:
        """Whether it is this machine."""
        return self.root == Path("/")

    def __call__(self, path: Path) -> Path:
        return self.root / path.relative_to("/")


def program() -> Path:
    """The installed command that runs now."""
    return Path(sys.executable).with_name(NAME)


def command_line(command: str, settings: Path) -> str:
    """What somebody types in a terminal for one of the commands, by the settings in a file.

    The program is told by its path, unless a shell finds it by its name.
    """
    if settings.absolute() == SETTINGS:
        return f"sudo {program()} --service {command}"
    known = shutil.which(NAME) == str(program())
    return f"{NAME if known else shlex.quote(str(program()))} {command}"


def unit(program: Path) -> str:
    """The unit file for an installed command."""
    return TEMPLATE.format(
        program=program,
        settings=SETTINGS,
        secrets=SECRETS,
        config=CONFIG,
        home=HOME,
        user=USER,
        groups=" ".join(GROUPS),
        protect_home="read-only" if program.is_relative_to("/home") else "yes",
    )


def install(
    program: Path, settings: Path | None, place: Place, *, secrets: str = "", start: bool = True, replace: bool = False
) -> Iterator[str]:
    """Put the service in place: user, folders, settings, unit; what is there already stays, but for the unit.

    Args:
        program: the installed command.
        settings: a settings file to begin with; None: every setting at its default.
        place: where.
        secrets: lines of variables to begin with, as systemd reads them.
        start: whether it is started, now and whenever the machine starts.
        replace: whether settings and secrets that are there already give way to these; they are kept beside them.

    Yields:
        What was done, a line each.

    Raises:
        ServiceError: no rights, no systemd, or the service's user could not run the program.
    """
    _check(program, place)
    if place.here and not _exists(USER):
        _call("useradd", "--system", "--user-group", "--home-dir", str(HOME), "--shell", "/usr/sbin/nologin", USER)
        yield f"user {USER}: made"
    for folder in (CONFIG, HOME, HOME / "cache"):
        there = _no_link(place(folder))
        there.mkdir(parents=True, exist_ok=True)
        _close_to_others(there)
        _give(there, place)
    yield from _put(SETTINGS, settings.read_text(encoding="utf-8") if settings else "", place, replace=replace)
    yield from _put(SECRETS, SECRETS_TEXT + secrets if secrets else "", place, SECRETS_TEXT, replace=replace)
    yield from _put_hand_model(place)
    path = place(UNIT)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(unit(program), encoding="utf-8")
    yield f"{path}: written"
    if place.here:
        _call("systemctl", "daemon-reload")
    if place.here and start:
        _call("systemctl", "enable", NAME)
        restart()
        yield "started; `systemctl status safety-monitor` and `journalctl -u safety-monitor` show how it is"
    else:
        yield f"nothing was started; `systemctl enable --now {NAME}` on that machine starts it, now and at boot"


def restart() -> None:
    """Start the service anew, so that it goes by its settings as they are now.

    Raises:
        ServiceError: systemd does not.
    """
    _call("systemctl", "restart", NAME)


def is_active() -> bool:
    """Whether the service runs on this machine."""
    if not UNIT.exists() or shutil.which("systemctl") is None:
        return False
    return subprocess.run(["systemctl", "is-active", "--quiet", NAME], check=False).returncode == 0


def run_as_service(arguments: Sequence[str], place: Place) -> int:
    """Run a command of this program as the service does: with its settings, secrets, journal and rights.

    Args:
        arguments: of the command.
        place: where the service is.

    Returns:
        The exit status.

    Raises:
        ServiceError: no rights, or there is no such service.
    """
    if not place(UNIT).exists():
        raise ServiceError(f"{place(UNIT)}: there is no such service; install-service puts one in place")
    _check_rights(place)
    environ = {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
    files = {
        f"{PREFIX}HOME": HOME,
        f"{PREFIX}CACHE": HOME / "cache",
        CONFIG_VARIABLE: SETTINGS,
        SECRETS_VARIABLE: SECRETS,
    }
    environ |= {name: str(place(path)) for name, path in files.items()} | {"HOME": str(place(HOME))}
    rights: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": groups_for(arguments)} if place.here else {}
    signal.signal(signal.SIGINT, lambda number, frame: None)  # Ctrl-C is for the command; this waits for its end
    return subprocess.run([program(), *arguments], env=environ, umask=0o077, check=False, **rights).returncode


def groups_for(arguments: Sequence[str]) -> tuple[str, ...]:
    """The groups that a command for the service has: the service's; what puts its log together must read that, too."""
    if "support-bundle" in arguments and any(group.gr_name == LOG_GROUP for group in grp.getgrall()):
        return (*GROUPS, LOG_GROUP)
    return GROUPS


def settings_changed_at(place: Place) -> list[int]:
    """When settings and secrets of the service were written last, in ns; 0 where they are not there."""
    files = map(place, (SETTINGS, SECRETS))
    return [file.stat().st_mtime_ns if file.exists() else 0 for file in files]


def uninstall(place: Place) -> Iterator[str]:
    """Stop the service and take its unit out; settings, secrets and what the station kept stay.

    Yields:
        What was done, a line each.

    Raises:
        ServiceError: no rights, or there is no such service.
    """
    path = place(UNIT)
    if not path.exists():
        raise ServiceError(f"{path}: there is no such service")
    _check_rights(place)
    if place.here:
        _call("systemctl", "disable", "--now", NAME)
    path.unlink()
    if place.here:
        _call("systemctl", "daemon-reload")
    yield f"{path}: removed"
    yield f"kept: {place(CONFIG)}, {place(HOME)} and the user {USER}"


def closed_folder(program: Path) -> Path | None:
    """The first folder on the way to the command or to its Python that only some may pass; None if there is none.

    Root sees everything; the service's user sees what is open to all.
    """
    ways = (program, program.resolve(), program.with_name("python").resolve())
    folders = [folder for way in ways for folder in reversed(way.parents)]
    return next((folder for folder in folders if not folder.stat().st_mode & 0o001), None)


def _check(program: Path, place: Place) -> None:
    if not program.is_file():
        raise ServiceError(f"{program}: there is no such command; set up with `make setup`")
    _check_rights(place)
    if place.here and (closed := closed_folder(program)) is not None:
        raise ServiceError(
            f"{closed}: closed to the service's user, so that it cannot run {program}; set up in /opt with the "
            "system's own Python instead"
        )
    if place.here and (shutil.which("systemctl") is None or not Path("/run/systemd/system").is_dir()):
        raise ServiceError("this machine does not run systemd; see docs/operating.md for other ways")


def _check_rights(place: Place) -> None:
    if place.here and os.geteuid() != 0:
        raise ServiceError("this takes the rights of root: run it with sudo")


def _put(path: Path, text: str, place: Place, otherwise: str = "", *, replace: bool) -> Iterator[str]:
    """Write a file that is not there, or shall be replaced: the text, or where that is empty what it begins with."""
    there, before = _no_link(place(path)), ""
    if there.exists():
        differs = bool(text) and there.read_text(encoding="utf-8") != text
        if not differs or not replace:
            _give(there, place)
            yield f"{there}: kept as it is{'; --replace takes over yours from here' if differs else ''}"
            return
        kept = there.with_name(there.name + BACKUP)
        there.replace(kept)
        before = f"; the one before is {kept}"
    write_whole(there, (text or otherwise).encode())
    _give(there, place)
    yield f"{there}: written{'' if text else ', with nothing set'}{before}"


def _no_link(path: Path) -> Path:
    """A path in a folder of the service: who took that over must not have root write elsewhere.

    Raises:
        ServiceError: it is a link.
    """
    if path.is_symlink():
        raise ServiceError(f"{path}: is a link, and must be a file or folder of its own; take it away first")
    return path


def _close_to_others(folder: Path) -> None:
    """Let nobody but its owner into a folder, which may have become a link since it was looked at: see `_no_link`."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(handle, 0o700)
    finally:
        os.close(handle)


def _put_hand_model(place: Place) -> Iterator[str]:
    """The file that the set-up put into the cache of whoever ran it, for the service; put together anew if need be."""
    kept = _no_link(place(HOME / "cache" / hand_landmarker.TASK_NAME))
    if kept.exists():
        return
    caches = [hand_landmarker.default_path()]
    if sudo_user := os.environ.get("SUDO_USER"):
        caches.append(Path(f"~{sudo_user}").expanduser() / ".cache" / "safety-monitor" / hand_landmarker.TASK_NAME)
    found = next((path for path in caches if hand_landmarker.is_complete(path)), None)
    try:
        if found is not None:
            write_whole(kept, found.read_bytes())
        else:
            hand_landmarker.ensure(kept.parent)
    except ModelError as error:
        raise ServiceError(str(error)) from None
    _give(kept, place)
    yield f"{kept}: put in place"


def _give(path: Path, place: Place) -> None:
    """Let the service's user own it; elsewhere than on this machine there is no such user."""
    if place.here:
        os.chown(path, pwd.getpwnam(USER).pw_uid, grp.getgrnam(USER).gr_gid, follow_symlinks=False)


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ServiceError(f"{' '.join(command)} failed: {said[-1] if said else done.returncode}")
