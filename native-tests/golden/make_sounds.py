"""Sounds in several formats, resampled sounds, log-mel spectrograms, and a tiny random VGG of musicnn's shape.

    python make_sounds.py .

Writes sounds/*.wav, *.flac, *.ogg; sounds.safetensors: "decoded.NAME" F32 [frames, channels] as soundfile reads it, "mel.N" F32
[every 13th frame, 96] of the clips of sounds.py by librosa, "resampled.RATE" F32 [200] of tones from the 1,500th sample on by soxr, and
"noise.mel" [frames, 96] of noise at 44,100 Hz by soxr and librosa; tiny-musicnn/{config.json, model.safetensors,
expected.safetensors}: "features" and "tags" of the clips by torch. Needs numpy, librosa, soxr, soundfile, torch, safetensors.
"""
import json
import os
import sys

import librosa
import numpy as np
import soundfile
import soxr
import torch
from safetensors.numpy import save_file

import sounds

STRIDE, FRAMES = 13, 187
RATES = (44100, 48000, 22050, 11025, 8000, 96000, 15999)


# -- the front end ----------------------------------------------------------------------------------------------------
def log_mel(samples):
    """musicnn's, but for its rounding to half precision: [frames, 96]"""
    mel = librosa.feature.melspectrogram(y=samples, sr=16000, n_fft=512, hop_length=256, n_mels=96)
    return np.log10(10000 * mel.T + 1).astype(np.float32)


def patches(samples):
    """[patches, 187, 96]: whole ones, or one with silence behind it"""
    least = (FRAMES - 1) * 256
    mel = log_mel(np.pad(samples, (0, max(0, least - len(samples)))))
    count = len(mel) // FRAMES
    return mel[:count * FRAMES].reshape(count, FRAMES, 96)


def tones(rate):
    """A quarter of a second and more, below what both rates hold."""
    t = np.arange(rate // 2) / rate
    highest = 0.4 * min(rate, 16000)
    parts = ((0.4, 440.0), (0.2, 0.25 * highest), (0.1, highest))
    return sum(a * np.sin(2 * np.pi * f * t) for a, f in parts).astype(np.float32)


def front_end():
    out = {f'mel.{n}': log_mel(clip)[::STRIDE].copy() for n, clip in enumerate(sounds.clips())}
    for rate in RATES:
        out[f'resampled.{rate}'] = soxr.resample(tones(rate), rate, 16000, quality='VHQ')[1500:1700].copy()
    noise = (sounds.noise(44100) / 65536).astype(np.float32)
    out['noise.mel'] = log_mel(librosa.resample(noise, orig_sr=44100, target_sr=16000))[:, :].copy()
    return out


# -- files ------------------------------------------------------------------------------------------------------------
def files(folder):
    rate = 8000
    mono = sounds.plucked(rate, 1)[:rate // 8]
    stereo = np.stack([mono, -0.5 * np.roll(mono, 7)], 1)
    kinds = [('u8.wav', mono, 'WAV', 'PCM_U8'), ('16-bit.wav', stereo, 'WAV', 'PCM_16'), ('24-bit.wav', stereo, 'WAV', 'PCM_24'),
             ('float.wav', mono, 'WAV', 'FLOAT'), ('ulaw.wav', mono, 'WAV', 'ULAW'), ('extensible.wav', stereo, 'WAVEX', 'PCM_16'),
             ('16-bit.flac', stereo, 'FLAC', 'PCM_16'), ('vorbis.ogg', stereo, 'OGG', 'VORBIS'), ('opus.ogg', mono, 'OGG', 'OPUS'),
             ('mislabelled.wav', mono, 'FLAC', 'PCM_16')]
    out = {}
    for name, samples, form, subtype in kinds:
        path = os.path.join(folder, name)
        with open(path, 'wb') as file:
            soundfile.write(file, samples, rate, format=form, subtype=subtype)
        out[f'decoded.{name}'] = soundfile.read(path, dtype='float32', always_2d=True)[0]
    return out


# -- the net ----------------------------------------------------------------------------------------------------------
class Vgg(torch.nn.Module):
    WINDOWS = (((4, 1), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((4, 4), (4, 4)))

    def __init__(self, channels, classes):
        super().__init__()
        self.bn_input = torch.nn.BatchNorm2d(1, eps=1e-3)
        for i, (before, after) in enumerate(zip((1, *channels), channels), 1):
            setattr(self, f'conv{i}', torch.nn.Conv2d(before, after, 3, padding=1))
            setattr(self, f'bn{i}', torch.nn.BatchNorm2d(after, eps=1e-3))
        self.classifier = torch.nn.Linear(2 * channels[-1], classes)

    def forward(self, patch):
        x = self.bn_input(patch[:, None])
        for i, (window, stride) in enumerate(self.WINDOWS, 1):
            x = getattr(self, f'bn{i}')(torch.relu(getattr(self, f'conv{i}')(x)))
            x = torch.nn.functional.max_pool2d(x, window, stride)
        features = x.permute(0, 2, 3, 1).flatten(1)  # time, band, channel, as TensorFlow flattens
        return features, torch.sigmoid(self.classifier(features))


def tiny():
    torch.manual_seed(4)
    model = Vgg((6, 5, 17, 8, 4), 5)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight)  # some turn maxima into minima
            torch.nn.init.normal_(module.bias)
            torch.nn.init.normal_(module.running_mean, std=0.3)
            torch.nn.init.uniform_(module.running_var, 0.3, 2.0)
    return model.eval()


@torch.inference_mode()
def main():
    if len(sys.argv) != 2:
        sys.exit('usage: make_sounds.py OUT_FOLDER')
    out = sys.argv[1]
    folder = os.path.join(out, 'sounds')
    os.makedirs(folder, exist_ok=True)
    save_file({**files(folder), **front_end()}, os.path.join(out, 'sounds.safetensors'))
    folder = os.path.join(out, 'tiny-musicnn')
    os.makedirs(folder, exist_ok=True)
    model = tiny()
    config = {'model_type': 'musicnn_vgg', 'sample_rate': 16000, 'n_fft': 512, 'hop_length': 256, 'n_mels': 96, 'patch_frames': 187,
              'id2label': {str(i): name for i, name in enumerate(('plucked', 'drums', 'a "chord"', 'naïve', 'other'))}}
    with open(os.path.join(folder, 'config.json'), 'w', encoding='utf-8') as file:
        json.dump(config, file, indent=1)
    tensors = {name: value.numpy().copy() for name, value in model.state_dict().items() if not name.endswith('batches_tracked')}
    save_file(tensors, os.path.join(folder, 'model.safetensors'))
    results = [model(torch.from_numpy(patches(clip))) for clip in sounds.clips()]
    expected = {key: torch.stack([result[i].mean(0) for result in results]).numpy() for i, key in enumerate(('features', 'tags'))}
    save_file(expected, os.path.join(folder, 'expected.safetensors'))


if __name__ == '__main__':
    main()
