"""A small RTSP camera for tests, run by the system's Python: `rtsp_server.py PORT | --check`; prints its port."""

import sys

PICTURES = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=64,height=48,framerate=20/1"
CODING = "x264enc tune=zerolatency key-int-max=10 ! rtph264pay name=pay0 pt=96"


def main(argument: str) -> int:
    """Serve until killed; `--check` only says whether the parts are there."""
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    if argument == "--check":
        return 0 if all(map(Gst.ElementFactory.find, ("videotestsrc", "x264enc", "rtph264pay"))) else 1
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(argument)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_launch(f"( {PICTURES} ! {CODING} )")
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
