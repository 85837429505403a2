"""Training steps, eager: gradients cleared, forward, loss, backward, clipping, AdamW.

grokking   one layer on (a + b) mod 113, full batch of 3830 pairs, float64 cross-entropy at the last position
text       a Llama of four layers, d 256, on 32 rows of 128 tokens, tied embeddings, gradients clipped to norm 1
"""

import math
import torch
import torch.nn.functional as F

P, N = 113, 3830
D, HEADS, D_MLP = 128, 4, 512
D_HEAD = D // HEADS


class Grokking:
    """The model of Nanda et al. 2023 in their layout: W_K, W_Q, W_V [head, d_head, d], all others [out, in]."""

    def __init__(self, forward, foreach=False):
        generator = torch.Generator().manual_seed(0)

        def weight(*shape, deviation=1 / math.sqrt(D)):
            return torch.nn.Parameter(torch.randn(*shape, generator=generator) * deviation)

        self.W_E, self.W_pos = weight(P + 1, D), weight(3, D)
        self.W_K, self.W_Q, self.W_V = (weight(HEADS, D_HEAD, D) for _ in range(3))
        self.W_O = weight(D, D)
        self.W_in, self.b_in = weight(D_MLP, D), torch.nn.Parameter(torch.zeros(D_MLP))
        self.W_out, self.b_out = weight(D, D_MLP), torch.nn.Parameter(torch.zeros(D))
        self.W_U = weight(P, D, deviation=1 / math.sqrt(P + 1))
        places = torch.randperm(P * P, generator=generator)[:N]
        a, b = places // P, places % P
        self.tokens, self.answers = torch.stack([a, b, torch.full_like(a, P)], 1), (a + b) % P
        self.mask = torch.tril(torch.ones(3, 3))
        self.hidden = torch.where(self.mask > 0, 0.0, -1e10)
        self.forward = forward
        parameters = [p for p in vars(self).values() if isinstance(p, torch.nn.Parameter)]
        self.optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1, betas=(0.9, 0.98), foreach=foreach)

    def backward(self):
        loss = F.cross_entropy(self.forward(self).double(), self.answers)
        loss.backward()
        return loss.detach()

    def step(self):
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.backward()
        self.optimiser.step()
        return loss.item()

    def named(self):
        """Every parameter by Diopter's name and in its layout."""
        attention = {f"blocks.0.attn.{name}": getattr(self, name).permute(2, 0, 1) for name in ("W_Q", "W_K", "W_V")}
        return attention | {
            "embed.W_E": self.W_E,
            "pos_embed.W_pos": self.W_pos,
            "blocks.0.attn.W_O": self.W_O.t().reshape(HEADS, D_HEAD, D),
            "blocks.0.mlp.W_in": self.W_in.t(),
            "blocks.0.mlp.b_in": self.b_in,
            "blocks.0.mlp.W_out": self.W_out.t(),
            "blocks.0.mlp.b_out": self.b_out,
            "unembed.W_U": self.W_U.t(),
        }

    def batch(self):
        return {"tokens": self.tokens, "answers": self.answers}


def published(m):
    """As in the published notebook: einsum at all positions, then the last one's logits."""
    x = m.W_E[m.tokens] + m.W_pos
    k, q, v = (torch.einsum("ihd,bpd->biph", W, x) for W in (m.W_K, m.W_Q, m.W_V))
    scores = torch.einsum("biph,biqh->biqp", k, q)
    scores = torch.tril(scores) - 1e10 * (1 - m.mask)
    pattern = F.softmax(scores / math.sqrt(D_HEAD), -1)
    z = torch.einsum("biph,biqp->biqh", v, pattern).permute(0, 2, 1, 3).reshape(N, 3, D)
    x = x + torch.einsum("df,bqf->bqd", m.W_O, z)
    hidden = F.relu(torch.einsum("md,bpd->bpm", m.W_in, x) + m.b_in)
    x = x + torch.einsum("dm,bpm->bpd", m.W_out, hidden) + m.b_out
    return torch.einsum("vd,bpd->bpv", m.W_U, x)[:, -1]


def linear(m):
    """Ordinary linear layers at all positions, then the last one's logits."""
    x = m.W_E[m.tokens] + m.W_pos
    q, k, v = (F.linear(x, W.view(D, D)).view(N, 3, HEADS, D_HEAD).transpose(1, 2) for W in (m.W_Q, m.W_K, m.W_V))
    pattern = (q @ k.transpose(-1, -2) / math.sqrt(D_HEAD) + m.hidden).softmax(-1)
    x = x + F.linear((pattern @ v).transpose(1, 2).reshape(N, 3, D), m.W_O)
    x = x + F.linear(F.relu(F.linear(x, m.W_in, m.b_in)), m.W_out, m.b_out)
    return F.linear(x, m.W_U)[:, -1]


def pruned(m):
    """Linear layers; all but keys and values at the last position alone, as somebody would write it by hand."""
    x = m.W_E[m.tokens] + m.W_pos
    last = x[:, 2]
    q = F.linear(last, m.W_Q.view(D, D)).view(N, HEADS, 1, D_HEAD)
    k, v = (F.linear(x, W.view(D, D)).view(N, 3, HEADS, D_HEAD).transpose(1, 2) for W in (m.W_K, m.W_V))
    pattern = (q @ k.transpose(-1, -2) / math.sqrt(D_HEAD)).softmax(-1)
    x = last + F.linear((pattern @ v).reshape(N, D), m.W_O)
    x = x + F.linear(F.relu(F.linear(x, m.W_in, m.b_in)), m.W_out, m.b_out)
    return F.linear(x, m.W_U)


BATCH, LENGTH, VOCABULARY = 32, 128, 4096
LAYERS, WIDTH, TEXT_HEADS, TEXT_MLP = 4, 256, 8, 704
TEXT_HEAD = WIDTH // TEXT_HEADS


