"""Forward passes that are not the lecture's, with right answers and wrong ones as people make them.

They were written with the diagnosis at hand, to extend it: what it names here says nothing about what it names elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """A forward pass, and answers by the gradient that they give; a wrong answer stands beside what is to be said of it.

    `names` makes what the lines start from; `batch` is what `%%forward` takes for the minibatch.
    """

    names: str
    batch: str
    lines: str
    right: dict[str, list[str]]
    wrong: dict[str, dict[str, str]]


NETWORKS = {
    "attention": Network(
        "n, T, d, h = 6, 5, 7, 4\nx = torch.randn((n, T, d), generator=g)\n"
        "Wq, Wk, Wv = (torch.randn((d, h), generator=g) for _ in range(3))\nWo = torch.randn((h, d), generator=g)",
        "n x",
        """\
q = x @ Wq
k = x @ Wk
v = x @ Wv
scores = q @ k.transpose(-2, -1) / h**0.5
counts = scores.exp()
att = counts / counts.sum(-1, keepdim=True)
mixed = att @ v
out = x + mixed @ Wo
loss = (out**2).mean()
""",
        {
            "dq": ["dq = dscores @ k / h**0.5"],
            "dk": ["dk = dscores.transpose(-2, -1) @ q / h**0.5"],
            "dv": ["dv = att.transpose(-2, -1) @ dmixed"],
            "datt": ["datt = dmixed @ v.transpose(-2, -1)"],
            "dWo": ["dWo = mixed.flatten(0, 1).T @ dout.flatten(0, 1)"],
            "dcounts": ["s = counts.sum(-1, keepdim=True)\ndcounts = datt / s - (datt * counts).sum(-1, keepdim=True) / s**2"],
            "dx": ["dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T + dout"],
            "dWk": ["dWk = torch.einsum('bti,btj->ij', x, dk)"],
        },
        {
            "dq": {
                "dq = dscores @ k": "",
                "dq = dscores @ k * h**0.5": "",
                "dq = dscores @ k / d**0.5": "",
                "dq = dscores @ k / h": "",
                "dq = dscores.transpose(-2, -1) @ k / h**0.5": "",
                "dq = dscores @ q / h**0.5": "",
            },
            "dk": {
                "dk = dscores @ q / h**0.5": "",
                "dk = dscores.transpose(-2, -1) @ q": "",
                "dk = dscores.transpose(-2, -1) @ k / h**0.5": "",
                "dk = dscores @ q": "",
            },
            "dv": {
                "dv = att @ dmixed": "",
                "dv = dmixed": "",
                "dv = scores.transpose(-2, -1) @ dmixed": "",
            },
            "dcounts": {
                "dcounts = datt / counts.sum(-1, keepdim=True)": "",
                "s = counts.sum(-1, keepdim=True)\ndcounts = datt / s - datt * counts / s**2": "",
                "s = counts.sum(-1, keepdim=True)\ndcounts = datt / s - (datt * counts).sum(-1, keepdim=True) / s": "",
                "s = counts.sum(-1, keepdim=True)\ndcounts = datt / s + (datt * counts).sum(-1, keepdim=True) / s**2": "",
                "s = counts.sum(1, keepdim=True)\ndcounts = datt / s - (datt * counts).sum(-1, keepdim=True) / s**2": "",
                "s = counts.sum(-1, keepdim=True)\ndcounts = datt / s - (datt * counts).sum(-2, keepdim=True) / s**2": "",
            },
            "dWo": {
                "dWo = mixed.flatten(0, 1).T @ dout.flatten(0, 1) / n": "",
                "dWo = (mixed.mT @ dout).mean(0)": "",
                "dWo = mixed[-1].T @ dout[-1]": "",
            },
            "dx": {
                "dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T": "",
                "dx = dq @ Wk.T + dk @ Wq.T + dv @ Wv.T + dout": "",
                "dx = dk @ Wq.T + dq @ Wk.T + dv @ Wv.T + dout": "",
                "dx = dq @ Wq.T + dout": "",
                "dx = (dq + dk + dv) @ Wq.T + dout": "",
            },
        },
    ),
    "softmax attention, square": Network(
        "n, T = 6, 5\nx = torch.randn((n, T, T), generator=g)\n"
        "Wq, Wk, Wv = (torch.randn((T, T), generator=g) for _ in range(3))\n"
        "scale = T**-0.5\ncausal = torch.ones(T, T).tril().bool()",
        "n x",
        """\
