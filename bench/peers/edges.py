"""Edges between parts: path patching of all pairs of heads, and edge attribution (EAP) of all edges.

The clean run is the source, the corrupted run the target. An edge's effect is the metric of the target run whose receiver reads
what it would read if the sender alone held what it holds in the source run, less the metric of the target run itself. What
nothing reaches is NaN in the matrices that are returned.

S is the number of positions from the first one on at which the prompts differ: before it, all runs are alike.
"""

import torch
import torch.nn.functional as F

from gpt2 import (
    D_HEAD,
    D_MODEL,
    EPS,
    N_HEADS,
    N_LAYERS,
    after_attention,
    masked_scores,
    merge_heads,
    mlp,
    norm,
    split_heads,
)
from sweeps import differences

HEAD_EDGES = 3 * N_HEADS**2 * N_LAYERS * (N_LAYERS - 1) // 2
# Senders: the embedding, every head and MLP; receivers: every query, key, value and MLP, and the logits.
EDGES = sum(
    senders * receivers
    for layer in range(N_LAYERS)
    for senders, receivers in (
        (1 + layer * (N_HEADS + 1), 3 * N_HEADS),
        (1 + layer * (N_HEADS + 1) + N_HEADS, 1),
    )
) + (1 + N_LAYERS * (N_HEADS + 1))


class EdgeRuns:
    """Both runs as two rows of one batch: what edges start from, and the target's activations around which rows change."""

    def __init__(self, model, clean, corrupted, answers, metric):
        self.first = int((clean[0] != corrupted[0]).nonzero()[0])
        self.streams, self.mids, self.qkvs, self.zs, self.sent = [], [], [], [], []
        x = model.embed(torch.cat([clean, corrupted]))
        for block in model.blocks:
            self.streams.append(x[1])
            q, k, v = split_heads(block.qkv(norm(x, block.ln1)))
            self.qkvs.append([part.view(2, N_HEADS, -1, D_HEAD)[1] for part in (q, k, v)])
            z = torch.bmm(masked_scores(model, q, k).softmax(-1), v)
            by_run = z.view(2, N_HEADS, -1, D_HEAD)
            self.zs.append(by_run[1])
            # What each head adds to the stream of the target, [H, S, E]; W_O is linear.
            change = (by_run[0] - by_run[1])[:, self.first :]
            self.sent.append(torch.bmm(change, block.out.in_out.view(N_HEADS, D_HEAD, D_MODEL)))
            mid = after_attention(block, x, merge_heads(z, 2))
            self.mids.append(mid[1])
            x = mlp(block, mid.clone())
        self.target = differences(model, x, answers, metric)[1]


# --- path patching of all pairs of heads ------------------------------------------------------------------------------


