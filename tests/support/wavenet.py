"""A forward pass on tensors of three axes: a tree of pairs of positions, with BatchNorm over rows and positions at once.

Every gradient of it has several right forms, and the wrong ones that people write: one axis of two, a transpose of all axes.
"""

from __future__ import annotations

NAMES = """\
n, block, d, width, v = 12, 8, 3, 5, 9
Xb = torch.randint(0, v, (n, block), generator=g)
Yb = torch.randint(0, v, (n,), generator=g)
C = torch.randn((v, d), generator=g)
W1 = torch.randn((2 * d, width), generator=g) * 0.4
ga1 = 1 + 0.1 * torch.randn(width, generator=g)
be1 = 0.1 * torch.randn(width, generator=g)
W2 = torch.randn((2 * width, width), generator=g) * 0.3
ga2 = 1 + 0.1 * torch.randn(width, generator=g)
be2 = 0.1 * torch.randn(width, generator=g)
W3 = torch.randn((2 * width, width), generator=g) * 0.3
b3 = 0.1 * torch.randn(width, generator=g)
W4 = torch.randn((width, v), generator=g) * 0.4
b4 = 0.1 * torch.randn(v, generator=g)
"""

BATCH = "n Xb Yb"

LINES = """\
emb = C[Xb]
flat1 = emb.view(n, block // 2, -1)
lin1 = flat1 @ W1
mean1 = lin1.mean((0, 1), keepdim=True)
diff1 = lin1 - mean1
sq1 = diff1**2
var1 = sq1.sum((0, 1), keepdim=True) / (n * block // 2 - 1)
inv1 = (var1 + 1e-5) ** -0.5
hat1 = diff1 * inv1
y1 = hat1 * ga1 + be1
h1 = torch.tanh(y1)
flat2 = h1.view(n, block // 4, -1)
lin2 = flat2 @ W2
y2 = ga2 * (lin2 - lin2.mean((0, 1), keepdim=True)) / (lin2.var((0, 1), keepdim=True) + 1e-5).sqrt() + be2
h2 = torch.tanh(y2)
flat3 = h2.view(n, -1)
lin3 = flat3 @ W3 + b3
h3 = torch.tanh(lin3)
logits = h3 @ W4 + b4
loss = F.cross_entropy(logits, Yb)
"""

ONE_GO = """\
m = lin2.shape[0] * lin2.shape[1]
inv = (lin2.var((0, 1), keepdim=True) + 1e-5) ** -0.5
hat = (lin2 - lin2.mean((0, 1), keepdim=True)) * inv
"""

