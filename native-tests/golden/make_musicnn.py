"""What musicnn's own graph gives for the clips of sounds.py, and for one of the stamps' sounds.

    python make_musicnn.py MTT_VGG_FOLDER .

MTT_VGG_FOLDER is musicnn/MTT_vgg/ of the package. Writes musicnn.safetensors: "features" F32 [clips, 256] and "tags" [clips, 50],
means over patches; "stamp.features", "stamp.tags" of STAMP (where it is installed), resampled by soxr as librosa.load does. The
graph is the checkpoint's, run by TensorFlow; its half that trained is left out, for TensorFlow 2 does not read it. The
spectrogram is librosa's in single precision: musicnn rounds it to half, in which what is loud becomes infinite. Needs
tensorflow, numpy, librosa, soxr, soundfile, torch, safetensors.
"""
import os
import sys

import librosa
import numpy as np
from safetensors.numpy import save_file

import sounds
from make_sounds import patches

os.environ['TF_ENABLE_ONEDNN_OPTS'] = '0'
import tensorflow as tf  # noqa: E402

STAMP = '/usr/share/tuxpaint/stamps/animals/birds/rooster.ogg'


def needed(graph, names):
    """The nodes that those need."""
    nodes, found, open_ones = {node.name: node for node in graph.node}, set(), list(names)
    while open_ones:
        name = open_ones.pop().lstrip('^').split(':')[0]
        if name not in found:
            found.add(name)
            open_ones.extend(nodes[name].input)
    return [node for node in graph.node if node.name in found]


def run(folder, groups):
    """(features, tags) of each group of patches, their means"""
    meta = tf.compat.v1.MetaGraphDef()
    with open(os.path.join(folder, '.meta'), 'rb') as file:
        meta.ParseFromString(file.read())
    pooled, tags = 'model/max_pooling2d_4/MaxPool', 'model/Sigmoid'
    graph = tf.compat.v1.GraphDef()
    graph.node.extend(needed(meta.graph_def, [pooled, tags]))
    for node in graph.node:
        node.attr.pop('_output_shapes', None)
        node.attr.pop('_class', None)
        node.device = ''
    with tf.Graph().as_default() as at, tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name='')
        reader = tf.compat.v1.train.NewCheckpointReader(os.path.join(folder, ''))
        for node in graph.node:
            if node.op.startswith('Variable'):
                session.run(tf.raw_ops.Assign(ref=at.get_tensor_by_name(node.name + ':0'), value=reader.get_tensor(node.name)))
        boxes = [at.get_tensor_by_name(node.name + ':0') for node in graph.node if node.op == 'Placeholder']
        x, training = (next(box for box in boxes if (box.dtype == tf.bool) == wanted) for wanted in (False, True))
        for group in groups:
            features, likely = session.run([pooled + ':0', tags + ':0'], {x: group, training: False})
            yield features.reshape(len(group), -1).mean(0), likely.mean(0)


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: make_musicnn.py MTT_VGG_FOLDER OUT_FOLDER')
    folder, out = sys.argv[1:]
    groups = [patches(clip) for clip in sounds.clips()]
    if os.path.exists(STAMP):
        groups.append(patches(librosa.load(STAMP, sr=16000)[0]))
    results = list(run(folder, groups))
    tensors = {}
    for i, key in enumerate(('features', 'tags')):
        tensors[key] = np.stack([result[i] for result in results[:3]])
        for result in results[3:]:
            tensors['stamp.' + key] = result[i]
    save_file(tensors, os.path.join(out, 'musicnn.safetensors'))


if __name__ == '__main__':
    main()