q = x @ Wq
k = x @ Wk
v = x @ Wv
scores = q @ k.transpose(-2, -1) * scale
masked = scores.masked_fill(~causal, float('-inf'))
att = F.softmax(masked, dim=-1)
mixed = att @ v
loss = (mixed**2).sum() / n
""",
        {
            "dmasked": ["dmasked = att * (datt - (att * datt).sum(-1, keepdim=True))"],
            "dscores": ["dscores = dmasked * causal"],
            "dv": ["dv = att.mT @ dmixed"],
        },
        {
            "dmasked": {
                "dmasked = att * datt": "",
                "dmasked = att * (1 - att) * datt": "",
                "dmasked = att * (datt - (att * datt).sum(-2, keepdim=True))": "",
                "dmasked = att * (datt - datt.sum(-1, keepdim=True))": "",
                "dmasked = att * (datt - (att * datt).sum())": "",
                "dmasked = att * (datt - (att * datt).mean(-1, keepdim=True))": "",
                "dmasked = datt - (att * datt).sum(-1, keepdim=True)": "",
                "dmasked = att * (datt + (att * datt).sum(-1, keepdim=True))": "",
            },
            "dq": {"dq = dscores @ k": "", "dq = dscores @ k.mT * scale": "", "dq = dscores.mT @ k * scale": ""},
            "dk": {"dk = dscores @ q * scale": "", "dk = dscores.mT @ q": "", "dk = q.mT @ dscores * scale": ""},
            "dv": {"dv = att @ dmixed": "", "dv = dmixed @ att": "", "dv = dmixed @ att.mT": "", "dv = dmixed.mT @ att": ""},
            "datt": {"datt = dmixed @ v": "", "datt = v @ dmixed.mT": "", "datt = dmixed.mT @ v": ""},
        },
    ),
    "many heads": Network(
        "n, T, H, hs = 4, 5, 2, 3\nd = H * hs\nx = torch.randn((n, T, d), generator=g)\n"
        "Wq, Wk, Wv, Wo = (torch.randn((d, d), generator=g) for _ in range(4))",
        "n x",
        """\
q = (x @ Wq).view(x.shape[0], T, H, hs).transpose(1, 2)
k = (x @ Wk).view(x.shape[0], T, H, hs).transpose(1, 2)
v = (x @ Wv).view(x.shape[0], T, H, hs).transpose(1, 2)
scores = q @ k.transpose(-2, -1) * hs**-0.5
att = F.softmax(scores, dim=-1)
heads = att @ v
joined = heads.transpose(1, 2).reshape(x.shape[0], T, d)
out = joined @ Wo
loss = (out**2).mean()
""",
        {
            "dheads": ["dheads = djoined.view(n, T, H, hs).transpose(1, 2)"],
            "dq": ["dq = dscores @ k * hs**-0.5"],
            "dk": ["dk = dscores.transpose(-2, -1) @ q * hs**-0.5"],
            "dv": ["dv = att.transpose(-2, -1) @ dheads"],
            "datt": ["datt = dheads @ v.transpose(-2, -1)"],
            "dWq": ["dWq = x.flatten(0, 1).T @ dq.transpose(1, 2).reshape(n * T, d)"],
        },
        {
            "dheads": {
                "dheads = djoined.view(n, H, T, hs)": "",
                "dheads = djoined.reshape(heads.shape)": "",
            },
            "dq": {
                "dq = dscores @ k": "",
                "dq = dscores @ k * d**-0.5": "",
                "dq = dscores.transpose(-2, -1) @ k * hs**-0.5": "",
            },
            "dk": {"dk = dscores @ q * hs**-0.5": "", "dk = dscores.transpose(1, 2) @ q * hs**-0.5": ""},
            "dv": {"dv = att @ dheads": "", "dv = att.T @ dheads": ""},
            "datt": {"datt = dheads @ v.T": "", "datt = dheads @ v.transpose(1, 2)": ""},
            "dWq": {"dWq = x.flatten(0, 1).T @ dq.reshape(n * T, d)": ""},
            "dscores": {
                "dscores = att * datt": "",
                "dscores = att * (datt - (att * datt).sum(2, keepdim=True))": "",
                "dscores = att * datt - att**2 * datt": "",
            },
        },
    ),
    "LayerNorm": Network(
        "n, T, d = 6, 4, 5\nx = torch.randn((n, T, d), generator=g)\ngain = 1 + 0.1 * torch.randn(d, generator=g)\n"
        "bias = torch.randn(d, generator=g)\nW = torch.randn((d, 3), generator=g)",
        "n x",
        """\
