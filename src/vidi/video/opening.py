"""Opens files, streams and cameras with FFmpeg, held to what was named: no other file, no other address, no giant."""

import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from vidi.errors import DataError, VidiError, from_extra
from vidi.files import escape_path
from vidi.images.limits import Limits
from vidi.machine import core_count
from vidi.video.http import HttpStream, open_http

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# FFmpeg's names of what is read. Playlists (hls, dash, concat, sdp, image2 …) name further files and addresses: none.
FILE_FORMATS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,gif,ivf,nut,"
    "mjpeg,h264,hevc,obu,av1,m4v"
)
STREAM_FORMATS: Final = "mpjpeg,mjpeg,mpegts,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,asf,ogg,nut,h264,hevc,ivf"
LIVE: Final[Mapping[str, str]] = {  # a stream is looked at shortly: its pictures are timed by their arrival
    "fpsprobesize": "0",
    "analyzeduration": "1000000",  # microseconds
}
NO_PROTOCOL: Final = "none"  # a file's bytes are handed to FFmpeg, which may open nothing by itself
READ_AHEAD: Final = 1 << 18  # bytes that are read of a file at once

STREAMS: Final[Mapping[str, Mapping[str, str]]] = {  # by scheme
    "http": {"protocol_whitelist": NO_PROTOCOL, "format_whitelist": STREAM_FORMATS},
    "https": {"protocol_whitelist": NO_PROTOCOL, "format_whitelist": STREAM_FORMATS},
    "rtsp": {"protocol_whitelist": "rtp,tcp", "format_whitelist": "rtsp,rtp,sdp,mpegts", "rtsp_transport": "tcp"},
    "rtsps": {"protocol_whitelist": "rtp,tls,tcp", "format_whitelist": "rtsp,rtp,sdp,mpegts", "rtsp_transport": "tcp"},
}


class Opened:
    """An opened source: a container and its video stream."""

    def __init__(
        self,
        container: "InputContainer",
        stream: "VideoStream",
        file: IO[bytes] | HttpStream | None = None,
        limits: Limits = Limits(),  # noqa: B008  # frozen
    ) -> None:
        """Store what is open; `file` is closed with it."""
        self.container, self.stream, self._file, self.limits = container, stream, file, limits

    def note_image(self) -> None:
        """An image has arrived: where bytes are counted, the count starts at 0."""
        if isinstance(self._file, HttpStream):
            self._file.note_image()

    def close(self) -> None:
        """Close it."""
        self.container.close()
        if self._file is not None:
            self._file.close()


def check_video_package() -> None:
    """Raise unless video can be read here.

    Raises:
        MissingPackageError: the extra `video` is not installed.
    """
    with from_extra("video need PyAV", extra="video"):
        import av  # noqa: F401


def open_file(path: Path, limits: Limits) -> Opened:
    """Open a video file.

    Raises:
        DataError: it cannot be read, holds no video stream, or asks for too much.
    """
    import av

    name = escape_path(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}", "Check the path and its permissions.") from error
    options = {
        "protocol_whitelist": NO_PROTOCOL,
        "format_whitelist": FILE_FORMATS,
        "max_pixels": str(limits.pixels),
    }
    try:
        container = av.open(file, "r", options=options, buffer_size=READ_AHEAD)
    except (av.FFmpegError, ValueError, OSError) as error:
        file.close()
        raise DataError(
            f"{name} cannot be read as a video: {in_words(error)}",
            "Give a video file such as MP4, MOV, MKV, WebM or AVI. A playlist is not read: give the video itself.",
        ) from error
    return _prepared(container, name, limits, file=file, is_live=False)


