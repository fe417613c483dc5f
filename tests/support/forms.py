"""Ways in which people write the gradients, right and wrong: the ground that the judge is tried on.

Each right form is a whole cell. Each wrong form comes with the mistake that it makes.
"""

RIGHT = {
    "dlogprobs": [
        "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0 / n",
        "dlogprobs = -F.one_hot(Yb, num_classes=logprobs.shape[1]).float() / n",
        "dlogprobs = torch.zeros(n, vocab_size).scatter_(1, Yb.view(-1, 1), -1 / n)",
        "dlogprobs = -(torch.arange(logprobs.shape[1]) == Yb[:, None]).float() * n**-1",
    ],
    "dprobs": [
        "dprobs = (1.0 / probs) * dlogprobs",
        "dprobs = dlogprobs / probs",
        "dprobs = probs**-1 * dlogprobs",
        "dprobs = torch.zeros_like(probs)\nrows = torch.arange(n)\ndprobs[rows, Yb] = dlogprobs[rows, Yb] / probs[rows, Yb]",
    ],
    "dcounts_sum_inv": [
        "dcounts_sum_inv = (counts * dprobs).sum(1, keepdim=True)",
        "dcounts_sum_inv = torch.einsum('ij,ij->i', counts, dprobs).unsqueeze(1)",
        "dcounts_sum_inv = counts[range(n), Yb].view(-1, 1) * dprobs[range(n), Yb].view(-1, 1)",
    ],
    "dcounts_sum": [
        "dcounts_sum = (-counts_sum**-2) * dcounts_sum_inv",
        "dcounts_sum = -dcounts_sum_inv / counts_sum**2",
        "dcounts_sum = -counts_sum_inv**2 * dcounts_sum_inv",
    ],
    "dcounts": [
        "dcounts = counts_sum_inv * dprobs\ndcounts += torch.ones_like(counts) * dcounts_sum",
        "dcounts = counts_sum_inv * dprobs + dcounts_sum",
        "dcounts = dcounts_sum.expand_as(counts).clone()\ndcounts.addcmul_(counts_sum_inv.expand_as(counts), dprobs)",
    ],
    "dnorm_logits": [
        "dnorm_logits = counts * dcounts",
        "dnorm_logits = norm_logits.exp() * dcounts",
        "dnorm_logits = torch.mul(dcounts, torch.exp(logits - logit_maxes))",
    ],
    "dlogit_maxes": [
        "dlogit_maxes = (-dnorm_logits).sum(1, keepdim=True)",
        "dlogit_maxes = -dnorm_logits.sum(dim=1).view(-1, 1)",
        "dlogit_maxes = -(dnorm_logits @ torch.ones(dnorm_logits.shape[1], 1))",
    ],
    "dlogits": [
        "dlogits = dnorm_logits.clone()\ndlogits += F.one_hot(logits.max(1).indices, num_classes=logits.shape[1]) * dlogit_maxes",
        "dlogits = dnorm_logits + (logits == logit_maxes).float() * dlogit_maxes",
        "dlogits = dnorm_logits.clone()\ndlogits[range(n), logits.argmax(1)] += dlogit_maxes.squeeze(1)",
        "mask = torch.zeros_like(logits)\nmask[range(n), logits.max(1).indices] = 1.0\ndlogits = dnorm_logits + mask * dlogit_maxes",
        "dlogits = dnorm_logits.scatter_add(1, logits.argmax(1, keepdim=True), dlogit_maxes)",
    ],
    "dh": [
        "dh = dlogits @ W2.T",
        "dh = torch.einsum('ij,kj->ik', dlogits, W2)",
        "dh = (W2 @ dlogits.t()).t()",
    ],
    "dW2": [
        "dW2 = h.T @ dlogits",
        "dW2 = torch.einsum('ni,nj->ij', h, dlogits)",
        "dW2 = torch.zeros_like(W2)\nfor i in range(n):\n    dW2 += torch.outer(h[i], dlogits[i])",
    ],
    "db2": [
        "db2 = dlogits.sum(0)",
        "db2 = torch.ones(n) @ dlogits",
        "db2 = dlogits.sum(0, keepdim=True).squeeze(0)",
    ],
    "dhpreact": [
        "dhpreact = (1.0 - h**2) * dh",
        "dhpreact = dh - dh * torch.tanh(hpreact) ** 2",
        "dhpreact = dh / torch.cosh(hpreact) ** 2",
    ],
    "dbngain": [
        "dbngain = (bnraw * dhpreact).sum(0, keepdim=True)",
        "dbngain = torch.einsum('ij,ij->j', bnraw, dhpreact)[None]",
        "dbngain = (dhpreact * bnraw).sum(axis=0).reshape(bngain.shape)",
    ],
    "dbnbias": [
        "dbnbias = dhpreact.sum(0, keepdim=True)",
        "dbnbias = torch.ones(1, n) @ dhpreact",
        "dbnbias = dhpreact.sum(0)[None, :]",
    ],
    "dbnraw": [
        "dbnraw = bngain * dhpreact",
        "dbnraw = dhpreact * bngain.expand_as(dhpreact)",
        "dbnraw = dhpreact @ torch.diag(bngain[0])",
    ],
    "dbnvar_inv": [
        "dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)",
        "dbnvar_inv = (dbnraw * bndiff).sum(0).view(1, -1)",
        "dbnvar_inv = torch.diagonal(bndiff.T @ dbnraw).unsqueeze(0)",
    ],
    "dbnvar": [
        "dbnvar = (-0.5 * (bnvar + 1e-5) ** -1.5) * dbnvar_inv",
        "dbnvar = -0.5 * bnvar_inv**3 * dbnvar_inv",
        "dbnvar = -dbnvar_inv / (2 * (bnvar + 1e-5) * torch.sqrt(bnvar + 1e-5))",
    ],
    "dbndiff2": [
        "dbndiff2 = (1.0 / (n - 1)) * torch.ones_like(bndiff2) * dbnvar",
        "dbndiff2 = (dbnvar / (n - 1)).expand(n, -1)",
        "dbndiff2 = (dbnvar / (n - 1)).repeat(len(bndiff2), 1)",
    ],
    "dbndiff": [
        "dbndiff = bnvar_inv * dbnraw\ndbndiff += 2 * bndiff * dbndiff2",
        "dbndiff = bnvar_inv * dbnraw + (2 * bndiff) * dbndiff2",
        "first = dbnraw * bnvar_inv\nsecond = dbndiff2 * bndiff\ndbndiff = first + second + second",
    ],
    "dbnmeani": [
        "dbnmeani = (-dbndiff).sum(0, keepdim=True)",
        "dbnmeani = -dbndiff.sum(0)[None]",
        "dbnmeani = -(torch.ones(1, n) @ dbndiff)",
    ],
    "dhprebn": [
        "dhprebn = dbndiff.clone()\ndhprebn += 1.0 / n * (torch.ones_like(hprebn) * dbnmeani)",
        "dhprebn = dbndiff + dbnmeani / n",
        "dhprebn = dbndiff\ndhprebn += dbnmeani / n",
        "dhprebn = torch.add(dbndiff, dbnmeani.repeat(n, 1), alpha=1 / n)",
    ],
    "dembcat": [
        "dembcat = dhprebn @ W1.T",
        "dembcat = torch.einsum('ij,kj->ik', dhprebn, W1)",
        "dembcat = (dhprebn[:, None, :] * W1[None]).sum(2)",
    ],
    "dW1": [
        "dW1 = embcat.T @ dhprebn",
        "dW1 = torch.einsum('ni,nj->ij', embcat, dhprebn)",
        "dW1 = (embcat[:, :, None] * dhprebn[:, None, :]).sum(0)",
    ],
    "db1": [
        "db1 = dhprebn.sum(0)",
        "db1 = torch.ones(n) @ dhprebn",
        "db1 = dhprebn.mean(0) * n",
    ],
    "demb": [
        "demb = dembcat.view(emb.shape)",
        "demb = dembcat.reshape(n, -1, C.shape[1])",
        "demb = torch.stack(dembcat.split(emb.shape[2], dim=1), dim=1)",
    ],
    "dC": [
        "dC = torch.zeros_like(C)\nfor k in range(Xb.shape[0]):\n    for j in range(Xb.shape[1]):\n        ix = Xb[k, j]\n        dC[ix] += demb[k, j]",
        "dC = torch.zeros_like(C).index_add_(0, Xb.flatten(), demb.view(-1, C.shape[1]))",
        "dC = torch.zeros_like(C)\ndC.index_put_((Xb,), demb, accumulate=True)",
        "dC = F.one_hot(Xb.view(-1), C.shape[0]).float().T @ demb.view(-1, C.shape[1])",
        "dC = torch.einsum('btv,bte->ve', F.one_hot(Xb, num_classes=C.shape[0]).float(), demb)",
        "dC = torch.stack([demb[Xb == letter].sum(0) for letter in range(C.shape[0])])",
        "index = Xb.reshape(-1, 1).expand(-1, C.shape[1])\ndC = torch.zeros_like(C).scatter_add_(0, index, demb.reshape(-1, C.shape[1]))",
    ],
}

