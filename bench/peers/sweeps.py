"""Activation patching sweeps over one prompt pair: one forward per cell, and every batched form worth timing.

Every form does the whole work, the clean and the corrupted run included, and returns the logit difference at the last
position per cell. `metric` says what is unembedded for it: "logits" all columns of the last row, "difference" only the
two that are read.
"""

import torch

from gpt2 import (
    D_HEAD,
    D_MODEL,
    N_HEADS,
    N_LAYERS,
    after_attention,
    attention,
    block_forward,
    masked_scores,
    merge_heads,
    mlp,
    norm,
    split_heads,
    unembed_last,
)


def differences(model, x, answers, metric):
    """[B, P, E] final residuals -> logit difference [B] at the last position."""
    if metric == "difference":
        return torch.mv(norm(x[:, -1], model.ln_final), model.W_U[answers[0]] - model.W_U[answers[1]])
    logits = unembed_last(model, x)
    return logits[:, answers[0]] - logits[:, answers[1]]


def forward_with_hooks(model, tokens, hooks, answers, metric):
    """The ordinary form: hooks is a dict from (layer, "resid_pre" or "z") to a function that may edit in place."""
    x = model.embed(tokens)
    for layer, block in enumerate(model.blocks):
        if (layer, "resid_pre") in hooks:
            hooks[layer, "resid_pre"](x)
        z = attention(model, block, x)
        if (layer, "z") in hooks:
            hooks[layer, "z"](z)
        x = mlp(block, after_attention(block, x, z))
    return differences(model, x, answers, metric)


def both_runs(model, clean, corrupted):
    """Clean and corrupted run as two rows of one batch: resid_pre, resid_mid and z, each L times [2, P, E]."""
    x = model.embed(torch.cat([clean, corrupted]))
    residuals, mids, heads = [], [], []
    for block in model.blocks:
        z = attention(model, block, x)
        mid = after_attention(block, x, z)
        residuals.append(x)
        mids.append(mid)
        heads.append(z)
        x = mlp(block, mid.clone())
    return residuals, mids, heads


# --- resid_pre at each layer and position -----------------------------------------------------------------------------


def resid_pre_cells(model, clean, corrupted, answers, metric, limit=None):
    residuals, _, _ = both_runs(model, clean, corrupted)
    P, out = clean.shape[1], []
    for cell in range(limit or N_LAYERS * P):
        layer, position = divmod(cell, P)

        def hook(x):
            x[:, position] = residuals[layer][0, position]

        out.append(forward_with_hooks(model, corrupted, {(layer, "resid_pre"): hook}, answers, metric))
    return torch.cat(out)


