"""Forward passes that are not the lecture's, for blind.toml, and a right answer to each gradient that it asks for.

`PASSES[title]` has what `tests.support.passes.Notebook` takes (`names`, `batch`, `lines`), and `right`, a cell for each name.
"home" is the lecture's forward pass with data of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pass:
    names: str
    batch: str
    lines: str
    right: dict[str, str] = field(default_factory=dict)


PASSES: dict[str, Pass] = {}

# One head of causal self-attention, and a prediction at every place.
PASSES["attention"] = Pass(
    """\
n, T, n_embd, head_size, vocab = 6, 5, 8, 4, 7
x = torch.randn((n, T, n_embd), generator=g)
y = torch.randint(0, vocab, (n, T), generator=g)
Wq = torch.randn((n_embd, head_size), generator=g) * n_embd**-0.5
Wk = torch.randn((n_embd, head_size), generator=g) * n_embd**-0.5
Wv = torch.randn((n_embd, head_size), generator=g) * n_embd**-0.5
Wo = torch.randn((head_size, vocab), generator=g) * head_size**-0.5
bo = torch.randn(vocab, generator=g) * 0.1
tril = torch.tril(torch.ones(T, T))
""",
    "n x y",
    """\
q = x @ Wq
k = x @ Wk
v = x @ Wv
scores = q @ k.transpose(1, 2) / head_size**0.5
masked = scores.masked_fill(tril == 0, -1e4)
att = F.softmax(masked, dim=-1)
out = att @ v
logits = out @ Wo + bo
logprobs = F.log_softmax(logits, dim=-1)
loss = F.nll_loss(logprobs.view(-1, vocab), y.view(-1))
""",
    {
        "logprobs": "dlogprobs = -F.one_hot(y, num_classes=logprobs.shape[-1]) / y.numel()",
        "logits": "dlogits = dlogprobs - logprobs.exp() * dlogprobs.sum(-1, keepdim=True)",
        "out": "dout = dlogits @ Wo.T",
        "Wo": "dWo = (out.transpose(1, 2) @ dlogits).sum(0)",
        "bo": "dbo = dlogits.sum((0, 1))",
        "att": "datt = dout @ v.transpose(1, 2)",
        "v": "dv = att.transpose(1, 2) @ dout",
        "masked": "dmasked = att * (datt - (att * datt).sum(-1, keepdim=True))",
        "scores": "dscores = dmasked * tril",
        "q": "dq = dscores @ k / head_size**0.5",
        "k": "dk = dscores.transpose(1, 2) @ q / head_size**0.5",
        "Wq": "dWq = (x.transpose(1, 2) @ dq).sum(0)",
        "Wk": "dWk = (x.transpose(1, 2) @ dk).sum(0)",
        "Wv": "dWv = (x.transpose(1, 2) @ dv).sum(0)",
    },
)

# A layer with LayerNorm and GELU.
PASSES["layernorm"] = Pass(
    """\
n, n_in, n_hidden, n_out = 7, 5, 6, 4
x = torch.randn((n, n_in), generator=g)
y = torch.randint(0, n_out, (n,), generator=g)
W1 = torch.randn((n_in, n_hidden), generator=g) * 0.5
b1 = torch.randn(n_hidden, generator=g) * 0.1
gamma = torch.randn(n_hidden, generator=g) * 0.3 + 1
beta = torch.randn(n_hidden, generator=g) * 0.1
W2 = torch.randn((n_hidden, n_out), generator=g) * 0.5
b2 = torch.randn(n_out, generator=g) * 0.1
eps = 1e-5
""",
    "n x y",
    """\
a = x @ W1 + b1
mu = a.mean(1, keepdim=True)
diff = a - mu
var = (diff**2).mean(1, keepdim=True)
std = (var + eps).sqrt()
xhat = diff / std
normed = gamma * xhat + beta
act = F.gelu(normed)
logits = act @ W2 + b2
logprobs = F.log_softmax(logits, dim=1)
loss = -logprobs[range(n), y].mean()
""",
    {
        "act": "dact = dlogits @ W2.T",
        "W2": "dW2 = act.T @ dlogits",
        "normed": (
            "phi = torch.exp(-normed**2 / 2) / (2 * torch.pi) ** 0.5\n"
            "Phi = 0.5 * (1 + torch.erf(normed / 2**0.5))\n"
            "dnormed = dact * (Phi + normed * phi)"
        ),
        "gamma": "dgamma = (dnormed * xhat).sum(0)",
        "beta": "dbeta = dnormed.sum(0)",
        "xhat": "dxhat = gamma * dnormed",
        "std": "dstd = -(dxhat * diff).sum(1, keepdim=True) / std**2",
        "var": "dvar = dstd / (2 * std)",
        "diff": "ddiff = dxhat / std + 2 * diff * dvar / diff.shape[1]",
        "mu": "dmu = -ddiff.sum(1, keepdim=True)",
        "a": "da = ddiff + dmu / a.shape[1]",
        "W1": "dW1 = x.T @ da",
        "b1": "db1 = da.sum(0)",
    },
)

# A small convolutional network: colour balance, a convolution by unfold, mean pooling.
PASSES["conv"] = Pass(
    """\