def path_cells(model, clean, corrupted, answers, metric, limit=None):
    """The ordinary form: one forward per edge, whose receiver reads something else; `limit` edges, evenly spread.

    What the receiver reads costs next to nothing here. Publications run one more forward per sender for it, with everything
    held in place.
    """
    runs = EdgeRuns(model, clean, corrupted, answers, metric)
    receivers = [(layer, part, head) for layer in range(N_LAYERS) for part in range(3) for head in range(N_HEADS)]
    edges = [
        (sender, column)
        for sender in range(N_LAYERS * N_HEADS)
        for column, (layer, _, _) in enumerate(receivers)
        if sender // N_HEADS < layer
    ]
    effects = torch.full((N_LAYERS * N_HEADS, len(receivers)), float("nan"))
    for i in range(limit or len(edges)):
        sender, column = edges[i * len(edges) // (limit or len(edges))]
        layer, part, head = receivers[column]
        block, sent = model.blocks[layer], runs.sent[sender // N_HEADS][sender % N_HEADS]
        stream = norm(runs.streams[layer][runs.first :] + sent, block.ln1)
        columns = slice(part * D_MODEL + head * D_HEAD, part * D_MODEL + (head + 1) * D_HEAD)
        read = torch.addmm(block.qkv.bias[columns], stream, block.qkv.in_out[:, columns])
        x = model.embed(corrupted)
        for other, block in enumerate(model.blocks):
            qkv = split_heads(block.qkv(norm(x, block.ln1)))
            if other == layer:
                qkv[part][head, runs.first :] = read
            q, k, v = qkv
            z = merge_heads(torch.bmm(masked_scores(model, q, k).softmax(-1), v), 1)
            x = mlp(block, after_attention(block, x, z))
        effects[sender, column] = differences(model, x, answers, metric)[0] - runs.target
    return effects


def rows_after(base, own):
    """The target's rows [H, P, D] with their last positions replaced by `own` [n, H, S, D]: [n*H, P, D]."""
    n, kept = own.shape[0], base.shape[1] - own.shape[2]
    return torch.cat([base[:, :kept].expand(n, -1, -1, -1), own], 2).view(n * N_HEADS, -1, D_HEAD)


def receiver_rows(model, runs, layer, sent, Q):
    """resid_mid [H*3*n, Q, E] of rows in which one head's query, key or value sees the stream changed by `sent` [n, S, E]."""
    block, n = model.blocks[layer], sent.shape[0]
    q, k, v = runs.qkvs[layer]
    # [n, S, 3E] -> three [n, H, S, D]
    changed = block.qkv(norm(runs.streams[layer][runs.first :] + sent, block.ln1))
    own_q, own_k, own_v = changed.view(n, -1, 3, N_HEADS, D_HEAD).permute(2, 0, 3, 1, 4)

    def same(x):
        return x.expand(n, -1, -1, -1).reshape(n * N_HEADS, -1, D_HEAD)

    def pattern(queries, keys):
        return masked_scores(model, queries, keys).softmax(-1)

    as_query = torch.bmm(pattern(own_q[:, :, -Q:].reshape(n * N_HEADS, Q, D_HEAD), same(k)), same(v))
    as_key = torch.bmm(pattern(same(q[:, -Q:]), rows_after(k, own_k)), same(v))
    as_value = torch.bmm(pattern(same(q[:, -Q:]), same(k)), rows_after(v, own_v))
    z = torch.stack([as_query, as_key, as_value]).view(3, n, N_HEADS, Q, D_HEAD) - runs.zs[layer][:, -Q:]
    # Only the receiver's own head differs: [H, 3*n*Q, D] x [H, D, E]
    by_head = z.permute(2, 0, 1, 3, 4).reshape(N_HEADS, -1, D_HEAD)
    change = torch.bmm(by_head, block.out.in_out.view(N_HEADS, D_HEAD, D_MODEL))
    return change.view(-1, Q, D_MODEL).add_(runs.mids[layer][-Q:])


def later_block(model, runs, layer, x):
    """A block of rows [R, S, E] that differ from the target at their last S positions; the last block for the last one alone."""
    block, (_, k, v) = model.blocks[layer], runs.qkvs[layer]
    R, normed = x.shape[0], norm(x, block.ln1)
    if layer == N_LAYERS - 1:
        flat, weight, bias = normed.view(-1, D_MODEL), block.qkv.in_out, block.qkv.bias
        q = torch.addmm(bias[:D_MODEL], normed[:, -1], weight[:, :D_MODEL]).view(R * N_HEADS, 1, D_HEAD)
        kv = torch.addmm(bias[D_MODEL:], flat, weight[:, D_MODEL:])
        own_k, own_v = kv.view(R, -1, 2, N_HEADS, D_HEAD).permute(2, 0, 3, 1, 4)
    else:
        q, own_k, own_v = block.qkv(normed).view(R, -1, 3, N_HEADS, D_HEAD).permute(2, 0, 3, 1, 4)
        q = q.reshape(R * N_HEADS, -1, D_HEAD)
    pattern = masked_scores(model, q, rows_after(k, own_k)).softmax(-1)
    z = merge_heads(torch.bmm(pattern, rows_after(v, own_v)), R)
    return mlp(block, after_attention(block, x, z))


def path_batched(model, clean, corrupted, answers, metric, chunk, limit=None):
    """All edges into a layer as rows that start at its resid_mid, `chunk` senders at a time (each has 3H rows).

    Rows hold only positions from the first differing one on; the target's keys and values stand before it. With `limit`
    only that many heads of every layer send.
    """
    runs = EdgeRuns(model, clean, corrupted, answers, metric)
    per_layer = limit or N_HEADS
    effects = torch.full((N_LAYERS, N_HEADS, N_LAYERS, 3, N_HEADS), float("nan"))
    for layer in range(1, N_LAYERS):
        final = layer == N_LAYERS - 1
        Q = 1 if final else clean.shape[1] - runs.first
        sent = torch.cat([each[:per_layer] for each in runs.sent[:layer]])
        found = []
        for part in sent.split(chunk):
            x = mlp(model.blocks[layer], receiver_rows(model, runs, layer, part, Q))
            for later in range(layer + 1, N_LAYERS):
                x = later_block(model, runs, later, x)
            found.append(differences(model, x, answers, metric).view(N_HEADS, 3, -1) - runs.target)
        # [H, 3, senders] -> [sender's layer and head, 3, H]
        effects[:layer, :per_layer, layer] = torch.cat(found, 2).permute(2, 1, 0).view(layer, per_layer, 3, N_HEADS)
    return effects.view(N_LAYERS * N_HEADS, -1)


# --- edge attribution -------------------------------------------------------------------------------------------------


def without_later_edges(scores):
    """Scores [senders, receivers] of all pairs, NaN where the sender writes after the receiver reads."""
    sender_depth = [-1] + [depth for l in range(N_LAYERS) for depth in (*[2 * l] * N_HEADS, 2 * l + 1)]
    receiver_depth = [depth for l in range(N_LAYERS) for depth in (*[2 * l] * 3 * N_HEADS, 2 * l + 1)] + [2 * N_LAYERS]
    reaches = torch.tensor(sender_depth)[:, None] < torch.tensor(receiver_depth)
    return scores.masked_fill(~reaches, float("nan"))


def eap_published(model, clean, corrupted, answers, _):
    """As published code does on TransformerLens: every head's query, key and value input and every head's output is a hook."""

    def run(tokens):
        """What senders write, [senders, P, E], and what receivers see, each [1, P, (H,) E]."""
        embedded = F.embedding(tokens, model.W_E)
        sent, seen = [embedded], []
        x = (embedded + model.W_pos[: tokens.shape[1]]).requires_grad_(torch.is_grad_enabled())
        for block in model.blocks:
            weights = block.qkv.in_out.view(D_MODEL, 3, N_HEADS, D_HEAD)
            biases = block.qkv.bias.view(3, N_HEADS, D_HEAD)
            inputs = [x.unsqueeze(2).repeat(1, 1, N_HEADS, 1) for _ in range(3)]
            seen += inputs
            q, k, v = (
                (torch.einsum("bphe,ehd->bhpd", norm(inputs[i], block.ln1), weights[:, i]) + biases[i].unsqueeze(1))[0]
                for i in range(3)
            )
            z = torch.bmm(masked_scores(model, q, k).softmax(-1), v)
            result = torch.einsum("hpd,hde->hpe", z, block.out.in_out.view(N_HEADS, D_HEAD, D_MODEL))
            mid = result.sum(0) + block.out.bias + x
            seen.append(mid.view_as(mid))
            out = block.mlp_out(F.gelu(block.mlp_in(norm(seen[-1], block.ln2)), approximate="tanh"))
            sent += [result, out]
            x = mid + out
        return torch.cat(sent), [*seen, x], norm(x[:, -1], model.ln_final)

    with torch.no_grad():
        source, _, _ = run(clean)
    with torch.enable_grad():
        target, seen, last = run(corrupted)
        metric = torch.mv(last, model.W_U[answers[0]] - model.W_U[answers[1]]).sum()
        gradients = torch.autograd.grad(metric, seen)
    with torch.no_grad():
        # [1, P, H, E] -> [P, H, E]; one receiver where there are no heads
        pulled = torch.cat([g[0] if g.dim() == 4 else g[0].unsqueeze(1) for g in gradients], 1)
        return without_later_edges(torch.einsum("spe,pre->sr", source - target.detach(), pulled))


def behind_norm(stream, weights, gradient):
    """The gradient [R, P, E] by a norm's output as the gradient by its input [P, E]."""
    _, mean, scale = torch.native_layer_norm(stream, (D_MODEL,), None, None, EPS)
    unit = (stream - mean) * scale
    slope = gradient * weights[0]
    along = torch.einsum("rpe,pe->rp", slope, unit).div_(D_MODEL).unsqueeze(-1)
    return slope.sub_(slope.mean(-1, keepdim=True)).sub_(unit * along).mul_(scale)


def eap(model, clean, corrupted, answers, _, together):
    """Gradients by queries, keys and values, pulled back through weights and norms for all heads of a layer at once.

    `together` runs both prompts as two rows of one batch, which reads the weights once.
    """

    def run(tokens):
        embedded = F.embedding(tokens, model.W_E)
        zs, mlps, streams, qkvs, seen = [], [], [], [], []
        x = (embedded + model.W_pos[: tokens.shape[1]]).requires_grad_(torch.is_grad_enabled())
        for block in model.blocks:
            streams.append(x)
            qkvs.append(block.qkv(norm(x, block.ln1)))
            q, k, v = split_heads(qkvs[-1])
            zs.append(torch.bmm(masked_scores(model, q, k).softmax(-1), v))
            mid = block.out(merge_heads(zs[-1], x.shape[0])) + x
            # A view of its own, whose gradient is the MLP's alone.
            seen.append(mid.view_as(mid))
            mlps.append(block.mlp_out(F.gelu(block.mlp_in(norm(seen[-1], block.ln2)), approximate="tanh")))
            x = mid + mlps[-1]
        return embedded, zs, mlps, streams, qkvs, seen, x

    with torch.set_grad_enabled(together):
        source = run(torch.cat([clean, corrupted]) if together else clean)
    with torch.enable_grad():
        target = source if together else run(corrupted)
        *_, streams, qkvs, seen, x = target
        metric = torch.dot(norm(x[-1, -1], model.ln_final), model.W_U[answers[0]] - model.W_U[answers[1]])
        gradients = torch.autograd.grad(metric, [*qkvs, *seen, x])
    with torch.no_grad():
        change = [source[0][0] - target[0][-1]]
        pulled = []
        for i, block in enumerate(model.blocks):
            # [rows*H, P, D]: the first H are the source's, the last H the target's
            z = source[1][i][:N_HEADS] - target[1][i][-N_HEADS:]
            change += [
                torch.bmm(z, block.out.in_out.view(N_HEADS, D_HEAD, D_MODEL)),
                source[2][i][0] - target[2][i][-1],
            ]
            # [P, 3E] -> [3H, P, D] x [3H, D, E]
            by_head = gradients[i][-1].view(-1, 3 * N_HEADS, D_HEAD).transpose(0, 1)
            weights = block.qkv.in_out.view(D_MODEL, 3 * N_HEADS, D_HEAD).permute(1, 2, 0)
            pulled += [behind_norm(streams[i][-1], block.ln1, torch.bmm(by_head, weights)), gradients[N_LAYERS + i][-1]]
        pulled.append(gradients[-1][-1])

        def rows(parts):
            # each [n, P, E] or [P, E] -> [sum of n, P*E]
            return torch.cat([part.reshape(-1, clean.shape[1] * D_MODEL) for part in parts])

        return without_later_edges(torch.mm(rows(change), rows(pulled).t()))
