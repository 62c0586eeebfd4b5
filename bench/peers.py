"""A Python peer as a contestant: reads commands, one a line, answers with one line.

    python peers.py onnxruntime|openvino MODEL_FILE MODEL_DIR [THREADS]
    python peers.py llama.cpp MODEL.gguf [THREADS]
    python peers.py pictures MODEL_FILE lite|half [THREADS]
    python peers.py tokenizers|nanotoken MODEL_DIR
    python peers.py numpy|faiss-flat|faiss-sq8|usearch-f32|usearch-i8 VECTORS.safetensors

The commands are those of encode.c and rank.c. `run` is given what the engine wants, prepared: ids of one
text, or batches; `encode` goes from texts to pooled, normalised vectors, tokenizer included.
"""

import json
import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

BATCH = 8  # sorted by length: the best of 1, 8, 32 for these engines on one thread


class OnnxRuntime:
    def __init__(self, model, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.version = onnxruntime.__version__

    def __call__(self, feed):
        return self.session.run(None, feed)[0]


class OpenVino:
    def __init__(self, model, threads):
        import openvino

        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # otherwise bf16 where the processor has it
        }
        core = openvino.Core()
        self.request = core.compile_model(core.read_model(model), "CPU", settings).create_infer_request()
        self.version = openvino.__version__.split("-")[0]

    def __call__(self, feed):
        self.request.infer(feed, share_inputs=True)
        return self.request.get_output_tensor(0).data


class Encoder:
    def __init__(self, engine, model_dir):
        import numpy
        from tokenizers import Tokenizer

        self.np, self.engine = numpy, engine
        self.tokenizer = Tokenizer.from_file(f"{model_dir}/tokenizer.json")
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)
        self.texts = []

    def info(self):
        return {"version": self.engine.version}

    def batches(self, first, count):
        """(indices from first, feed) of batches of like lengths, longest first."""
        np = self.np
        rows = [e.ids for e in self.tokenizer.encode_batch(self.texts[first : first + count])]
        order = sorted(range(count), key=lambda i: -len(rows[i]))
        for at in range(0, count, BATCH):
            some = order[at : at + BATCH]
            longest = len(rows[some[0]])
            ids = np.zeros((len(some), longest), np.int64)
            mask = np.zeros_like(ids)
            for r, i in enumerate(some):
                ids[r, : len(rows[i])] = rows[i]
                mask[r, : len(rows[i])] = 1
            yield some, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}

    def encode(self, first, count):
        np = self.np
        vectors = np.empty((count, 384), np.float32)
        for some, feed in self.batches(first, count):
            hidden, mask = self.engine(feed), feed["attention_mask"].astype(np.float32)
            means = np.einsum("btd,bt->bd", hidden, mask) / mask.sum(axis=1, keepdims=True)
            vectors[some] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors

    def prepare(self, verb, first, count):
        """What is to be timed."""
        if verb == "encode":
            return lambda: self.encode(first, count)
        if verb == "run":
            feeds = [feed for _, feed in self.batches(first, count)]
            return lambda: [self.engine(feed) for feed in feeds]
        raise ValueError(verb)

    def ids(self, index):
        return self.tokenizer.encode(self.texts[index]).ids


class LlamaCpp:
    """With its own tokenizer and pooling, as Ferry."""

    def __init__(self, model, threads):
        import llama_cpp
        import numpy

        self.np, self.version = numpy, llama_cpp.__version__
        self.model = llama_cpp.Llama(model, embedding=True, n_threads=threads, n_threads_batch=threads, n_ctx=512,
                                     n_batch=512, n_ubatch=512, verbose=False)
        self.texts = []

    def info(self):
        return {"version": self.version}

    def encode(self, first, count):
        return self.np.array(self.model.embed(self.texts[first : first + count], normalize=True), self.np.float32)

    def prepare(self, verb, first, count):
        if verb not in ("run", "encode"):
            raise ValueError(verb)
        return lambda: self.encode(first, count)

    def ids(self, index):
        return self.model.tokenize(self.texts[index].encode(), special=False)[:256]


class Pictures:
    """onnxruntime with pixels that are normalised already, one picture after the other."""

    def __init__(self, engine, preparation):
        from image_models import HALF, LITE

        self.engine, self.preparation = engine, {"lite": LITE, "half": HALF}[preparation]

    def info(self):
        return {"version": self.engine.version}

    def pictures(self, lines):
        import numpy as np
        from pictures import SIDE, normalized

        self.feeds = []
        for line in lines:
            pixels = np.frombuffer(bytes.fromhex(line), np.uint8).reshape(SIDE, SIDE, 3)
            self.feeds.append({"pixel_values": normalized(pixels, *self.preparation)[None]})

    def encode(self, first, count):
        return [self.engine(feed)[0] for feed in self.feeds[first : first + count]]

    def prepare(self, verb, first, count):
        if verb != "run":
            raise ValueError(verb)
        return lambda: self.encode(first, count)


class Tokenizers:
    def __init__(self, model_dir):
        import tokenizers

        self.path, self.version = f"{model_dir}/tokenizer.json", tokenizers.__version__
        self.make = tokenizers.Tokenizer.from_file
        self.tokenizer = self.make(self.path)
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)

    def info(self):
        return {"version": self.version}

    def prepare(self, verb, first, count):
        if verb != "tokenize":
            raise ValueError(verb)
        texts = self.texts[first : first + count]
        # The faster call of the two: without offsets into the text.
        return lambda: self.tokenizer.encode_batch_fast(texts)

    def ids(self, index):
        return self.tokenizer.encode(self.texts[index]).ids


