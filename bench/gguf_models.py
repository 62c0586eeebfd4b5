"""llama.cpp's and wllama's models of all-MiniLM-L6-v2: minilm-f32.gguf and minilm-q8_0.gguf.

    python gguf_models.py MODEL_DIR OUT_DIR

Matrices of q8_0 are int8 in blocks of 32 with a scale each, norms and biases f32. Tensor names and keys are those of
llama.cpp's "bert" architecture; of the vocabulary, word beginnings get U+2581 in place of the "##" of continuations.
"""

import json
import sys

import gguf
import numpy as np

from models import read_safetensors

LAYER = {"attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
         "attention.output.dense": "attn_output", "intermediate.dense": "ffn_up", "output.dense": "ffn_down"}
NORMS = {"attention.output.LayerNorm": "attn_output_norm", "output.LayerNorm": "layer_output_norm"}


def vocabulary(path):
    with open(path, encoding="utf-8") as file:
        for word in (line.rstrip("\n") for line in file):
            if word.startswith("[") and word.endswith("]") and len(word) > 1:
                unused = word.startswith("[unused")
                yield word, gguf.TokenType.UNUSED if unused else gguf.TokenType.CONTROL
            else:
                yield word[2:] if word.startswith("##") else "\u2581" + word, gguf.TokenType.NORMAL


def write(path, weights, config, words, kind):
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_token_type_count(config["type_vocab_size"])
    writer.add_token_list([word for word, _ in words])
    writer.add_token_types([type for _, type in words])
    writer.add_token_scores([-1000.0] * len(words))
    names = [word for word, _ in words]
    for add, name in ((writer.add_bos_token_id, "[CLS]"), (writer.add_eos_token_id, "[SEP]"),
                      (writer.add_sep_token_id, "[SEP]"), (writer.add_unk_token_id, "[UNK]"),
                      (writer.add_pad_token_id, "[PAD]"), (writer.add_mask_token_id, "[MASK]")):
        add(names.index(name))
    writer.add_uint32("tokenizer.ggml.cls_token_id", names.index("[CLS]"))

    def add(name, of, matrix=False):
        values = weights[of].astype(np.float32)
        if matrix and kind != gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)

    add("token_embd.weight", "embeddings.word_embeddings.weight", matrix=True)
    add("position_embd.weight", "embeddings.position_embeddings.weight")
    add("token_types.weight", "embeddings.token_type_embeddings.weight")
    for part in ("weight", "bias"):
        add(f"token_embd_norm.{part}", f"embeddings.LayerNorm.{part}")
    for layer in range(config["num_hidden_layers"]):
        source, target = f"encoder.layer.{layer}", f"blk.{layer}"
        for of, name in LAYER.items():
            add(f"{target}.{name}.weight", f"{source}.{of}.weight", matrix=True)
            add(f"{target}.{name}.bias", f"{source}.{of}.bias")
        for of, name in NORMS.items():
            for part in ("weight", "bias"):
                add(f"{target}.{name}.{part}", f"{source}.{of}.{part}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(model_dir, out_dir):
    weights = read_safetensors(f"{model_dir}/model.safetensors")
    with open(f"{model_dir}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    words = list(vocabulary(f"{model_dir}/vocab.txt"))
    for name, kind in (("f32", gguf.GGMLQuantizationType.F32), ("q8_0", gguf.GGMLQuantizationType.Q8_0)):
        write(f"{out_dir}/minilm-{name}.gguf", weights, config, words, kind)


if __name__ == "__main__":
    main(*sys.argv[1:3])