mean = x.mean(-1, keepdim=True)
diff = x - mean
var = (diff**2).mean(-1, keepdim=True)
inv = (var + 1e-5) ** -0.5
hat = diff * inv
y = hat * gain + bias
out = y @ W
loss = (out**2).mean()
""",
        {
            "dgain": ["dgain = (dy * hat).sum((0, 1))"],
            "dbias": ["dbias = dy.sum((0, 1))"],
            "dhat": ["dhat = dy * gain"],
            "dinv": ["dinv = (dhat * diff).sum(-1, keepdim=True)"],
            "dvar": ["dvar = -0.5 * (var + 1e-5) ** -1.5 * dinv"],
            "ddiff": ["ddiff = dhat * inv + 2 * diff * dvar / d"],
            "dmean": ["dmean = -ddiff.sum(-1, keepdim=True)"],
            "dx": ["dx = ddiff + dmean / d"],
            "dW": ["dW = y.flatten(0, 1).T @ dout.flatten(0, 1)"],
        },
        {
            "dgain": {
                "dgain = (dy * hat).sum(0)": "",
                "dgain = (dy * hat).mean((0, 1))": "",
                "dgain = (dy * hat).sum((0, 1)) / n": "",
                "dgain = (dy * y).sum((0, 1))": "",
                "dgain = (dy * hat).mean(0).sum(0)": "",
                "dgain = (dy * hat)[-1].sum(0)": "",
            },
            "dbias": {"dbias = dy.sum(0)": "", "dbias = dy.mean(0).sum(0)": "", "dbias = dy.sum((0, 1)) / (n * T)": ""},
            "dinv": {
                "dinv = (dhat * diff).sum(0, keepdim=True)": "",
                "dinv = (dhat * diff).mean(-1, keepdim=True)": "",
                "dinv = dhat.sum(-1, keepdim=True) * diff.sum(-1, keepdim=True)": "",
            },
            "dvar": {"dvar = -0.5 * (var + 1e-5) ** -0.5 * dinv": "", "dvar = -0.5 * inv**2 * dinv": ""},
            "ddiff": {
                "ddiff = dhat * inv + 2 * diff * dvar": "",
                "ddiff = dhat * inv + 2 * diff * dvar / n": "",
                "ddiff = dhat * inv + 2 * diff * dvar / (d - 1)": "",
                "ddiff = dhat * inv + 2 * diff * dvar / (n * T)": "",
                "ddiff = dhat * inv + diff * dvar / d": "",
                "ddiff = dhat * inv": "",
            },
            "dx": {
                "dx = ddiff + dmean": "",
                "dx = ddiff + dmean / n": "",
                "dx = ddiff - ddiff.mean((0, 1), keepdim=True)": "",
                "dx = ddiff": "",
            },
            "dmean": {"dmean = ddiff.sum(-1, keepdim=True)": "", "dmean = -ddiff.mean(-1, keepdim=True)": ""},
            "dW": {
                "dW = y.T @ dout": "",
                "dW = (y.T @ dout).sum(0)": "",
                "dW = y.mT @ dout": "",
                "dW = (y.mT @ dout).mean(0)": "",
            },
        },
    ),
    "LayerNorm in one go": Network(
        "n, T, d = 6, 4, 5\nx = torch.randn((n, T, d), generator=g)\ngain = 1 + 0.1 * torch.randn(d, generator=g)\n"
        "bias = torch.randn(d, generator=g)\nW = torch.randn((d, 3), generator=g)",
        "n x",
        """\
hat = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
y = hat * gain + bias
out = y @ W
loss = (out**2).mean()
""",
        {
            "dx": [
                "inv = (x.var(-1, keepdim=True, unbiased=False) + 1e-5) ** -0.5\n"
                "dx = inv * (dhat - dhat.mean(-1, keepdim=True) - hat * (dhat * hat).mean(-1, keepdim=True))"
            ],
        },
        {
            "dx": {
                f"inv = (x.var(-1, keepdim=True, unbiased={biased}) + 1e-5) ** -0.5\ndx = {formula}": ""
                for biased, formula in (
                    (False, "inv * (dhat - dhat.mean(-1, keepdim=True))"),
                    (False, "inv * (dhat - hat * (dhat * hat).mean(-1, keepdim=True))"),
                    (False, "inv * (dhat - dhat.mean(0, keepdim=True) - hat * (dhat * hat).mean(0, keepdim=True))"),
                    (False, "inv * (dhat - dhat.mean(-1, keepdim=True) - hat * (dhat * hat).sum(-1, keepdim=True))"),
                    (False, "inv * dhat"),
                    (False, "inv * (dhat - dhat.mean() - hat * (dhat * hat).mean())"),
                    (True, "inv * (dhat - dhat.mean(-1, keepdim=True) - hat * (dhat * hat).mean(-1, keepdim=True))"),
                    (False, "inv * (dhat + dhat.mean(-1, keepdim=True) + hat * (dhat * hat).mean(-1, keepdim=True))"),
                )
            },
        },
    ),
    "convolution": Network(
        "n = 6\nx = torch.randn((n, 2, 7, 7), generator=g)\nW = torch.randn((3, 2, 3, 3), generator=g)\n"
        "b = torch.randn(3, generator=g)\nV = torch.randn((3, 4), generator=g)\nY = torch.randint(0, 4, (n,), generator=g)",
        "n x Y",
        """\
