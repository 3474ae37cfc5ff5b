"""Where a station sees and hears: what its settings name, or else the devices that are there."""

import logging

from audio.blocks import SoundError
from audio.microphone import SoundDevice, list_devices
from gesture.capture import list_cameras
from safety_monitor.config import Settings
from safety_monitor.senses import DEMO, OFF, is_recorded
from safety_monitor.supervision.systemd import is_service

log = logging.getLogger(__name__)

NOTHING_WATCHED = "camera and microphone are both off: nothing would be watched"


class NothingToWatchError(Exception):
    """There is neither a source named nor a device found; the text is one line that says what to do."""


def choose_sources(settings: Settings, *, demo_without_devices: bool) -> Settings:
    """Fill in the sources that the settings leave open, from the devices that are there.

    Raises:
        NothingToWatchError: there is nothing to watch or listen to.
    """
    camera, microphone = settings.camera.source, settings.microphone.source
    if is_patient(settings) and not (camera == microphone == OFF or is_recorded(camera) or is_recorded(microphone)):
        return settings  # what is not there yet is waited for
    if not camera and not microphone:
        camera = "" if list_cameras() else OFF
        microphone = "" if microphones() else OFF
        if camera == microphone == OFF:
            if not demo_without_devices:
                raise NothingToWatchError(
                    "no camera and no microphone found; plug one in, or name a source with --camera or --mic; "
                    "`make run` or `--camera demo --mic demo` plays the demo scene"
                )
            log.warning("no camera and no microphone found: playing the demo scene, nothing is being watched")
            camera = microphone = DEMO
        elif camera == OFF:
            log.warning("no camera found: the station only listens")
        elif microphone == OFF:
            log.warning("no microphone found: the station only watches")
    elif not camera:
        camera = OFF if is_recorded(microphone) or not list_cameras() else ""
    elif not microphone:
        microphone = OFF if is_recorded(camera) or not microphones() else ""
    if camera == microphone == OFF:
        raise NothingToWatchError(NOTHING_WATCHED)
    return settings.model_copy(
        update={
            "camera": settings.camera.model_copy(update={"source": camera}),
            "microphone": settings.microphone.model_copy(update={"source": microphone}),
        }
    )


def is_patient(settings: Settings) -> bool:
    """Whether what is missing at the start is waited for: nobody stands before a service to read why it ended."""
    given = settings.supervision.wait_for_devices
    return given == "always" or (given == "as-service" and is_service())


def microphones() -> list[SoundDevice]:
    """The microphones that are there; none, with a warning, where sound devices cannot be looked for at all."""
    try:
        return list_devices()
    except SoundError as error:
        log.warning("%s", error)
        return []