n, c_in, c_out, side, size, classes = 5, 3, 4, 6, 3, 5
raw = torch.rand((n, c_in, side, side), generator=g)
y = torch.randint(0, classes, (n,), generator=g)
tint = torch.rand((c_in, 1, 1), generator=g) + 0.5
shift = torch.randn((c_in, 1, 1), generator=g) * 0.2
kernel = torch.randn((c_out, c_in * size * size), generator=g) * 0.3
kbias = torch.randn(c_out, generator=g) * 0.1
W = torch.randn((c_out, classes), generator=g)
b = torch.randn(classes, generator=g) * 0.1
""",
    "n raw y",
    """\
images = raw * tint + shift
cols = F.unfold(images, size)
maps = kernel @ cols + kbias[:, None]
relu = maps.clamp(min=0)
pooled = relu.mean(2)
logits = pooled @ W + b
probs = F.softmax(logits, dim=1)
picked = probs[range(n), y]
loss = -picked.log().mean()
""",
    {
        "picked": "dpicked = -1 / (n * picked)",
        "probs": "dprobs = torch.zeros_like(probs)\ndprobs[range(n), y] = dpicked",
        "logits": "dlogits = probs * (dprobs - (probs * dprobs).sum(1, keepdim=True))",
        "pooled": "dpooled = dlogits @ W.T",
        "W": "dW = pooled.T @ dlogits",
        "relu": "drelu = dpooled[:, :, None].expand_as(relu) / relu.shape[2]",
        "maps": "dmaps = drelu * (maps > 0)",
        "kbias": "dkbias = dmaps.sum((0, 2))",
        "kernel": "dkernel = (dmaps @ cols.transpose(1, 2)).sum(0)",
        "cols": "dcols = kernel.T @ dmaps",
        "images": "dimages = F.fold(dcols, images.shape[2:], size)",
        "tint": "dtint = (raw * dimages).sum((0, 2, 3)).view(-1, 1, 1)",
        "shift": "dshift = dimages.sum((0, 2, 3)).view(-1, 1, 1)",
    },
)

# Two steps of a GRU, and a prediction after the second.
PASSES["gru"] = Pass(
    """\
n, n_in, n_hidden, n_out = 6, 4, 5, 3
x1 = torch.randn((n, n_in), generator=g)
x2 = torch.randn((n, n_in), generator=g)
y = torch.randint(0, n_out, (n,), generator=g)
start = torch.randn(n_hidden, generator=g) * 0.5
Wz = torch.randn((n_in, n_hidden), generator=g) * 0.5
Uz = torch.randn((n_hidden, n_hidden), generator=g) * 0.5
Wr = torch.randn((n_in, n_hidden), generator=g) * 0.5
Ur = torch.randn((n_hidden, n_hidden), generator=g) * 0.5
Wc = torch.randn((n_in, n_hidden), generator=g) * 0.5
Uc = torch.randn((n_hidden, n_hidden), generator=g) * 0.5
bz = torch.randn(n_hidden, generator=g) * 0.1
V = torch.randn((n_hidden, n_out), generator=g)
""",
    "n x1 x2 y",
    """\
