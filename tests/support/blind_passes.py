"""Forward passes that are not the lecture's, for the blind lists, and a right answer to each gradient that it asks for.

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

# RMSNorm, a SwiGLU block with a skip connection, and a prediction at every place.
PASSES["swiglu"] = Pass(
    """\
n, T, d_model, d_ff, vocab = 7, 3, 5, 8, 6
eps = 1e-5
tok = torch.randn((n, T, d_model), generator=g)
y = torch.randint(0, vocab, (n, T), generator=g)
pos = torch.randn((T, d_model), generator=g) * 0.3
gamma = torch.randn(d_model, generator=g) * 0.1 + 1.0
Wg = torch.randn((d_model, d_ff), generator=g) * d_model**-0.5
Wu = torch.randn((d_model, d_ff), generator=g) * d_model**-0.5
Wd = torch.randn((d_ff, d_model), generator=g) * d_ff**-0.5
Wout = torch.randn((d_model, vocab), generator=g) * d_model**-0.5
""",
    "n tok y",
    """\
x = tok + pos
ms = x.pow(2).mean(-1, keepdim=True)
rinv = torch.rsqrt(ms + eps)
xhat = x * rinv
xn = gamma * xhat
gate = xn @ Wg
up = xn @ Wu
sig = torch.sigmoid(gate)
act = gate * sig
hid = act * up
ff = hid @ Wd
out = x + ff
logits = out @ Wout
loss = F.cross_entropy(logits.view(-1, vocab), y.view(-1))
""",
    {
        "logits": "dlogits = (F.softmax(logits, dim=-1) - F.one_hot(y, vocab)) / y.numel()",
        "Wout": "dWout = torch.einsum('btd,btv->dv', out, dlogits)",
        "out": "dout = dlogits @ Wout.T",
        "ff": "dff = dout.clone()",
        "Wd": "dWd = hid.reshape(-1, d_ff).T @ dff.reshape(-1, d_model)",
        "hid": "dhid = dff @ Wd.T",
        "act": "dact = dhid * up",
        "up": "dup = dhid * act",
        "sig": "dsig = dact * gate",
        "gate": "dgate = dact * sig + dsig * sig * (1 - sig)",
        "Wg": "dWg = (xn.transpose(1, 2) @ dgate).sum(0)",
        "Wu": "dWu = (xn.transpose(1, 2) @ dup).sum(0)",
        "xn": "dxn = dgate @ Wg.T + dup @ Wu.T",
        "gamma": "dgamma = (dxn * xhat).sum((0, 1))",
        "xhat": "dxhat = gamma * dxn",
        "rinv": "drinv = (x * dxhat).sum(-1, keepdim=True)",
        "ms": "dms = -0.5 * (ms + eps) ** -1.5 * drinv",
        "x": "dx = dout + rinv * dxhat + 2 * x / d_model * dms",
        "pos": "dpos = dx.sum(0)",
    },
)

# Queries that attend to another sequence, a mean pool, and one number predicted for each example.
PASSES["cross"] = Pass(
    """\
n, Lq, Lk, d_q, d_src, d_ctx, hs = 6, 3, 5, 4, 9, 7, 8
qry = torch.randn((n, Lq, d_q), generator=g)
src = torch.randn((n, Lk, d_src), generator=g)
y = torch.randn(n, generator=g)
Wc = torch.randn((d_src, d_ctx), generator=g) * d_src**-0.5
Wq = torch.randn((d_q, hs), generator=g) * d_q**-0.5
Wk = torch.randn((d_ctx, hs), generator=g) * d_ctx**-0.5
Wv = torch.randn((d_ctx, hs), generator=g) * d_ctx**-0.5
wr = torch.randn(hs, generator=g) * hs**-0.5
br = torch.randn(1, generator=g) * 0.1
""",
    "n qry src y",
    """\
ctx = torch.tanh(src @ Wc)
q = qry @ Wq
k = ctx @ Wk
v = ctx @ Wv
scores = torch.einsum("bqd,bkd->bqk", q, k)
scaled = scores * hs**-0.5
att = scaled.softmax(-1)
out = att @ v
pooled = out.mean(1)
pred = pooled @ wr + br
diff = pred - y
loss = (diff**2).mean()
""",
    {
        "diff": "ddiff = 2 * diff / n",
        "pred": "dpred = ddiff.clone()",
        "br": "dbr = dpred.sum(0, keepdim=True)",
        "wr": "dwr = pooled.T @ dpred",
        "pooled": "dpooled = dpred[:, None] * wr",
        "out": "dout = (dpooled / Lq).unsqueeze(1).expand(-1, Lq, -1)",
        "att": "datt = dout @ v.transpose(1, 2)",
        "v": "dv = att.transpose(1, 2) @ dout",
        "scaled": "dscaled = att * (datt - (att * datt).sum(-1, keepdim=True))",
        "scores": "dscores = dscaled * hs**-0.5",
        "q": "dq = dscores @ k",
        "k": "dk = dscores.transpose(1, 2) @ q",
        "ctx": "dctx = dk @ Wk.T + dv @ Wv.T",
        "Wq": "dWq = torch.einsum('bqi,bqd->id', qry, dq)",
        "Wk": "dWk = torch.einsum('bkc,bkd->cd', ctx, dk)",
        "Wv": "dWv = torch.einsum('bkc,bkd->cd', ctx, dv)",
        "Wc": "dWc = (src.transpose(1, 2) @ (dctx * (1 - ctx**2))).sum(0)",
    },
)

# Two steps of a vanilla RNN, the same weights at both, and label smoothing.
PASSES["rnn"] = Pass(
    """\
n, vocab, d_emb, hidden, K = 8, 9, 5, 7, 6
eps = 0.1
X = torch.randint(0, vocab, (n, 2), generator=g)
y = torch.randint(0, K, (n,), generator=g)
E = torch.randn((vocab, d_emb), generator=g)
h0 = torch.randn((1, hidden), generator=g) * 0.3
Wxh = torch.randn((d_emb, hidden), generator=g) * d_emb**-0.5
Whh = torch.randn((hidden, hidden), generator=g) * hidden**-0.5
bh = torch.randn(hidden, generator=g) * 0.1
Why = torch.randn((hidden, K), generator=g) * hidden**-0.5
by = torch.randn(K, generator=g) * 0.1
""",
    "n X y",
    """\
e1 = E[X[:, 0]]
e2 = E[X[:, 1]]
a1 = e1 @ Wxh + h0 @ Whh + bh
h1 = torch.tanh(a1)
a2 = e2 @ Wxh + h1 @ Whh + bh
h2 = torch.tanh(a2)
logits = h2 @ Why + by
lse = logits.logsumexp(1, keepdim=True)
logprobs = logits - lse
nll = -logprobs[torch.arange(n), y].mean()
smooth = -logprobs.mean()
loss = (1 - eps) * nll + eps * smooth
""",
    {
        "logprobs": (
            "dlogprobs = -torch.ones_like(logprobs) * dsmooth / logprobs.numel()\ndlogprobs[torch.arange(n), y] -= dnll / n"
        ),
        "lse": "dlse = -dlogprobs.sum(1, keepdim=True)",
        "logits": "dlogits = dlogprobs + logits.softmax(1) * dlse",
        "h2": "dh2 = dlogits @ Why.T",
        "Why": "dWhy = h2.T @ dlogits",
        "by": "dby = dlogits.sum(0)",
        "a2": "da2 = (1 - h2**2) * dh2",
        "h1": "dh1 = da2 @ Whh.T",
        "a1": "da1 = (1 - h1**2) * dh1",
        "Whh": "dWhh = h0.T @ da1.sum(0, keepdim=True) + h1.T @ da2",
        "Wxh": "dWxh = e1.T @ da1 + e2.T @ da2",
        "bh": "dbh = da1.sum(0) + da2.sum(0)",
        "h0": "dh0 = da1.sum(0, keepdim=True) @ Whh.T",
        "e2": "de2 = da2 @ Wxh.T",
        "e1": "de1 = da1 @ Wxh.T",
        "E": ("dE = torch.zeros_like(E)\ndE.index_add_(0, X[:, 0], de1)\ndE.index_add_(0, X[:, 1], de2)"),
    },
)

# A score for each pair, a logistic loss, and a penalty on the matrix between the two.
PASSES["bilinear"] = Pass(
    """\
