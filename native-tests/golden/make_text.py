"""Golden of the text encoder: ids and f32 embeddings of 200 texts by sentence-transformers.

    python make_text.py MODEL_DIR OUT_DIR

MODEL_DIR is all-MiniLM-L6-v2 as models/ fetches it. Writes OUT_DIR/text.jsonl, one
{"text", "ids"} a line (ASCII, \\u escapes), and OUT_DIR/text.safetensors, "embeddings" F32
[200, 384]. Texts are encoded one by one, so that no padding takes part.
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from texts import all_texts


def main(model_dir, out_dir):
    torch.set_num_threads(1)
    texts = all_texts()
    assert len(texts) == 200
    model = SentenceTransformer(model_dir, device="cpu", local_files_only=True)
    assert [type(m).__name__ for m in model] == ["Transformer", "Pooling", "Normalize"]
    assert model.max_seq_length == 256 and model[0].auto_model.dtype == torch.float32

    # What the model is fed, and the same by `tokenizers` alone: one truth, two ways to it.
    plain = Tokenizer.from_file(os.path.join(model_dir, "tokenizer.json"))
    plain.no_padding()
    plain.enable_truncation(256)
    ids = [model.preprocess([t])["input_ids"][0].tolist() for t in texts]
    for text, row in zip(texts, ids):
        assert row == plain.encode(text).ids, repr(text)
        assert len(row) <= 256

    embeddings = model.encode(texts, batch_size=1, convert_to_numpy=True)
    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    batched = model.encode(texts, batch_size=32, convert_to_numpy=True)
    print("largest difference to batches of 32:", float(np.abs(embeddings - batched).max()))

    with open(os.path.join(out_dir, "text.jsonl"), "w", encoding="ascii") as out:
        for text, row in zip(texts, ids):
            line = {"text": text, "ids": row}
            out.write(json.dumps(line, separators=(",", ":")) + "\n")
    save_file({"embeddings": embeddings}, os.path.join(out_dir, "text.safetensors"))
    print(len(texts), "texts,", sum(map(len, ids)), "ids")


if __name__ == "__main__":
    main(*sys.argv[1:3])