h0 = torch.tanh(start).expand(n, -1)
z1 = torch.sigmoid(x1 @ Wz + h0 @ Uz + bz)
r1 = torch.sigmoid(x1 @ Wr + h0 @ Ur)
c1 = torch.tanh(x1 @ Wc + (r1 * h0) @ Uc)
h1 = (1 - z1) * h0 + z1 * c1
z2 = torch.sigmoid(x2 @ Wz + h1 @ Uz + bz)
r2 = torch.sigmoid(x2 @ Wr + h1 @ Ur)
c2 = torch.tanh(x2 @ Wc + (r2 * h1) @ Uc)
h2 = (1 - z2) * h1 + z2 * c2
logits = h2 @ V
loss = F.cross_entropy(logits, y)
""",
    {
        "logits": "dlogits = (F.softmax(logits, 1) - F.one_hot(y, num_classes=logits.shape[1])) / n",
        "h2": "dh2 = dlogits @ V.T",
        "V": "dV = h2.T @ dlogits",
        "c2": "dc2 = dh2 * z2",
        "z2": "dz2 = dh2 * (c2 - h1)",
        "r2": "dr2 = ((dc2 * (1 - c2**2)) @ Uc.T) * h1",
        "h1": (
            "dh1 = dh2 * (1 - z2)\n"
            "dh1 = dh1 + (dz2 * z2 * (1 - z2)) @ Uz.T\n"
            "dh1 = dh1 + (dr2 * r2 * (1 - r2)) @ Ur.T\n"
            "dh1 = dh1 + ((dc2 * (1 - c2**2)) @ Uc.T) * r2"
        ),
        "z1": "dz1 = dh1 * (c1 - h0)",
        "c1": "dc1 = dh1 * z1",
        "r1": "dr1 = ((dc1 * (1 - c1**2)) @ Uc.T) * h0",
        "Uz": "dUz = h0.T @ (dz1 * z1 * (1 - z1)) + h1.T @ (dz2 * z2 * (1 - z2))",
        "Wz": "dWz = x1.T @ (dz1 * z1 * (1 - z1)) + x2.T @ (dz2 * z2 * (1 - z2))",
        "bz": "dbz = (dz1 * z1 * (1 - z1)).sum(0) + (dz2 * z2 * (1 - z2)).sum(0)",
        "Uc": "dUc = (r1 * h0).T @ (dc1 * (1 - c1**2)) + (r2 * h1).T @ (dc2 * (1 - c2**2))",
        "start": "dstart = (1 - torch.tanh(start)**2) * dh0.sum(0)",
    },
)

# An LSTM cell whose four gates come out of one matrix product.
PASSES["lstm"] = Pass(
    """\
n, n_in, H, n_out = 6, 4, 3, 5
x = torch.randn((n, n_in), generator=g)
hprev = torch.randn((n, H), generator=g)
cprev = torch.randn((n, H), generator=g)
y = torch.randint(0, n_out, (n,), generator=g)
Wx = torch.randn((n_in, 4 * H), generator=g) * 0.5
Wh = torch.randn((H, 4 * H), generator=g) * 0.5
b = torch.randn(4 * H, generator=g) * 0.1
V = torch.randn((H, n_out), generator=g)
""",
    "n x hprev cprev y",
    """\
gates = x @ Wx + hprev @ Wh + b
i = torch.sigmoid(gates[:, :H])
f = torch.sigmoid(gates[:, H:2*H])
o = torch.sigmoid(gates[:, 2*H:3*H])
u = torch.tanh(gates[:, 3*H:])
c = f * cprev + i * u
tanhc = torch.tanh(c)
h = o * tanhc
logits = h @ V
logprobs = logits - logits.logsumexp(1, keepdim=True)
loss = -logprobs.gather(1, y[:, None]).mean()
""",
    {
        "logprobs": "dlogprobs = torch.zeros_like(logprobs).scatter_(1, y[:, None], -1 / n)",
        "logits": "dlogits = dlogprobs - F.softmax(logits, 1) * dlogprobs.sum(1, keepdim=True)",
        "h": "dh = dlogits @ V.T",
        "V": "dV = h.T @ dlogits",
        "o": "do = dh * tanhc",
        "tanhc": "dtanhc = dh * o",
        "c": "dc = dtanhc * (1 - tanhc**2)",
        "f": "df = dc * cprev",
        "i": "di = dc * u",
        "u": "du = dc * i",
        "gates": "dgates = torch.cat([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), du * (1 - u**2)], dim=1)",
        "Wx": "dWx = x.T @ dgates",
        "Wh": "dWh = hprev.T @ dgates",
        "b": "db = dgates.sum(0)",
    },
)

# A variational autoencoder: reparametrisation, squared error, KL divergence.
PASSES["vae"] = Pass(
    """\
n, n_in, n_hidden, n_latent = 6, 7, 5, 3
x = torch.rand((n, n_in), generator=g)
noise = torch.randn((n, n_latent), generator=g)
We = torch.randn((n_in, n_hidden), generator=g)
be = torch.randn(n_hidden, generator=g) * 0.1
Wmu = torch.randn((n_hidden, n_latent), generator=g)
Wlv = torch.randn((n_hidden, n_latent), generator=g)
Wd = torch.randn((n_latent, n_in), generator=g) * 0.7
bd = torch.randn(n_in, generator=g) * 0.1
weight = 0.3
""",
    "n x noise",
    """\