WRONG = {
    "dlogprobs": [
        ("sign", "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = 1.0 / n"),
        ("lost 1/n", "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0"),
        ("hard-coded 32", "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0 / 32"),
        ("every entry instead of the labels", "dlogprobs = -torch.ones_like(logprobs) / n"),
        ("whole columns instead of entries", "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[:, Yb] = -1.0 / n"),
        ("divided by all entries", "dlogprobs = -F.one_hot(Yb, 27).float() / logprobs.numel()"),
    ],
    "dprobs": [
        ("no incoming gradient", "dprobs = 1.0 / probs"),
        (
            "a number for the incoming gradient",
            "dprobs = torch.zeros_like(probs)\ndprobs[range(n), Yb] = -1.0 / n / probs[range(n), Yb]",
        ),
        ("times for divided by", "dprobs = probs * dlogprobs"),
        ("the value for the gradient", "dprobs = logprobs / probs"),
    ],
    "dcounts_sum_inv": [
        ("not summed", "dcounts_sum_inv = counts * dprobs"),
        ("summed over the wrong axis", "dcounts_sum_inv = (counts * dprobs).sum(0, keepdim=True)"),
        ("shape (32,)", "dcounts_sum_inv = (counts * dprobs).sum(1)"),
        ("mean for sum", "dcounts_sum_inv = (counts * dprobs).mean(1, keepdim=True)"),
        ("sum of one factor", "dcounts_sum_inv = counts.sum(1, keepdim=True) * dprobs.sum(1, keepdim=True)"),
        ("zeros", "dcounts_sum_inv = torch.zeros_like(counts_sum_inv)"),
    ],
    "dcounts_sum": [
        ("sign", "dcounts_sum = counts_sum**-2 * dcounts_sum_inv"),
        ("power rule", "dcounts_sum = -counts_sum**-1 * dcounts_sum_inv"),
        ("no incoming gradient", "dcounts_sum = -counts_sum**-2"),
    ],
    "dcounts": [
        ("second consumer missing", "dcounts = counts_sum_inv * dprobs"),
        ("first consumer missing", "dcounts = torch.ones_like(counts) * dcounts_sum"),
        ("last write wins", "dcounts = counts_sum_inv * dprobs\ndcounts = torch.ones_like(counts) * dcounts_sum"),
        ("times the input instead of ones", "dcounts = counts_sum_inv * dprobs + counts * dcounts_sum"),
    ],
    "dnorm_logits": [
        ("passed through", "dnorm_logits = dcounts.clone()"),
        ("the input for its exponential", "dnorm_logits = norm_logits * dcounts"),
        ("no incoming gradient", "dnorm_logits = counts"),
        ("exponential of the unshifted", "dnorm_logits = logits.exp() * dcounts"),
    ],
    "dlogit_maxes": [
        ("literal zeros", "dlogit_maxes = torch.zeros_like(logit_maxes)"),
        ("sign", "dlogit_maxes = dnorm_logits.sum(1, keepdim=True)"),
        ("mean for sum", "dlogit_maxes = -dnorm_logits.mean(1, keepdim=True)"),
        ("summed over the wrong axis", "dlogit_maxes = -dnorm_logits.sum(0, keepdim=True)"),
        ("shape (32,)", "dlogit_maxes = -dnorm_logits.sum(1)"),
    ],
    "dlogits": [
        ("max branch missing", "dlogits = dnorm_logits.clone()"),
        ("mask of the labels", "dlogits = dnorm_logits + F.one_hot(Yb, 27) * dlogit_maxes"),
        ("max branch everywhere", "dlogits = dnorm_logits + dlogit_maxes"),
        ("sign of the max branch", "dlogits = dnorm_logits - F.one_hot(logits.max(1).indices, 27) * dlogit_maxes"),
        ("maximum over the wrong axis", "dlogits = dnorm_logits + (logits == logits.max(0).values).float() * dlogit_maxes"),
    ],
    "dh": [
        ("untransposed", "dh = W2 @ dlogits.T"),
        ("no incoming gradient", "dh = torch.ones_like(dlogits) @ W2.T"),
        ("mean over the characters", "dh = dlogits @ W2.T / vocab_size"),
    ],
    "dW2": [
        ("transposed", "dW2 = dlogits.T @ h"),
        ("mean over the batch", "dW2 = h.T @ dlogits / n"),
        ("the preactivation for h", "dW2 = hpreact.T @ dlogits"),
        ("one row only", "dW2 = torch.outer(h[0], dlogits[0])"),
    ],
    "db2": [
        ("shape (1, 27)", "db2 = dlogits.sum(0, keepdim=True)"),
        ("mean for sum", "db2 = dlogits.mean(0)"),
        ("summed over the wrong axis", "db2 = dlogits.sum(1)"),
        ("not summed", "db2 = dlogits.clone()"),
    ],
    "dhpreact": [
        ("square of the input", "dhpreact = (1.0 - hpreact**2) * dh"),
        ("no square", "dhpreact = (1.0 - h) * dh"),
        ("no incoming gradient", "dhpreact = 1.0 - h**2"),
        ("derivative of the logistic function", "dhpreact = h * (1.0 - h) * dh"),
    ],
    "dbngain": [
        ("shape (64,)", "dbngain = (bnraw * dhpreact).sum(0)"),
        ("not summed", "dbngain = bnraw * dhpreact"),
        ("mean for sum", "dbngain = (bnraw * dhpreact).mean(0, keepdim=True)"),
        ("sum of one factor", "dbngain = bnraw.sum(0, keepdim=True) * dhpreact.sum(0, keepdim=True)"),
    ],
    "dbnbias": [
        ("shape (64,)", "dbnbias = dhpreact.sum(0)"),
        ("summed too much", "dbnbias = dhpreact.sum().expand(1, 64)"),
        ("mean for sum", "dbnbias = dhpreact.mean(0, keepdim=True)"),
    ],
    "dbnraw": [
        ("the bias for the gain", "dbnraw = bnbias * dhpreact"),
        ("passed through", "dbnraw = dhpreact.clone()"),
        ("mean over the batch", "dbnraw = bngain * dhpreact / n"),
    ],
    "dbnvar_inv": [
        ("shape (64,)", "dbnvar_inv = (bndiff * dbnraw).sum(0)"),
        ("not summed", "dbnvar_inv = bndiff * dbnraw"),
        ("the wrong tensor", "dbnvar_inv = (bnraw * dbnraw).sum(0, keepdim=True)"),
    ],
    "dbnvar": [
        ("power rule", "dbnvar = -0.5 * (bnvar + 1e-5) ** -0.5 * dbnvar_inv"),
        ("1e-5 missing", "dbnvar = -0.5 * bnvar**-1.5 * dbnvar_inv"),
        ("sign", "dbnvar = 0.5 * (bnvar + 1e-5) ** -1.5 * dbnvar_inv"),
    ],
    "dbndiff2": [
        ("n for n-1", "dbndiff2 = torch.ones_like(bndiff2) / n * dbnvar"),
        ("shape (1, 64)", "dbndiff2 = dbnvar / (n - 1)"),
        ("hard-coded 32", "dbndiff2 = torch.ones_like(bndiff2) / (32 - 1) * dbnvar"),
        ("lost 1/(n-1)", "dbndiff2 = torch.ones_like(bndiff2) * dbnvar"),
        ("times the input instead of ones", "dbndiff2 = bndiff2 / (n - 1) * dbnvar"),
    ],
    "dbndiff": [
        ("second consumer missing", "dbndiff = bnvar_inv * dbnraw"),
        ("first consumer missing", "dbndiff = 2 * bndiff * dbndiff2"),
        ("factor 2 missing", "dbndiff = bnvar_inv * dbnraw + bndiff * dbndiff2"),
        ("last write wins", "dbndiff = bnvar_inv * dbnraw\ndbndiff = 2 * bndiff * dbndiff2"),
    ],
    "dbnmeani": [
        ("shape (64,)", "dbnmeani = -dbndiff.sum(0)"),
        ("sign", "dbnmeani = dbndiff.sum(0, keepdim=True)"),
        ("mean for sum", "dbnmeani = -dbndiff.mean(0, keepdim=True)"),
        ("literal zeros", "dbnmeani = torch.zeros_like(bnmeani)"),
    ],
    "dhprebn": [
        ("second consumer missing", "dhprebn = dbndiff.clone()"),
        ("lost 1/n", "dhprebn = dbndiff + dbnmeani"),
        ("n-1 for n", "dhprebn = dbndiff + dbnmeani / (n - 1)"),
        ("hard-coded 32", "dhprebn = dbndiff + dbnmeani / 32"),
        ("times the input instead of ones", "dhprebn = dbndiff + hprebn / n * dbnmeani"),
    ],
    "dembcat": [
        ("untransposed", "dembcat = W1 @ dhprebn.T"),
        ("the gradient of another layer", "dembcat = dhpreact @ W1.T"),
        ("mean over the units", "dembcat = dhprebn @ W1.T / hprebn.shape[1]"),
    ],
    "dW1": [
        ("transposed", "dW1 = dhprebn.T @ embcat"),
        ("mean over the batch", "dW1 = embcat.T @ dhprebn / n"),
        ("the gradient of another layer", "dW1 = embcat.T @ dhpreact"),
    ],
    "db1": [
        ("literal zeros", "db1 = torch.zeros_like(b1)"),
        ("mean for sum", "db1 = dhprebn.mean(0)"),
        ("shape (1, 64)", "db1 = dhprebn.sum(0, keepdim=True)"),
        ("the gradient of another layer", "db1 = dhpreact.sum(0)"),
    ],
    "demb": [
        ("not reshaped", "demb = dembcat"),
        ("wrong order of axes", "demb = dembcat.view(n, C.shape[1], -1).transpose(1, 2)"),
        ("hard-coded 32", "demb = dembcat.view(32, 3, 10)"),
    ],
    "dC": [
        ("last write wins", "dC = torch.zeros_like(C)\ndC[Xb] = demb"),
        ("last write wins", "dC = torch.zeros_like(C)\ndC[Xb] += demb"),
        (
            "overwritten in the loop",
            "dC = torch.zeros_like(C)\nfor k in range(n):\n    for j in range(3):\n        dC[Xb[k, j]] = demb[k, j]",
        ),
        ("as many rows as this batch has letters", "dC = F.one_hot(Xb).float().flatten(0, 1).T @ demb.flatten(0, 1)"),
        ("as long as the largest index", "dC = torch.zeros(Xb.max() + 1, 10).index_add_(0, Xb.flatten(), demb.view(-1, 10))"),
        ("first character only", "dC = torch.zeros_like(C).index_add_(0, Xb[:, 0], demb[:, 0])"),
        (
            "hard-coded 32",
            "dC = torch.zeros_like(C)\nfor k in range(32):\n    for j in range(3):\n        dC[Xb[k, j]] += demb[k, j]",
        ),
        (
            "mean of the repeats",
            "dC = torch.stack([demb[Xb == letter].mean(0) if (Xb == letter).any() else torch.zeros(C.shape[1]) for letter in range(C.shape[0])])",
        ),
    ],
}

