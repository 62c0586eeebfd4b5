"""Tiny randomly initialised BERTs, saved by the originals, with the embeddings they give.

    python make_tiny_bert.py OUT_DIR

Four directories, each a real Hugging Face one, that differ in what config.json can say and in how
checkpoints are written; text.jsonl and text.safetensors beside each have the form of the golden
one folder up. Weights are wide (no 0.02) and biases and norms random, so that an activation, an
epsilon or a bias mistaken for another moves the result by far more than the tolerance.

    gelu-mean       gelu, 4 heads, eps 1e-12; F32; mean, normalised; as sentence-transformers
                    saves today; tokenizer.json
    gelu-new-cls    gelu_new, 2 heads, eps 1e-5, one token type; F16; CLS, normalised; cut at 12
                    tokens; modules.json as sentence-transformers 2 wrote it; cased vocab.txt
    relu-max        relu, 3 heads, eps 1e-2, three token types; max, not normalised; a
                    BertForMaskedLM: "bert." before each name, a head nobody needs, and
                    LayerNorm.gamma / beta and position_ids as older checkpoints have them
    plain-bf16      gelu_pytorch_tanh, 1 head, 1 layer; BF16; no modules.json at all: mean, not
                    normalised; vocab.txt and nothing else
"""

import json
import os
import shutil
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer
from transformers import AutoModel, BertConfig, BertForMaskedLM, BertModel, BertTokenizer

TEXTS = [
    "Blue lamp, 2 bottles!",
    "a",
    "",
    "the THE Thé the",
    "unaffable [MASK] words and 中文 mixed 123",
    "long text that goes on and on and on and on and on until the model has to cut it, lamp by lamp",
]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = "the and blue lamp bottle on text The THE ##tle ##s ##ng".split()
VOCAB = (
    ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    + list(LETTERS)
    + ["##" + c for c in LETTERS]
    + list("0123456789,!中")
    + ["##" + c for c in "0123456789"]
    + WORDS
)


def randomise(model, seed):
    """Wide weights; norms around one, biases around zero, all different."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if "LayerNorm.weight" in name:
                parameter.copy_(1 + 0.2 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.2 * noise)
            else:
                parameter.copy_(noise * (1.0 / parameter.shape[-1] ** 0.5))


def config(**changes):
    base = dict(
        vocab_size=len(VOCAB),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=40,
        max_position_embeddings=32,
        pad_token_id=0,
    )
    return BertConfig(**{**base, **changes})


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(value, out, indent=2)
        out.write("\n")


def write_vocab(directory):
    with open(os.path.join(directory, "vocab.txt"), "w", encoding="utf-8") as out:
        out.write("".join(v + "\n" for v in VOCAB))


def write_old_modules(directory, pooling, normalise, dimension, max_length):
    """modules.json, 1_Pooling and sentence_bert_config.json in sentence-transformers 2's form."""
    names = ["Transformer", "Pooling"] + (["Normalize"] if normalise else [])
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {
            "idx": i,
            "name": str(i),
            "path": paths[i],
            "type": "sentence_transformers.models." + name,
        }
        for i, name in enumerate(names)
    ]
    write_json(os.path.join(directory, "modules.json"), modules)
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
    flags = {"pooling_mode_" + m: m == pooling for m in modes}
    write_json(
        os.path.join(directory, "1_Pooling", "config.json"),
        {"word_embedding_dimension": dimension, **flags},
    )
    write_json(
        os.path.join(directory, "sentence_bert_config.json"),
        {"max_seq_length": max_length, "do_lower_case": False},
    )


def save_golden(directory, embeddings, ids):
    with open(os.path.join(directory, "text.jsonl"), "w", encoding="ascii") as out:
        for text, row in zip(TEXTS, ids):
            line = {"text": text, "ids": row}
            out.write(json.dumps(line, separators=(",", ":")) + "\n")
    path = os.path.join(directory, "text.safetensors")
    save_file({"embeddings": torch.tensor(np.stack(embeddings), dtype=torch.float32)}, path)


def expect_sentence_transformers(directory):
    kwargs = {"dtype": torch.float32}
    model = SentenceTransformer(
        directory, device="cpu", local_files_only=True, model_kwargs=kwargs
    )
    assert model[0].auto_model.dtype == torch.float32
    ids = [model.preprocess([t])["input_ids"][0].tolist() for t in TEXTS]
    save_golden(directory, list(model.encode(TEXTS, batch_size=1)), ids)
    return model