enc = torch.relu(x @ We + be)
mu = enc @ Wmu
logvar = enc @ Wlv
std = torch.exp(0.5 * logvar)
z = mu + std * noise
recon = torch.sigmoid(z @ Wd + bd)
mse = ((recon - x)**2).sum(1).mean()
kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()
loss = mse + weight * kl
""",
    {
        "kl": "dkl = torch.tensor(weight)",
        "recon": "drecon = 2 * (recon - x) * dmse / n",
        "z": "dz = (drecon * recon * (1 - recon)) @ Wd.T",
        "Wd": "dWd = z.T @ (drecon * recon * (1 - recon))",
        "bd": "dbd = (drecon * recon * (1 - recon)).sum(0)",
        "std": "dstd = dz * noise",
        "mu": "dmu = dz + dkl * mu / n",
        "logvar": "dlogvar = 0.5 * std * dstd + dkl * 0.5 * (logvar.exp() - 1) / n",
        "enc": "denc = dmu @ Wmu.T + dlogvar @ Wlv.T",
        "Wmu": "dWmu = enc.T @ dmu",
        "We": "dWe = x.T @ (denc * (enc > 0))",
        "be": "dbe = (denc * (enc > 0)).sum(0)",
    },
)

# A residual block with the tanh form of GELU and dropout.
PASSES["residual"] = Pass(
    """\
n, n_in, n_hidden, n_out, keep = 7, 4, 6, 5, 0.8
x = torch.randn((n, n_in), generator=g)
dropmask = (torch.rand((n, n_hidden), generator=g) < keep).float()
y = torch.randint(0, n_out, (n,), generator=g)
Win = torch.randn((n_in, n_hidden), generator=g) * 0.6
W1 = torch.randn((n_hidden, n_hidden), generator=g) * 0.5
b1 = torch.randn(n_hidden, generator=g) * 0.1
W2 = torch.randn((n_hidden, n_hidden), generator=g) * 0.5
b2 = torch.randn(n_hidden, generator=g) * 0.1
Wout = torch.randn((n_hidden, n_out), generator=g) * 0.6
root = (2 / torch.pi) ** 0.5
""",
    "n x dropmask y",
    """\
a = x @ Win
pre = a @ W1 + b1
t = torch.tanh(root * (pre + 0.044715 * pre**3))
act = 0.5 * pre * (1 + t)
drop = act * dropmask / keep
res = a + drop @ W2 + b2
logits = res @ Wout
shifted = logits - logits.max(1, keepdim=True).values
logsum = shifted.exp().sum(1).log()
loss = (logsum - shifted[range(n), y]).mean()
""",
    {
        "logsum": "dlogsum = torch.ones_like(logsum) / n",
        "shifted": (
            "dshifted = F.softmax(shifted, 1) * dlogsum[:, None]\n"
            "dshifted = dshifted - F.one_hot(y, num_classes=shifted.shape[1]) / n"
        ),
        "logits": ("dlogits = dshifted.clone()\ndlogits[range(n), logits.argmax(1)] -= dshifted.sum(1)"),
        "res": "dres = dlogits @ Wout.T",
        "drop": "ddrop = dres @ W2.T",
        "W2": "dW2 = drop.T @ dres",
        "b2": "db2 = dres.sum(0)",
        "act": "dact = ddrop * dropmask / keep",
        "t": "dt = 0.5 * pre * dact",
        "pre": "dpre = 0.5 * (1 + t) * dact + dt * (1 - t**2) * root * (1 + 3 * 0.044715 * pre**2)",
        "a": "da = dres + dpre @ W1.T",
        "W1": "dW1 = a.T @ dpre",
        "Win": "dWin = x.T @ da",
    },
)

# Tokens and places, a layer, the mean over the places, and the table of tokens once more as the output layer.
PASSES["tied"] = Pass(
    """\
n, T, vocab, n_embd = 6, 4, 8, 5
ids = torch.randint(0, vocab, (n, T), generator=g)
y = torch.randint(0, vocab, (n,), generator=g)
tok = torch.randn((vocab, n_embd), generator=g)
pos = torch.randn((T, n_embd), generator=g)
W = torch.randn((n_embd, n_embd), generator=g) * 0.5
b = torch.randn(n_embd, generator=g) * 0.1
scale = torch.tensor(0.7)
""",
    "n ids y",
    """\