z = F.conv2d(x, W, b)
a = z.relu()
pooled = a.mean((2, 3))
logits = pooled @ V
loss = F.cross_entropy(logits, Y)
""",
        {
            "da": ["da = dpooled[:, :, None, None].expand_as(a) / 25"],
            "db": ["db = dz.sum((0, 2, 3))"],
            "dz": ["dz = da * (z > 0)"],
            "dW": ["patches = F.unfold(x, 3)\ndW = torch.einsum('nkl,ncl->ck', patches, dz.flatten(2)).view(W.shape)"],
            "dx": ["dx = F.conv_transpose2d(dz, W)"],
        },
        {
            "da": {
                "da = dpooled[:, :, None, None].expand_as(a)": "",
                "da = dpooled[:, :, None, None].expand_as(a) / 5": "",
                "da = dpooled[:, :, None, None].expand_as(a) / 49": "",
                "da = torch.ones_like(a) * dpooled[:, :, None, None] / n": "",
            },
            "db": {
                "db = dz.sum((2, 3))": "",
                "db = dz.sum(0)": "",
                "db = dz.mean((0, 2, 3))": "",
                "db = dz.sum((0, 2))": "",
                "db = dz.sum((0, 2, 3)) / n": "",
                "db = dz.mean((2, 3)).sum(0)": "",
                "db = dz.sum((1, 2, 3))": "",
            },
            "dz": {"dz = da": "", "dz = da * a": "", "dz = da * (z < 0)": ""},
            "dW": {
                "dW = F.conv2d(x.transpose(0, 1), dz.transpose(0, 1))": "",
                "dW = F.conv2d(x.transpose(0, 1), dz.transpose(0, 1)).transpose(0, 1).flip(2, 3)": "",
                "patches = F.unfold(x, 3)\ndW = torch.einsum('nkl,ncl->ck', patches, dz.flatten(2)).view(W.shape) / n": "",
                "patches = F.unfold(x, 3)\ndW = torch.einsum('kl,cl->ck', patches[0], dz[0].flatten(1)).view(W.shape)": "",
            },
            "dx": {
                "dx = F.conv_transpose2d(dz, W.flip(2, 3))": "",
                "dx = F.conv2d(F.pad(dz, (2, 2, 2, 2)), W.transpose(0, 1))": "",
                "dx = F.conv_transpose2d(dz, W.transpose(2, 3))": "",
                "dx = F.conv_transpose2d(da, W)": "",
            },
        },
    ),
    "pooling": Network(
        "n = 5\nx = torch.randn((n, 3, 6, 6), generator=g)\nV = torch.randn((27, 4), generator=g)",
        "n x",
        """\
a = x.tanh()
windows = a.view(x.shape[0], 3, 3, 2, 3, 2)
pooled = windows.mean((3, 5))
flat = pooled.flatten(1)
out = flat @ V
loss = (out**2).mean()
""",
        {
            "dwindows": ["dwindows = (dpooled[:, :, :, None, :, None] / 4).expand_as(windows)"],
            "dpooled": ["dpooled = dflat.view(pooled.shape)"],
            "da": ["da = dwindows.reshape(a.shape)"],
        },
        {
            "dwindows": {
                "dwindows = dpooled[:, :, :, None, :, None].expand_as(windows)": "",
                "dwindows = (dpooled[:, :, :, None, :, None] / 2).expand_as(windows)": "",
                "dwindows = (dpooled[:, :, :, None, :, None] / 9).expand_as(windows)": "",
                "dwindows = (dpooled.mT[:, :, :, None, :, None] / 4).expand_as(windows)": "",
            },
            "dflat": {"dflat = dout @ V": "", "dflat = dout @ V.T / n": ""},
            "dpooled": {"dpooled = dflat.view(n, 3, 3, 3).mT": "", "dpooled = dflat.flip(1).view(n, 3, 3, 3)": ""},
        },
    ),
    "GRU": Network(
        "n, d, H = 6, 4, 5\nx = torch.randn((n, d), generator=g)\nh0 = torch.randn((n, H), generator=g)\n"
        "W = torch.randn((d, 2 * H), generator=g)\nU = torch.randn((H, 2 * H), generator=g)\n"
        "Wc = torch.randn((d, H), generator=g)\nUc = torch.randn((H, H), generator=g)\nb = torch.randn(2 * H, generator=g)",
        "n x h0",
        """\
