"""Forward passes with a mask, and ways to write the gradients around it, right and wrong.

A mask may be a `masked_fill`, a `where`, a product, a triangle, a dropout, a relu, an index, a maximum or a padding row. In
most of them what comes in is truly zero exactly where the mask is, so the numbers of the notebook are right without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class MaskedPass:
    """A forward pass, and answers by the gradient that they give.

    `names` makes what the lines start from; `batch` is what `%%forward` takes for the minibatch. A wrong answer stands
    beside the mistake that it makes. The mistakes in `hidden` give the true numbers on every minibatch of this network.
    """

    names: str
    batch: str
    lines: str
    right: dict[str, list[str]]
    wrong: dict[str, dict[str, str]]
    hidden: tuple[tuple[str, str], ...] = field(default=())


MISSING = "the mask is missing"
INVERTED = "the mask is inverted"
SCALE = "the scale is missing"

ATTENTION = """\
n, T, d = 8, 5, 4
x = torch.randn((n, T, d), generator=g)
Wq, Wk, Wv = (torch.randn((d, d), generator=g) for _ in range(3))
scale = d**-0.5
"""
CAUSAL = ATTENTION + "mask = torch.ones(T, T).tril().bool()"
QUERIES = """\
q = x @ Wq
k = x @ Wk
v = x @ Wv
"""
HEAD = """\
mixed = att @ v
loss = (mixed**2).sum() / n"""
SOFTMAX = [
    "dmasked = att * (datt - (att * datt).sum(-1, keepdim=True))",
    "dmasked = datt * att - att * torch.einsum('nts,nts->nt', datt, att)[..., None]",
    "jacobian = torch.diag_embed(att) - att[..., :, None] * att[..., None, :]\n"
    "dmasked = (jacobian @ datt[..., None]).squeeze(-1)",
    "dmasked = (att * (datt - (att * datt).sum(-1, keepdim=True))).masked_fill(att == 0, 0.0)",
]
SQUARED = """\
b = a**2
loss = (b * w).sum() / n"""
RELU = "n = 8\nz, w = (torch.randn((n, 6), generator=g) for _ in range(2))"
RELU_RIGHT = [
    "dz = da * (z > 0)",
    "dz = torch.where(z > 0, da, 0.0)",
    "dz = da.clone()\ndz[z <= 0] = 0",
    "dz = da.masked_fill(a == 0, 0.0)",
    "dz = da * torch.heaviside(z, torch.zeros(()))",
]
RELU_WRONG = {
    MISSING: "dz = da",
    INVERTED: "dz = da * (z < 0)",
    "the line itself for its derivative": "dz = da * a",
    "the mask of what comes in": "dz = da * (da > 0)",
}
RELU_HIDDEN = (("dz", MISSING),)

PASSES = {
    "causal mask": MaskedPass(
        CAUSAL,
        "n x",
        QUERIES
        + "scores = q @ k.transpose(-2, -1) * scale\n"
        + "masked = scores.masked_fill(~mask, float('-inf'))\natt = F.softmax(masked, dim=-1)\n"
        + HEAD,
        right={
            "dscores": [
                "dscores = dmasked.masked_fill(~mask, 0.0)",
                "dscores = dmasked * mask",
                "dscores = torch.where(mask, dmasked, 0.0)",
                "dscores = dmasked.tril()",
                "dscores = dmasked.clone()\ndscores[:, ~mask] = 0",
                "dscores = dmasked\ndscores[masked == float('-inf')] = 0",
                "dscores = torch.zeros_like(scores)\nfor t in range(T):\n    dscores[:, t, : t + 1] = dmasked[:, t, : t + 1]",
            ],
            "dmasked": [*SOFTMAX, "dmasked = att * datt\ndmasked -= att * dmasked.sum(-1, keepdim=True)"],
            "dq": ["dq = dscores @ k * scale", "dq = scale * dscores.tril() @ k", "dq = (dscores * mask) @ k * scale"],
            "dk": [
                "dk = dscores.transpose(-2, -1) @ q * scale",
                "dk = torch.zeros_like(k)\nfor t in range(T):\n"
                "    dk[:, : t + 1] += scale * dscores[:, t, : t + 1, None] * q[:, t, None]",
            ],
            "datt": ["datt = dmixed @ v.transpose(-2, -1)"],
            "dv": ["dv = att.transpose(-2, -1) @ dmixed", "dv = att.tril().mT @ dmixed"],
        },
        wrong={
            "dscores": {
                MISSING: "dscores = dmasked",
                INVERTED: "dscores = dmasked * ~mask",
                "the mask is transposed": "dscores = dmasked * mask.T",
                "the diagonal is masked too": "dscores = dmasked.tril(-1)",
                "one entry too few": "dscores = dmasked.tril(1)",
                "minus infinity": "dscores = dmasked.masked_fill(~mask, float('-inf'))",
            },
            "dmasked": {
                "the sum is missing": "dmasked = att * datt",
                "not a number": "dmasked = datt * att * masked / masked.abs() * 0 * masked",
            },
            "dq": {SCALE: "dq = dscores @ k"},
            "datt": {"a mask too many": "datt = (dmixed @ v.transpose(-2, -1)).tril()"},
        },
        hidden=(("dscores", MISSING), ("dscores", "one entry too few")),
    ),
    "causal mask, softmax in steps": MaskedPass(
        CAUSAL,
        "n x",
        QUERIES
        + "scores = q @ k.transpose(-2, -1) * scale\n"
        + "masked = scores.masked_fill(mask == 0, float('-inf'))\nmaxes = masked.max(-1, keepdim=True).values\n"
        + "shifted = masked - maxes\ncounts = shifted.exp()\ntotals = counts.sum(-1, keepdim=True)\natt = counts / totals\n"
        + HEAD,
        right={
            "dscores": ["dscores = dmasked * mask", "dscores = torch.where(mask, dmasked, torch.zeros(1))"],
            "dmasked": [
                "dmasked = dshifted + F.one_hot(masked.argmax(-1), T) * dmaxes",
                "dmasked = dshifted.clone()\ndmasked.scatter_add_(-1, masked.argmax(-1, keepdim=True), dmaxes)",
                "dmasked = dshifted.tril() + (masked == maxes) * dmaxes",
            ],
            "dmaxes": ["dmaxes = -dshifted.sum(-1, keepdim=True)", "dmaxes = -dshifted.tril().sum(-1, keepdim=True)"],
            "dshifted": ["dshifted = counts * dcounts", "dshifted = shifted.exp() * dcounts"],
            "dcounts": ["dcounts = datt / totals + dtotals"],
        },
        wrong={
            "dscores": {MISSING: "dscores = dmasked", INVERTED: "dscores = dmasked * (mask == 0)"},
            "dmasked": {"the path through the maximum is missing": "dmasked = dshifted"},
            "dshifted": {"the derivative is missing": "dshifted = dcounts"},
        },
        hidden=(("dscores", MISSING),),
    ),
    "causal mask and scores on one line, last position only": MaskedPass(
        CAUSAL,
        "n x",
        QUERIES
        + "masked = (q @ k.transpose(-2, -1)).masked_fill(~mask, -1e9) * scale\natt = masked.softmax(-1)\nmixed = att @ v\n"
        + "last = mixed[:, -1]\nloss = (last**2).sum() / n",
        right={
            "dq": ["dq = dmasked.masked_fill(~mask, 0) @ k * scale", "dq = (dmasked * scale).tril() @ k"],
            "dk": ["dk = dmasked.tril().transpose(-2, -1) @ q * scale"],
            "dmasked": SOFTMAX,
            "datt": [
                "datt = dmixed @ v.transpose(-2, -1)",
                "datt = torch.zeros_like(att)\ndatt[:, -1] = torch.einsum('nd,nsd->ns', dmixed[:, -1], v)",
            ],
            "dmixed": ["dmixed = torch.zeros_like(mixed)\ndmixed[:, -1] = dlast"],
        },
        wrong={
            "dq": {MISSING: "dq = dmasked @ k * scale", INVERTED: "dq = dmasked.triu(1) @ k * scale"},
            "dk": {MISSING: "dk = dmasked.transpose(-2, -1) @ q * scale", SCALE: "dk = dmasked.tril().mT @ q"},
            "dmixed": {"every position": "dmixed = dlast[:, None].expand_as(mixed)"},
        },
        hidden=(("dq", MISSING), ("dk", MISSING)),
    ),
    "padding mask": MaskedPass(
        ATTENTION + "length = torch.randint(2, T + 1, (n,), generator=g)\npadding = torch.arange(T) >= length[:, None]",
        "n x padding",
        QUERIES
        + "scores = q @ k.transpose(-2, -1) * scale\n"
        + "masked = scores.masked_fill(padding[:, None, :], float('-inf'))\natt = F.softmax(masked, dim=-1)\n"
        + HEAD,
        right={
            "dscores": [
                "dscores = dmasked.masked_fill(padding[:, None, :], 0.0)",
                "dscores = dmasked * ~padding[:, None]",
                "dscores = dmasked * (1 - padding.float()).unsqueeze(1)",
                "dscores = torch.stack([dmasked[i] * ~padding[i] for i in range(n)])",
            ],
            "dmasked": SOFTMAX,
        },
        wrong={
            "dscores": {
                MISSING: "dscores = dmasked",
                INVERTED: "dscores = dmasked * padding[:, None]",
                "the rows for the columns": "dscores = dmasked * ~padding[:, :, None]",
            },
        },
        hidden=(("dscores", MISSING),),
    ),
    "torch.where": MaskedPass(
        CAUSAL,
        "n x",
        QUERIES
        + "scores = q @ k.transpose(-2, -1) * scale\n"
        + "masked = torch.where(mask, scores, -1e9)\natt = F.softmax(masked, dim=-1)\n"
        + HEAD,
        right={
            "dscores": ["dscores = torch.where(mask, dmasked, 0.0)", "dscores = mask * dmasked", "dscores = dmasked.tril()"],
            "dmasked": SOFTMAX,
        },
        wrong={
            "dscores": {
                MISSING: "dscores = dmasked",
                INVERTED: "dscores = torch.where(mask, 0.0, dmasked)",
                "the filling too": "dscores = torch.where(mask, dmasked, -1e9)",
            },
        },
        hidden=(("dscores", MISSING),),
    ),
    "a mask that is added": MaskedPass(
        CAUSAL + "\nbias = torch.zeros(T, T).masked_fill(~mask, float('-inf'))",
        "n x",
        QUERIES + "scores = q @ k.transpose(-2, -1) * scale\nmasked = scores + bias\natt = F.softmax(masked, dim=-1)\n" + HEAD,
        right={"dscores": ["dscores = dmasked", "dscores = dmasked.clone().tril()", "dscores = dmasked * mask"]},
        wrong={"dscores": {INVERTED: "dscores = dmasked * ~mask", "the bias is a factor": "dscores = dmasked * bias"}},
    ),
    "product with a mask": MaskedPass(
        "n, T, d = 8, 5, 4\nx = torch.randn((n, T, d), generator=g)\nW = torch.randn((d, d), generator=g)\n"
        "real = (torch.rand((n, T, 1), generator=g) > 0.4).float()\nreal[:, 0] = 1",
        "n x real",
        "h = torch.tanh(x @ W)\nkept = h * real\ntotal = (kept * real).sum(1)\nmean = total / real.sum(1)\n"
        "loss = (mean**2).sum() / n",
        right={
            "dh": [
                "dh = dkept * real",
                "dh = torch.where(real == 1, dkept, 0.0)",
                "dh = torch.einsum('ntd,nti->ntd', dkept, real)",
            ],
            "dkept": ["dkept = dtotal[:, None] * real", "dkept = dtotal.unsqueeze(1).expand_as(kept) * real"],
        },
        wrong={
            "dh": {
                MISSING: "dh = dkept",
                INVERTED: "dh = dkept * (1 - real)",
                "summed": "dh = dkept * real.sum(1, keepdim=True)",
            },
            "dkept": {MISSING: "dkept = dtotal[:, None].expand_as(kept)", INVERTED: "dkept = dtotal[:, None] * (1 - real)"},
        },
        hidden=(("dh", MISSING),),
    ),
    "dropout": MaskedPass(
        "n = 8\nx = torch.randn((n, 6), generator=g)\nW = torch.randn((6, 6), generator=g)\np = 0.8\n"
        "keep = (torch.rand((n, 6), generator=g) < p).float()",
        "n x keep",
        "h = x @ W\ndropped = h * keep / p\nenergy = dropped**2\nloss = energy.sum() / n",
        right={
            "dh": [
                "dh = ddropped * keep / p",
                "dh = (ddropped / p).masked_fill(keep == 0, 0.0)",
                "dh = torch.where(keep.bool(), ddropped / p, 0.0)",
                "dh = 1 / p * ddropped * keep",
            ],
            "ddropped": ["ddropped = 2 * dropped * denergy"],
        },
        wrong={
            "dh": {
                MISSING: "dh = ddropped / p",
                INVERTED: "dh = ddropped * (1 - keep) / p",
                SCALE: "dh = ddropped * keep",
                "the scale is inverted": "dh = ddropped * keep * p",
                "all of it is missing": "dh = ddropped",
            },
        },
        hidden=(("dh", MISSING),),
    ),
    "relu by clamp": MaskedPass(
        RELU, "n z w", f"a = z.clamp(min=0)\n{SQUARED}", {"dz": RELU_RIGHT}, {"dz": RELU_WRONG}, RELU_HIDDEN
    ),
    "relu by maximum": MaskedPass(
        RELU + "\nzero = torch.zeros(())",
        "n z w",
        f"a = torch.maximum(z, zero)\n{SQUARED}",
        {"dz": RELU_RIGHT},
        {"dz": RELU_WRONG},
        RELU_HIDDEN,
    ),
    "relu by a product": MaskedPass(
        RELU, "n z w", f"a = z * (z > 0)\n{SQUARED}", {"dz": RELU_RIGHT}, {"dz": RELU_WRONG}, RELU_HIDDEN
    ),
    "relu by its name": MaskedPass(
        RELU, "n z w", f"a = F.relu(z)\n{SQUARED}", {"dz": RELU_RIGHT}, {"dz": RELU_WRONG}, RELU_HIDDEN
    ),
    "clamp on both sides": MaskedPass(
        "n = 8\nz, w = (1.5 * torch.randn((n, 6), generator=g) for _ in range(2))",
        "n z w",
        "a = z.clamp(-1, 1)\nb = (1 - a.abs()) ** 2\nloss = (b * w).sum() / n",
        right={
            "dz": ["dz = da * (z.abs() < 1)", "dz = da * ((z > -1) & (z < 1))", "dz = torch.where(a == z, da, 0.0)"],
            "da": ["da = -2 * (1 - a.abs()) * a.sign() * db"],
        },
        wrong={"dz": {MISSING: "dz = da", INVERTED: "dz = da * (z.abs() > 1)", "one side only": "dz = da * (z < 1)"}},
        hidden=(("dz", MISSING), ("dz", "one side only")),
    ),
    "triangle": MaskedPass(
        "n, T, d = 8, 5, 4\nx = torch.randn((n, T, d), generator=g)\nraw = torch.randn((T, T), generator=g)",
        "n x",
        "lower = torch.tril(raw)\nmasked = lower.masked_fill(lower == 0, float('-inf'))\natt = masked.softmax(-1)\n"
        "mixed = att @ x\nloss = (mixed**2).sum() / n",
        right={
            "draw": [
                "draw = dlower.tril()",
                "draw = dlower * torch.ones(T, T).tril()",
                "draw = dlower.masked_fill(lower == 0, 0)",
            ],
            "dlower": ["dlower = dmasked.tril()", "dlower = torch.where(lower == 0, 0.0, dmasked)"],
            "dmasked": ["dmasked = att * (datt - (att * datt).sum(-1, keepdim=True))"],
        },
        wrong={
            "draw": {MISSING: "draw = dlower", INVERTED: "draw = dlower.triu()", "the diagonal too": "draw = dlower.tril(-1)"},
            "dlower": {MISSING: "dlower = dmasked", INVERTED: "dlower = dmasked * (lower == 0)"},
        },
        hidden=(("draw", MISSING), ("dlower", MISSING)),
    ),
    "triangle inside of a matrix product": MaskedPass(
        "n, T, d = 8, 5, 4\nx = torch.randn((n, T, d), generator=g)\nraw = torch.randn((T, T), generator=g)",
        "n x",
        "mixed = raw.tril() @ x\nloss = (mixed**2).sum() / n",
        right={
            "draw": [
                "draw = torch.einsum('ntd,nsd->ts', dmixed, x).tril()",
                "draw = (dmixed @ x.mT).sum(0) * torch.ones(T, T).tril()",
                "draw = torch.zeros_like(raw)\nfor t in range(T):\n"
                "    draw[t, : t + 1] = (dmixed[:, t, None] * x[:, : t + 1]).sum((0, 2))",
            ],
        },
        wrong={
            "draw": {
                MISSING: "draw = (dmixed @ x.mT).sum(0)",
                INVERTED: "draw = (dmixed @ x.mT).sum(0).triu(1)",
                "the batch is not summed": "draw = (dmixed @ x.mT).mean(0).tril()",
            },
        },
    ),
    "index": MaskedPass(
        "n, T, d = 8, 5, 4\nx = torch.randn((n, T, d), generator=g)\nW = torch.randn((d, d), generator=g)\n"
        "last = torch.randint(0, T, (n,), generator=g)\nkeep = torch.tensor([0, 2, 3])",
        "n x last",
        "h = torch.tanh(x @ W)\nsome = h[:, keep]\nfinal = h[range(n), last]\nloss = ((some**2).sum() + (final**3).sum()) / n",
        right={
            "dh": [
                "dh = torch.zeros_like(h)\ndh[:, keep] = dsome\ndh[range(n), last] += dfinal",
                "dh = torch.zeros_like(h).index_add_(1, keep, dsome)\ndh += F.one_hot(last, T)[..., None] * dfinal[:, None]",
                "dh = torch.zeros_like(h).index_put_((torch.arange(n), last), dfinal)\nfor i, t in enumerate(keep):\n"
                "    dh[:, t] += dsome[:, i]",
            ],
        },
        wrong={
            "dh": {
                MISSING: "dh = torch.zeros_like(h)\ndh[:, keep] = dsome\ndh = dh + dfinal[:, None]",
                INVERTED: "dh = torch.zeros_like(h)\ndh[:, keep] = dsome\n"
                "dh += (F.one_hot(last, T)[..., None] == 0) * dfinal[:, None]",
                "the last write wins": "dh = torch.zeros_like(h)\ndh[:, keep] = dsome\ndh[range(n), last] = dfinal",
                "the last of all positions": "dh = torch.zeros_like(h)\ndh[:, keep] = dsome\ndh[:, -1] += dfinal",
            },
        },
    ),
    "max-pool": MaskedPass(
        "n = 8\nx = torch.randn((n, 6, 3), generator=g)\nW = torch.randn((3, 3), generator=g)",
        "n x",
        "z = x @ W\na = z.clamp(min=0)\npooled = a.view(n, 2, 3, 3).amax(2)\nloss = (pooled**2).sum() / n",
        right={
            "da": [
                "windows = a.view(n, 2, 3, 3)\nequal = (windows == pooled[:, :, None]).float()\n"
                "da = (equal / equal.sum(2, keepdim=True) * dpooled[:, :, None]).view(a.shape)",
            ],
            "dz": ["dz = da * (z > 0)", "dz = torch.where(z > 0, da, 0)"],
        },
        wrong={
            "da": {
                MISSING: "da = dpooled.repeat_interleave(3, 1)",
                INVERTED: "windows = a.view(n, 2, 3, 3)\n"
                "da = ((windows != pooled[:, :, None]) * dpooled[:, :, None]).view(a.shape)",
            },
            "dz": {MISSING: "dz = da", INVERTED: "dz = da * (z < 0)"},
        },
        hidden=(("dz", MISSING),),
    ),
    "padding row of an embedding": MaskedPass(
        "n, T, d = 8, 5, 4\nX = torch.randint(0, 6, (n, T), generator=g)\nX[:, 0] = 1\nC = torch.randn((6, d), generator=g)\n"
        "W = torch.randn((d, d), generator=g)\nreal = (X != 0).float()[..., None]",
        "n X real",
        "emb = F.embedding(X, C, padding_idx=0)\nh = torch.tanh(emb @ W)\nkept = h * real\nloss = (kept**2).sum() / n",
        right={
            "dC": [
                "dC = torch.zeros_like(C).index_add_(0, X.flatten(), demb.view(-1, C.shape[1]))\ndC[0] = 0",
                "dC = torch.zeros_like(C).index_put_((X,), demb * real, accumulate=True)",
                "dC = F.one_hot(X, len(C)).float().flatten(0, 1).T @ demb.flatten(0, 1)\n"
                "dC = dC * (torch.arange(len(C)) > 0)[:, None]",
                "dC = torch.zeros_like(C)\nfor i in range(n):\n    for t in range(T):\n        if X[i, t] != 0:\n"
                "            dC[X[i, t]] += demb[i, t]",
            ],
            "dh": ["dh = dkept * real"],
        },
        wrong={
            "dC": {
                MISSING: "dC = torch.zeros_like(C).index_add_(0, X.flatten(), demb.view(-1, C.shape[1]))",
                INVERTED: "dC = torch.zeros_like(C).index_put_((X,), demb * (1 - real), accumulate=True)",
                "the last write wins": "dC = torch.zeros_like(C)\ndC[X] = demb\ndC[0] = 0",
            },
            "dh": {MISSING: "dh = dkept", INVERTED: "dh = dkept * (1 - real)"},
        },
        hidden=(("dC", MISSING), ("dh", MISSING)),
    ),
    "labels, of which some do not count": MaskedPass(
        "n, d = 8, 5\nx = torch.randn((n, 6), generator=g)\nW = torch.randn((6, d), generator=g)\n"
        "Y = torch.randint(0, d, (n,), generator=g)\nreal = (torch.arange(n) % 4 > 0).float()",
        "n x Y real",
        "logits = x @ W\ncounts = logits.exp()\ntotals = counts.sum(1, keepdim=True)\nprobs = counts / totals\n"
        "logprobs = probs.log()\npicked = logprobs[range(n), Y]\ncounted = picked * real\nloss = -(counted * real).sum() / n",
        right={
            "dpicked": ["dpicked = dcounted * real", "dpicked = torch.where(real > 0, dcounted, 0.0)"],
            "dlogprobs": [
                "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Y] = dpicked",
                "dlogprobs = F.one_hot(Y, d) * dpicked[:, None]",
                "rows = real.bool()\ndlogprobs = torch.zeros_like(logprobs)\n"
                "dlogprobs[torch.arange(n)[rows], Y[rows]] = dpicked[rows]",
            ],
            "dprobs": [
                "dprobs = dlogprobs / probs",
                "dprobs = torch.zeros_like(probs)\ndprobs[range(n), Y] = dlogprobs[range(n), Y] / probs[range(n), Y]",
                "dprobs = real[:, None] * dlogprobs / probs",
            ],
            "dtotals": [
                "dtotals = -(dprobs * counts).sum(1, keepdim=True) / totals**2",
                "dtotals = -(dprobs[range(n), Y] * probs[range(n), Y])[:, None] / totals",
            ],
        },
        wrong={
            "dpicked": {MISSING: "dpicked = dcounted", INVERTED: "dpicked = dcounted * (1 - real)"},
            "dlogprobs": {MISSING: "dlogprobs = dpicked[:, None].expand_as(logprobs)"},
            "dprobs": {"times for divided by": "dprobs = dlogprobs * probs"},
        },
        hidden=(("dpicked", MISSING),),
    ),
}
