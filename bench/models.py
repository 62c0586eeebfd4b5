"""Makes the peers' models of all-MiniLM-L6-v2 from its model.safetensors, and checks them against the golden.

    python models.py MODEL_DIR GOLDEN_DIR OUT_DIR

Written to OUT_DIR:
    f32.onnx             the graph as exporters write it: MatMul, Softmax, LayerNormalization, Erf …
    fused.onnx           the same with onnxruntime's own operators (Attention, SkipLayerNormalization …)
    int8.onnx            f32.onnx by onnxruntime's dynamic quantiser: signed weights, a scale per channel
    fused-int8.onnx      fused.onnx likewise
    web-int8/, web-fused-int8/
                         either as transformers.js wants it: onnx/model_quantized.onnx (dtype "q8"), tokenizer's files
    openvino-int8.xml    f32.onnx by nncf: static, SmoothQuant, calibrated on 64 generated texts

An f32 model that is not the golden's to a cosine of 0.99999 is an error.
"""

import json
import logging
import os
import shutil
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from texts import sentences

OPSET = 17  # the first with LayerNormalization
CALIBRATION = 64


def read_safetensors(path):
    types = {"F32": np.float32, "I64": np.int64}
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data[slice(*t["data_offsets"])], types[t["dtype"]]).reshape(t["shape"])
        for name, t in header.items()
    }


class Graph:
    """Nodes and constants in the order they are asked for."""

    def __init__(self):
        self.nodes, self.constants = [], {}

    def constant(self, name, value):
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def __call__(self, op, *inputs, **attributes):
        out = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [out], out, **attributes))
        return out


def bert(weights, config, fused):
    """input_ids, attention_mask, token_type_ids [batch, tokens] -> last_hidden_state [batch, tokens, hidden]"""
    g = Graph()
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    width = hidden // heads
    eps = config["layer_norm_eps"]
    microsoft = {"domain": "com.microsoft"}
    assert config["hidden_act"] == "gelu"

    def weight(name):
        return g.constant(name, weights[name])

    def scalar(name, value, kind=np.float32):
        return g.constant(name, np.array(value, kind))

    def linear(x, name):
        w = g.constant(f"{name}.weight", weights[f"{name}.weight"].T)
        return g("Add", g("MatMul", x, w), weight(f"{name}.bias"))

    def norm(x, name):
        return g("LayerNormalization", x, weight(f"{name}.weight"), weight(f"{name}.bias"), axis=-1, epsilon=eps)

    def add_norm(x, y, name):
        if not fused:
            return norm(g("Add", x, y), name)
        gamma, beta = weight(f"{name}.weight"), weight(f"{name}.bias")
        return g("SkipLayerNormalization", x, y, gamma, beta, epsilon=eps, **microsoft)

    one = scalar("one", 1.0)
    # -- embeddings
    words = g("Gather", weight("embeddings.word_embeddings.weight"), "input_ids")
    kinds = g("Gather", weight("embeddings.token_type_embeddings.weight"), "token_type_ids")
    index_1, axis_0 = g.constant("index_1", np.array([1])), g.constant("axis_0", np.array([0]))
    length = g("Gather", g("Shape", "input_ids"), index_1)
    positions = g("Slice", weight("embeddings.position_embeddings.weight"), axis_0, length, axis_0)
    x = norm(g("Add", g("Add", words, kinds), positions), "embeddings.LayerNorm")
    # -- the mask: 0 where there is a token, the lowest float where there is padding
    if fused:
        mask = g("Cast", "attention_mask", to=TensorProto.INT32)
    else:
        axes = g.constant("axes_12", np.array([1, 2]))
        mask = g("Cast", g("Unsqueeze", "attention_mask", axes), to=TensorProto.FLOAT)
        mask = g("Mul", g("Sub", one, mask), scalar("lowest", np.finfo(np.float32).min))
        split = g.constant("split", np.array([0, 0, heads, width]))
        joined = g.constant("joined", np.array([0, 0, hidden]))
    # -- blocks
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        qkv = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        if fused:
            w = g.constant(f"{name}.qkv.weight", np.concatenate([weights[f"{n}.weight"].T for n in qkv], axis=1))
            b = g.constant(f"{name}.qkv.bias", np.concatenate([weights[f"{n}.bias"] for n in qkv]))
            attended = g("Attention", x, w, b, mask, num_heads=heads, **microsoft)
        else:
            q, k, v = (g("Reshape", linear(x, n), split) for n in qkv)
            q = g("Transpose", q, perm=[0, 2, 1, 3])
            k = g("Transpose", k, perm=[0, 2, 3, 1])
            v = g("Transpose", v, perm=[0, 2, 1, 3])
            scores = g("Div", g("MatMul", q, k), scalar("root", np.sqrt(width)))
            attended = g("MatMul", g("Softmax", g("Add", scores, mask), axis=-1), v)
            attended = g("Reshape", g("Transpose", attended, perm=[0, 2, 1, 3]), joined)
        x = add_norm(linear(attended, f"{name}.attention.output.dense"), x, f"{name}.attention.output.LayerNorm")
        y = linear(x, f"{name}.intermediate.dense")
        erf = g("Add", g("Erf", g("Div", y, scalar("sqrt_2", np.sqrt(2)))), one)
        y = g("Mul", g("Mul", y, erf), scalar("half", 0.5))
        x = add_norm(linear(y, f"{name}.output.dense"), x, f"{name}.output.LayerNorm")
    g.nodes[-1].output[0] = "last_hidden_state"

    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    out = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", hidden])
    graph = helper.make_graph(g.nodes, "bert", ids, [out], list(g.constants.values()))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets[: 1 + fused], ir_version=8)
    onnx.checker.check_model(model)
    return model


