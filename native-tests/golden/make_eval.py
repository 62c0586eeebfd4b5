"""Rankings scored by RecBole's metric classes, and by ranx where it has the metric.

    python make_eval.py recbole eval/     # writes metrics.json: fixtures and what RecBole gives
    python make_eval.py ranx eval/        # adds what ranx gives

Two runs because the two want different versions of their dependencies. recbole==1.2.1 is installed
with --no-deps beside torch, numpy, scikit-learn, pandas, tqdm, colorlog, colorama, texttable, psutil,
tabulate, tensorboard; it uses numpy.float, which numpy removed and this script puts back.
"""
import json
import os
import random
import sys

KS = [1, 3, 5, 10]


def fixtures():
    """Lists without ties, items, targets per user, training counts: shapes that tell mistakes apart."""
    out = []
    for name, users, items, most in [("one-target", 40, 30, 1), ("several-targets", 40, 30, 14), ("few-items", 25, 10, 3)]:
        draw = random.Random(name)
        lists = [draw.sample(range(items), items) for _ in range(users)]
        # half of the users like what comes first, so that there are hits; some lists repeat for Gini
        targets = [sorted(draw.sample(rank[: items if u % 2 else max(most, 6)], draw.randint(1, most))) for u, rank in enumerate(lists)]
        for u in range(0, users, 5):
            lists[u][:3] = sorted(lists[u][:3])
        out.append({"name": name, "items": items, "lists": lists, "targets": targets,
                    "counts": [draw.choice([0, 1, 2, 5, 40]) for _ in range(items)]})
    draw = random.Random("ratings")
    predicted = [round(draw.uniform(0.5, 5.5), 3) for _ in range(50)]
    ratings = {"predicted": predicted, "true": [float(draw.randint(1, 5)) for _ in predicted]}
    return out, ratings


def by_recbole(fixture):
    import numpy as np
    import torch
    from recbole.evaluator import metrics
    from recbole.evaluator.collector import DataStruct

    np.float = float
    config = {"topk": KS, "metric_decimal_place": 16}
    hits = [[int(i in t) for i in l[: max(KS)]] + [len(t)] for l, t in zip(fixture["lists"], fixture["targets"])]
    data = DataStruct()
    data.set("rec.topk", torch.tensor(hits))
    data.set("rec.items", torch.tensor([l[: max(KS)] for l in fixture["lists"]]))
    data.set("data.num_items", fixture["items"])
    data.set("data.count_items", dict(enumerate(fixture["counts"])))
    found = {}
    for name in ("Hit", "Recall", "Precision", "NDCG", "MRR", "MAP", "ItemCoverage", "GiniIndex", "ShannonEntropy"):
        found.update(getattr(metrics, name)(config).calculate_metric(data))
    # AveragePopularity's own lookup builds an integer matrix, so it is given floats to be exact
    popularity = metrics.AveragePopularity(config)
    values = popularity.get_pop(data.get("rec.items").numpy().astype(float), dict(enumerate(fixture["counts"])))
    found.update(popularity.topk_result("averagepopularity", popularity.metric_info(values)))
    return {key: float(value) for key, value in found.items()}


def ratings_by_recbole(ratings):
    import numpy as np
    from recbole.evaluator import metrics

    config = {"metric_decimal_place": 16}
    pair = np.array(ratings["predicted"]), np.array(ratings["true"])
    return {"rmse": float(metrics.RMSE(config).metric_info(*pair)), "mae": float(metrics.MAE(config).metric_info(*pair))}


def by_ranx(fixture):
    from ranx import Qrels, Run, evaluate

    names = {"hit_rate": "hit", "recall": "recall", "precision": "precision", "ndcg": "ndcg", "mrr": "mrr"}
    qrels = Qrels({f"u{u}": {f"i{i}": 1 for i in t} for u, t in enumerate(fixture["targets"])})
    run = Run({f"u{u}": {f"i{i}": float(len(l) - r) for r, i in enumerate(l)} for u, l in enumerate(fixture["lists"])})
    found = evaluate(qrels, run, [f"{name}@{k}" for name in names for k in KS])
    return {f"{names[key.split('@')[0]]}@{key.split('@')[1]}": float(value) for key, value in found.items()}


path = os.path.join(sys.argv[2], "metrics.json")
if sys.argv[1] == "recbole":
    runs, ratings = fixtures()
    for run in runs:
        run["recbole"] = by_recbole(run)
    ratings["recbole"] = ratings_by_recbole(ratings)
    document = {"ks": KS, "runs": runs, "ratings": ratings}
else:
    document = json.load(open(path))
    for run in document["runs"]:
        run["ranx"] = by_ranx(run)
with open(path, "w") as file:
    json.dump(document, file, separators=(",", ":"))
    file.write("\n")
