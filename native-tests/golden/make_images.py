"""Pictures in many formats with what Pillow makes of them, and Pillow's resizes.

    python make_images.py .

Writes images/*.png, *.jpg, *.webp and images.safetensors: "decoded.NAME" U8 [height, width, 3], on white, and for noise of
several shapes "noise.N" U8 with "FRAMING.FILTER.N" U8 [16, 16, 3]. Needs pillow, numpy, safetensors.
"""
import os
import struct
import sys
import zlib

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

SIDE, SHORTEST = 16, 20


def smooth(height, width, channels, seed):
    """A picture with edges and gradients, so that JPEG and WebP have something to do."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [127 + 120 * np.sin(x / (3 + c + seed) + c) * np.cos(y / (4 + 2 * c)) for c in range(channels)]
    picture = np.stack(planes, -1)
    picture[height // 3:height // 2, width // 4:width // 2] = 250
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def png16(path, values):
    """A 16-bit PNG, which Pillow does not write: grey, RGB or RGBA by the number of channels."""
    height, width, channels = values.shape
    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in values)

    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = struct.pack('>IIBBBBB', width, height, 16, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    with open(path, 'wb') as file:
        file.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


def on_white(image):
    image = image.convert('RGBA')
    white = Image.new('RGBA', image.size, (255, 255, 255, 255))
    white.alpha_composite(image)
    return np.asarray(white.convert('RGB'))


def files(folder):
    """Writes them; yields (name, what it should be decoded to, or None for what Pillow reads)."""
    rgb, rgba = smooth(19, 26, 3, 0), smooth(19, 26, 4, 1)
    image = Image.fromarray(rgb)

    def save(name, picture, expected=None, **options):
        picture.save(os.path.join(folder, name), **options)
        return name, expected

    yield save('rgb.png', image)
    yield save('rgba.png', Image.fromarray(rgba))
    yield save('grey.png', image.convert('L'))
    yield save('grey-alpha.png', Image.fromarray(rgba[:, :, 2:4], 'LA'))
    yield save('palette.png', image.quantize(40))
    yield save('palette-4-bit.png', image.quantize(9), bits=4)
    yield save('palette-2-bit.png', image.quantize(4), bits=2)
    yield save('palette-alpha.png', image.quantize(9), transparency=3)
    yield save('one-bit.png', image.convert('1'))
    yield save('keyed.png', image.quantize(4).convert('RGB'), transparency=tuple(image.quantize(4).convert('RGB').getpixel((0, 0))))
    for channels, name in ((1, 'grey'), (3, 'rgb'), (4, 'rgba')):
        wide = np.random.default_rng(channels).integers(0, 65536, (7, 9, channels), np.uint16)
        png16(os.path.join(folder, f'{name}-16-bit.png'), wide)
        narrow = (wide >> 8).astype(np.uint8)
        yield f'{name}-16-bit.png', on_white(Image.fromarray(narrow[:, :, 0] if channels == 1 else narrow))
    yield save('rgb.jpg', image, quality=90, subsampling=0)
    yield save('subsampled.jpg', image, quality=80, subsampling=2)
    yield save('progressive.jpg', image, quality=80, progressive=True)
    yield save('grey.jpg', image.convert('L'), quality=80)
    yield save('cmyk.jpg', image.convert('CMYK'), quality=90)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        name, _ = save(f'turned-{orientation}.jpg', image, quality=80, exif=exif)
        with Image.open(os.path.join(folder, name)) as saved:
            turns = {2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180], 4: [Image.Transpose.FLIP_TOP_BOTTOM],
                     5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_270], 7: [Image.Transpose.TRANSVERSE],
                     8: [Image.Transpose.ROTATE_90]}.get(orientation, [])
            for turn in turns:
                saved = saved.transpose(turn)
            yield name, np.asarray(saved.convert('RGB'))
    yield save('lossy.webp', image, quality=80)
    yield save('lossless.webp', image, lossless=True)
    yield save('alpha.webp', Image.fromarray(rgba), lossless=True)
    png = Image.fromarray(rgb)
    yield save('mislabelled.png', png, format='JPEG', quality=90)


def refused(folder):
    image = Image.fromarray(smooth(19, 26, 3, 0))
    image.save(os.path.join(folder, 'picture.gif'))
    image.save(os.path.join(folder, 'picture.bmp'))
    image.save(os.path.join(folder, 'moving.webp'), save_all=True, append_images=[image.rotate(90)])


def frame(image, framing):
    width, height = image.size
    if framing == 'pad':
        side = max(width, height)
        square = Image.new('RGB', (side, side), (255, 255, 255))
        square.paste(image, ((side - width) // 2, (side - height) // 2))
        return square, (SIDE, SIDE), (0, 0)
    if framing == 'squash':
        return image, (SIDE, SIDE), (0, 0)
    shorter = min(width, height)
    size = SHORTEST * width // shorter, SHORTEST * height // shorter
    halve = (lambda rest: round(rest / 2)) if framing == 'crop-even' else (lambda rest: rest // 2)
    return image, size, (halve(size[0] - SIDE), halve(size[1] - SIDE))


def main():
    if len(sys.argv) != 2:
        sys.exit('usage: make_images.py OUT_FOLDER')
    out = sys.argv[1]
    folder = os.path.join(out, 'images')
    os.makedirs(folder, exist_ok=True)
    tensors = {}
    for name, expected in files(folder):
        if expected is None:
            with Image.open(os.path.join(folder, name)) as image:
                expected = on_white(image)
        tensors[f'decoded.{name}'] = np.ascontiguousarray(expected)
    refused(folder)
    random = np.random.default_rng(1)
    for n, (height, width) in enumerate([(23, 37), (37, 23), (5, 91), (90, 4), (1, 1), (16, 16), (61, 50)]):
        noise = random.integers(0, 256, (height, width, 3), np.uint8)
        tensors[f'noise.{n}'] = noise
        for framing in ('pad', 'crop', 'crop-even', 'squash'):
            for name, resample in (('bilinear', Image.Resampling.BILINEAR), ('bicubic', Image.Resampling.BICUBIC)):
                source, size, (left, top) = frame(Image.fromarray(noise), framing)
                resized = source.resize(size, resample).crop((left, top, left + SIDE, top + SIDE))
                tensors[f'{framing}.{name}.{n}'] = np.asarray(resized)
    save_file(tensors, os.path.join(out, 'images.safetensors'))


if __name__ == '__main__':
    main()