gates = x @ W + h0 @ U + b
r = torch.sigmoid(gates[:, :H])
z = torch.sigmoid(gates[:, H:])
reset = r * h0
c = torch.tanh(x @ Wc + reset @ Uc)
h = (1 - z) * h0 + z * c
loss = (h**2).sum() / n
""",
        {
            "dz": ["dz = dh * (c - h0)"],
            "dc": ["dc = dh * z"],
            "dh0": ["dh0 = dgates @ U.T + dreset * r + dh * (1 - z)"],
            "dgates": ["dgates = torch.cat([dr * r * (1 - r), dz * z * (1 - z)], 1)"],
            "dreset": ["dreset = (dc * (1 - c**2)) @ Uc.T"],
            "dW": ["dW = x.T @ dgates"],
        },
        {
            "dz": {"dz = dh * c": "", "dz = dh * (h0 - c)": "", "dz = -dh * h0": "", "dz = dh * (c + h0)": ""},
            "dc": {"dc = dh * (1 - z)": "", "dc = dh": ""},
            "dh0": {
                "dh0 = dgates @ U.T + dreset * r": "",
                "dh0 = dgates @ U.T + dreset * r + dh * z": "",
                "dh0 = dgates @ U.T + dreset + dh * (1 - z)": "",
                "dh0 = dgates @ U.T + dh * r + dreset * (1 - z)": "",
                "dh0 = dh * (1 - z)": "",
            },
            "dgates": {
                "dgates = torch.cat([dz * z * (1 - z), dr * r * (1 - r)], 1)": "",
                "dgates = torch.cat([dz * r * (1 - r), dr * z * (1 - z)], 1)": "",
                "dgates = torch.cat([dr * r * (1 - r), dz * (1 - z**2)], 1)": "",
                "dgates = torch.cat([dr * (1 - r**2), dz * z * (1 - z)], 1)": "",
                "dgates = torch.cat([dr, dz], 1)": "",
                "dgates = torch.cat([dr * r * (1 - r), torch.zeros_like(dz)], 1)": "",
                "dgates = torch.cat([dr * r, dz * z * (1 - z)], 1)": "",
            },
            "dreset": {"dreset = dc @ Uc.T": "", "dreset = (dc * (1 - c**2)) @ Uc": "", "dreset = (dc * (1 - c)) @ Uc.T": ""},
        },
    ),
    "LSTM": Network(
        "n, d, H = 6, 4, 5\nx = torch.randn((n, d), generator=g)\n"
        "h0, c0 = (torch.randn((n, H), generator=g) for _ in range(2))\n"
        "W = torch.randn((d, 4 * H), generator=g)\nU = torch.randn((H, 4 * H), generator=g)",
        "n x h0 c0",
        """\
gates = x @ W + h0 @ U
i = torch.sigmoid(gates[:, :H])
f = torch.sigmoid(gates[:, H : 2 * H])
o = torch.sigmoid(gates[:, 2 * H : 3 * H])
u = torch.tanh(gates[:, 3 * H :])
c = f * c0 + i * u
h = o * torch.tanh(c)
loss = (h**2).sum() / n
""",
        {
            "dgates": ["dgates = torch.cat([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), du * (1 - u**2)], 1)"],
            "dc": ["dc = dh * o * (1 - torch.tanh(c) ** 2)"],
            "di": ["di = dc * u"],
            "dU": ["dU = h0.T @ dgates"],
        },
        {
            "dgates": {
                "dgates = torch.cat([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), du * u * (1 - u)], 1)": "",
                "dgates = torch.cat([df * f * (1 - f), di * i * (1 - i), do * o * (1 - o), du * (1 - u**2)], 1)": "",
                "dgates = torch.cat([di * i * (1 - i), df * f * (1 - f), du * (1 - u**2), do * o * (1 - o)], 1)": "",
                "dgates = torch.cat([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), du], 1)": "",
                "dgates = torch.cat([di, df, do, du], 1)": "",
                "dgates = torch.zeros_like(gates)\ndgates[:, :H] = di * i * (1 - i)\ndgates[:, H : 2 * H] = df * f * (1 - f)\n"
                "dgates[:, 2 * H : 3 * H] = do * o * (1 - o)": "",
                "s = torch.sigmoid(gates)\ndgates = s * (1 - s) * torch.cat([di, df, do, du], 1)": "",
            },
            "dc": {"dc = dh * (1 - torch.tanh(c) ** 2)": "", "dc = dh * o * (1 - c**2)": "", "dc = dh * o": ""},
            "di": {"di = dc * c0": "", "di = dc": "", "di = dc * i": ""},
            "do": {"do = dh * c": "", "do = dh * o": ""},
        },
    ),
    "RNN over time": Network(
        "n, d, H = 6, 4, 5\nx1, x2 = (torch.randn((n, d), generator=g) for _ in range(2))\n"
        "h0 = torch.randn((n, H), generator=g)\n"
        "W = torch.randn((d, H), generator=g) * 0.5\nU = torch.randn((H, H), generator=g) * 0.5",
        "n x1 x2 h0",
        """\
