"""Outputs and gradients of torch's LSTM, GRU and of a causal transformer, over packed sequences.

    python make_user_encoders.py user_encoders.safetensors

Everything is drawn in f32 and computed by torch in f64, so that what a comparison shows is the error
of the other side alone. The loss is sum(y * dy). A case C has C.lengths, C.x, C.dy, C.y, C.dx,
C.NAME and C.grad.NAME of every parameter and, with dropout, C.masks.
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

LENGTHS = [5, 1, 9, 3, 1, 7]
OUT = {}


def masks_of(generator, *shape, rate=0.25):
    return (torch.rand(*shape, generator=generator) >= rate).float() / (1 - rate)


def randomise(module, generator, deviation):
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float32) * deviation)


def finish(case, module, x, y, dy, lengths, masks):
    (y * dy).sum().backward()
    tensors = {"x": x, "dy": dy, "y": y, "dx": x.grad, "lengths": torch.tensor(lengths)}
    if masks is not None:
        tensors["masks"] = masks
    for name, p in module.items():
        tensors[name] = p
        tensors["grad." + name] = p.grad
    for name, t in tensors.items():
        OUT[f"{case}.{name}"] = t.detach().float().contiguous()


def recurrent(case, kind, seed, inputs, hidden, layers, dropout, lengths=LENGTHS):
    g = torch.Generator().manual_seed(seed)
    net = kind(inputs, hidden, layers)
    randomise(net, g, 0.4)
    net = net.double()
    P = sum(lengths)
    x = torch.randn(P, inputs, generator=g).double().requires_grad_()
    dy = torch.randn(P, hidden, generator=g).double()
    masks = masks_of(g, layers - 1, P, hidden) if dropout else None
    starts = [sum(lengths[:i]) for i in range(len(lengths))]

    if masks is None:
        rows = [net(x[s : s + n])[0] for s, n in zip(starts, lengths)]
    else:  # torch draws its own masks: the same layers one by one instead, with ours between them
        single = []
        for l in range(layers):
            one = kind(inputs if l == 0 else hidden, hidden).double()
            for name in "weight_ih", "weight_hh", "bias_ih", "bias_hh":
                delattr(one, name + "_l0")
                setattr(one, name + "_l0", getattr(net, f"{name}_l{l}"))
            single.append(one)
        rows = []
        for s, n in zip(starts, lengths):
            y = x[s : s + n]
            for l, one in enumerate(single):
                y = one(y if l == 0 else y * masks[l - 1, s : s + n])[0]
            rows.append(y)
    finish(case, dict(net.named_parameters()), x, torch.cat(rows), dy, lengths, masks)


class Block(nn.Module):
    def __init__(self, d, heads, inner, distances):
        super().__init__()
        self.heads, self.distances = heads, distances
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, inner), nn.Linear(inner, d)
        self.relative = nn.Parameter(torch.zeros(heads, distances))

    def forward(self, x, masks):  # x [L, d] of one sequence; masks [2, L, d]
        L, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(L, 3, self.heads, d // self.heads).permute(1, 2, 0, 3)
        r = torch.arange(L)
        bias = self.relative[:, (r[:, None] - r[None]).clamp(0, self.distances - 1)]
        bias = bias.masked_fill(r[:, None] < r[None], -torch.inf)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        x = x + masks[0] * self.out(y.transpose(0, 1).reshape(L, d))
        return x + masks[1] * self.down(F.gelu(self.up(self.norm2(x))))


def transformer(case, seed, d, heads, inner, distances, layers, dropout, lengths):
    g = torch.Generator().manual_seed(seed)
    blocks = nn.ModuleList(Block(d, heads, inner, distances) for _ in range(layers))
    randomise(blocks, g, 0.4)
    blocks = blocks.double()
    P = sum(lengths)
    x = torch.randn(P, d, generator=g).double().requires_grad_()
    dy = torch.randn(P, d, generator=g).double()
    masks = masks_of(g, layers, 2, P, d) if dropout else None
    rows, s = [], 0
    for n in lengths:
        y = x[s : s + n]
        for l, block in enumerate(blocks):
            y = block(y, torch.ones(2, n, d) if masks is None else masks[l, :, s : s + n])
        rows.append(y)
        s += n
    finish(case, dict(blocks.named_parameters()), x, torch.cat(rows), dy, lengths, masks)


def main(path):
    torch.set_num_threads(1)
    recurrent("lstm1", nn.LSTM, 1, 12, 8, 1, False)
    recurrent("lstm2", nn.LSTM, 2, 9, 8, 2, True)
    recurrent("lstm4", nn.LSTM, 3, 8, 5, 4, True, [1, 6, 2])
    recurrent("gru1", nn.GRU, 4, 12, 8, 1, False)
    recurrent("gru2", nn.GRU, 5, 9, 8, 2, False)
    recurrent("gru4", nn.GRU, 6, 8, 5, 4, True, [1, 6, 2])
    transformer("transformer1", 7, 8, 2, 16, 4, 1, False, LENGTHS)  # longer than 4 distances
    transformer("transformer2", 8, 9, 3, 14, 24, 2, True, [3, 18, 1])  # more than 16 queries
    transformer("transformer3", 9, 16, 1, 8, 20, 1, False, [1, 17])
    save_file(OUT, path)


if __name__ == "__main__":
    main(sys.argv[1])
