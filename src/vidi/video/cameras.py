"""A camera of this computer, by its number: how each system names it."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraDevice:
    """A camera as FFmpeg opens it."""

    format: str  # FFmpeg's name of the system's cameras
    address: str
    options: tuple[tuple[str, str], ...] = ()


def camera_device(number: int) -> CameraDevice | None:
    """How a camera is opened here; None: there is no such camera, or cameras of this system cannot be read."""
    if (system := str(sys.platform)) == "linux":
        return CameraDevice(format="v4l2", address=f"/dev/video{number}")
    if system == "darwin":  # an image, no sound; without a rate it asks for one that few cameras have
        return CameraDevice(format="avfoundation", address=f"{number}:none", options=(("framerate", "30"),))
    if system == "win32" and (name := _name_on_windows(number)) is not None:
        return CameraDevice(format="dshow", address=f"video={name}")
    return None


def _name_on_windows(number: int) -> str | None:
    """The name of the camera that is listed in this place, from 0."""
    from av.device import enumerate_input_devices

    names = [device.name for device in enumerate_input_devices("dshow") if "video" in device.media_types]
    return names[number] if number < len(names) else None