FUSED_RIGHT = {
    "2-cross-entropy": [
        ("dlogits", "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1\ndlogits /= n"),
        ("dlogits", "dlogits = (torch.softmax(logits, dim=1) - F.one_hot(Yb, logits.shape[1])) / n"),
        (
            "dlogits",
            "shifted = (logits - logits.max(1, keepdim=True).values).exp()\np = shifted / shifted.sum(1, keepdim=True)\ny = torch.zeros_like(p)\ny[torch.arange(n), Yb] = 1\ndlogits = (p - y) / n",
        ),
    ],
    "3-batchnorm": [
        (
            "dhprebn",
            "dhprebn = bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0))",
        ),
        (
            "dhprebn",
            "g = dhpreact * bngain\ndhprebn = bnvar_inv * (g - g.mean(0, keepdim=True) - bnraw * (g * bnraw).sum(0, keepdim=True) / (n - 1))",
        ),
        (
            "dhprebn",
            "centred = hprebn - hprebn.mean(0)\ninverse = (hprebn.var(0, keepdim=True) + 1e-5) ** -0.5\ndbnraw = bngain * dhpreact\ndbnvar = (-0.5 * inverse**3 * (dbnraw * centred).sum(0))\ndcentred = inverse * dbnraw + 2 / (n - 1) * centred * dbnvar\ndhprebn = dcentred - dcentred.mean(0)",
        ),
    ],
}

