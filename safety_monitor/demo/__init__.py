"""A built-in scene, drawn and synthesised, played through the same pipeline as a camera and a microphone."""

from safety_monitor.demo.scene import EXPECTED, Expected, open_demo_camera, open_demo_sound

__all__ = ["EXPECTED", "Expected", "open_demo_camera", "open_demo_sound"]