n, d1, d2, k1, k2 = 7, 4, 6, 3, 5
lam = 0.3
x1 = torch.randn((n, d1), generator=g)
x2 = torch.randn((n, d2), generator=g)
t = torch.randint(0, 2, (n,), generator=g) * 2.0 - 1.0
P = torch.randn((d1, k1), generator=g) * d1**-0.5
c = torch.randn(k1, generator=g) * 0.1
Q = torch.randn((d2, k2), generator=g) * d2**-0.5
W = torch.randn((k1, k2), generator=g)
tau = torch.rand(1, generator=g) + 0.5
b = torch.randn(1, generator=g) * 0.1
""",
    "n x1 x2 t",
    """\
a1 = x1 @ P + c
f1 = F.relu(a1)
f2 = torch.tanh(x2 @ Q)
s = torch.einsum("ni,ij,nj->n", f1, W, f2)
score = s / tau + b
margin = t * score
nl = F.softplus(-margin)
data_loss = nl.mean()
wsq = W**2
reg = 0.5 * lam * wsq.sum()
loss = data_loss + reg
""",
    {
        "nl": "dnl = torch.ones_like(nl) * ddata_loss / n",
        "margin": "dmargin = -torch.sigmoid(-margin) * dnl",
        "score": "dscore = t * dmargin",
        "b": "db = dscore.sum(0, keepdim=True)",
        "tau": "dtau = (-s / tau**2 * dscore).sum(0, keepdim=True)",
        "s": "ds = dscore / tau",
        "wsq": "dwsq = 0.5 * lam * dreg * torch.ones_like(wsq)",
        "W": "dW = torch.einsum('n,ni,nj->ij', ds, f1, f2) + 2 * W * dwsq",
        "f1": "df1 = ds[:, None] * (f2 @ W.T)",
        "f2": "df2 = ds[:, None] * (f1 @ W)",
        "a1": "da1 = (a1 > 0) * df1",
        "P": "dP = x1.T @ da1",
        "c": "dc = da1.sum(0)",
        "Q": "dQ = x2.T @ (df2 * (1 - f2**2))",
    },
)

# Graphs with weighted edges: two rounds of messages, a mean over the nodes, several yes/no labels per graph.
PASSES["graph"] = Pass(
    """\
n, n_nodes, d_in, d_hid, d_z, n_tasks = 6, 5, 4, 7, 8, 3
x = torch.randn((n, n_nodes, d_in), generator=g)
E = torch.rand((n, n_nodes, n_nodes), generator=g)
y = torch.randint(0, 2, (n, n_tasks), generator=g).float()
Wg = torch.randn((d_in, d_hid), generator=g) * d_in**-0.5
bg = torch.randn(d_hid, generator=g) * 0.1
Wr = torch.randn((d_hid, d_z), generator=g) * d_hid**-0.5
Ws = torch.randn((d_hid, d_z), generator=g) * d_hid**-0.5
Wo = torch.randn((d_z, n_tasks), generator=g) * d_z**-0.5
bo = torch.randn(n_tasks, generator=g) * 0.1
""",
    "n x E y",
    """\
A_hat = E + torch.eye(n_nodes)
deg = A_hat.sum(2, keepdim=True)
A = A_hat / deg
xw = x @ Wg
h = F.relu(A @ xw + bg)
agg = A @ h
z = agg @ Wr + h @ Ws
readout = z.mean(1)
logits = readout @ Wo + bo
p = torch.sigmoid(logits)
loss = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
""",
    {
        "p": "dp = -(y / p - (1 - y) / (1 - p)) / p.numel()",
        "logits": "dlogits = dp * p * (1 - p)",
        "readout": "dreadout = dlogits @ Wo.T",
        "Wo": "dWo = readout.T @ dlogits",
        "bo": "dbo = dlogits.sum(0)",
        "z": "dz = dreadout.unsqueeze(1).expand_as(z) / z.shape[1]",
        "agg": "dagg = dz @ Wr.T",
        "Wr": "dWr = (agg.transpose(1, 2) @ dz).sum(0)",
        "Ws": "dWs = torch.einsum('nvi,nvj->ij', h, dz)",
        "h": "dh = A.transpose(1, 2) @ dagg + dz @ Ws.T",
        "bg": "dbg = (dh * (h > 0)).sum((0, 1))",
        "xw": "dxw = A.transpose(1, 2) @ (dh * (h > 0))",
        "A": "dA = (dh * (h > 0)) @ xw.transpose(1, 2) + dagg @ h.transpose(1, 2)",
        "deg": "ddeg = -(dA * A_hat / deg**2).sum(2, keepdim=True)",
        "A_hat": "dA_hat = dA / deg + ddeg",
        "Wg": "dWg = (x.transpose(1, 2) @ dxw).sum(0)",
    },
)

# A causal conv1d by unfold, GroupNorm, leaky relu, average pool, regression.
PASSES["groupnorm"] = Pass(
    """\
n, c_in, T, K, c_out, G, n_out = 8, 5, 9, 4, 6, 2, 7
x = torch.randn((n, c_in, T), generator=g)
y = torch.randn((n, n_out), generator=g)
Wc = torch.randn((c_out, c_in, K), generator=g) * (c_in * K) ** -0.5
bc = torch.randn(c_out, generator=g) * 0.1
gamma = 1.0 + torch.randn(c_out, generator=g) * 0.1
beta = torch.randn(c_out, generator=g) * 0.1
Wp = torch.randn((c_out, n_out), generator=g) * c_out**-0.5
bp = torch.randn(n_out, generator=g) * 0.1
""",
    "n x y",
    """\
xpad = F.pad(x, (K - 1, 0))
cols = xpad.unfold(2, K, 1)
conv = torch.einsum('nctk,ock->not', cols, Wc) + bc[:, None]
grp = conv.reshape(n, G, -1)
gmean = grp.mean(2, keepdim=True)
gdiff = grp - gmean
gvar = (gdiff**2).mean(2, keepdim=True)
gnorm = gdiff / torch.sqrt(gvar + 1e-5)
scaled = gamma[:, None] * gnorm.reshape(n, c_out, T) + beta[:, None]
act = F.leaky_relu(scaled, 0.1)
pooled = act.mean(2)
pred = pooled @ Wp + bp
loss = ((pred - y) ** 2).mean()
""",
    {
        "pred": "dpred = 2 * (pred - y) / pred.numel()",
        "pooled": "dpooled = dpred @ Wp.T",
        "Wp": "dWp = pooled.T @ dpred",
        "bp": "dbp = dpred.sum(0)",
        "act": "dact = dpooled.unsqueeze(-1) / T * torch.ones_like(act)",
        "scaled": "dscaled = torch.where(scaled > 0, dact, 0.1 * dact)",
        "gamma": "dgamma = (dscaled * gnorm.reshape(n, c_out, T)).sum((0, 2))",
        "beta": "dbeta = dscaled.sum((0, 2))",
        "gnorm": "dgnorm = (dscaled * gamma[:, None]).reshape(n, G, -1)",
        "gvar": "dgvar = (dgnorm * gdiff).sum(2, keepdim=True) * -0.5 * (gvar + 1e-5) ** -1.5",
        "gdiff": "dgdiff = dgnorm / torch.sqrt(gvar + 1e-5) + dgvar * 2 * gdiff / gdiff.shape[2]",
        "gmean": "dgmean = -dgdiff.sum(2, keepdim=True)",
        "grp": "dgrp = dgdiff + dgmean / grp.shape[2]",
        "conv": "dconv = dgrp.reshape(n, c_out, T)",
        "bc": "dbc = dconv.sum((0, 2))",
        "Wc": "dWc = torch.einsum('not,nctk->ock', dconv, cols)",
        "cols": "dcols = torch.einsum('not,ock->nctk', dconv, Wc)",
        "xpad": "dxpad = torch.zeros_like(xpad)\nfor t in range(T):\n    dxpad[:, :, t:t + K] += dcols[:, :, t]",
    },
)

# Token and position embeddings, a sigmoid gate on a gelu branch, a max over time, cross-entropy in steps.
PASSES["positions"] = Pass(
    """\
