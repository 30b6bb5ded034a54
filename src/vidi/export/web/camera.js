// The live camera: frames while it runs, one at a time, as fast as answers come.

export class Camera {
  /** @param {HTMLVideoElement} video shows what the camera sees. @param {() => void} ended is called when the camera is taken away. */
  constructor(video, ended) {
    this.video = video;
    this.ended = ended;
    this.stream = null;
    this.facing = "environment";
  }

  get runs() {
    return this.stream !== null;
  }

  /** Open the camera; throws an Error whose `name` is a key of CAMERA in words.js. */
  async start() {
    if (!navigator.mediaDevices?.getUserMedia) throw Object.assign(new Error("no camera here"), { name: "insecure" });
    const wanted = { audio: false, video: { facingMode: { ideal: this.facing }, width: { ideal: 1280 }, height: { ideal: 960 } } };
    this.stream = await navigator.mediaDevices.getUserMedia(wanted);
    for (const track of this.stream.getTracks()) track.addEventListener("ended", this.ended); // not by our own `stop`
    this.video.srcObject = this.stream;
    this.video.classList.toggle("mirrored", this.isMirrored);
    await this.video.play();
  }

  /** A camera that looks at the person is shown as a mirror; the model sees the picture as it is. */
  get isMirrored() {
    return this.stream?.getVideoTracks()[0]?.getSettings().facingMode === "user";
  }

  async turn() {
    this.facing = this.facing === "environment" ? "user" : "environment";
    this.stop();
    await this.start();
  }

  /** Whether there may be another camera to turn to. */
  static async several() {
    const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    return devices.filter((device) => device.kind === "videoinput").length > 1;
  }

  /** Draw the frame that is shown now on a canvas, which takes its size; at most `side` pixels wide or high. */
  draw(canvas, side = Infinity) {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, side / Math.max(videoWidth, videoHeight));
    canvas.width = Math.round(videoWidth * scale);
    canvas.height = Math.round(videoHeight * scale);
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }
}