e = tok[ids] + pos
hid = torch.tanh(e @ W + b)
pooled = hid.mean(1)
logits = scale * (pooled @ tok.T)
top = logits.max(1, keepdim=True).values
ex = (logits - top).exp()
total = ex.sum(1, keepdim=True)
probs = ex / total
loss = -probs[range(n), y].log().mean()
""",
    {
        "probs": "dprobs = torch.zeros_like(probs)\ndprobs[range(n), y] = -1 / (n * probs[range(n), y])",
        "total": "dtotal = -(dprobs * ex).sum(1, keepdim=True) / total**2",
        "ex": "dex = dprobs / total + dtotal",
        "top": "dtop = -(dex * ex).sum(1, keepdim=True)",
        "logits": "dlogits = dex * ex + F.one_hot(logits.argmax(1), num_classes=logits.shape[1]) * dtop",
        "scale": "dscale = (dlogits * (pooled @ tok.T)).sum()",
        "pooled": "dpooled = scale * dlogits @ tok",
        "hid": "dhid = (dpooled / hid.shape[1])[:, None, :].expand_as(hid)",
        "e": "de = (dhid * (1 - hid**2)) @ W.T",
        "W": "dW = (e.transpose(1, 2) @ (dhid * (1 - hid**2))).sum(0)",
        "b": "db = (dhid * (1 - hid**2)).sum((0, 1))",
        "pos": "dpos = de.sum(0)",
        "tok": ("dtok = scale * dlogits.T @ pooled\ndtok.index_add_(0, ids.flatten(), de.view(-1, tok.shape[1]))"),
    },
)

# Softmax regression with an L2 penalty, on inputs with a scale for each feature.
PASSES["softreg"] = Pass(
    """\
n, n_in, n_out = 8, 5, 4
x = torch.randn((n, n_in), generator=g)
y = torch.randint(0, n_out, (n,), generator=g)
s = torch.rand(n_in, generator=g) + 0.5
W = torch.randn((n_in, n_out), generator=g)
b = torch.randn(n_out, generator=g) * 0.3
lam = 0.3
""",
    "n x y",
    """\
xs = x * s
logits = xs @ W + b
p = F.softmax(logits, dim=1)
correct = p[range(n), y]
logp = torch.log(correct + 1e-9)
nll = -logp.sum() / n
penalty = 0.5 * lam * (W**2).sum() + lam * s.abs().sum()
loss = nll + penalty
""",
    {
        "logp": "dlogp = -dnll / n * torch.ones_like(logp)",
        "correct": "dcorrect = dlogp / (correct + 1e-9)",
        "p": "dp = torch.zeros_like(p)\ndp[range(n), y] = dcorrect",
        "logits": "dlogits = p * dp - p * (p * dp).sum(1, keepdim=True)",
        "xs": "dxs = dlogits @ W.T",
        "W": "dW = xs.T @ dlogits + dpenalty * lam * W",
        "b": "db = dlogits.sum(0)",
        "s": "ds = (x * dxs).sum(0) + dpenalty * lam * s.sign()",
    },
)

# Two views of the same things, one encoder for both, cosine similarity, a contrastive loss.
PASSES["contrast"] = Pass(
    """\
n, n_in, n_out = 6, 5, 4
xa = torch.randn((n, n_in), generator=g)
xb = xa + 0.3 * torch.randn((n, n_in), generator=g)
W = torch.randn((n_in, n_out), generator=g) * 0.6
b = torch.randn(n_out, generator=g) * 0.2
tau = torch.tensor(0.5)
""",
    "n xa xb",
    """\
a = xa @ W + b
c = xb @ W + b
na = (a**2).sum(1, keepdim=True).sqrt()
nc = (c**2).sum(1, keepdim=True).sqrt()
ua = a / na
uc = c / nc
sim = ua @ uc.T / tau
logprobs = F.log_softmax(sim, dim=1)
loss = -logprobs.diagonal().mean()
""",
    {
        "logprobs": "dlogprobs = -torch.eye(n) / n",
        "sim": "dsim = dlogprobs - logprobs.exp() * dlogprobs.sum(1, keepdim=True)",
        "ua": "dua = dsim @ uc / tau",
        "uc": "duc = dsim.T @ ua / tau",
        "tau": "dtau = -(dsim * (ua @ uc.T)).sum() / tau**2",
        "na": "dna = -(dua * a).sum(1, keepdim=True) / na**2",
        "nc": "dnc = -(duc * c).sum(1, keepdim=True) / nc**2",
        "a": "da = dua / na + dna * a / na",
        "c": "dc = duc / nc + dnc * c / nc",
        "W": "dW = xa.T @ da + xb.T @ dc",
        "b": "db = da.sum(0) + dc.sum(0)",
    },
)

# The lecture's.
PASSES["home"] = Pass(
    """\