RIGHT: dict[str, list[str]] = {
    "dlogits": ["dlogits = (F.softmax(logits, 1) - F.one_hot(Yb, logits.shape[1])) / n"],
    "dW4": ["dW4 = h3.T @ dlogits"],
    "db4": ["db4 = dlogits.sum(0)"],
    "dh3": ["dh3 = dlogits @ W4.T"],
    "dlin3": ["dlin3 = (1 - h3**2) * dh3"],
    "dW3": ["dW3 = flat3.T @ dlin3"],
    "db3": ["db3 = dlin3.sum(0)"],
    "dflat3": ["dflat3 = dlin3 @ W3.T"],
    "dh2": ["dh2 = dflat3.view(h2.shape)"],
    "dy2": ["dy2 = (1 - h2**2) * dh2"],
    "dbe2": ["dbe2 = dy2.sum((0, 1))"],
    "dga2": [f"{ONE_GO}dga2 = (dy2 * hat).sum((0, 1))", f"{ONE_GO}dga2 = (dy2 * hat).flatten(0, 1).sum(0)"],
    "dlin2": [
        f"{ONE_GO}dlin2 = ga2 * inv / m * (m * dy2 - dy2.sum((0, 1)) - m / (m - 1) * hat * (dy2 * hat).sum((0, 1)))",
        f"{ONE_GO}dhat = ga2 * dy2\n"
        "dlin2 = inv * (dhat - dhat.mean((0, 1), keepdim=True) - hat * (dhat * hat).sum((0, 1), keepdim=True) / (m - 1))",
    ],
    "dW2": [
        "dW2 = flat2.flatten(0, 1).T @ dlin2.flatten(0, 1)",
        "dW2 = (flat2.transpose(1, 2) @ dlin2).sum(0)",
        "dW2 = (flat2.mT @ dlin2).sum(0)",
        "dW2 = torch.einsum('bti,bto->io', flat2, dlin2)",
    ],
    "dflat2": ["dflat2 = dlin2 @ W2.T", "dflat2 = dlin2 @ W2.mT"],
    "dh1": ["dh1 = dflat2.view(h1.shape)"],
    "dy1": ["dy1 = (1 - h1**2) * dh1"],
    "dga1": ["dga1 = (hat1 * dy1).sum((0, 1))", "dga1 = (hat1 * dy1).sum(0).sum(0)"],
    "dbe1": ["dbe1 = dy1.sum((0, 1))"],
    "dhat1": ["dhat1 = ga1 * dy1"],
    "dinv1": ["dinv1 = (diff1 * dhat1).sum((0, 1), keepdim=True)"],
    "dvar1": ["dvar1 = -0.5 * (var1 + 1e-5) ** -1.5 * dinv1"],
    "dsq1": [
        "dsq1 = torch.ones_like(sq1) * dvar1 / (n * block // 2 - 1)",
        "dsq1 = (dvar1 / (sq1.shape[0] * sq1.shape[1] - 1)).expand_as(sq1)",
    ],
    "ddiff1": ["ddiff1 = dhat1 * inv1 + 2 * diff1 * dsq1"],
    "dmean1": ["dmean1 = -ddiff1.sum((0, 1), keepdim=True)"],
    "dlin1": ["dlin1 = ddiff1 + dmean1 / (lin1.shape[0] * lin1.shape[1])", "dlin1 = ddiff1 + dmean1 / (n * block // 2)"],
    "dW1": ["dW1 = flat1.reshape(-1, W1.shape[0]).T @ dlin1.reshape(-1, W1.shape[1])", "dW1 = (flat1.mT @ dlin1).sum(0)"],
    "dflat1": ["dflat1 = dlin1 @ W1.T"],
    "demb": ["demb = dflat1.view(emb.shape)"],
    "dC": ["dC = torch.zeros_like(C).index_add_(0, Xb.flatten(), demb.view(-1, C.shape[1]))"],
}
"""Right answers by the gradient that they give."""


def stopped(line: str) -> str:
    """What is said first of a cell with this line alone, at which it stops."""
    return f"The cell for `{line.partition(' ')[0]}` stopped in line 1, `{line}`. "


T_OF_THREE = "There are three axes in `{}`: `.T` turns all of them around, and `.mT` the last two alone."
LAST_TWO = "`{}` has more than two axes: exchange the last two, and no others."
STRETCHED = "`{}` was stretched along axis 0, over `n` rows and axis 1, over {} columns, in the line of `{}`."
TIMES = "The part through `{}` is `{}` times what it should be, and the rest is right."
VARIANCE = "lin2.var((0, 1), keepdim=True)"
SIMPLE, SHORT = RIGHT["dlin2"]