def open_stream(
    address: str,
    name: str,
    limits: Limits,
    *,
    open_seconds: float,
    read_seconds: float,
    connected: Callable[[HttpStream], None],
) -> Opened:
    """Open a stream at its address.

    Args:
        address: with scheme; may hold user and password.
        open_seconds: after which opening is given up.
        read_seconds: after which a read that gives nothing is.
        connected: receives a connection that can be interrupted, before anything is read from it.

    Raises:
        DataError: it cannot be opened, is no stream of video, or asks for too much.
    """
    import av

    scheme = address.partition("://")[0].lower()
    options = {**STREAMS[scheme], **LIVE, "max_pixels": str(limits.pixels)}
    file = open_http(address, name, seconds=max(open_seconds, read_seconds)) if scheme in ("http", "https") else None
    format = "mpjpeg" if file is not None and file.is_multipart else None
    timeout = (open_seconds, read_seconds) if file is None else None
    if file is not None:
        connected(file)
    if scheme == "rtsps":
        authorities = ssl.get_default_verify_paths().cafile  # the system's, or the one that SSL_CERT_FILE names
        options |= {"tls_verify": "1", **({"ca_file": authorities} if authorities else {})}
    try:
        container = av.open(file or address, "r", format=format, options=options, timeout=timeout)
    except (av.FFmpegError, ValueError, OSError, VidiError) as error:
        if file is not None:
            file.close()
        if isinstance(error, VidiError):
            raise
        raise DataError(f"{name} cannot be opened: {in_words(error)}", "Check the address and the camera.") from error
    return _prepared(container, name, limits, file=file, is_live=True)


def open_camera(number: int, limits: Limits, *, open_seconds: float, read_seconds: float) -> Opened:
    """Open a camera of this computer.

    Raises:
        DataError: there is no such camera, or another program uses it.
    """
    import av

    device = camera_device(number)
    remedy = "Connect a camera, allow this program to use it, or give another number, a video file or a stream."
    if device is None:
        raise DataError(f"there is no camera {number}", remedy)
    options = {**dict(device.options), **LIVE, "max_pixels": str(limits.pixels)}
    try:
        container = av.open(
            device.address, "r", format=device.format, options=options, timeout=(open_seconds, read_seconds)
        )
    except (av.FFmpegError, ValueError, OSError) as error:
        raise DataError(f"camera {number} ({device.address}) cannot be opened: {in_words(error)}", remedy) from error
    return _prepared(container, f"camera {number}", limits, is_live=True)


def _prepared(
    container: "InputContainer",
    name: str,
    limits: Limits,
    *,
    file: IO[bytes] | HttpStream | None = None,
    is_live: bool,
) -> Opened:
    """The video stream of a container, its decoder with its limits; closed where there is none."""
    try:
        stream = _video_stream(container, name, limits)
    except VidiError:
        container.close()
        if file is not None:
            file.close()
        raise
    decoder = stream.codec_context
    decoder.options = {"max_pixels": str(limits.pixels)}
    decoder.thread_count = core_count()
    decoder.thread_type = "SLICE" if is_live else "AUTO"  # a thread for each frame would hold so many frames back
    return Opened(container, stream, file, limits)


def _video_stream(container: "InputContainer", name: str, limits: Limits) -> "VideoStream":
    stream = next((stream for stream in container.streams.video if stream.codec_context is not None), None)
    if stream is None:
        raise DataError(
            f"{name} holds no video stream that can be decoded", "Give a video with images, not sound alone."
        )
    height, width = stream.codec_context.height, stream.codec_context.width
    if height * width > limits.pixels:
        raise too_many_pixels(width, height, limits)
    return stream


def too_many_pixels(width: int, height: int, limits: Limits) -> DataError:
    """The refusal of giant images."""
    return DataError(
        f"its images have {width:,} × {height:,} pixels; the limit is {limits.pixels:,} pixels",
        "Make it smaller first, or set the camera to smaller images.",
    )


def in_words(error: Exception) -> str:
    """What FFmpeg says went wrong, without the address, which may hold a password."""
    said = getattr(error, "strerror", None) or type(error).__name__
    return {
        "Immediate exit requested": "nothing came in time",
        "End of file": "it ends before the first image",
        "Invalid argument": "its format is not known, or not read here",
        "Invalid data found when processing input": "its format is not known, or it is damaged",
    }.get(said, said[:1].lower() + said[1:])


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
