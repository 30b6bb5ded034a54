// In an iframe (`?embed`): the page around it sends images and gets answers, by one kind of message.

/**
 * Listen for {vidi: "classify", id, image: Blob}; reply {vidi: "answer", id, answer} or {vidi: "error", id, message}.
 * @param {(file: File) => Promise<object>} classify
 */
export function listenAsEmbedded(classify) {
  addEventListener("message", async (event) => {
    if (event.data?.vidi !== "classify" || !(event.data.image instanceof Blob)) return;
    const { id, image } = event.data;
    const reply = (message) => event.source?.postMessage({ ...message, id }, { targetOrigin: event.origin });
    try {
      reply({ vidi: "answer", answer: await classify(new File([image], event.data.name ?? "image", { type: image.type })) });
    } catch (error) {
      reply({ vidi: "error", message: error.sentence ?? error.message });
    }
  });
  parent.postMessage({ vidi: "ready" }, { targetOrigin: "*" });
}