def inputs(ids):
    ids = np.array([ids], np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def check(path, golden_dir, least):
    """Least cosine to the golden's embeddings; ids come from the golden too."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    golden = read_safetensors(f"{golden_dir}/text.safetensors")["embeddings"]
    with open(f"{golden_dir}/text.jsonl", encoding="ascii") as lines:
        ids = [json.loads(line)["ids"] for line in lines]
    cosines = []
    for row, expected in zip(ids, golden, strict=True):
        mean = session.run(None, inputs(row))[0][0].mean(axis=0)
        cosines.append(float(mean @ expected / np.linalg.norm(mean) / np.linalg.norm(expected)))
    # One padded batch: what is masked must not count.
    some = [row for row in ids if len(row) < 40][:16]
    longest = max(map(len, some))
    padded = np.array([row + [0] * (longest - len(row)) for row in some])
    mask = (np.arange(longest) < np.array([[len(row)] for row in some])).astype(np.int64)
    feed = {"input_ids": padded, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}
    means = (session.run(None, feed)[0] * mask[:, :, None]).sum(axis=1)
    at = [i for i, row in enumerate(ids) if len(row) < 40][:16]
    for mean, i in zip(means, at):
        cosines.append(float(mean @ golden[i] / np.linalg.norm(mean)))
    print(f"  {os.path.basename(path)}: {os.path.getsize(path) / 1e6:.1f} MB, cosine to the golden "
          f"mean {np.mean(cosines):.5f}, least {min(cosines):.5f}", flush=True)
    if min(cosines) < least:
        sys.exit(f"models.py: {path} is not the model: least cosine {min(cosines)}, expected {least} or more")


def quantize(source, target, **options):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)
    extra = {"DefaultTensorType": TensorProto.FLOAT}
    quantize_dynamic(source, target, weight_type=QuantType.QInt8, extra_options=extra, **options)


def quantize_openvino(source, target, tokenizer):
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    data = nncf.Dataset(sentences(CALIBRATION, seed=1), lambda text: inputs(tokenizer.encode(text).ids))
    model = nncf.quantize(openvino.Core().read_model(source), data, model_type=nncf.ModelType.TRANSFORMER,
                          subset_size=CALIBRATION)
    openvino.save_model(model, target, compress_to_fp16=False)


def main(model_dir, golden_dir, out_dir):
    os.makedirs(out_dir, exist_ok=True)
    weights = read_safetensors(f"{model_dir}/model.safetensors")
    with open(f"{model_dir}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    for name, fused in (("f32", False), ("fused", True)):
        onnx.save(bert(weights, config, fused), f"{out_dir}/{name}.onnx")
        check(f"{out_dir}/{name}.onnx", golden_dir, 0.99999)
    for source, target in (("f32", "int8"), ("fused", "fused-int8")):
        quantize(f"{out_dir}/{source}.onnx", f"{out_dir}/{target}.onnx", per_channel=True, reduce_range=False)
        check(f"{out_dir}/{target}.onnx", golden_dir, 0.9)

    for source in ("int8", "fused-int8"):
        web = f"{out_dir}/web-{source}"
        os.makedirs(f"{web}/onnx", exist_ok=True)
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            shutil.copyfile(f"{model_dir}/{name}", f"{web}/{name}")
        shutil.copyfile(f"{out_dir}/{source}.onnx", f"{web}/onnx/model_quantized.onnx")

    tokenizer = Tokenizer.from_file(f"{model_dir}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    quantize_openvino(f"{out_dir}/f32.onnx", f"{out_dir}/openvino-int8.xml", tokenizer)


if __name__ == "__main__":
    main(*sys.argv[1:4])
