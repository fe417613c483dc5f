"""An exercise of a newcomer: a file of forward lines about LayerNorm, and the model answers to all of its gradients."""

FORWARD = '''"""LayerNorm by hand

A layer that normalises every row by itself, and a linear layer behind it."""

import torch
import torch.nn.functional as F

# %% The data
g = torch.Generator().manual_seed(42)
n = 16  # examples in the minibatch
width, classes = 12, 5
tokens = torch.randint(0, 9, (n,), generator=g)
Yb = torch.randint(0, classes, (n,), generator=g)

# %% The parameters
E = torch.randn((9, width), generator=g)
Wq = torch.randn((width, width), generator=g) * width**-0.5
gain = torch.randn(width, generator=g) * 0.1 + 1
bias = torch.randn(width, generator=g) * 0.1
W = torch.randn((width, classes), generator=g) * width**-0.5
b = torch.randn(classes, generator=g) * 0.1

# %%forward --batch n tokens Yb
emb = E[tokens]
x = emb @ Wq
mu = x.mean(1, keepdim=True)
xc = x - mu
sq = xc**2
var = sq.mean(1, keepdim=True)
std = (var + 1e-5).sqrt()
rstd = 1 / std
xhat = xc * rstd
scaled = xhat * gain
y = scaled + bias
h = y.relu()
z = h @ W
logits = z + b
loss = F.cross_entropy(logits, Yb)
'''

ANSWERS = {
    "dlogits": "dlogits = (F.softmax(logits, 1) - F.one_hot(Yb, logits.shape[1])) / n",
    "dz": "dz = dlogits.clone()",
    "db": "db = dlogits.sum(0)",
    "dh": "dh = dz @ W.T",
    "dW": "dW = h.T @ dz",
    "dy": "dy = dh * (y > 0)",
    "dscaled": "dscaled = dy.clone()",
    "dbias": "dbias = dy.sum(0)",
    "dxhat": "dxhat = dscaled * gain",
    "dgain": "dgain = (dscaled * xhat).sum(0)",
    "drstd": "drstd = (dxhat * xc).sum(1, keepdim=True)",
    "dstd": "dstd = -drstd / std**2",
    "dvar": "dvar = dstd / (2 * std)",
    "dsq": "dsq = dvar.expand_as(sq) / sq.shape[1]",
    "dxc": "dxc = dxhat * rstd + 2 * xc * dsq",
    "dmu": "dmu = -dxc.sum(1, keepdim=True)",
    "dx": "dx = dxc + dmu / x.shape[1]",
    "demb": "demb = dx @ Wq.T",
    "dWq": "dWq = emb.T @ dx",
    "dE": "dE = torch.zeros_like(E).index_add_(0, tokens, demb)",
}
