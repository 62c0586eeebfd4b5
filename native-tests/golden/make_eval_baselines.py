"""ItemKNN's neighbours by RecBole 1.2.1's own class, EASE's weights by its formula in numpy doubles.

    python make_eval_baselines.py eval/     # writes baselines.json

RecBole as in make_eval.py. Its EASE cannot be made without a data set on disk; the lines here are
those of recbole/model/general_recommender/ease.py, in doubles.
"""
import json
import os
import random
import sys

import numpy as np
import scipy.sparse as sp
from recbole.model.general_recommender.itemknn import ComputeSimilarity

users, items = 70, 300  # EASE takes three tiles of 128
draw = random.Random("baselines")
histories = [sorted({int(items * draw.random() ** 1.4) for _ in range(draw.randint(2, 12))}) for u in range(users)]
rows = [u for u, h in enumerate(histories) for _ in h]
cols = [i for h in histories for i in h]
X = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, cols)), shape=(users, items))

_, W = ComputeSimilarity(X, topk=100, shrink=0).compute_similarity()
assert max(W.getnnz(axis=0)) < 100, "which of equal neighbours is the 100th is anyone's"
knn = np.asarray((X @ W).todense(), np.float64)

G = (X.T @ X).astype(np.float64).toarray() + 500 * np.eye(items)
P = np.linalg.inv(G)
B = P / (-np.diag(P))
np.fill_diagonal(B, 0.0)
ease = X.toarray().astype(np.float64) @ B

shown = [0, 7, 23]
with open(os.path.join(sys.argv[1], "baselines.json"), "w") as file:
    json.dump({"items": items, "histories": histories, "users": shown,
               "itemknn": [[round(float(v), 9) for v in knn[u]] for u in shown],
               "ease": [[float(f"{v:.9g}") for v in ease[u]] for u in shown]}, file, separators=(",", ":"))
    file.write("\n")