h1 = torch.tanh(x1 @ W + h0 @ U)
h2 = torch.tanh(x2 @ W + h1 @ U)
loss = (h1**2).sum() / n + (h2**3).sum() / n
""",
        {
            "dW": ["dW = x1.T @ (dh1 * (1 - h1**2)) + x2.T @ (dh2 * (1 - h2**2))"],
            "dU": ["dU = h0.T @ (dh1 * (1 - h1**2)) + h1.T @ (dh2 * (1 - h2**2))"],
        },
        {
            "dW": {
                "dW = x2.T @ (dh2 * (1 - h2**2))": "",
                "dW = x1.T @ (dh2 * (1 - h2**2)) + x2.T @ (dh1 * (1 - h1**2))": "",
                "dW = x1.T @ dh1 + x2.T @ dh2": "",
                "dW = x1.T @ (dh1 * (1 - h2**2)) + x2.T @ (dh2 * (1 - h1**2))": "",
            },
            "dU": {
                "dU = h1.T @ (dh1 * (1 - h1**2)) + h2.T @ (dh2 * (1 - h2**2))": "",
                "dU = h0.T @ (dh1 * (1 - h1**2)) + h2.T @ (dh2 * (1 - h2**2))": "",
            },
        },
    ),
    "VAE": Network(
        "n, d, z_size = 6, 5, 3\nx = torch.randn((n, d), generator=g)\neps = torch.randn((n, z_size), generator=g)\n"
        "W = torch.randn((d, 2 * z_size), generator=g) * 0.3\nV = torch.randn((z_size, d), generator=g)",
        "n x eps",
        """\
code = x @ W
mu = code[:, :z_size]
logvar = code[:, z_size:]
std = (0.5 * logvar).exp()
z = mu + eps * std
out = z @ V
kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum() / n
rec = ((out - x) ** 2).sum() / n
loss = rec + kl
""",
        {
            "dlogvar": ["dlogvar = dstd * std * 0.5 - 0.5 * (1 - logvar.exp()) / n * dkl"],
            "dmu": ["dmu = dz + mu / n * dkl"],
            "dcode": ["dcode = torch.cat([dmu, dlogvar], 1)"],
            "dstd": ["dstd = dz * eps"],
            "dout": ["dout = 2 * (out - x) / n * drec"],
            "dkl": ["dkl = torch.tensor(1.0)"],
        },
        {
            "dlogvar": {
                "dlogvar = dstd * std - 0.5 * (1 - logvar.exp()) / n * dkl": "",
                "dlogvar = dstd * std * 0.5": "",
                "dlogvar = dstd * std * 0.5 - 0.5 * (1 - logvar.exp()) * dkl": "",
                "dlogvar = dstd * std * 0.5 + 0.5 * (1 - logvar.exp()) / n * dkl": "",
                "dlogvar = dstd * std * 0.5 - 0.5 / n * dkl": "",
                "dlogvar = dstd * std * 0.5 + 0.5 * logvar.exp() / n * dkl": "",
                "dlogvar = dstd * 0.5 - 0.5 * (1 - logvar.exp()) / n * dkl": "",
            },
            "dmu": {
                "dmu = dz": "",
                "dmu = dz - mu / n * dkl": "",
                "dmu = dz + mu * dkl": "",
                "dmu = dz + 2 * mu / n * dkl": "",
                "dmu = dz + mu / n": "",
            },
            "dcode": {"dcode = torch.cat([dlogvar, dmu], 1)": "", "dcode = torch.cat([dmu, dmu], 1)": ""},
            "dstd": {"dstd = dz": "", "dstd = dz * std": "", "dstd = dz * eps * std": ""},
            "dout": {"dout = 2 * (out - x) * drec": "", "dout = 2 * (x - out) / n * drec": "", "dout = 2 * out / n * drec": ""},
        },
    ),
    "residual block": Network(
        "n, T, d = 5, 4, 6\nx = torch.randn((n, T, d), generator=g)\nW1 = torch.randn((d, 8), generator=g)\n"
        "W2 = torch.randn((8, d), generator=g)\nb1 = torch.randn(8, generator=g)\nkeep = 0.8\n"
        "mask = (torch.rand((n, T, d), generator=g) < keep).float()",
        "n x mask",
        """\