def resid_pre_chunks(model, clean, corrupted, answers, metric, chunk):
    """All cells as rows of whole forwards, `chunk` at a time."""
    residuals, _, _ = both_runs(model, clean, corrupted)
    P, out = clean.shape[1], []
    for start in range(0, N_LAYERS * P, chunk):
        cells = torch.arange(start, min(start + chunk, N_LAYERS * P))
        x = model.embed(corrupted).expand(len(cells), -1, -1).clone()
        for layer, block in enumerate(model.blocks):
            rows = (cells // P == layer).nonzero()[:, 0]
            if len(rows):
                positions = cells[rows] % P
                x[rows, positions] = residuals[layer][0, positions]
            x = block_forward(model, block, x, last_only=layer == N_LAYERS - 1)
        out.append(differences(model, x, answers, metric))
    return torch.cat(out)


def patched_rows(residual):
    """residual [2, P, E] -> P rows of the corrupted one, row p with the clean value at position p."""
    P = residual.shape[1]
    rows = residual[1].expand(P, P, D_MODEL).clone()
    rows.diagonal(dim1=0, dim2=1).copy_(residual[0].t())
    return rows


def resid_pre_from_layer(model, clean, corrupted, answers, metric):
    """Each layer's rows as one batch that starts at that layer."""
    residuals, _, _ = both_runs(model, clean, corrupted)
    out = []
    for layer in range(N_LAYERS):
        x = patched_rows(residuals[layer])
        for block in model.blocks[layer:]:
            x = block_forward(model, block, x, last_only=block is model.blocks[-1])
        out.append(differences(model, x, answers, metric))
    return torch.cat(out)


def resid_pre_staircase(model, clean, corrupted, answers, metric):
    """One batch that each layer's rows join at their layer."""
    residuals, _, _ = both_runs(model, clean, corrupted)
    x = patched_rows(residuals[0])
    for layer, block in enumerate(model.blocks):
        if layer:
            x = torch.cat([x, patched_rows(residuals[layer])])
        x = block_forward(model, block, x, last_only=layer == N_LAYERS - 1)
    return differences(model, x, answers, metric)


def resid_pre_staircase_positions(model, clean, corrupted, answers, metric):
    """The staircase, whose rows hold only the positions from their patched one on.

    Before it a causal model's row equals the corrupted run, whose keys and values are taken over. A layer's joining rows
    are P(P+1)/2 = T tokens, row after row, so that the active tokens are [R, T, E] and every matrix product is dense.
    Attention alone works on padded rows.
    """
    residuals, _, _ = both_runs(model, clean, corrupted)
    P = clean.shape[1]
    # Where a kept token lies in P padded rows of P positions: row p keeps positions p..P-1.
    kept = (torch.arange(P).view(1, P) >= torch.arange(P).view(P, 1)).view(-1).nonzero()[:, 0]
    last = (kept % P == P - 1).nonzero()[:, 0]
    x = None
    for layer, block in enumerate(model.blocks):
        joining = patched_rows(residuals[layer]).view(P * P, D_MODEL)[kept][None]
        x = joining if x is None else torch.cat([x, joining])
        R = x.shape[0]
        qkv = block.qkv(norm(x, block.ln1))
        base = block.qkv(norm(residuals[layer][1], block.ln1))
        padded = base.expand(R, P, P, 3 * D_MODEL).reshape(R, P * P, 3 * D_MODEL)
        padded.index_copy_(1, kept, qkv)
        q, k, v = split_heads(padded.view(R * P, P, 3 * D_MODEL))
        final = layer == N_LAYERS - 1
        if final:
            q = q[:, -1:]
        z = merge_heads(torch.bmm(masked_scores(model, q, k).softmax(-1), v), R * P)
        if final:
            # Each row's last position: [R, P, E]
            z, x = z.view(R, P, D_MODEL), x[:, last]
        else:
            z = z.view(R, P * P, D_MODEL)[:, kept]
        x = mlp(block, after_attention(block, x, z))
    return differences(model, x.reshape(-1, 1, D_MODEL), answers, metric)


# --- z of each layer and head, over all positions ---------------------------------------------------------------------


def heads_cells(model, clean, corrupted, answers, metric, limit=None):
    _, _, heads = both_runs(model, clean, corrupted)
    out = []
    for cell in range(limit or N_LAYERS * N_HEADS):
        layer, head = divmod(cell, N_HEADS)
        columns = slice(head * D_HEAD, (head + 1) * D_HEAD)

        def hook(z):
            z[:, :, columns] = heads[layer][0, :, columns]

        out.append(forward_with_hooks(model, corrupted, {(layer, "z"): hook}, answers, metric))
    return torch.cat(out)


def heads_chunks(model, clean, corrupted, answers, metric, chunk):
    """All cells as rows of whole forwards, `chunk` at a time."""
    _, _, heads = both_runs(model, clean, corrupted)
    P, out = clean.shape[1], []
    for start in range(0, N_LAYERS * N_HEADS, chunk):
        cells = torch.arange(start, min(start + chunk, N_LAYERS * N_HEADS))
        x = model.embed(corrupted).expand(len(cells), -1, -1)
        for layer, block in enumerate(model.blocks):
            final = layer == N_LAYERS - 1
            z = attention(model, block, x, final)
            rows = (cells // N_HEADS == layer).nonzero()[:, 0]
            if len(rows):
                clean_z = heads[layer][0, -z.shape[1] :].view(-1, N_HEADS, D_HEAD)
                by_head = z.view(len(cells), -1, N_HEADS, D_HEAD)
                by_head[rows, :, cells[rows] % N_HEADS] = clean_z[:, cells[rows] % N_HEADS].transpose(0, 1)
            x = mlp(block, after_attention(block, x, z))
        out.append(differences(model, x, answers, metric))
    return torch.cat(out)


def patched_mids(block, mids, heads):
    """[2, P, E] resid_mid and z of one layer -> resid_mid of its H rows.

    W_O is linear, so a patched head adds (clean z - corrupted z) W_O of that head to the corrupted resid_mid.
    """
    delta = (heads[0] - heads[1]).view(-1, N_HEADS, D_HEAD).transpose(0, 1)
    return torch.baddbmm(mids[1], delta, block.out.in_out.view(N_HEADS, D_HEAD, D_MODEL))


def heads_from_layer(model, clean, corrupted, answers, metric):
    """Each layer's rows as one batch that starts at that layer's resid_mid."""
    _, mids, heads = both_runs(model, clean, corrupted)
    out = []
    for layer, first in enumerate(model.blocks):
        final = slice(-1, None) if layer == N_LAYERS - 1 else slice(None)
        x = mlp(first, patched_mids(first, mids[layer][:, final], heads[layer][:, final]))
        for block in model.blocks[layer + 1 :]:
            x = block_forward(model, block, x, last_only=block is model.blocks[-1])
        out.append(differences(model, x, answers, metric))
    return torch.cat(out)


def heads_staircase(model, clean, corrupted, answers, metric):
    """One batch that each layer's rows join at their layer's resid_mid."""
    _, mids, heads = both_runs(model, clean, corrupted)
    x = None
    for layer, block in enumerate(model.blocks):
        final = layer == N_LAYERS - 1
        kept = slice(-1, None) if final else slice(None)
        joining = patched_mids(block, mids[layer][:, kept], heads[layer][:, kept])
        if x is not None:
            mid = after_attention(block, x, attention(model, block, x, last_only=final))
            joining = torch.cat([mid, joining])
        x = mlp(block, joining)
    return differences(model, x, answers, metric)