def gelu_mean(directory):
    model = BertModel(config(layer_norm_eps=1e-12, hidden_act="gelu"))
    randomise(model, 1)
    scratch = directory + ".hf"
    model.save_pretrained(scratch)
    write_vocab(scratch)
    tokenizer = BertWordPieceTokenizer(os.path.join(scratch, "vocab.txt"), lowercase=True)
    tokenizer.save(os.path.join(scratch, "tokenizer.json"), pretty=False)
    write_json(os.path.join(scratch, "tokenizer_config.json"), {"tokenizer_class": "BertTokenizer"})
    write_old_modules(scratch, "mean_tokens", True, 24, 32)
    SentenceTransformer(scratch, device="cpu", local_files_only=True).save(
        directory, create_model_card=False
    )
    shutil.rmtree(scratch)
    expect_sentence_transformers(directory)


def gelu_new_cls(directory):
    model = BertModel(
        config(
            hidden_size=32,
            num_attention_heads=2,
            intermediate_size=56,
            layer_norm_eps=1e-5,
            hidden_act="gelu_new",
            type_vocab_size=1,
        )
    )
    randomise(model, 2)
    model.half().save_pretrained(directory)
    write_vocab(directory)
    write_json(
        os.path.join(directory, "tokenizer_config.json"),
        {"tokenizer_class": "BertTokenizer", "do_lower_case": False},
    )
    write_old_modules(directory, "cls_token", True, 32, 12)
    expect_sentence_transformers(directory)


def relu_max(directory):
    model = BertForMaskedLM(
        config(num_attention_heads=3, layer_norm_eps=1e-2, hidden_act="relu", type_vocab_size=3)
    )
    randomise(model, 3)
    model.save_pretrained(directory)
    path = os.path.join(directory, "model.safetensors")
    tensors = {
        k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
        for k, v in load_file(path).items()
    }
    tensors["bert.embeddings.position_ids"] = torch.arange(32)[None]
    save_file(tensors, path, metadata={"format": "pt"})
    write_vocab(directory)
    tokenizer = BertWordPieceTokenizer(os.path.join(directory, "vocab.txt"), lowercase=True)
    tokenizer.save(os.path.join(directory, "tokenizer.json"), pretty=False)
    os.remove(os.path.join(directory, "vocab.txt"))
    write_json(os.path.join(directory, "tokenizer_config.json"), {"tokenizer_class": "BertTokenizer"})
    write_old_modules(directory, "max_tokens", False, 24, 32)
    loaded = expect_sentence_transformers(directory)
    for name, value in model.bert.state_dict().items():
        assert torch.equal(value, loaded[0].auto_model.state_dict()[name]), name


def plain_bf16(directory):
    model = BertModel(
        config(
            num_hidden_layers=1,
            num_attention_heads=1,
            layer_norm_eps=1e-12,
            hidden_act="gelu_pytorch_tanh",
        )
    )
    randomise(model, 4)
    model.bfloat16().save_pretrained(directory)
    write_vocab(directory)
    model = AutoModel.from_pretrained(directory, dtype=torch.float32, local_files_only=True).eval()
    tokenizer = BertTokenizer(os.path.join(directory, "vocab.txt"))
    ids = [tokenizer(t, truncation=True, max_length=32)["input_ids"] for t in TEXTS]
    with torch.no_grad():
        rows = [model(torch.tensor([r])).last_hidden_state[0].mean(0).numpy() for r in ids]
    save_golden(directory, rows, ids)


def main(out_dir):
    torch.set_num_threads(1)
    for make in gelu_mean, gelu_new_cls, relu_max, plain_bf16:
        directory = os.path.join(out_dir, make.__name__.replace("_", "-"))
        shutil.rmtree(directory, ignore_errors=True)
        make(directory)
        for root, _, files in os.walk(directory):
            for name in files:
                path = os.path.join(root, name)
                os.chmod(path, 0o644)
                print(os.path.getsize(path), os.path.relpath(path, out_dir))


if __name__ == "__main__":
    main(sys.argv[1])