n, T, vocab, n_embd, n_hid, n_cls, max_len = 7, 5, 9, 6, 3, 4, 8
tokens = torch.randint(0, vocab, (n, T), generator=g)
y = torch.randint(0, n_cls, (n,), generator=g)
tok_table = torch.randn((vocab, n_embd), generator=g)
pos_table = torch.randn((max_len, n_embd), generator=g) * 0.5
Wg = torch.randn((n_embd, n_hid), generator=g) * n_embd**-0.5
bg = torch.randn(n_hid, generator=g) * 0.1
Wu = torch.randn((n_embd, n_hid), generator=g) * n_embd**-0.5
Wo = torch.randn((n_hid, n_cls), generator=g) * n_hid**-0.5
bo = torch.randn(n_cls, generator=g) * 0.1
""",
    "n tokens y",
    """\
tok = tok_table[tokens]
pos = pos_table[torch.arange(T)]
x = tok + pos
gpre = x @ Wg + bg
gate = torch.sigmoid(gpre)
u = x @ Wu
up = F.gelu(u)
gated = gate * up
pooled = gated.max(1).values
logits = pooled @ Wo + bo
lse = torch.logsumexp(logits, 1, keepdim=True)
logprobs = logits - lse
loss = -logprobs[torch.arange(n), y].mean()
""",
    {
        "logprobs": "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[torch.arange(n), y] = -1.0 / n",
        "lse": "dlse = -dlogprobs.sum(1, keepdim=True)",
        "logits": "dlogits = dlogprobs + F.softmax(logits, 1) * dlse",
        "pooled": "dpooled = dlogits @ Wo.T",
        "Wo": "dWo = pooled.T @ dlogits",
        "bo": "dbo = dlogits.sum(0)",
        "gated": (
            "idx = gated.max(1, keepdim=True).indices\ndgated = torch.zeros_like(gated).scatter_(1, idx, dpooled.unsqueeze(1))"
        ),
        "up": "dup = dgated * gate",
        "gate": "dgate = dgated * up",
        "u": (
            "Phi = 0.5 * (1 + torch.erf(u / 2**0.5))\n"
            "phi = torch.exp(-u**2 / 2) / (2 * torch.pi) ** 0.5\n"
            "du = dup * (Phi + u * phi)"
        ),
        "gpre": "dgpre = dgate * gate * (1 - gate)",
        "Wg": "dWg = (x.transpose(1, 2) @ dgpre).sum(0)",
        "bg": "dbg = dgpre.sum((0, 1))",
        "Wu": "dWu = torch.einsum('btd,bth->dh', x, du)",
        "x": "dx = dgpre @ Wg.T + du @ Wu.T",
        "tok": "dtok = dx.clone()",
        "pos": "dpos = dx.sum(0)",
        "pos_table": "dpos_table = torch.zeros_like(pos_table)\ndpos_table[:T] = dpos",
        "tok_table": (
            "dtok_table = torch.zeros_like(tok_table)\ndtok_table.index_add_(0, tokens.view(-1), dtok.view(-1, n_embd))"
        ),
    },
)

# Two linear experts mixed by a softmax gate, a Gaussian likelihood, and a penalty on uneven use of the experts.
PASSES["experts"] = Pass(
    """\
n, d_in, d_out = 7, 5, 3
x = torch.randn((n, d_in), generator=g)
y = torch.randn((n, d_out), generator=g)
Wg = torch.randn((d_in, 2), generator=g) * d_in**-0.5
bg = torch.randn(2, generator=g) * 0.1
We1 = torch.randn((d_in, d_out), generator=g) * d_in**-0.5
be1 = torch.randn(d_out, generator=g) * 0.1
We2 = torch.randn((d_in, d_out), generator=g) * d_in**-0.5
be2 = torch.randn(d_out, generator=g) * 0.1
log_var = torch.randn(d_out, generator=g) * 0.5
""",
    "n x y",
    """\
gate_logits = x @ Wg + bg
gates = F.softmax(gate_logits, dim=1)
e1 = x @ We1 + be1
e2 = x @ We2 + be2
experts = torch.stack([e1, e2], dim=1)
mu = torch.einsum('nk,nkd->nd', gates, experts)
resid = y - mu
inv_var = torch.exp(-log_var)
nll = 0.5 * (log_var + resid**2 * inv_var)
usage = gates.mean(0)
loss = nll.sum(1).mean() + 0.1 * (usage**2).sum()
""",
    {
        "nll": "dnll = torch.ones_like(nll) / n",
        "usage": "dusage = 0.2 * usage",
        "inv_var": "dinv_var = (0.5 * resid**2 * dnll).sum(0)",
        "log_var": "dlog_var = 0.5 * dnll.sum(0) - inv_var * dinv_var",
        "resid": "dresid = dnll * resid * inv_var",
        "mu": "dmu = -dresid",
        "gates": "dgates = torch.einsum('nd,nkd->nk', dmu, experts) + dusage / n",
        "experts": "dexperts = gates[:, :, None] * dmu[:, None, :]",
        "e1": "de1 = dexperts[:, 0]",
        "e2": "de2 = dexperts[:, 1]",
        "We1": "dWe1 = x.T @ de1",
        "be1": "dbe1 = de1.sum(0)",
        "We2": "dWe2 = x.T @ de2",
        "be2": "dbe2 = de2.sum(0)",
        "gate_logits": "dgate_logits = gates * (dgates - (gates * dgates).sum(1, keepdim=True))",
        "Wg": "dWg = x.T @ dgate_logits",
        "bg": "dbg = dgate_logits.sum(0)",
        "x": "dx = dgate_logits @ Wg.T + de1 @ We1.T + de2 @ We2.T",
    },
)

# Several heads of causal self-attention.
PASSES["heads"] = Pass(
    """\
n, T, C, H, D, O = 6, 5, 7, 3, 4, 9
Wq = torch.randn(C, H * D, generator=g) * 0.5
Wk = torch.randn(C, H * D, generator=g) * 0.5
Wv = torch.randn(C, H * D, generator=g) * 0.5
Wo = torch.randn(H * D, O, generator=g) * 0.5
bo = torch.randn(O, generator=g) * 0.3
mask = torch.tril(torch.ones(T, T))
x = torch.randn(n, T, C, generator=g)
y = torch.randint(0, O, (n, T), generator=g)
""",
    "n x y",
    """\
q = (x @ Wq).view(n, T, H, D).transpose(1, 2)
k = (x @ Wk).view(n, T, H, D).transpose(1, 2)
v = (x @ Wv).view(n, T, H, D).transpose(1, 2)
scores = q @ k.transpose(-2, -1) / D ** 0.5
masked = scores.masked_fill(mask == 0, float('-inf'))
att = masked.softmax(-1)
ctx = att @ v
merged = ctx.transpose(1, 2).reshape(n, T, H * D)
logits = merged @ Wo + bo
loss = F.cross_entropy(logits.view(n * T, O), y.view(n * T))
""",
    {
        "logits": "dlogits = (logits.softmax(-1) - F.one_hot(y, O)) / (n * T)",
        "bo": "dbo = dlogits.sum((0, 1))",
        "Wo": "dWo = merged.reshape(n * T, H * D).T @ dlogits.reshape(n * T, O)",
        "merged": "dmerged = dlogits @ Wo.T",
        "ctx": "dctx = dmerged.reshape(n, T, H, D).transpose(1, 2)",
        "att": "datt = dctx @ v.transpose(-2, -1)",
        "v": "dv = att.transpose(-2, -1) @ dctx",
        "masked": "dmasked = att * (datt - (datt * att).sum(-1, keepdim=True))",
        "scores": "dscores = dmasked.masked_fill(mask == 0, 0.0)",
        "q": "dq = dscores @ k / D ** 0.5",
        "k": "dk = dscores.transpose(-2, -1) @ q / D ** 0.5",
        "Wq": "dWq = x.reshape(n * T, C).T @ dq.transpose(1, 2).reshape(n * T, H * D)",
        "Wk": "dWk = x.reshape(n * T, C).T @ dk.transpose(1, 2).reshape(n * T, H * D)",
        "Wv": "dWv = x.reshape(n * T, C).T @ dv.transpose(1, 2).reshape(n * T, H * D)",
        "x": "dx = dq.transpose(1, 2).reshape(n, T, H * D) @ Wq.T\ndx = dx + dk.transpose(1, 2).reshape(n, T, H * D) @ Wk.T\ndx = dx + dv.transpose(1, 2).reshape(n, T, H * D) @ Wv.T",
    },
)

# LayerNorm before a layer with GELU, and a residual connection.
PASSES["prenorm"] = Pass(
    """\