FUSED_WRONG = {
    "2-cross-entropy": [
        ("dlogits", "lost 1/n", "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1"),
        ("dlogits", "hard-coded 32", "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1\ndlogits /= 32"),
        ("dlogits", "the one is not taken off", "dlogits = F.softmax(logits, 1) / n"),
        ("dlogits", "sign", "dlogits = -F.softmax(logits, 1)\ndlogits[range(n), Yb] += 1\ndlogits /= n"),
        ("dlogits", "softmax over the wrong axis", "dlogits = F.softmax(logits, 0)\ndlogits[range(n), Yb] -= 1\ndlogits /= n"),
    ],
    "3-batchnorm": [
        ("dhprebn", "diagonal only", "dhprebn = bngain * bnvar_inv * dhpreact"),
        (
            "dhprebn",
            "Bessel's correction missing",
            "dhprebn = bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - bnraw * (dhpreact * bnraw).sum(0))",
        ),
        (
            "dhprebn",
            "path through the mean missing",
            "dhprebn = bngain * bnvar_inv * (dhpreact - bnraw * (dhpreact * bnraw).sum(0) / (n - 1))",
        ),
        (
            "dhprebn",
            "gain missing",
            "dhprebn = bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0))",
        ),
        (
            "dhprebn",
            "hard-coded 32",
            "dhprebn = bngain * bnvar_inv / 32 * (32 * dhpreact - dhpreact.sum(0) - 32 / 31 * bnraw * (dhpreact * bnraw).sum(0))",
        ),
    ],
}