class Text:
    """Llama: RMS norms, rotary positions, gated MLP with SiLU, tied embeddings; every weight [out, in]."""

    def __init__(self, foreach=False, fused_projections=False, micro_batches=1):
        generator = torch.Generator().manual_seed(0)
        self.fused = fused_projections
        self.micro_batches = micro_batches

        def weight(*shape):
            return torch.nn.Parameter(torch.randn(*shape, generator=generator) * 0.02)

        def norm():
            return torch.nn.Parameter(torch.ones(WIDTH))

        self.embedding, self.final_norm = weight(VOCABULARY, WIDTH), norm()
        shapes = {"o": (WIDTH, WIDTH), "down": (WIDTH, TEXT_MLP)}
        if fused_projections:
            shapes |= {"qkv": (3 * WIDTH, WIDTH), "gate_up": (2 * TEXT_MLP, WIDTH)}
        else:
            shapes |= {name: (WIDTH, WIDTH) for name in "qkv"} | {name: (TEXT_MLP, WIDTH) for name in ("gate", "up")}
        self.blocks = [
            {name: weight(*shape) for name, shape in shapes.items()} | {"norm1": norm(), "norm2": norm()}
            for _ in range(LAYERS)
        ]
        self.tokens = torch.randint(VOCABULARY, (BATCH, LENGTH + 1), generator=generator)
        self.mask = torch.full((LENGTH, LENGTH), float("-inf")).triu(1)
        angles = torch.arange(LENGTH)[:, None] * 10000.0 ** (-torch.arange(0, TEXT_HEAD, 2) / TEXT_HEAD)
        self.cos, self.sin = (torch.cat([f(angles)] * 2, -1) for f in (torch.cos, torch.sin))
        weights = [self.embedding, *(w for block in self.blocks for w in block.values() if w.dim() > 1)]
        norms = [self.final_norm, *(w for block in self.blocks for w in block.values() if w.dim() == 1)]
        self.parameters = weights + norms
        groups = [{"params": weights, "weight_decay": 0.1}, {"params": norms, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=1.5e-3, betas=(0.9, 0.95), foreach=foreach)

    def projections(self, block, x):
        if self.fused:
            return F.linear(x, block["qkv"]).split(WIDTH, -1)
        return [F.linear(x, block[name]) for name in "qkv"]

    def gated(self, block, x):
        if self.fused:
            gate, up = F.linear(x, block["gate_up"]).split(TEXT_MLP, -1)
        else:
            gate, up = F.linear(x, block["gate"]), F.linear(x, block["up"])
        return F.silu(gate) * up

    def rotate(self, x):
        """As in transformers: x [B, H, P, d_head] turned by its positions' angles."""
        first, second = x.chunk(2, -1)
        return x * self.cos + torch.cat([-second, first], -1) * self.sin

    def logits(self, tokens):
        x = F.embedding(tokens, self.embedding)
        for block in self.blocks:
            q, k, v = (
                y.view(-1, LENGTH, TEXT_HEADS, TEXT_HEAD).transpose(1, 2)
                for y in self.projections(block, rms_norm(x, block["norm1"]))
            )
            scores = self.rotate(q) @ self.rotate(k).transpose(-1, -2) / math.sqrt(TEXT_HEAD) + self.mask
            z = (scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, LENGTH, WIDTH)
            x = x + F.linear(z, block["o"])
            x = x + F.linear(self.gated(block, rms_norm(x, block["norm2"])), block["down"])
        return F.linear(rms_norm(x, self.final_norm), self.embedding)

    def loss(self, tokens):
        logits = self.logits(tokens[:, :-1])
        return F.cross_entropy(logits.view(-1, VOCABULARY), tokens[:, 1:].reshape(-1))

    def backward(self):
        """The gradient of the mean loss, one micro-batch after the other; returns that loss."""
        losses = []
        for tokens in self.tokens.chunk(self.micro_batches):
            loss = self.loss(tokens) / self.micro_batches
            loss.backward()
            losses.append(loss.detach())
        return sum(losses)

    def step(self):
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        return loss.item()

    def named(self):
        """Every parameter by its name in a Hugging Face checkpoint, which is Diopter's; not for fused projections."""
        names = {f"self_attn.{letter}_proj": letter for letter in "qkvo"}
        names |= {f"mlp.{name}_proj": name for name in ("gate", "up", "down")}
        names |= {"input_layernorm": "norm1", "post_attention_layernorm": "norm2"}
        return {
            f"model.layers.{i}.{name}.weight": block[short]
            for i, block in enumerate(self.blocks)
            for name, short in names.items()
        } | {"model.embed_tokens.weight": self.embedding, "model.norm.weight": self.final_norm}

    def batch(self):
        return {"tokens": self.tokens}


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weight


# Case -> form -> the training that it steps.
TRAININGS = {
    "grokking_step_published": {
        "einsum": lambda: Grokking(published),
        "einsum_foreach": lambda: Grokking(published, foreach=True),
    },
    "grokking_step_linear": {
        "linear": lambda: Grokking(linear),
        "linear_foreach": lambda: Grokking(linear, foreach=True),
    },
    "grokking_step_pruned": {
        "pruned": lambda: Grokking(pruned),
        "pruned_foreach": lambda: Grokking(pruned, foreach=True),
    },
    "text_step": {
        "plain": lambda: Text(),
        "foreach": lambda: Text(foreach=True),
        "foreach_fused_projections": lambda: Text(foreach=True, fused_projections=True),
        "foreach_4_micro_batches": lambda: Text(foreach=True, micro_batches=4),
        "foreach_8_micro_batches": lambda: Text(foreach=True, micro_batches=8),
    },
}