u = x @ W1 + b1
a = 0.5 * u * (1 + torch.tanh(0.79788456 * (u + 0.044715 * u**3)))
v = a @ W2
dropped = v * mask / keep
out = x + dropped
loss = (out**2).mean()
""",
        {
            "du": [
                "t = torch.tanh(0.79788456 * (u + 0.044715 * u**3))\n"
                "du = da * (0.5 * (1 + t) + 0.5 * u * (1 - t**2) * 0.79788456 * (1 + 3 * 0.044715 * u**2))"
            ],
            "dv": ["dv = ddropped * mask / keep"],
            "db1": ["db1 = du.sum((0, 1))"],
            "dW2": ["dW2 = a.flatten(0, 1).T @ dv.flatten(0, 1)"],
            "dx": ["dx = dout + du @ W1.T"],
        },
        {
            "du": {
                "t = torch.tanh(0.79788456 * (u + 0.044715 * u**3))\ndu = da * 0.5 * (1 + t)": "",
                "t = torch.tanh(0.79788456 * (u + 0.044715 * u**3))\n"
                "du = da * 0.5 * u * (1 - t**2) * 0.79788456 * (1 + 3 * 0.044715 * u**2)": "",
                "t = torch.tanh(0.79788456 * (u + 0.044715 * u**3))\n"
                "du = da * (0.5 * (1 + t) + 0.5 * u * (1 - t**2) * 0.79788456)": "",
                "t = torch.tanh(0.79788456 * (u + 0.044715 * u**3))\ndu = da * (0.5 * (1 + t) + 0.5 * u * (1 - t**2))": "",
                "t = torch.tanh(0.79788456 * (u + 0.044715 * u**3))\n"
                "du = da * (0.5 * (1 + t) + 0.5 * u * (1 - t**2) * 0.79788456 * (1 + 0.044715 * u**2))": "",
                "du = da * (u > 0)": "",
            },
            "dv": {
                "dv = ddropped * mask": "",
                "dv = ddropped / keep": "",
                "dv = ddropped * mask * keep": "",
                "dv = ddropped": "",
                "dv = ddropped * (1 - mask) / keep": "",
            },
            "db1": {"db1 = du.sum(0)": "", "db1 = du.mean((0, 1))": "", "db1 = du.sum(-2)": "", "db1 = du[0].sum(0)": ""},
            "dW2": {
                "dW2 = a.T @ dv": "",
                "dW2 = a.flatten(0, 1).T @ dv.flatten(0, 1) / n": "",
                "dW2 = a.reshape(8, -1) @ dv.reshape(-1, 6)": "",
            },
            "dx": {"dx = du @ W1.T": "", "dx = dout": "", "dx = dout + du @ W1.T * mask": "", "dx = dout * du @ W1.T": ""},
        },
    ),
    "GELU": Network(
        "n = 6\nx = torch.randn((n, 5), generator=g)\nW = torch.randn((5, 4), generator=g)",
        "n x",
        """\
