"""GPT-2-small's shape, as a PyTorch expert writes it for two CPU cores: the bench's checkpoint, or random weights of its own.

Letters in shapes: B batch, P position, H heads, D d_head, E d_model, V vocabulary, N rows times positions.
"""

import json
import math
import os
import time

import torch
import torch.nn.functional as F

from load import load_safetensors

# The folder with the weights of the other side.
CHECKPOINT = os.environ.get("DIOPTER_BENCH_CHECKPOINT")


def read_config():
    if CHECKPOINT is None:
        return {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_ctx": 1024, "vocab_size": 50257}
    with open(os.path.join(CHECKPOINT, "config.json")) as file:
        return json.load(file)


N_LAYERS, N_HEADS, D_MODEL, N_CTX, D_VOCAB = map(read_config().get, ("n_layer", "n_head", "n_embd", "n_ctx", "vocab_size"))
D_HEAD, D_MLP = D_MODEL // N_HEADS, 4 * D_MODEL
EPS = 1e-5
ATTENTION_SCALE = 1 / math.sqrt(D_HEAD)


class Projection:
    """x @ W + b, in whichever of the two weight layouts this BLAS multiplies few rows by faster."""

    transposed = True  # set once by choose_layout

    def __init__(self, weight, bias):
        # weight [in, out], as in the checkpoint
        self.in_out, self.bias = weight, bias
        self.out_in = weight.t().contiguous()

    def __call__(self, x):
        flat = x.reshape(-1, x.shape[-1])
        if Projection.transposed:
            y = F.linear(flat, self.out_in, self.bias)
        else:
            y = torch.addmm(self.bias, flat, self.in_out)
        return y.view(*x.shape[:-1], -1)

    def row(self, x):
        """One row: a matrix-vector product, on the layout that gemv streams fastest."""
        return torch.addmv(self.bias, self.in_out.t(), x)


class Block:
    pass


class Gpt2:
    def __init__(self, seed=0):
        stored = CHECKPOINT and load_safetensors(os.path.join(CHECKPOINT, "model.safetensors"), "read")
        generator = torch.Generator().manual_seed(seed)

        def weight(name, *shape, mean=0):
            if stored:
                return stored[name].view(shape)
            return torch.randn(*shape, generator=generator).mul_(0.02).add_(mean)

        def norm_weights(name):
            return weight(f"{name}.weight", D_MODEL, mean=1), weight(f"{name}.bias", D_MODEL)

        def projection(name, size_in, size_out):
            return Projection(weight(f"{name}.weight", size_in, size_out), weight(f"{name}.bias", size_out))

        # [V, E] is the layout that gemm and gemv both like for the unembedding, which is tied.
        self.W_E = self.W_U = weight("wte.weight", D_VOCAB, D_MODEL)
        self.W_pos = weight("wpe.weight", N_CTX, D_MODEL)
        self.blocks = []
        for i in range(N_LAYERS):
            block = Block()
            block.ln1 = norm_weights(f"h.{i}.ln_1")
            block.qkv = projection(f"h.{i}.attn.c_attn", D_MODEL, 3 * D_MODEL)
            block.out = projection(f"h.{i}.attn.c_proj", D_MODEL, D_MODEL)
            block.ln2 = norm_weights(f"h.{i}.ln_2")
            block.mlp_in = projection(f"h.{i}.mlp.c_fc", D_MODEL, D_MLP)
            block.mlp_out = projection(f"h.{i}.mlp.c_proj", D_MLP, D_MODEL)
            self.blocks.append(block)
        self.ln_final = norm_weights("ln_f")
        # Added to the scores: 0 on and below the diagonal, -inf above.
        self.mask = torch.full((N_CTX, N_CTX), -math.inf).triu_(1)

    def parameters_mb(self):
        count = self.W_E.numel() + self.W_pos.numel()
        for b in self.blocks:
            count += sum(p.in_out.numel() + p.bias.numel() for p in (b.qkv, b.out, b.mlp_in, b.mlp_out))
            count += sum(t.numel() for t in (*b.ln1, *b.ln2))
        return count * 4 / 2**20

    def embed(self, tokens):
        return F.embedding(tokens, self.W_E).add_(self.W_pos[: tokens.shape[-1]])

    def choose_layout(self):
        """Times both layouts on 16 rows, where they differ, over all layers, and keeps the faster one."""
        x, best = torch.randn(16, D_MODEL), {}
        for _ in range(8):
            for transposed in (True, False):
                Projection.transposed = transposed
                start = time.perf_counter()
                for b in self.blocks:
                    b.mlp_out(b.mlp_in(x))
                    b.out(b.qkv(x)[:, :D_MODEL])
                seconds = time.perf_counter() - start
                best[transposed] = min(best.get(transposed, seconds), seconds)
        Projection.transposed = best[True] <= best[False]
        return "linear [out, in]" if Projection.transposed else "addmm [in, out]"


def norm(x, weights):
    return F.layer_norm(x, (D_MODEL,), *weights, EPS)


def split_heads(qkv):
    """[B, P, 3E] -> three [B*H, P, D]; views when B is 1, one copy each otherwise."""
    B, P, _ = qkv.shape
    parts = qkv.view(B, P, 3, N_HEADS, D_HEAD).permute(2, 0, 3, 1, 4)
    return [part.reshape(B * N_HEADS, P, D_HEAD) for part in parts]


def merge_heads(z, B):
    """[B*H, P, D] -> [B, P, E]"""
    return z.view(B, N_HEADS, -1, D_HEAD).transpose(1, 2).reshape(B, -1, D_MODEL)


def masked_scores(model, q, k):
    """[B*H, Pq, D] and [B*H, Pk, D] -> [B*H, Pq, Pk]; the queries are the last Pq positions."""
    Pq, Pk = q.shape[1], k.shape[1]
    return torch.baddbmm(model.mask[Pk - Pq : Pk, :Pk], q, k.transpose(1, 2), alpha=ATTENTION_SCALE)


def attention(model, block, x, last_only=False):
    """z [B, P, E] for resid_pre x; only for the last position where nothing reads the others."""
    q, k, v = split_heads(block.qkv(norm(x, block.ln1)))
    if last_only:
        q = q[:, -1:]
    return merge_heads(torch.bmm(masked_scores(model, q, k).softmax(-1), v), x.shape[0])


def mlp(block, mid):
    """resid_post for resid_mid, in place: only for runs that keep no cache."""
    return mid.add_(block.mlp_out(F.gelu(block.mlp_in(norm(mid, block.ln2)), approximate="tanh")))


def after_attention(block, x, z):
    """resid_mid; x is left as it was, since callers keep it."""
    return block.out(z).add_(x[:, -z.shape[1] :])


def block_forward(model, block, x, last_only=False):
    return mlp(block, after_attention(block, x, attention(model, block, x, last_only)))


def unembed_last(model, x):
    """[B, P, E] -> logits [B, V] at the last position."""
    return torch.mm(norm(x[:, -1], model.ln_final), model.W_U.t())


def logits_all(model, tokens):
    x = model.embed(tokens)
    for block in model.blocks:
        x = block_forward(model, block, x)
    return F.linear(norm(x, model.ln_final), model.W_U)


def logits_last_by_index(model, tokens):
    """As transformers computes them: all positions, then index."""
    return logits_all(model, tokens)[:, -1]


def logits_last_unembed_row(model, tokens):
    """Unembeds the last row only."""
    x = model.embed(tokens)
    for block in model.blocks:
        x = block_forward(model, block, x)
    return unembed_last(model, x)


def logits_last_from_last_block(model, tokens):
    """Also leaves out of the last block what the last position does not read."""
    x = model.embed(tokens)
    for block in model.blocks:
        x = block_forward(model, block, x, last_only=block is model.blocks[-1])
    return unembed_last(model, x)


def forward_cache(model, tokens):
    """Logits at all positions and every activation TransformerLens hooks, kept by reference under its names."""
    B, P = tokens.shape
    cache = {}
    embed = cache["hook_embed"] = F.embedding(tokens, model.W_E)
    position = cache["hook_pos_embed"] = model.W_pos[:P].expand(B, P, D_MODEL)
    x = embed + position
    for i, block in enumerate(model.blocks):
        name = f"blocks.{i}."
        cache[name + "hook_resid_pre"] = x
        normalized, _, rstd = torch.native_layer_norm(x, (D_MODEL,), *block.ln1, EPS)
        cache[name + "ln1.hook_scale"] = rstd.reciprocal()
        cache[name + "ln1.hook_normalized"] = normalized
        qkv = block.qkv(normalized)
        for part, kept in zip("qkv", qkv.view(B, P, 3, N_HEADS, D_HEAD).unbind(2)):
            cache[f"{name}attn.hook_{part}"] = kept
        q, k, v = split_heads(qkv)
        scores = masked_scores(model, q, k)
        pattern = scores.softmax(-1)
        cache[name + "attn.hook_attn_scores"] = scores.view(B, N_HEADS, P, P)
        cache[name + "attn.hook_pattern"] = pattern.view(B, N_HEADS, P, P)
        z = merge_heads(torch.bmm(pattern, v), B)
        cache[name + "attn.hook_z"] = z.view(B, P, N_HEADS, D_HEAD)
        attn_out = cache[name + "hook_attn_out"] = block.out(z)
        mid = cache[name + "hook_resid_mid"] = x + attn_out
        normalized, _, rstd = torch.native_layer_norm(mid, (D_MODEL,), *block.ln2, EPS)
        cache[name + "ln2.hook_scale"] = rstd.reciprocal()
        cache[name + "ln2.hook_normalized"] = normalized
        pre = cache[name + "mlp.hook_pre"] = block.mlp_in(normalized)
        post = cache[name + "mlp.hook_post"] = F.gelu(pre, approximate="tanh")
        mlp_out = cache[name + "hook_mlp_out"] = block.mlp_out(post)
        x = cache[name + "hook_resid_post"] = mid + mlp_out
    normalized, _, rstd = torch.native_layer_norm(x, (D_MODEL,), *model.ln_final, EPS)
    cache["ln_final.hook_scale"] = rstd.reciprocal()
    cache["ln_final.hook_normalized"] = normalized
    cache["logits"] = F.linear(normalized, model.W_U)
    return cache


def greedy_decode(model, tokens, steps, row_form):
    """`steps` greedy tokens after the prompt [1, P], with keys and values in a cache allocated once.

    row_form: "gemv" multiplies matrix by vector, "gemm" sends the one row through the same addmm/linear as a batch.
    """
    P = tokens.shape[1]
    keys = torch.empty(N_LAYERS, N_HEADS, P + steps, D_HEAD)
    values = torch.empty(N_LAYERS, N_HEADS, P + steps, D_HEAD)
    x = model.embed(tokens)
    for i, block in enumerate(model.blocks):
        q, k, v = split_heads(block.qkv(norm(x, block.ln1)))
        keys[i, :, :P] = k
        values[i, :, :P] = v
        if i == N_LAYERS - 1:
            q = q[:, -1:]
        z = merge_heads(torch.bmm(masked_scores(model, q, k).softmax(-1), v), 1)
        x = mlp(block, after_attention(block, x, z))
    chosen = [int(torch.mv(model.W_U, norm(x[0, -1], model.ln_final)).argmax())]
    for t in range(P, P + steps - 1):
        x = model.W_E[chosen[-1]] + model.W_pos[t]
        for i, block in enumerate(model.blocks):
            project = Projection.row if row_form == "gemv" else Projection.__call__
            if row_form == "gemm":
                x = x.view(1, D_MODEL)
            q, k, v = project(block.qkv, norm(x, block.ln1)).view(3, N_HEADS, 1, D_HEAD)
            keys[i, :, t : t + 1] = k
            values[i, :, t : t + 1] = v
            # [H, 1, D] x [H, D, t+1]; nothing is masked for the newest position
            scores = torch.bmm(q, keys[i, :, : t + 1].transpose(1, 2)).mul_(ATTENTION_SCALE)
            z = torch.bmm(scores.softmax(-1), values[i, :, : t + 1]).view(x.shape)
            x = project(block.out, z).add_(x)
            x.add_(project(block.mlp_out, F.gelu(project(block.mlp_in, norm(x, block.ln2)), approximate="tanh")))
        chosen.append(int(torch.mv(model.W_U, norm(x.view(D_MODEL), model.ln_final)).argmax()))
    return chosen


def attribution_patching(model, clean, corrupted, answers, last_only):
    """(clean - corrupted) * gradient of the logit difference, at the corrupted run.

    Returns resid_pre [L, B, P] and z [L, B, H]. last_only leaves out of the last block what the metric does not read.
    """
    B, P = clean.shape

    def run(tokens, keep_gradient):
        residuals, heads = [], []
        x = model.embed(tokens).requires_grad_(keep_gradient)
        for block in model.blocks:
            residuals.append(x)
            z = attention(model, block, x, last_only and block is model.blocks[-1])
            heads.append(z)
            mid = block.out(z) + x[:, -z.shape[1] :]
            x = mid + block.mlp_out(F.gelu(block.mlp_in(norm(mid, block.ln2)), approximate="tanh"))
        return residuals, heads, x

    with torch.no_grad():
        clean_residuals, clean_heads, _ = run(clean, False)
    with torch.enable_grad():
        residuals, heads, x = run(corrupted, True)
        # Two columns of the unembedding are the whole metric.
        direction = model.W_U[answers[0]] - model.W_U[answers[1]]
        metric = torch.mv(norm(x[:, -1], model.ln_final), direction).sum()
        gradients = torch.autograd.grad(metric, residuals + heads)
    with torch.no_grad():
        by_position = [(a - b).mul_(g).sum(-1) for a, b, g in zip(clean_residuals, residuals, gradients)]
        by_head = [
            (a - b).mul_(g).view(B, -1, N_HEADS, D_HEAD).sum((1, 3))
            for a, b, g in zip(clean_heads, heads, gradients[N_LAYERS:])
        ]
        return torch.stack(by_position), torch.stack(by_head)
