"""What may stand in a model file: operators of the standard domain, and types of tensors."""

from collections.abc import Mapping

# Deterministic operators whose output is bounded by their inputs and constants. Not here: If, Loop, Scan,
# SequenceMap (subgraphs), ConstantOfShape, Expand, Tile, Range (memory out of nothing), Random* (no same answer twice),
# and whatever reads or writes texts, sequences or optionals.
OPERATORS = frozenset(
    """
    Abs Add ArgMax AveragePool BatchNormalization Cast Ceil Clip Concat Conv ConvInteger DepthToSpace DequantizeLinear
    Div DynamicQuantizeLinear Elu Equal Erf Exp Flatten Floor Gather Gelu Gemm GlobalAveragePool GlobalMaxPool Greater
    GreaterOrEqual GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu
    Less LessOrEqual Log LogSoftmax LpNormalization MatMul MatMulInteger Max MaxPool Min Mish Mul Neg PRelu Pad Pow
    QLinearConv QLinearMatMul QuantizeLinear ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu
    Reshape Resize Round Selu Shape Sigmoid Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh
    Transpose Unsqueeze Where
    """.split()  # noqa: SIM905  # one word a line would take a hundred lines
)

# onnx.TensorProto.DataType: code -> (ONNX's word, bytes for each value).
DATA_TYPES: Mapping[int, tuple[str, int]] = {
    1: ("FLOAT", 4),
    2: ("UINT8", 1),
    3: ("INT8", 1),
    6: ("INT32", 4),
    7: ("INT64", 8),
    9: ("BOOL", 1),
    10: ("FLOAT16", 2),
    11: ("DOUBLE", 8),
}
MOST_EVIDENCE_CLASSES = 200  # above, evidence maps cost more than they tell