vocab_size, block_size, n_embd, n_hidden, n = 27, 3, 10, 64, 32
C = torch.randn((vocab_size, n_embd), generator=g)
W1 = torch.randn((n_embd * block_size, n_hidden), generator=g) * (5 / 3) / (n_embd * block_size) ** 0.5
b1 = torch.randn(n_hidden, generator=g) * 0.1
W2 = torch.randn((n_hidden, vocab_size), generator=g) * 0.1
b2 = torch.randn(vocab_size, generator=g) * 0.1
bngain = torch.randn((1, n_hidden), generator=g) * 0.1 + 1.0
bnbias = torch.randn((1, n_hidden), generator=g) * 0.1
skewed = torch.rand((vocab_size,), generator=g) ** 2 + 0.02
Xb = torch.multinomial(skewed, n * block_size, replacement=True, generator=g).view(n, block_size)
Yb = torch.multinomial(skewed, n, replacement=True, generator=g)
""",
    "n Xb Yb",
    """\
emb = C[Xb]
embcat = emb.view(emb.shape[0], -1)
hprebn = embcat @ W1 + b1
bnmeani = 1 / n * hprebn.sum(0, keepdim=True)
bndiff = hprebn - bnmeani
bndiff2 = bndiff**2
bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)
bnvar_inv = (bnvar + 1e-5) ** -0.5
bnraw = bndiff * bnvar_inv
hpreact = bngain * bnraw + bnbias
h = torch.tanh(hpreact)
logits = h @ W2 + b2
logit_maxes = logits.max(1, keepdim=True).values
norm_logits = logits - logit_maxes
counts = norm_logits.exp()
counts_sum = counts.sum(1, keepdim=True)
counts_sum_inv = counts_sum**-1
probs = counts * counts_sum_inv
logprobs = probs.log()
loss = -logprobs[range(n), Yb].mean()
""",
    {
        "logprobs": "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0 / n",
        "probs": "dprobs = dlogprobs / probs",
        "counts_sum_inv": "dcounts_sum_inv = (counts * dprobs).sum(1, keepdim=True)",
        "counts_sum": "dcounts_sum = -(counts_sum**-2) * dcounts_sum_inv",
        "counts": "dcounts = counts_sum_inv * dprobs + dcounts_sum",
        "norm_logits": "dnorm_logits = counts * dcounts",
        "logit_maxes": "dlogit_maxes = -dnorm_logits.sum(1, keepdim=True)",
        "logits": (
            "dlogits = dnorm_logits.clone()\n"
            "dlogits += F.one_hot(logits.max(1).indices, num_classes=logits.shape[1]) * dlogit_maxes"
        ),
        "h": "dh = dlogits @ W2.T",
        "W2": "dW2 = h.T @ dlogits",
        "b2": "db2 = dlogits.sum(0)",
        "hpreact": "dhpreact = (1 - h**2) * dh",
        "bngain": "dbngain = (bnraw * dhpreact).sum(0, keepdim=True)",
        "bnbias": "dbnbias = dhpreact.sum(0, keepdim=True)",
        "bnraw": "dbnraw = bngain * dhpreact",
        "bnvar_inv": "dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)",
        "bnvar": "dbnvar = -0.5 * (bnvar + 1e-5) ** -1.5 * dbnvar_inv",
        "bndiff2": "dbndiff2 = torch.ones_like(bndiff2) * dbnvar / (n - 1)",
        "bndiff": "dbndiff = bnvar_inv * dbnraw + 2 * bndiff * dbndiff2",
        "bnmeani": "dbnmeani = -dbndiff.sum(0, keepdim=True)",
        "hprebn": "dhprebn = dbndiff + dbnmeani / n",
        "embcat": "dembcat = dhprebn @ W1.T",
        "W1": "dW1 = embcat.T @ dhprebn",
        "b1": "db1 = dhprebn.sum(0)",
        "emb": "demb = dembcat.view(emb.shape)",
        "C": "dC = torch.zeros_like(C)\ndC.index_add_(0, Xb.flatten(), demb.view(-1, C.shape[1]))",
    },
)
