#!/usr/bin/env python3
"""What a source is worth: few-shot and zero-shot runs of `ferry transfer` on a leave-one-out data set.

For each target domain the others are the source. At each share of the target's users three models are trained: none
(`ferry train --shots`), transfer (from the source, without the guard) and placebo (from a source whose items were
shuffled); guarded is `ferry transfer` as it is. Zero-shot runs are tested on all test users, the others on a sample of
them, the same for all (--users); differences are paired, with 95 % intervals. Prints a table, and JSON lines to --json.
Models that are in --work already are not trained again.

    bench/transfer.py --ferry build/native/ferry --data DIR --catalog DIR --work DIR [--targets a,b] [--shots 1%,5%]
"""
import argparse, json, os, random, shutil, struct, subprocess, sys


def shuffle_items(data, out, seed):
    """A copy of the data set in which every domain's items are renumbered at random."""
    os.makedirs(out, exist_ok=True)
    for name in ('dataset.json', 'items.jsonl'):
        shutil.copy(os.path.join(data, name), out)
    with open(os.path.join(data, 'events.safetensors'), 'rb') as f:
        raw = bytearray(f.read())
    size = struct.unpack('<Q', raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    counts = {d['name']: d['items'] for d in json.load(open(os.path.join(data, 'dataset.json')))['domains']}
    for domain, items in counts.items():
        order = list(range(items))
        random.Random(seed).shuffle(order)
        begin, end = (8 + size + o for o in header[f'{domain}.item']['data_offsets'])
        values = struct.unpack(f'<{(end - begin) // 4}i', raw[begin:end])
        raw[begin:end] = struct.pack(f'<{len(values)}i', *(order[v] for v in values))
    with open(os.path.join(out, 'events.safetensors'), 'wb') as f:
        f.write(raw)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('ferry', 'data', 'catalog', 'work'):
        p.add_argument('--' + name, required=True)
    p.add_argument('--targets', help='comma-separated; all domains otherwise')
    p.add_argument('--shots', default='1%,5%,10%,25%,100%')
    p.add_argument('--users', default='6000')
    p.add_argument('--threads', default='1')
    p.add_argument('--json', help='file of JSON lines')
    a = p.parse_args()
    os.makedirs(a.work, exist_ok=True)
    at = lambda *names: os.path.join(a.work, '-'.join(names))
    common = ['--catalog', a.catalog, '--threads', a.threads, '-q']
    out = open(a.json, 'w') if a.json else None

    def ferry(*words):
        done = subprocess.run([a.ferry, *words], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f'{" ".join(words)}: {done.stderr}')
        return done.stdout

    def train(out, *words):
        if not os.path.exists(os.path.join(out, 'ferry.json')):
            ferry(*words, '--out', out, *common)

    def evaluate(model, target, *more):
        return json.loads(ferry('eval', '--data', a.data, '--domain', target, '--model', model, '--json', '-k', '10',
                                *more, *common))

    def report(target, shots, arm, run):
        hit, ndcg = run['metrics']['hit@10'], run['metrics']['ndcg@10']
        row = {'target': target, 'shots': shots, 'arm': arm, 'hit@10': hit, 'ndcg@10': ndcg,
               'comparison': run.get('comparison')}
        if out:
            print(json.dumps(row), file=out, flush=True)
        other = run.get('comparison')
        text = ''
        if other:
            low, high = other['intervals']['ndcg@10']
            text = (f'{other["difference"]["ndcg@10"]:+.4f} [{low:+.4f}, {high:+.4f}] against '
                    f'{os.path.basename(other["with"])}')
        print(f'{target:15} {shots:>5} {arm:12} {hit:.4f} / {ndcg:.4f}  {text}', flush=True)

    domains = [d['name'] for d in json.load(open(os.path.join(a.data, 'dataset.json')))['domains']]
    shuffled = at('shuffled')
    shuffle_items(a.data, shuffled, 7)
    for target in a.targets.split(',') if a.targets else domains:
        rest = ','.join(d for d in domains if d != target)
        source, placebo = at('source', target), at('placebo', target)
        train(source, 'train', '--data', a.data, '--domain', rest, '--no-across')
        train(placebo, 'train', '--data', shuffled, '--domain', rest, '--no-across')
        zero = at('zero', target)
        train(zero, 'transfer', '--from', source, '--data', a.data, '--domain', target, '--shots', '0')
        evaluate_zero = lambda mix, *more: evaluate(zero, target, *mix, *more)
        report(target, '0', 'text', evaluate_zero(['--mix', 'text=1'], '--save-users', at('text', target)))
        report(target, '0', 'transfer', evaluate_zero([], '--compare', at('text', target)))
        for shots in a.shots.split(','):
            few = ['--data', a.data, '--domain', target, '--shots', shots]
            models = {arm: at(arm, target, shots.rstrip('%')) for arm in ('none', 'placebo+', 'transfer', 'guarded')}
            train(models['none'], 'train', *few)
            train(models['placebo+'], 'transfer', '--from', placebo, *few, '--no-guard')
            train(models['transfer'], 'transfer', '--from', source, *few, '--no-guard')
            train(models['guarded'], 'transfer', '--from', source, *few)
            for arm, against in (('none', ()), ('placebo+', ('none',)), ('transfer', ('none', 'placebo+')),
                                 ('guarded', ('none',))):
                sample = ('--users', a.users, '--save-users', models[arm] + '.users')
                for other in against or (None,):
                    compare = ('--compare', models[other] + '.users') if other else ()
                    report(target, shots, arm, evaluate(models[arm], target, *sample, *compare))


if __name__ == '__main__':
    main()