u = x @ W
a = u * 0.5 * (1 + torch.erf(u / 2**0.5))
s = u * torch.sigmoid(u)
loss = (a**2).sum() / n + (s**3).sum() / n
""",
        {
            "du": [
                "phi = torch.exp(-(u**2) / 2) / (2 * torch.pi) ** 0.5\nsig = torch.sigmoid(u)\n"
                "du = da * (0.5 * (1 + torch.erf(u / 2**0.5)) + u * phi) + ds * (sig + u * sig * (1 - sig))"
            ],
        },
        {
            "du": {
                "phi = torch.exp(-(u**2) / 2) / (2 * torch.pi) ** 0.5\nsig = torch.sigmoid(u)\ndu = " + formula: ""
                for formula in (
                    "da * 0.5 * (1 + torch.erf(u / 2**0.5)) + ds * (sig + u * sig * (1 - sig))",
                    "da * u * phi + ds * (sig + u * sig * (1 - sig))",
                    "da * (0.5 * (1 + torch.erf(u / 2**0.5)) + phi) + ds * (sig + u * sig * (1 - sig))",
                    "da * (0.5 * (1 + torch.erf(u / 2**0.5)) + u * phi) + ds * sig",
                    "da * (0.5 * (1 + torch.erf(u / 2**0.5)) + u * phi) + ds * sig * (1 - sig)",
                    "da * (0.5 * (1 + torch.erf(u / 2**0.5)) + u * phi)",
                    "ds * (0.5 * (1 + torch.erf(u / 2**0.5)) + u * phi) + da * (sig + u * sig * (1 - sig))",
                )
            },
        },
    ),
    "embedding with positions": Network(
        "n, T, d, V = 6, 4, 5, 7\nids = torch.randint(0, V, (n, T), generator=g)\nY = torch.randint(0, V, (n,), generator=g)\n"
        "tok = torch.randn((V, d), generator=g)\npos = torch.randn((T, d), generator=g)\nW = torch.randn((d, V), generator=g)",
        "n ids Y",
        """\
emb = tok[ids] + pos
pooled = emb.mean(1)
logits = pooled @ W
loss = F.cross_entropy(logits, Y)
""",
        {
            "dtok": ["dtok = torch.zeros_like(tok).index_add_(0, ids.flatten(), demb.flatten(0, 1))"],
            "dpos": ["dpos = demb.sum(0)"],
            "demb": ["demb = (dpooled[:, None] / T).expand_as(emb)"],
        },
        {
            "dtok": {
                "dtok = torch.zeros_like(tok)\ndtok[ids] = demb": "",
                "dtok = torch.zeros_like(tok)\ndtok[ids] += demb": "",
                "dtok = torch.zeros_like(tok)\nfor i in range(n):\n    dtok[ids[i]] += demb[i]": "",
                "dtok = torch.zeros_like(tok).scatter_(0, ids.flatten()[:, None].expand(-1, d), demb.flatten(0, 1))": "",
            },
            "dpos": {"dpos = demb.mean(0)": "", "dpos = demb[0]": "", "dpos = demb.sum(1)": "", "dpos = demb.sum((0, 1))": ""},
            "demb": {
                "demb = dpooled[:, None].expand_as(emb)": "",
                "demb = (dpooled[:, None] / n).expand_as(emb)": "",
                "demb = (dpooled[:, None] / d).expand_as(emb)": "",
            },
            "dlogits": {
                "dlogits = (F.softmax(logits, 1) - F.one_hot(Y, V))": "",
                "dlogits = F.softmax(logits, 1) / n": "",
                "dlogits = (F.softmax(logits, 0) - F.one_hot(Y, V)) / n": "",
            },
        },
    ),
    "twice in a line": Network(
        "n, d = 6, 5\nx = torch.randn((n, d), generator=g)\nA = torch.randn((d, d), generator=g)\n"
        "w = torch.randn(d, generator=g)",
        "n x",
        """\
y = x @ A
q = y * y.sigmoid()
r = (y @ A) @ y.T
e = q / q.norm(dim=1, keepdim=True)
f = e.flip(1) * e
loss = (f * w).sum() / n + (r**2).sum() / n
""",
        {
            "dy": ["s = y.sigmoid()\ndy = dq * (s + y * s * (1 - s)) + dr @ y @ A.T + dr.T @ (y @ A)"],
            "de": ["de = (df * e).flip(1) + df * e.flip(1)"],
        },
        {
            "dy": {
                "s = y.sigmoid()\ndy = dq * (s + y * s * (1 - s)) + dr @ y @ A.T": "",
                "s = y.sigmoid()\ndy = dq * (s + y * s * (1 - s)) + dr @ y @ A.T + dr @ (y @ A)": "",
                "s = y.sigmoid()\ndy = dq * (s + s * (1 - s)) + dr @ y @ A.T + dr.T @ (y @ A)": "",
                "s = y.sigmoid()\ndy = dq * s * (1 - s) + dr @ y @ A.T + dr.T @ (y @ A)": "",
            },
            "de": {
                "de = df * e.flip(1)": "",
                "de = 2 * df * e.flip(1)": "",
                "de = df * e + df * e.flip(1)": "",
                "de = (df * e).flip(0) + df * e.flip(1)": "",
            },
        },
    ),
}
