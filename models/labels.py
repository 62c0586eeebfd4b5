#!/usr/bin/env python3
"""The names of ImageNet's 1,000 classes as CLIP's makers chose them, from open_clip's source, one a line.

    python3 models/labels.py zero_shot_metadata.py OUT_DIR

Writes labels.txt, for `ferry align --labels`. The source is read, not run.
"""
import ast
import os
import sys


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, out = sys.argv[1:]
    with open(source, encoding='utf-8') as file:
        tree = ast.parse(file.read())
    found = [node.value for node in tree.body if isinstance(node, ast.Assign)
             and any(isinstance(target, ast.Name) and target.id == 'IMAGENET_CLASSNAMES' for target in node.targets)]
    names = ast.literal_eval(found[0]) if found else ()
    if len(names) != 1000 or not all(isinstance(name, str) and '\n' not in name for name in names):
        sys.exit(f'{source}: expected IMAGENET_CLASSNAMES with 1000 names, found {len(names)}')
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, 'labels.txt'), 'w', encoding='utf-8', newline='\n') as file:
        file.write(''.join(name + '\n' for name in names))


if __name__ == '__main__':
    main()