class NanoToken:
    def __init__(self, model_dir):
        import importlib.metadata

        import nanotoken

        self.version = importlib.metadata.version("nanotoken")
        self.make = lambda: nanotoken.Tokenizer(f"{model_dir}/tokenizer.json")
        self.tokenizer = self.make()

    def info(self):
        return {"version": self.version}

    def prepare(self, verb, first, count):
        texts = self.texts[first : first + count]
        if verb == "tokenize":
            return lambda: self.tokenizer.encode_batch(texts, parallel=False)
        if verb != "tokenize-cold":
            raise ValueError(verb)
        # It remembers the words it has seen: a new one for every time.
        fresh = []

        def once():
            fresh.pop().encode_batch(texts, parallel=False)

        def renew():
            fresh[:] = [self.make()]
            fresh[0].encode("hello")

        once.before = renew
        return once

    def ids(self, index):
        return list(self.tokenizer.encode(self.texts[index]))


class Nearest:
    """Exact top 10 by inner product; queries as in rank.c."""

    K, STRIDE = 10, 7919

    def __init__(self, kind, path):
        import numpy as np

        with open(path, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            shape = header["text"]["shape"]
            self.rows = np.frombuffer(file.read(), np.float32).reshape(shape)
        self.np = np
        self.queries = self.rows[np.arange(256) * self.STRIDE % len(self.rows)]
        if kind == "numpy":
            # Laid out by columns, a product with one query takes half the time.
            self.columns = np.ascontiguousarray(self.rows.T)
            self.version, self.search = np.__version__, self.numpy
            return
        if kind.startswith("usearch"):
            from usearch.index import MetricKind, search

            import usearch

            self.version, rows = usearch.__version__, self.rows
            if kind == "usearch-i8":  # one scale for all
                scale = 127 / np.abs(rows).max()
                rows, self.queries = (np.round(x * scale).astype(np.int8) for x in (rows, self.queries))
            metric = MetricKind.IP if kind == "usearch-f32" else MetricKind.Cos
            self.search = lambda queries: search(rows, queries, self.K + 1, metric, exact=True, threads=1).keys.reshape(
                len(queries), -1)
            return
        import faiss

        faiss.omp_set_num_threads(1)
        self.version = faiss.__version__
        if kind == "faiss-flat":
            index = faiss.IndexFlatIP(shape[1])
            index.add(self.rows)
        else:  # int8 for int8; one scale for all
            scale = 127 / np.abs(self.rows).max()
            self.queries = np.round(self.queries * scale)
            kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
            index = faiss.IndexScalarQuantizer(shape[1], kind, faiss.METRIC_INNER_PRODUCT)
            for at in range(0, len(self.rows), 10_000):
                index.add(np.round(self.rows[at : at + 10_000] * scale))
        self.search = lambda queries: index.search(queries, self.K + 1)[1]

    def info(self):
        return {"version": self.version}

    def numpy(self, queries):
        np, k = self.np, self.K + 1
        scores = queries @ self.columns
        some = np.argpartition(scores, -k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1)
        return np.take_along_axis(some, order, axis=1)

    def prepare(self, verb, first, count):
        queries = self.np.ascontiguousarray(self.queries[first : first + count])
        return lambda: self.search(queries)

    def top(self, query):
        """Without the item itself."""
        own = query * self.STRIDE % len(self.rows)
        return [i for i in self.search(self.queries[query : query + 1])[0] if i != own][: self.K]


def make(kind, *arguments):
    if kind in ("numpy", "faiss-flat", "faiss-sq8", "usearch-f32", "usearch-i8"):
        return Nearest(kind, *arguments)
    if kind in ("onnxruntime", "openvino"):
        model, model_dir, threads = *arguments[:2], int(arguments[2]) if len(arguments) > 2 else 1
        engine = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}[kind]
        return Encoder(engine(model, threads), model_dir)
    if kind == "llama.cpp":
        return LlamaCpp(arguments[0], int(arguments[1]) if len(arguments) > 1 else 1)
    if kind == "pictures":
        model, preparation, threads = *arguments[:2], int(arguments[2]) if len(arguments) > 2 else 1
        return Pictures(OnnxRuntime(model, threads), preparation)
    return {"tokenizers": Tokenizers, "nanotoken": NanoToken}[kind](*arguments)


def main(*arguments):
    peer = make(*arguments)
    print(json.dumps(peer.info()), flush=True)
    for line in sys.stdin:
        verb, *numbers = line.split()
        numbers = list(map(int, numbers))
        if verb == "texts":
            peer.texts = [sys.stdin.readline().rstrip("\n") for _ in range(numbers[0])]
            print("ok", flush=True)
        elif verb == "pictures":
            peer.pictures([sys.stdin.readline().rstrip("\n") for _ in range(numbers[0])])
            print("ok", flush=True)
        elif verb == "vectors":
            for vector in peer.encode(*numbers):
                print(*(f"{value:.9g}" for value in vector))
            sys.stdout.flush()
        elif verb in ("ids", "top"):
            print(*getattr(peer, verb)(*numbers), flush=True)
        else:
            first, count, warm, repeat = numbers
            once = peer.prepare(verb, first, count)
            times = []
            for _ in range(warm + repeat):
                getattr(once, "before", int)()
                start = time.perf_counter_ns()
                once()
                times.append(time.perf_counter_ns() - start)
            print(*times[warm:], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
