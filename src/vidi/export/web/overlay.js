// What the stage shows: an image, and a map of the regions that speak for a class over it.

/** Where an image lies in the network's frame: {top, left, height, width}, pixels; the rules of Python's framing. */
export function placeInFrame(height, width, framing) {
  const [rows, columns] = framing.size;
  if (framing.mode === "stretch") return { top: 0, left: 0, height: rows, width: columns };
  const scale = framing.mode === "crop" ? Math.max(rows / height, columns / width) : Math.min(rows / height, columns / width);
  const [tall, wide] = [height * scale, width * scale];
  return { top: (rows - tall) / 2, left: (columns - wide) / 2, height: tall, width: wide };
}

/** How much each region speaks for a class above the mean of the others: rows of numbers. */
export function evidenceFor(evidence, label, multiLabel) {
  const names = Object.keys(evidence.byLabel);
  return evidence.byLabel[label].map((row, y) =>
    row.map((value, x) => {
      if (multiLabel || names.length < 2) return value;
      let sum = 0;
      for (const name of names) if (name !== label) sum += evidence.byLabel[name][y][x];
      return value - sum / (names.length - 1);
    }),
  );
}

/** Draw the map over an image of `height` × `width` that fills the canvas; orange speaks for the class, blue against. */
export function drawEvidence(canvas, evidence, { label, multiLabel, framing, height, width }) {
  const values = evidenceFor(evidence, label, multiLabel);
  const most = Math.max(1e-6, ...values.flat().map(Math.abs));
  const small = new OffscreenCanvas(evidence.columns, evidence.rows);
  const pixels = new ImageData(evidence.columns, evidence.rows);
  values.flat().forEach((value, index) => {
    const strength = Math.abs(value) / most;
    pixels.data.set(value > 0 ? [255, 106, 0, 190 * strength] : [0, 96, 255, 190 * strength], 4 * index);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const place = placeInFrame(height, width, framing);
  const [rows, columns] = framing.size;
  const [down, across] = [height / place.height, width / place.width];
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  // The whole frame is drawn; what lies outside the image falls off the canvas.
  const scale = canvas.width / width;
  context.drawImage(small, -place.left * across * scale, -place.top * down * scale, columns * across * scale, rows * down * scale);
}

/** Draw RGB pixels on a canvas, which takes their size. */
export function paint(canvas, pixels, width, height) {
  const data = new ImageData(width, height);
  for (let from = 0, to = 0; from < pixels.length; from += 3, to += 4) {
    data.data[to] = pixels[from];
    data.data[to + 1] = pixels[from + 1];
    data.data[to + 2] = pixels[from + 2];
    data.data[to + 3] = 255;
  }
  paintData(canvas, data);
}

/** Draw ImageData on a canvas, which takes its size. */
export function paintData(canvas, data) {
  canvas.width = data.width;
  canvas.height = data.height;
  canvas.getContext("2d").putImageData(data, 0, 0);
}
