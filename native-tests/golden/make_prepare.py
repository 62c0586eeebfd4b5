"""Prints the numbers in test_prepare.c that come from elsewhere.

python make_prepare.py DATA    RecBole's sizes of a split by ratio; weights by numpy; and, over the folder DATA of
amazon-*.{item,inter}.xz, an FNV-1a hash of the text "n i i i…\n" of every user in the order of the file, items being
their rows' numbers: the sequences as S3-Rec, TIGER and the others read them. Needs numpy and recbole 1.2.
"""
import collections, lzma, os, sys
import numpy as np

def ratio():
    from recbole.data.dataset import Dataset
    for ratios in ([.8, .1, .1], [.5, .25, .25]):
        ids = [[0, *Dataset._calcu_split_ids(None, n, ratios), n] for n in range(1, 26)]
        print(ratios, ' '.join('%d/%d/%d' % tuple(np.diff(x)) for x in ids))

def weights():
    ratings = {'a': [5, 3, 4, 1], 'b': [2, 4, 5]}  # the last is the test, the one before the validation
    train = np.array([5., 3, 2])
    for user, r in ratings.items():
        expected = (sum(r[:-2]) + 5 * train.mean()) / (len(r) - 2 + 5)
        print('ratings', user, (np.array(r) - expected) / train.std())
    print('counts', np.log1p([3, 0, 8, 15]) / np.log1p([3, 0]).mean())
    print('half-life of 30 days', 2. ** (-np.array([0, 15, 30, 300]) / 30))

def sequences(data):
    for name in ('beauty', 'sports', 'toys'):
        rows = lambda kind: [l.rstrip('\n').split('\t') for l in
                             lzma.open(os.path.join(data, f'amazon-{name}.{kind}.xz'), 'rt', encoding='utf8')][1:]
        index = {r[0]: i for i, r in enumerate(rows('item'))}
        users = collections.OrderedDict()
        for user, item, _ in rows('inter'): users.setdefault(user, []).append(index[item])
        value = 0xcbf29ce484222325
        for n, items in enumerate(users.values()):
            for byte in (' '.join(map(str, [n, *items])) + '\n').encode():
                value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
        print(name, '%016x' % value)

weights()
sequences(sys.argv[1])
ratio()
