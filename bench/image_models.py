"""Makes the models that pictures are encoded with, each as a directory for Ferry and as the peers' graph.

    python image_models.py EFFICIENTNET_DIR OUT_DIR

Written to OUT_DIR:
    vit-b16/, dinov2-s14/     Hugging Face directories of that size with random weights: no package carries real ones, and how
                              long a product takes does not depend on its numbers
    NAME.onnx                 the graph as exporters write it, batch norm folded; lite0 is EfficientNet-Lite0
    NAME-fused.onnx           of the transformers, with onnxruntime's own Attention
    lite0-int8.onnx           by onnxruntime's static quantiser: QDQ, a scale per channel, calibrated on 32 generated pictures
    NAME[-fused]-int8.onnx    of the transformers, by its dynamic quantiser: a scale per channel
    NAME-ferry-int8/          by `ferry quantize`, which bench/run adds
"""

import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

from models import OPSET, Graph, quantize, read_safetensors
from pictures import normalized, pictures

SIDE = 224
CALIBRATION = 32
SIZES = {  # name: (kind, hidden, heads, layers, patch, eps)
    "vit-b16": ("vit", 768, 12, 12, 16, 1e-12),
    "dinov2-s14": ("dinov2", 384, 6, 12, 14, 1e-6),
}
HALF = ([0.5] * 3, [0.5] * 3)
LITE = ([127 / 255] * 3, [128 / 255] * 3)


