"""Where a model comes from: what somebody needs who must answer for it."""

from vidi.model_file.read import ModelFile
from vidi.report.pages.run_files import RunFiles


def provenance(files: RunFiles) -> list[tuple[str, str]]:
    """Pairs of a name and a value; what is not known is left out."""
    rows: list[tuple[str, str]] = []
    metrics, model = files.metrics, files.model
    if model is not None:
        metadata = model.metadata
        height, width = metadata.framing.size
        rows += [
            ("Model id", model.model_id),
            ("Version", metadata.run),
            ("Made on", metadata.date),
            ("Author", metadata.author),
            ("License", metadata.license),
            ("License of the starting weights", metadata.weights_license or ""),
            ("File", f"model.onnx, {len(model.data) / 1e6:.1f} MB"),
            ("Digest of the file", model.digest),
            ("Digest of the weights", metadata.weights_digest),
            ("What it looks at", f"images brought to {height} × {width} pixels (height × width) by {_framing(model)}"),
        ]
        rows += [(f"Made with {name}", str(value)) for name, value in sorted((metadata.library_versions or {}).items())]
    uses = metrics.test_uses
    if uses is not None:
        times = (
            "once: this time" if uses == 1 else f"{uses:,} times; each look makes the figures a little less believable"
        )
        rows.append(("These test images were used", times))
    if metrics.data is not None:
        rows.append(("Digest of the data", metrics.data.digest or ""))
        rows.append(("Digest of the test images", metrics.data.test_digest or ""))
    return [(name, value) for name, value in rows if value]


def _framing(model: ModelFile) -> str:
    words = {
        "stretch": "stretching",
        "pad": "fitting them in and padding the rest with grey",
        "crop": "filling the frame and cutting what sticks out",
    }
    return words[model.metadata.framing.mode]