n, C, M, V = 7, 5, 9, 4
eps = 1e-5
gamma = 1 + 0.4 * torch.randn(C, generator=g)
beta = 0.5 * torch.randn(C, generator=g)
W1 = torch.randn(C, M, generator=g) * 0.6
b1 = torch.randn(M, generator=g) * 0.3
W2 = torch.randn(M, C, generator=g) * 0.5
b2 = torch.randn(C, generator=g) * 0.3
Wt = torch.randn(C, C, generator=g) * 0.4
Wu = torch.randn(C, V, generator=g) * 0.6
bu = torch.randn(V, generator=g) * 0.3
x = torch.randn(n, C, generator=g)
y = torch.randint(0, V, (n,), generator=g)
""",
    "n x y",
    """\
mu = x.mean(1, keepdim=True)
xc = x - mu
var = (xc ** 2).mean(1, keepdim=True)
rstd = (var + eps) ** -0.5
xn = xc * rstd
ln = xn * gamma + beta
h = ln @ W1 + b1
a = F.gelu(h)
f = a @ W2 + b2
r = x + f
t = torch.tanh(r @ Wt)
r2 = r + t
logits = r2 @ Wu + bu
loss = F.cross_entropy(logits, y)
""",
    {
        "logits": "dlogits = (logits.softmax(1) - F.one_hot(y, V)) / n",
        "r": "dr = dr2 + (dt * (1 - t ** 2)) @ Wt.T",
        "f": "df = dr.clone()",
        "b2": "db2 = df.sum(0)",
        "W2": "dW2 = a.T @ df",
        "a": "da = df @ W2.T",
        "h": "Phi = 0.5 * (1 + torch.erf(h / 2 ** 0.5))\nphi = torch.exp(-h ** 2 / 2) / (2 * torch.pi) ** 0.5\ndh = da * (Phi + h * phi)",
        "W1": "dW1 = ln.T @ dh",
        "ln": "dln = dh @ W1.T",
        "gamma": "dgamma = (dln * xn).sum(0)",
        "xn": "dxn = dln * gamma",
        "rstd": "drstd = (dxn * xc).sum(1, keepdim=True)",
        "var": "dvar = drstd * -0.5 * (var + eps) ** -1.5",
        "xc": "dxc = dxn * rstd + dvar * 2 * xc / C",
        "mu": "dmu = -dxc.sum(1, keepdim=True)",
        "x": "dx = dr + dxc + dmu / C",
    },
)

# A convolution over pictures, and max pooling.
PASSES["conv2d"] = Pass(
    """\
