"""Which nodes of a model file are the network, below its head."""

import onnx

from vidi.model_file.preprocessing import PREFIX

FEATURES = "embedding"


def network_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that make the embedding of the normalised image, in order.

    Not among them: preprocessing, the head, the evidence, the novelty and the calibration.
    """
    wanted, kept = {FEATURES}, list[onnx.NodeProto]()
    for node in reversed(graph.node):
        if wanted.intersection(node.output) and not node.name.startswith(PREFIX):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]