WRONG: dict[str, dict[str, str]] = {
    "dW2": {
        "dW2 = flat2.T @ dlin2": stopped("dW2 = flat2.T @ dlin2") + T_OF_THREE.format("flat2.T @ dlin2"),
        "dW2 = (flat2.T @ dlin2).sum(0)": stopped("dW2 = (flat2.T @ dlin2).sum(0)") + LAST_TWO.format("flat2.T"),
        "dW2 = (flat2 @ dlin2).sum(0)": stopped("dW2 = (flat2 @ dlin2).sum(0)") + LAST_TWO.format("flat2"),
        "dW2 = torch.matmul(flat2.T, dlin2)": stopped("dW2 = torch.matmul(flat2.T, dlin2)")
        + T_OF_THREE.format("torch.matmul(flat2.T, dlin2)"),
        "dW2 = flat2.t() @ dlin2": stopped("dW2 = flat2.t() @ dlin2") + T_OF_THREE.format("flat2.t() @ dlin2"),
        "dW2 = flat2.transpose(0, 1) @ dlin2": stopped("dW2 = flat2.transpose(0, 1) @ dlin2")
        + T_OF_THREE.format("flat2.transpose(0, 1) @ dlin2"),
        "dW2 = flat2.mT @ dlin2": "`flat2.mT @ dlin2` is not summed.",
        "dW2 = (flat2.mT @ dlin2).mean(0)": "It is `1 / n` times what it should be: a mean where a sum belongs.",
    },
    "dW1": {"dW1 = flat1.T @ dlin1": stopped("dW1 = flat1.T @ dlin1") + T_OF_THREE.format("flat1.T @ dlin1")},
    "dflat2": {
        "dflat2 = dlin2 @ W2": stopped("dflat2 = dlin2 @ W2") + "`W2` has to be transposed.",
        "dflat2 = dlin2.T @ W2.T": stopped("dflat2 = dlin2.T @ W2.T") + "`dlin2` should not be transposed.",
    },
    "dlin2": {
        SIMPLE.replace("m = lin2.shape[0] * lin2.shape[1]", "m = n"): "`n` lacks a factor.",
        SIMPLE.replace("- dy2.sum((0, 1))", "- dy2.sum(0)"): "`dy2.sum(0)` leaves out an axis.",
        SIMPLE.replace("(dy2 * hat).sum((0, 1))", "(dy2 * hat).sum(0)"): "`(dy2 * hat).sum(0)` leaves out an axis.",
        SIMPLE.replace(" - m / (m - 1) * hat", " - hat"): TIMES.format(VARIANCE, "(n * 2 - 1) / m"),
        SHORT.replace("dhat.mean((0, 1)", "dhat.mean(0"): "`dhat.mean(0, keepdim=True)` leaves out an axis.",
        SHORT.replace(
            "(dhat * hat).sum((0, 1)", "(dhat * hat).sum(0"
        ): "`(dhat * hat).sum(0, keepdim=True)` leaves out an axis.",
        SHORT.replace("lin2.mean((0, 1)", "lin2.mean(0"): "`lin2.mean(0, keepdim=True)` leaves out an axis.",
        SHORT.replace("(0, 1)", "0"): "`lin2.var(0, keepdim=True)` leaves out an axis.",
        SHORT.replace("(m - 1)", "m"): TIMES.format(VARIANCE, "(n * 2 - 1) / m"),
        SHORT.replace("(m - 1)", "(n - 1)"): TIMES.format(VARIANCE, "(n * 2 - 1) / (n - 1)"),
    },
    "dga2": {
        f"{ONE_GO}dga2 = (dy2 * hat).sum(0)": f"It is summed along axis 0, but {STRETCHED.format('ga2', 2, 'y2')}",
        f"{ONE_GO}dga2 = (dy2 * hat).mean((0, 1))": "It is `1 / (n * 2)` times what it should be: a mean where a sum belongs.",
        f"{ONE_GO.replace('(0, 1)', '0')}dga2 = (dy2 * hat).sum((0, 1))": "`lin2.var(0, keepdim=True)` leaves out an axis.",
    },
    "dsq1": {
        "dsq1 = torch.ones_like(sq1) * dvar1 / (n - 1)": "It is `(n * block // 2 - 1) / (n - 1)` times what it should be.",
        "dsq1 = torch.ones_like(sq1) * dvar1 / n": "It is `(n * block // 2 - 1) / n` times what it should be.",
        "dsq1 = torch.ones_like(sq1) * dvar1 / (n * block // 2)": (
            "It is `(n * block // 2 - 1) / (n * block // 2)` times what it should be."
        ),
        "dsq1 = torch.ones_like(sq1) * dvar1": "It is `(n * block // 2 - 1)` times what it should be.",
    },
    "ddiff1": {
        "ddiff1 = dhat1 * inv1": "The path through `sq1` is missing, and the rest is right.",
        "ddiff1 = dhat1 * inv1 + diff1 * dsq1": TIMES.format("sq1", "1 / 2"),
    },
    "dmean1": {
        "dmean1 = -ddiff1.sum(0, keepdim=True)": f"It is summed along axis 0, but {STRETCHED.format('mean1', 4, 'diff1')}",
    },
    "dlin1": {
        "dlin1 = ddiff1 + dmean1 / n": TIMES.format("mean1", "4"),
        "dlin1 = ddiff1 + dmean1": TIMES.format("mean1", "(n * 4)"),
        "dlin1 = ddiff1 + dmean1 / (n - 1)": TIMES.format("mean1", "(n * 4) / (n - 1)"),
    },
    "dh1": {"dh1 = dflat2.mT.reshape(h1.shape)": "`dflat2.mT` has more than two axes, and none of them should be exchanged."},
    "dC": {
        "dC = torch.zeros_like(C)\ndC[Xb] = demb": "Where an entry is used several times, only the last contribution is kept."
    },
}
"""Wrong answers by the gradient that they should give, each with what is to be said of it."""