n, Ci, Co, Hi, Wi, k, K = 7, 4, 5, 8, 6, 3, 9
gain = 1 + 0.4 * torch.randn(Ci, generator=g)
Wc = torch.randn(Co, Ci, k, k, generator=g) * 0.3
bc = torch.randn(Co, generator=g) * 0.3
Wl = torch.randn(K, Co * (Hi // 2) * (Wi // 2), generator=g) * 0.15
bl = torch.randn(K, generator=g) * 0.3
x = torch.randn(n, Ci, Hi, Wi, generator=g)
y = torch.randint(0, K, (n,), generator=g)
""",
    "n x y",
    """\
xs = x * gain.view(1, Ci, 1, 1)
conv = F.conv2d(xs, Wc, bc, padding=1)
act = F.relu(conv)
pool = F.max_pool2d(act, 2)
flat = pool.flatten(1)
logits = flat @ Wl.T + bl
logp = F.log_softmax(logits, 1)
picked = logp[torch.arange(n), y]
loss = -picked.mean()
""",
    {
        "picked": "dpicked = -torch.ones_like(picked) / n",
        "logp": "dlogp = torch.zeros_like(logp)\ndlogp[torch.arange(n), y] = dpicked",
        "logits": "dlogits = dlogp - logp.exp() * dlogp.sum(1, keepdim=True)",
        "Wl": "dWl = dlogits.T @ flat",
        "bl": "dbl = dlogits.sum(0)",
        "flat": "dflat = dlogits @ Wl",
        "pool": "dpool = dflat.reshape(n, Co, Hi // 2, Wi // 2)",
        "act": "_, idx = F.max_pool2d(act, 2, return_indices=True)\ndact = torch.zeros_like(act).flatten(2)\ndact = dact.scatter(2, idx.flatten(2), dpool.flatten(2)).view(n, Co, Hi, Wi)",
        "conv": "dconv = dact * (conv > 0)",
        "bc": "dbc = dconv.sum((0, 2, 3))",
        "Wc": "dWc = F.conv2d(xs.transpose(0, 1), dconv.transpose(0, 1), padding=1)\ndWc = dWc.transpose(0, 1)",
        "xs": "dxs = F.conv_transpose2d(dconv, Wc, padding=1)",
        "gain": "dgain = (dxs * x).sum((0, 2, 3))",
        "x": "dx = dxs * gain.view(1, Ci, 1, 1)",
    },
)

# Two steps of a gated recurrent cell.
PASSES["gru2"] = Pass(
    """\
n, V, E, H, K = 8, 9, 4, 6, 5
emb = torch.randn(V, E, generator=g)
Wz = torch.randn(E, H, generator=g) * 0.6
Uz = torch.randn(H, H, generator=g) * 0.5
bz = torch.randn(H, generator=g) * 0.3
Wr = torch.randn(E, H, generator=g) * 0.6
Ur = torch.randn(H, H, generator=g) * 0.5
Wc = torch.randn(E, H, generator=g) * 0.6
Uc = torch.randn(H, H, generator=g) * 0.5
Wo = torch.randn(H, K, generator=g) * 0.7
bo = torch.randn(K, generator=g) * 0.3
h0 = torch.randn(H, generator=g)
ix = torch.randint(0, V, (n, 2), generator=g)
y = torch.randint(0, K, (n,), generator=g)
""",
    "n ix y",
    """\
e1 = emb[ix[:, 0]]
e2 = emb[ix[:, 1]]
z1 = torch.sigmoid(e1 @ Wz + h0 @ Uz + bz)
r1 = torch.sigmoid(e1 @ Wr + h0 @ Ur)
c1 = torch.tanh(e1 @ Wc + (r1 * h0) @ Uc)
h1 = (1 - z1) * h0 + z1 * c1
z2 = torch.sigmoid(e2 @ Wz + h1 @ Uz + bz)
r2 = torch.sigmoid(e2 @ Wr + h1 @ Ur)
c2 = torch.tanh(e2 @ Wc + (r2 * h1) @ Uc)
h2 = (1 - z2) * h1 + z2 * c2
logits = h2 @ Wo + bo
loss = F.cross_entropy(logits, y)
""",
    {
        "logits": "dlogits = (logits.softmax(1) - F.one_hot(y, K)) / n",
        "Wo": "dWo = h2.T @ dlogits",
        "h2": "dh2 = dlogits @ Wo.T",
        "z2": "dz2 = dh2 * (c2 - h1)",
        "c2": "dc2 = dh2 * z2",
        "r1": "dr1 = ((dc1 * (1 - c1 ** 2)) @ Uc.T) * h0",
        "h1": "dh1 = dh2 * (1 - z2)\ndh1 = dh1 + (dz2 * z2 * (1 - z2)) @ Uz.T\ndh1 = dh1 + (dr2 * r2 * (1 - r2)) @ Ur.T\ndh1 = dh1 + ((dc2 * (1 - c2 ** 2)) @ Uc.T) * r2",
        "e1": "de1 = (dz1 * z1 * (1 - z1)) @ Wz.T\nde1 = de1 + (dr1 * r1 * (1 - r1)) @ Wr.T\nde1 = de1 + (dc1 * (1 - c1 ** 2)) @ Wc.T",
        "e2": "de2 = (dz2 * z2 * (1 - z2)) @ Wz.T\nde2 = de2 + (dr2 * r2 * (1 - r2)) @ Wr.T\nde2 = de2 + (dc2 * (1 - c2 ** 2)) @ Wc.T",
        "emb": "demb = torch.zeros_like(emb)\ndemb.index_add_(0, ix[:, 0], de1)\ndemb.index_add_(0, ix[:, 1], de2)",
        "Wz": "dWz = e1.T @ (dz1 * z1 * (1 - z1)) + e2.T @ (dz2 * z2 * (1 - z2))",
        "Uz": "dUz = torch.outer(h0, (dz1 * z1 * (1 - z1)).sum(0)) + h1.T @ (dz2 * z2 * (1 - z2))",
        "Uc": "dUc = (r1 * h0).T @ (dc1 * (1 - c1 ** 2)) + (r2 * h1).T @ (dc2 * (1 - c2 ** 2))",
        "Wc": "dWc = e1.T @ (dc1 * (1 - c1 ** 2)) + e2.T @ (dc2 * (1 - c2 ** 2))",
    },
)

# A variational autoencoder with softplus and leaky ReLU.
PASSES["vae2"] = Pass(
    """\
n, I, H, Z, D = 6, 9, 5, 3, 4
beta = 0.5
W1 = torch.randn(I, H, generator=g) * I ** -0.5
b1 = torch.randn(H, generator=g) * 0.1
Wm = torch.randn(H, Z, generator=g) * H ** -0.5
bm = torch.randn(Z, generator=g) * 0.1
Wv = torch.randn(H, Z, generator=g) * H ** -0.5
bv = torch.randn(Z, generator=g) * 0.1
W2 = torch.randn(Z, D, generator=g) * Z ** -0.5
b2 = torch.randn(D, generator=g) * 0.1
W3 = torch.randn(D, I, generator=g) * D ** -0.5
b3 = torch.randn(I, generator=g) * 0.1
x = torch.rand(n, I, generator=g)
eps = torch.randn(n, Z, generator=g)
""",
    "n x eps",
    """\
hpre = x @ W1 + b1
h = F.softplus(hpre)
mu = h @ Wm + bm
logvar = h @ Wv + bv
std = torch.exp(0.5 * logvar)
z = mu + std * eps
apre = z @ W2 + b2
a = F.leaky_relu(apre, 0.1)
logits = a @ W3 + b3
xhat = torch.sigmoid(logits)
rec = ((xhat - x) ** 2).sum() / n
kl = -0.5 * (1 + logvar - mu ** 2 - std ** 2).sum() / n
loss = rec + beta * kl
""",
    {
        "logits": "dlogits = dxhat * xhat * (1 - xhat)",
        "W3": "dW3 = a.T @ dlogits",
        "b3": "db3 = dlogits.sum(0)",
        "a": "da = dlogits @ W3.T",
        "apre": "dapre = da * torch.where(apre > 0, 1.0, 0.1)",
        "z": "dz = dapre @ W2.T",
        "h": "dh = dmu @ Wm.T + dlogvar @ Wv.T",
        "hpre": "dhpre = dh * torch.sigmoid(hpre)",
        "W1": "dW1 = x.T @ dhpre",
    },
)

# RMSNorm, a gated layer, and tied embeddings.
PASSES["rmsnorm"] = Pass(
    """\
n, T, V, C, H = 5, 4, 9, 6, 7
E = torch.randn(V, C, generator=g)
gamma = 1 + 0.2 * torch.randn(C, generator=g)
Wg = torch.randn(C, H, generator=g) * C ** -0.5
Wu = torch.randn(C, H, generator=g) * C ** -0.5
Wd = torch.randn(H, C, generator=g) * H ** -0.5
ix = torch.randint(0, V, (n, T), generator=g)
iy = torch.randint(0, V, (n, T), generator=g)
""",
    "n ix iy",
    """\
e = E[ix]
ms = (e ** 2).mean(-1, keepdim=True)
rinv = (ms + 1e-5) ** -0.5
xn = e * rinv
nx = xn * gamma
gate = nx @ Wg
up = nx @ Wu
act = gate * torch.sigmoid(gate)
hid = act * up
res = e + hid @ Wd
logits = res @ E.T
logp = F.log_softmax(logits, dim=-1)
loss = -logp.gather(-1, iy.unsqueeze(-1)).mean()
""",
    {
        "logp": "dlogp = -F.one_hot(iy, V).float() / (n * T)",
        "logits": "dlogits = dlogp - torch.softmax(logits, -1) * dlogp.sum(-1, keepdim=True)",
        "res": "dres = dlogits @ E",
        "Wd": "dWd = torch.einsum('bth,btc->hc', hid, dres)",
        "hid": "dhid = dres @ Wd.T",
        "up": "dup = dhid * act",
        "Wg": "dWg = torch.einsum('btc,bth->ch', nx, dgate)",
        "Wu": "dWu = nx.reshape(-1, C).T @ dup.reshape(-1, H)",
        "nx": "dnx = dgate @ Wg.T + dup @ Wu.T",
        "gamma": "dgamma = (dnx * xn).sum((0, 1))",
        "rinv": "drinv = (dxn * e).sum(-1, keepdim=True)",
        "ms": "dms = drinv * -0.5 * (ms + 1e-5) ** -1.5",
        "e": "de = dres + dxn * rinv + dms * 2 * e / C",
        "E": "dE = torch.einsum('btv,btc->vc', dlogits, res)\ndE.index_put_((ix,), de, accumulate=True)",
    },
)

# Attention of one sequence to another, with dropout.
PASSES["crossattn"] = Pass(
    """\
n, Tq, Tk, Cq, Ck, hs, Co = 6, 7, 4, 5, 3, 8, 9
keep = 0.8
pos = torch.randn(Tk, Ck, generator=g) * 0.5
Wq = torch.randn(Cq, hs, generator=g) * Cq ** -0.5
Wk = torch.randn(Ck, hs, generator=g) * Ck ** -0.5
Wv = torch.randn(Ck, hs, generator=g) * Ck ** -0.5
Wo = torch.randn(hs, Co, generator=g) * hs ** -0.5
bo = torch.randn(Co, generator=g) * 0.1
xq = torch.randn(n, Tq, Cq, generator=g)
ctx = torch.randn(n, Tk, Ck, generator=g)
target = torch.randn(n, Tq, Co, generator=g)
mask = (torch.rand(n, Tq, Tk, generator=g) < keep).float()
""",
    "n xq ctx target mask",
    """\
c = ctx + pos
q = xq @ Wq
k = c @ Wk
v = c @ Wv
s = q @ k.transpose(1, 2) / hs ** 0.5
p = torch.softmax(s, dim=-1)
pd = p * mask / keep
o = pd @ v
out = o @ Wo + bo
diff = out - target
loss = (diff ** 2).mean()
""",
    {
        "diff": "ddiff = 2 * diff / diff.numel()",
        "out": "dout = ddiff.clone()",
        "bo": "dbo = dout.sum((0, 1))",
        "Wo": "dWo = (o.transpose(1, 2) @ dout).sum(0)",
        "o": "do = dout @ Wo.T",
        "pd": "dpd = do @ v.transpose(1, 2)",
        "v": "dv = pd.transpose(1, 2) @ do",
        "p": "dp = dpd * mask / keep",
        "s": "ds = p * (dp - (dp * p).sum(-1, keepdim=True))",
        "q": "dq = ds @ k / hs ** 0.5",
        "k": "dk = ds.transpose(1, 2) @ q / hs ** 0.5",
        "Wq": "dWq = xq.reshape(-1, Cq).T @ dq.reshape(-1, hs)",
        "Wk": "dWk = torch.tensordot(c, dk, dims=([0, 1], [0, 1]))",
        "Wv": "dWv = sum(c[b].T @ dv[b] for b in range(n))",
        "c": "dc = dk @ Wk.T + dv @ Wv.T",
        "pos": "dpos = dc.sum(0)",
    },
)

# Pairs of neighbours in one, with BatchNorm over two axes.
PASSES["wave"] = Pass(
    """\
n, T, V, C, H = 5, 8, 9, 3, 7
E = torch.randn(V, C, generator=g)
W1 = torch.randn(2 * C, H, generator=g) * (2 * C) ** -0.5
gamma = 1 + 0.2 * torch.randn(H, generator=g)
beta = torch.randn(H, generator=g) * 0.2
W2 = torch.randn(T // 2 * H, V, generator=g) * (T // 2 * H) ** -0.5
b2 = torch.randn(V, generator=g) * 0.1
ix = torch.randint(0, V, (n, T), generator=g)
iy = torch.randint(0, V, (n,), generator=g)
""",
    "n ix iy",
    """\
e = E[ix]
pairs = e.view(n, T // 2, 2 * C)
pre = pairs @ W1
mean = pre.mean((0, 1), keepdim=True)
cent = pre - mean
var = (cent ** 2).sum((0, 1), keepdim=True) / (n * T // 2 - 1)
istd = (var + 1e-5) ** -0.5
xhat = cent * istd
bn = gamma * xhat + beta
h = torch.tanh(bn)
flat = h.view(n, -1)
logits = flat @ W2 + b2
loss = F.cross_entropy(logits, iy)
""",
    {
        "logits": "dlogits = (torch.softmax(logits, 1) - F.one_hot(iy, V)) / n",
        "W2": "dW2 = flat.T @ dlogits",
        "flat": "dflat = dlogits @ W2.T",
        "h": "dh = dflat.view(h.shape)",
        "bn": "dbn = dh * (1 - h ** 2)",
        "beta": "dbeta = dbn.sum((0, 1))",
        "xhat": "dxhat = dbn * gamma",
        "istd": "distd = (dxhat * cent).sum((0, 1), keepdim=True)",
        "var": "dvar = -0.5 * distd * istd ** 3",
        "cent": "dcent = dxhat * istd + dvar * 2 * cent / (n * T // 2 - 1)",
        "mean": "dmean = -dcent.sum((0, 1), keepdim=True)",
        "pre": "dpre = dcent + dmean / (n * T // 2)",
        "W1": "dW1 = torch.einsum('btc,bth->ch', pairs, dpre)",
        "e": "de = dpairs.view(n, T, C)",
        "E": "dE = torch.zeros_like(E)\nfor i in range(n):\n    for j in range(T):\n        dE[ix[i, j]] += de[i, j]",
    },
)

# Two branches with the same weights, and the cosine of what comes out.
PASSES["siamese"] = Pass(
    """\
n, n_in, n_hid, n_emb = 6, 5, 8, 3
margin = 0.2
x1 = torch.randn((n, n_in), generator=g)
x2 = torch.randn((n, n_in), generator=g)
W1 = torch.randn((n_in, n_hid), generator=g) * 0.4
b1 = torch.randn(n_hid, generator=g) * 0.1
W2 = torch.randn((n_hid, n_emb), generator=g) * 0.5
same = torch.tensor([1, 0, 0, 0, 0, 1])
""",
    "n x1 x2 same",
    """\
h1 = torch.tanh(x1 @ W1 + b1)
h2 = torch.tanh(x2 @ W1 + b1)
u = h1 @ W2
v = h2 @ W2
uv = (u * v).sum(1)
unorm = (u ** 2).sum(1).sqrt()
vnorm = (v ** 2).sum(1).sqrt()
cos = uv / (unorm * vnorm)
pos = (1 - cos) ** 2
neg = torch.clamp(cos - margin, min=0) ** 2
per = torch.where(same == 1, pos, neg)
loss = per.mean()
""",
    {
        "pos": "dpos = torch.where(same == 1, dper, torch.zeros_like(dper))",
        "neg": "dneg = dper * (same == 0)",
        "cos": "dcos = -2 * (1 - cos) * dpos + 2 * torch.clamp(cos - margin, min=0) * dneg",
        "uv": "duv = dcos / (unorm * vnorm)",
        "unorm": "dunorm = -dcos * uv / (unorm**2 * vnorm)",
        "vnorm": "dvnorm = -(dcos * cos) / vnorm",
        "u": "du = duv[:, None] * v + (dunorm / unorm)[:, None] * u",
        "v": "dv = torch.zeros_like(v)\nfor i in range(n):\n    dv[i] += duv[i] * u[i]\n    dv[i] += dvnorm[i] * v[i] / vnorm[i]",
        "W2": "dW2 = h1.T @ du + h2.T @ dv",
        "h2": "dh2 = torch.einsum('ne,he->nh', dv, W2)",
        "b1": "da1 = dh1 * (1 - h1**2)\nda2 = dh2 * (1 - h2**2)\ndb1 = (da1 + da2).sum(0)",
        "W1": "dW1 = torch.zeros_like(W1)\nfor x, h, dh in [(x1, h1, dh1), (x2, h2, dh2)]:\n    dW1 += x.T @ (dh * (1 - h.pow(2)))",
        "x1": "dx1 = (dh1 * (1 - h1 * h1)) @ W1.T",
    },
)

# A factorization machine with a focal loss.
PASSES["machine"] = Pass(
    """\
n, n_feat, k = 7, 6, 4
gamma, lam = 2.5, 0.03
x = torch.randn((n, n_feat), generator=g)
w0 = torch.randn(1, generator=g) * 0.1
w = torch.randn(n_feat, generator=g) * 0.3
V = torch.randn((n_feat, k), generator=g) * 0.3
y = torch.tensor([1, 0, 0, 1, 1, 0, 1])
""",
    "n x y",
    """\
lin = x @ w + w0
xv = x @ V
xv2 = xv ** 2
sq = (x ** 2) @ (V ** 2)
inter = xv2 - sq
pair = 0.5 * inter.sum(1)
score = lin + pair
p = torch.sigmoid(score)
pt = torch.where(y == 1, p, 1 - p)
mod = (1 - pt) ** gamma
nll = -torch.log(pt)
focal = mod * nll
loss = focal.mean() + lam * (V ** 2).sum()
""",
    {
        "mod": "dmod = dfocal * nll",
        "nll": "dnll = mod * dfocal",
        "pt": "dpt = -dnll / pt - gamma * (1 - pt)**(gamma - 1) * dmod",
        "p": "dp = dpt.clone()\ndp[y == 0] *= -1",
        "score": "dscore = dp * p * (1 - p)",
        "lin": "dlin = dscore.clone()",
        "pair": "dpair = dscore * 1.0",
        "inter": "dinter = 0.5 * dpair.unsqueeze(1).expand(n, k)",
        "sq": "dsq = -dinter",
        "xv": "dxv = 2 * xv * dxv2",
        "w": "dw = torch.einsum('nf,n->f', x, dlin)",
        "w0": "dw0 = dlin.sum().view(1)",
        "V": "dV = x.T @ dxv\ndV += ((x**2).T @ dsq) * 2 * V\ndV += 2 * lam * V",
        "x": "dx = dlin[:, None] * w + dxv @ V.T + 2 * x * (dsq @ (V ** 2).T)",
    },
)

# A mixture of normal distributions.
PASSES["mixture"] = Pass(
    """\
n, d_in, n_hid, K = 9, 3, 7, 5
half_log_2pi = 0.9189385
x = torch.randn((n, d_in), generator=g)
t = torch.randn(n, generator=g)
W1 = torch.randn((d_in, n_hid), generator=g) * 0.6
b1 = torch.randn(n_hid, generator=g) * 0.2
Wp = torch.randn((n_hid, K), generator=g) * 0.4
Wm = torch.randn((n_hid, K), generator=g) * 0.4
bm = torch.randn(K, generator=g) * 0.3
Ws = torch.randn((n_hid, K), generator=g) * 0.2
""",
    "n x t",
    """\
hpre = x @ W1 + b1
h = F.softplus(hpre)
alpha = h @ Wp
mu = h @ Wm + bm
logs = h @ Ws
lse = torch.logsumexp(alpha, dim=1, keepdim=True)
logpi = alpha - lse
inv_s = torch.exp(-logs)
z = (t[:, None] - mu) * inv_s
logn = -0.5 * z ** 2 - logs - half_log_2pi
joint = logpi + logn
ll = torch.logsumexp(joint, dim=1)
loss = -ll.mean()
""",
    {
        "joint": "djoint = dll[:, None] * torch.softmax(joint, dim=1)",
        "logpi": "dlogpi = djoint.clone()",
        "lse": "dlse = -dlogpi.sum(1, keepdim=True)",
        "alpha": "dalpha = dlogpi + dlse * torch.exp(alpha - lse)",
        "z": "dz = dlogn * -z",
        "inv_s": "dinv_s = dz * (t.unsqueeze(1) - mu)",
        "mu": "dmu = -dz * inv_s",
        "t": "dt = (dz * inv_s).sum(dim=1)",
        "logs": "dlogs = -dlogn - dinv_s * torch.exp(-logs)",
        "h": "dh = dalpha @ Wp.T\ndh += dmu @ Wm.T\ndh += dlogs @ Ws.T",
        "hpre": "dhpre = torch.sigmoid(hpre) * dh",
        "Ws": "dWs = torch.einsum('nh,nk->hk', h, dlogs)",
        "bm": "dbm = dmu.sum(0)",
        "W1": "dW1 = (dhpre.T @ x).T",
        "b1": "db1 = torch.ones(n) @ dhpre",
    },
)

# A set of points under a mask, pooled by mean and maximum, with smoothed labels.
PASSES["deepset"] = Pass(
    """\
n, m, d_in, n_hid, C = 5, 7, 3, 6, 4
eps = 0.15
xs = torch.randn((n, m, d_in), generator=g)
lens = torch.tensor([4, 6, 3, 7, 5])
mask = (torch.arange(m)[None, :] < lens[:, None]).long()
cnt = mask.sum(1, keepdim=True)
yb = torch.tensor([2, 0, 3, 1, 2])
W1 = torch.randn((d_in, n_hid), generator=g) * 0.6
b1 = torch.randn(n_hid, generator=g) * 0.2
W2 = torch.randn((2 * n_hid, C), generator=g) * 0.3
b2 = torch.randn(C, generator=g) * 0.1
""",
    "n xs lens mask cnt yb",
    """\
e = xs @ W1 + b1
phi = F.relu(e)
phim = phi * mask[:, :, None]
total = phim.sum(1)
pooled = total / cnt
emask = e.masked_fill(mask[:, :, None] == 0, -1e9)
peak = emask.max(1).values
feat = torch.cat([pooled, peak], dim=1)
logits = feat @ W2 + b2
logp = F.log_softmax(logits, dim=1)
picked = logp[torch.arange(n), yb]
smooth = logp.mean(1)
ce = (1 - eps) * picked + eps * smooth
loss = -ce.mean()
""",
    {
        "picked": "dpicked = dce * (1 - eps)",
        "smooth": "dsmooth = eps * dce",
        "logp": "dlogp = dsmooth.unsqueeze(1).repeat(1, C) / C\ndlogp[torch.arange(n), yb] += dpicked",
        "logits": "dlogits = dlogp - torch.exp(logp) * dlogp.sum(1, keepdim=True)",
        "feat": "dfeat = dlogits @ W2.T",
        "W2": "dW2 = torch.einsum('nf,nc->fc', feat, dlogits)",
        "b2": "db2 = dlogits.sum(0)",
        "pooled": "dpooled = dfeat[:, :n_hid]",
        "peak": "dpeak = dfeat[:, n_hid:]",
        "total": "dtotal = dpooled / cnt",
        "phim": "dphim = dtotal[:, None, :].expand(-1, m, -1)",
        "phi": "dphi = dphim * mask.unsqueeze(-1)",
        "emask": "idx = emask.argmax(1, keepdim=True)\ndemask = torch.zeros_like(emask).scatter_(1, idx, dpeak[:, None, :])",
        "e": "de = torch.where(e > 0, dphi, torch.zeros_like(dphi))\nde = de + demask * (mask[..., None] == 1)",
        "W1": "dW1 = xs.reshape(-1, d_in).T @ de.reshape(-1, n_hid)",
        "b1": "db1 = de.sum((0, 1))",
        "xs": "dxs = de @ W1.T",
    },
)

# Additive attention over the places of a sequence, and a squared hinge.
PASSES["additive"] = Pass(
    """\
n, T, D, A, C = 4, 6, 5, 3, 7
X = torch.randn((n, T, D), generator=g)
query = torch.randn((n, D), generator=g)
y = torch.tensor([3, 0, 6, 2])
Wk = torch.randn((D, A), generator=g) * 0.5
Wq = torch.randn((D, A), generator=g) * 0.5
ba = torch.randn(A, generator=g) * 0.1
v = torch.randn(A, generator=g)
Wo = torch.randn((D, C), generator=g) * 0.4
bo = torch.randn(C, generator=g) * 0.1
""",
    "n X query y",
    """\
k = X @ Wk
qp = query @ Wq
s = torch.tanh(k + qp[:, None, :] + ba)
e = s @ v
emax = e.max(1, keepdim=True).values
ex = torch.exp(e - emax)
exsum = ex.sum(1, keepdim=True)
a = ex / exsum
pooled = torch.einsum('nt,ntd->nd', a, X)
mixed = pooled + query
scores = mixed @ Wo + bo
own = scores[range(n), y]
hinge = F.relu(scores - own[:, None] + 1.0) ** 2
loss = hinge.sum() / n
""",
    {
        "own": "down = -(2 * dhinge * F.relu(scores - own.unsqueeze(1) + 1)).sum(1)",
        "scores": "gap = scores - own[:, None] + 1.0\ndscores = 2 * gap.clamp(min=0) * dhinge\ndscores[range(n), y] += down",
        "mixed": "dmixed = dscores @ Wo.T",
        "Wo": "dWo = mixed.T @ dscores",
        "bo": "dbo = dscores.sum(0)",
        "query": "dquery = dmixed + dqp @ Wq.T",
        "a": "da = (X @ dpooled[:, :, None]).squeeze(-1)",
        "exsum": "dexsum = -(da * ex).sum(1, keepdim=True) / exsum**2",
        "ex": "dex = da / exsum + dexsum",
        "e": "de = dex * ex\nde = de + F.one_hot(e.argmax(1), T) * demax",
        "v": "dv = torch.einsum('nta,nt->a', s, de)",
        "s": "ds = de.unsqueeze(-1) * v",
        "k": "dk = ds * (1 - s**2)",
        "qp": "dqp = ((1 - s * s) * ds).sum(1)",
        "ba": "dba = (ds * (1 - s**2)).sum(dim=(0, 1))",
        "Wk": "dWk = torch.zeros_like(Wk)\nfor i in range(n):\n    dWk += X[i].T @ dk[i]",
        "X": "dX = a[..., None] * dpooled[:, None, :] + dk @ Wk.T",
    },
)

# A highway layer with weight normalisation, and quantiles.
PASSES["highway"] = Pass(
    """\
n, n_in, width, Q = 8, 4, 6, 3
x = torch.randn((n, n_in), generator=g)
y = torch.randn(n, generator=g)
taus = torch.tensor([0.1, 0.5, 0.8])
Wi = torch.randn((n_in, width), generator=g) * 0.5
Vd = torch.randn((width, width), generator=g)
gain = torch.rand(width, generator=g) + 0.5
Wt = torch.randn((width, width), generator=g) * 0.4
bt = torch.randn(width, generator=g) * 0.3 - 0.5
Wo = torch.randn((width, Q), generator=g) * 0.5
bo = torch.randn(Q, generator=g) * 0.1
""",
    "n x y",
    """\
z = torch.tanh(x @ Wi)
vnorm = (Vd ** 2).sum(0, keepdim=True).sqrt()
Wh = gain * Vd / vnorm
pre = z @ Wh
cand = F.leaky_relu(pre, 0.1)
gate = torch.sigmoid(z @ Wt + bt)
keep = 1 - gate
out = gate * cand + keep * z
qhat = out @ Wo + bo
err = y[:, None] - qhat
pin = torch.maximum(taus * err, (taus - 1) * err)
loss = pin.mean()
""",
    {
        "err": "derr = dpin * torch.where(err >= 0, taus, taus - 1)",
        "qhat": "dqhat = -derr",
        "y": "dy = derr.sum(1)",
        "out": "dout = dqhat @ Wo.T",
        "Wo": "dWo = torch.einsum('nw,nq->wq', out, dqhat)",
        "bo": "dbo = dqhat.sum(0)",
        "gate": "dgate = dout * cand - dkeep",
        "keep": "dkeep = z * dout",
        "cand": "dcand = dout * gate",
        "pre": "dpre = dcand.clone()\ndpre[pre < 0] *= 0.1",
        "z": "dgpre = dgate * gate * (1 - gate)\ndz = dout * keep + dpre @ Wh.T + dgpre @ Wt.T",
        "Wt": "dWt = z.T @ (dgate * gate * keep)",
        "bt": "dbt = (dgate * gate * (1 - gate)).sum(0)",
        "Wh": "dWh = z.t() @ dpre",
        "gain": "dgain = (dWh * Vd / vnorm).sum(0)",
        "vnorm": "dvnorm = -(dWh * gain * Vd).sum(0, keepdim=True) / vnorm**2",
        "Vd": "dVd = gain / vnorm * dWh + dvnorm * Vd / vnorm",
        "Wi": "dWi = x.T @ (dz * (1 - z**2))",
    },
)

# A convolution of 1 x 1 with instance normalisation, and a softmax over places.
PASSES["spatial"] = Pass(
    """\
n, c, cin, Hh, Ww = 3, 4, 2, 5, 6
img = torch.randn((n, cin, Hh, Ww), generator=g)
Wc = torch.randn((c, cin), generator=g)
gamma = torch.rand(c, generator=g) + 0.7
beta = torch.randn(c, generator=g) * 0.3
temp = torch.tensor(0.8)
gx = torch.linspace(-1, 1, Ww).repeat(Hh)
gy = torch.linspace(-1, 1, Hh).repeat_interleave(Ww)
target = torch.randn((n, c, 2), generator=g) * 0.5
""",
    "n img target",
    """\
feat = torch.einsum('oc,nchw->nohw', Wc, img)
mean = feat.mean((2, 3), keepdim=True)
cen = feat - mean
var = (cen ** 2).mean((2, 3), keepdim=True)
istd = (var + 1e-5) ** -0.5
xhat = cen * istd
aff = gamma.view(1, -1, 1, 1) * xhat + beta[None, :, None, None]
act = torch.clamp(aff, min=0)
attn = F.softmax(act.view(n, c, -1) / temp, dim=2)
px = (attn * gx).sum(2)
py = (attn * gy).sum(2)
pts = torch.stack([px, py], dim=2)
loss = ((pts - target) ** 2).sum(2).mean()
""",
    {
        "px": "dpx = dpts[:, :, 0]",
        "py": "dpy = dpts[..., 1].clone()",
        "attn": "dattn = dpx[:, :, None] * gx + dpy[:, :, None] * gy",
        "gx": "dgx = (attn * dpx.unsqueeze(-1)).sum((0, 1))",
        "act": "inner = (attn * dattn).sum(-1, keepdim=True)\ndact = (attn * (dattn - inner) / temp).view(n, c, Hh, Ww)",
        "temp": "dlog = attn * (dattn - (attn * dattn).sum(2, keepdim=True))\ndtemp = -(dlog * act.view(n, c, -1)).sum() / temp**2",
        "aff": "daff = dact * (aff > 0)",
        "gamma": "dgamma = torch.einsum('nchw,nchw->c', daff, xhat)",
        "beta": "dbeta = daff.sum((0, 2, 3))",
        "xhat": "dxhat = daff * gamma[:, None, None]",
        "istd": "distd = (dxhat * cen).sum((2, 3), keepdim=True)",
        "var": "dvar = -0.5 * (var + 1e-5) ** -1.5 * distd",
        "cen": "dcen = istd * dxhat + dvar * 2 * cen / (Hh * Ww)",
        "mean": "dmean = -dcen.sum(dim=(2, 3), keepdim=True)",
        "feat": "dfeat = dcen + dmean / (Hh * Ww)",
        "Wc": "dWc = torch.einsum('nohw,nchw->oc', dfeat, img)",
    },
)

# Matrix factorization with biases, and a weighted Huber loss.
PASSES["factors"] = Pass(
    """\
n_users, n_items, k, n = 5, 6, 3, 10
delta, lam = 0.8, 0.05
users = torch.tensor([0, 3, 1, 3, 4, 0, 2, 3, 1, 0])
items = torch.tensor([2, 5, 2, 1, 0, 5, 3, 2, 4, 1])
conf = torch.tensor([1, 2, 1, 3, 1, 1, 2, 4, 1, 2])
r = torch.rand(n, generator=g) * 4 + 1
P = torch.randn((n_users, k), generator=g) * 0.7
Q = torch.randn((n_items, k), generator=g) * 0.7
bu = torch.randn(n_users, generator=g) * 0.3
bi = torch.randn(n_items, generator=g) * 0.3
mu0 = torch.tensor(0.2)
""",
    "n users items conf r",
    """\
pu = P[users]
qi = Q[items]
dot = (pu * qi).sum(-1)
raw = mu0 + bu[users] + bi[items] + dot
rhat = 1 + 4 * torch.sigmoid(raw)
err = rhat - r
abserr = err.abs()
quad = 0.5 * err ** 2
lin = delta * (abserr - 0.5 * delta)
hub = torch.where(abserr <= delta, quad, lin)
data = (conf * hub).sum() / conf.sum()
reg = lam * ((pu ** 2).sum() + (qi ** 2).sum()) / n
loss = data + reg
""",
    {
        "hub": "dhub = ddata * conf / conf.sum()",
        "quad": "dquad = dhub * (abserr <= delta)",
        "lin": "dlin = torch.where(abserr > delta, dhub, 0.0)",
        "abserr": "dabserr = delta * dlin",
        "err": "derr = dquad * err + dabserr * torch.sign(err)",
        "rhat": "drhat = derr.clone()",
        "r": "dr = -derr",
        "raw": "sig = (rhat - 1) / 4\ndraw = drhat * 4 * sig * (1 - sig)",
        "dot": "ddot = draw.clone()",
        "mu0": "dmu0 = draw.sum()",
        "bu": "dbu = torch.zeros_like(bu)\nfor i in range(n):\n    dbu[users[i]] += draw[i]",
        "bi": "dbi = torch.zeros(n_items).scatter_add(0, items, draw)",
        "pu": "dpu = ddot[:, None] * qi + dreg * lam * 2 * pu / n",
        "qi": "dqi = torch.einsum('n,nk->nk', ddot, pu) + 2 * lam / n * qi * dreg",
        "P": "dP = torch.zeros_like(P).index_add_(0, users, dpu)",
        "Q": "dQ = F.one_hot(items, n_items).float().T @ dqi",
    },
)