def save(graph, name, output, fused, path):
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    graph.nodes[-1].output[0] = "embedding"
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, output])
    made = helper.make_graph(graph.nodes, name, [pixels], [out], list(graph.constants.values()))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(made, opset_imports=opsets[: 1 + fused], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


# ---- EfficientNet-Lite0 ----

STRIDES = (1, 2, 2, 2, 1, 2, 1)


def efficientnet(weights):
    g = Graph()
    low, high = g.constant("low", np.float32(0)), g.constant("high", np.float32(6))

    def convolution(x, name, norm, stride=1, grouped=False, activated=True):
        w = weights[f"{name}.weight"]
        scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"].astype(np.float64) + 1e-3)
        bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
        w = g.constant(f"{name}.weight", (w * scale[:, None, None, None]).astype(np.float32))
        b = g.constant(f"{name}.bias", bias.astype(np.float32))
        side = weights[f"{name}.weight"].shape[2]
        x = g("Conv", x, w, b, auto_pad="SAME_UPPER", kernel_shape=[side, side], strides=[stride, stride],
              group=len(scale) if grouped else 1)
        return g("Clip", x, low, high) if activated else x

    x = convolution("pixel_values", "conv_stem", "bn1", 2)
    channels = weights["conv_stem.weight"].shape[0]
    for stage, stride in enumerate(STRIDES):
        index = 0
        while f"blocks.{stage}.{index}.conv_dw.weight" in weights:
            name, step, start = f"blocks.{stage}.{index}", stride if index == 0 else 1, x
            if f"{name}.conv_pwl.weight" in weights:
                x = convolution(x, f"{name}.conv_pw", f"{name}.bn1")
                x = convolution(x, f"{name}.conv_dw", f"{name}.bn2", step, grouped=True)
                last, norm = f"{name}.conv_pwl", f"{name}.bn3"
            else:
                x = convolution(x, f"{name}.conv_dw", f"{name}.bn1", step, grouped=True)
                last, norm = f"{name}.conv_pw", f"{name}.bn2"
            x = convolution(x, last, norm, activated=False)
            out = weights[f"{last}.weight"].shape[0]
            if step == 1 and out == channels:
                x = g("Add", x, start)
            channels, index = out, index + 1
    x = convolution(x, "conv_head", "bn2")
    g("Flatten", g("GlobalAveragePool", x))
    return g


# ---- vision transformers ----


def random_weights(kind, hidden, heads, layers, patch, eps, folder):
    """An HF directory, and its tensors."""
    random = np.random.default_rng(6)
    tensors = {}

    def add(name, *shape, mean=0.0):
        tensors[name] = (mean + 0.02 * random.standard_normal(shape)).astype(np.float32)

    def linear(name, n, k):
        add(f"{name}.weight", n, k)
        add(f"{name}.bias", n)

    def norm(name):
        add(f"{name}.weight", hidden, mean=1.0)
        add(f"{name}.bias", hidden)

    dino = kind == "dinov2"
    add("embeddings.cls_token", 1, 1, hidden)
    add("embeddings.position_embeddings", 1, (SIDE // patch) ** 2 + 1, hidden)
    add("embeddings.patch_embeddings.projection.weight", hidden, 3, patch, patch)
    add("embeddings.patch_embeddings.projection.bias", hidden)
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        norm(f"{name}.{'norm1' if dino else 'layernorm_before'}")
        norm(f"{name}.{'norm2' if dino else 'layernorm_after'}")
        for part in ("query", "key", "value"):
            linear(f"{name}.attention.attention.{part}", hidden, hidden)
        linear(f"{name}.attention.output.dense", hidden, hidden)
        linear(f"{name}.{'mlp.fc1' if dino else 'intermediate.dense'}", 4 * hidden, hidden)
        linear(f"{name}.{'mlp.fc2' if dino else 'output.dense'}", hidden, 4 * hidden)
        for scale in ("layer_scale1", "layer_scale2") if dino else ():
            add(f"{name}.{scale}.lambda1", hidden, mean=1.0)
    norm("layernorm")
    config = {
        "model_type": kind, "hidden_size": hidden, "num_attention_heads": heads, "num_hidden_layers": layers,
        "intermediate_size": 4 * hidden, "mlp_ratio": 4, "patch_size": patch, "image_size": SIDE, "hidden_act": "gelu",
        "layer_norm_eps": eps, "num_channels": 3,
    }
    mean, std = HALF
    preparation = {
        "do_resize": True, "size": {"height": SIDE, "width": SIDE}, "resample": 2, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": mean, "image_std": std,
    }
    os.makedirs(folder, exist_ok=True)
    for name, value in (("config.json", config), ("preprocessor_config.json", preparation)):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1)
    write_safetensors(tensors, f"{folder}/model.safetensors")
    return tensors


def write_safetensors(tensors, path):
    header, at = {}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in tensors.values():
            file.write(value.tobytes())


def transformer(weights, kind, hidden, heads, layers, patch, eps, fused):
    g = Graph()
    width, tokens = hidden // heads, (SIDE // patch) ** 2 + 1
    dino = kind == "dinov2"

    def weight(name):
        return g.constant(name, weights[name])

    def linear(x, name):
        w = g.constant(f"{name}.weight", weights[f"{name}.weight"].T)
        return g("Add", g("MatMul", x, w), weight(f"{name}.bias"))

    def norm(x, name):
        return g("LayerNormalization", x, weight(f"{name}.weight"), weight(f"{name}.bias"), axis=-1, epsilon=eps)

    def scaled(x, name):
        return g("Mul", x, weight(f"{name}.lambda1")) if dino else x

    split = g.constant("split", np.array([0, 0, heads, width]))
    joined = g.constant("joined", np.array([0, 0, hidden]))
    flat = g.constant("flat", np.array([1, hidden, tokens - 1]))
    root, one = g.constant("root", np.float32(np.sqrt(width))), g.constant("one", np.float32(1))
    patches = "embeddings.patch_embeddings.projection"
    x = g("Conv", "pixel_values", weight(f"{patches}.weight"), weight(f"{patches}.bias"), kernel_shape=[patch, patch],
          strides=[patch, patch])
    x = g("Transpose", g("Reshape", x, flat), perm=[0, 2, 1])
    x = g("Add", g("Concat", weight("embeddings.cls_token"), x, axis=1), weight("embeddings.position_embeddings"))
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        y = norm(x, f"{name}.{'norm1' if dino else 'layernorm_before'}")
        qkv = [f"{name}.attention.attention.{part}" for part in ("query", "key", "value")]
        if fused:
            w = g.constant(f"{name}.qkv.weight", np.concatenate([weights[f"{n}.weight"].T for n in qkv], axis=1))
            b = g.constant(f"{name}.qkv.bias", np.concatenate([weights[f"{n}.bias"] for n in qkv]))
            y = g("Attention", y, w, b, num_heads=heads, domain="com.microsoft")
        else:
            q, k, v = (g("Reshape", linear(y, n), split) for n in qkv)
            q, k, v = (g("Transpose", t, perm=p) for t, p in ((q, [0, 2, 1, 3]), (k, [0, 2, 3, 1]), (v, [0, 2, 1, 3])))
            y = g("MatMul", g("Softmax", g("Div", g("MatMul", q, k), root), axis=-1), v)
            y = g("Reshape", g("Transpose", y, perm=[0, 2, 1, 3]), joined)
        x = g("Add", scaled(linear(y, f"{name}.attention.output.dense"), f"{name}.layer_scale1"), x)
        y = norm(x, f"{name}.{'norm2' if dino else 'layernorm_after'}")
        y = linear(y, f"{name}.{'mlp.fc1' if dino else 'intermediate.dense'}")
        erf = g("Add", g("Erf", g("Div", y, g.constant("sqrt_2", np.float32(np.sqrt(2))))), one)
        y = g("Mul", g("Mul", y, erf), g.constant("half", np.float32(0.5)))
        y = linear(y, f"{name}.{'mlp.fc2' if dino else 'output.dense'}")
        x = g("Add", scaled(y, f"{name}.layer_scale2"), x)
    x = norm(x, "layernorm")
    g("Flatten", g("Gather", x, g.constant("first", np.array([0])), axis=1))
    return g


# ---- all ----


def quantize_static(source, target):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as run
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.feeds = iter([{"pixel_values": normalized(p, *LITE)[None]} for p in pictures(CALIBRATION, seed=1)])

        def get_next(self):
            return next(self.feeds, None)

    prepared = f"{target}.prepared"
    quant_pre_process(source, prepared)
    run(prepared, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8)
    os.remove(prepared)


def main(lite, out_dir):
    os.makedirs(out_dir, exist_ok=True)
    save(efficientnet(read_safetensors(f"{lite}/model.safetensors")), "lite0", 1280, False, f"{out_dir}/lite0.onnx")
    quantize_static(f"{out_dir}/lite0.onnx", f"{out_dir}/lite0-int8.onnx")
    for name, size in SIZES.items():
        weights = random_weights(*size, f"{out_dir}/{name}")
        for suffix, fused in (("", False), ("-fused", True)):
            path = f"{out_dir}/{name}{suffix}"
            save(transformer(weights, *size, fused), name, size[1], fused, f"{path}.onnx")
            quantize(f"{path}.onnx", f"{path}-int8.onnx", per_channel=True, reduce_range=False,
                     op_types_to_quantize=["MatMul", "Attention"])


if __name__ == "__main__":
    main(*sys.argv[1:3])
