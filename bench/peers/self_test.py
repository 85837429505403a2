"""`torch_peer.py --self-test`: every form of a case against one plain computation."""

import os
import tempfile

import torch

import gpt2
import training
from load import LOAD_FORMS, LOAD_TENSORS, load_safetensors, write_safetensors


def plain_forward(model, tokens, edit=lambda name, value: value):
    """One row, one head and one matrix at a time, nothing fused: what every form must equal."""

    def layer_norm(x, weights):
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.pow(2).mean(-1, keepdim=True) + gpt2.EPS).sqrt() * weights[0] + weights[1]

    P, D, E = len(tokens), gpt2.D_HEAD, gpt2.D_MODEL
    x = model.W_E[tokens] + model.W_pos[:P]
    for i, block in enumerate(model.blocks):
        x = edit((i, "resid_pre"), x)
        qkv = layer_norm(x, block.ln1) @ block.qkv.in_out + block.qkv.bias
        zs = []
        for h in range(gpt2.N_HEADS):
            q, k, v = (
                edit((i, "qkv"[part], h), qkv[:, part * E + h * D : part * E + (h + 1) * D]) for part in range(3)
            )
            scores = (q @ k.t() * gpt2.ATTENTION_SCALE).masked_fill(torch.ones(P, P).triu(1).bool(), float("-inf"))
            zs.append(scores.softmax(-1) @ v)
        z = edit((i, "z"), torch.stack(zs, 1))  # [P, H, D]
        x = x + z.reshape(P, E) @ block.out.in_out + block.out.bias
        pre = layer_norm(x, block.ln2) @ block.mlp_in.in_out + block.mlp_in.bias
        post = 0.5 * pre * (1 + torch.tanh(0.7978845608028654 * (pre + 0.044715 * pre.pow(3))))
        x = x + edit((i, "mlp_out"), post @ block.mlp_out.in_out + block.mlp_out.bias)
    return layer_norm(x, model.ln_final) @ model.W_U.t()


def compare_trainings(check):
    """Loss and gradients of every form of a training step, on the same weights; weights after a step with and without foreach."""

    plain = training.Grokking(training.published)
    loss = plain.backward()
    for form in (training.linear, training.pruned):
        other = training.Grokking(form)
        check(f"grokking {form.__name__}: loss", other.backward(), loss, 1e-6)
        for name, tensor in vars(plain).items():
            if isinstance(tensor, torch.nn.Parameter):
                check(f"grokking {form.__name__}: gradient of {name}", vars(other)[name].grad, tensor.grad, 1e-7)

    plain, fused = training.Text(), training.Text(fused_projections=True)
    joined = {"qkv": "qkv", "gate_up": ("gate", "up")}
    with torch.no_grad():
        fused.embedding.copy_(plain.embedding)
        for block, parts in zip(fused.blocks, plain.blocks):
            for name, tensor in block.items():
                tensor.copy_(torch.cat([parts[part] for part in joined.get(name, (name,))]))
    check("text fused: loss", fused.backward(), plain.backward(), 1e-5)
    check("text fused: gradient of embedding", fused.embedding.grad, plain.embedding.grad, 1e-7)
    for i, (block, parts) in enumerate(zip(fused.blocks, plain.blocks)):
        for name, tensor in block.items():
            expected = torch.cat([parts[part].grad for part in joined.get(name, (name,))])
            check(f"text fused: gradient of {i} {name}", tensor.grad, expected, 1e-7)

    parts = training.Text(micro_batches=4)
    check("text micro-batches: loss", parts.backward(), training.Text().backward(), 1e-5)
    for name, tensor in plain.named().items():
        check(f"text micro-batches: gradient of {name}", parts.named()[name].grad, tensor.grad, 1e-7)

    for case, forms in training.TRAININGS.items():
        one, each = (forms[form]() for form in list(forms)[:2])
        for steps in (one, each):
            steps.step()
        for name, tensor in one.named().items():
            check(f"{case} foreach: {name} after a step", each.named()[name].detach(), tensor.detach(), 1e-6)


def self_test(peer):
    model, (clean, corrupted), answers = peer.model, peer.pair, peer.answers
    failures = 0

    def check(name, value, expected, tolerance=1e-4):
        nonlocal failures
        error = float((value - expected).abs().max())
        ok = value.shape == expected.shape and error <= tolerance
        failures += not ok
        spread = float(expected.max() - expected.min())
        print(f"{'ok  ' if ok else 'FAIL'} {name}: max error {error:.1e}, of values spread over {spread:.2g}")

    def seen(store):
        def edit(name, value):
            store[name] = value
            return value

        return edit

    def difference(logits):
        return logits[-1, answers[0]] - logits[-1, answers[1]]

    kept = {}
    expected = plain_forward(model, clean[0], seen(kept))
    cache = gpt2.forward_cache(model, clean)
    check("cache: logits", cache["logits"][0], expected)
    for i in (0, gpt2.N_LAYERS - 1):
        check(f"cache: resid_pre {i}", cache[f"blocks.{i}.hook_resid_pre"][0], kept[i, "resid_pre"])
        check(f"cache: z {i}", cache[f"blocks.{i}.attn.hook_z"][0], kept[i, "z"])
    rows = torch.stack([plain_forward(model, row)[-1] for row in peer.long])
    check("cache 8x128: last logits", gpt2.forward_cache(model, peer.long)["logits"][:, -1], rows)
    for form, function in peer.cases["logits_last_8x128"].items():
        check(f"logits_last_8x128 {form}", function({}), rows)

    P = clean.shape[1]
    resid_cells = torch.empty(gpt2.N_LAYERS, P)
    head_cells = torch.empty(gpt2.N_LAYERS, gpt2.N_HEADS)
    for layer in range(gpt2.N_LAYERS):
        for p in range(P):

            def patch_position(name, x):
                if name == (layer, "resid_pre"):
                    x = x.clone()
                    x[p] = kept[name][p]
                return x

            resid_cells[layer, p] = difference(plain_forward(model, corrupted[0], patch_position))
        for h in range(gpt2.N_HEADS):

            def patch_head(name, z):
                if name == (layer, "z"):
                    z = z.clone()
                    z[:, h] = kept[name][:, h]
                return z

            head_cells[layer, h] = difference(plain_forward(model, corrupted[0], patch_head))
    for case, cells in (("sweep_resid_pre", resid_cells), ("sweep_heads", head_cells)):
        for kind in ("cells", "batched"):
            for form, function in peer.cases[f"{case}_{kind}"].items():
                for metric in ("logits", "difference"):
                    check(f"{case}_{kind} {form} {metric}", function({"metric": metric}).view_as(cells), cells)

    # Path patching: one run in which all but the sender is held, and one in which the receiver reads what it read there.
    held = {}
    target = difference(plain_forward(model, corrupted[0], seen(held)))

    def plain_edge(sender, column):
        sender_layer, sender_head = divmod(sender, gpt2.N_HEADS)
        layer, part, head = column // (3 * gpt2.N_HEADS), column // gpt2.N_HEADS % 3, column % gpt2.N_HEADS
        receiver, read = (layer, "qkv"[part], head), {}

        def hold(name, x):
            if name[1] == "z":
                x = held[name].clone()
                if name[0] == sender_layer:
                    x[:, sender_head] = kept[name][:, sender_head]
            elif name[1] == "mlp_out":
                x = held[name]
            read[name] = x
            return x

        plain_forward(model, corrupted[0], hold)
        return difference(plain_forward(model, corrupted[0], lambda n, x: read[n] if n == receiver else x)) - target

    for case, options in (("path_patch_cells", {"limit": 6}), ("path_patch_batched", {"limit": 1})):
        for form, function in peer.cases[case].items():
            for metric in ("logits", "difference"):
                effects = function({**options, "metric": metric})
                edges = (~effects.isnan()).nonzero()
                some = edges[:: max(1, len(edges) // 6)]
                expected = torch.stack([plain_edge(sender, column) for sender, column in some.tolist()])
                spread = float(expected.max() - expected.min())
                check(f"{case} {form} {metric}", effects[some[:, 0], some[:, 1]], expected, 0.02 * spread)

    # Edge attribution: two ways to the same gradients.
    forms = {form: function({}) for form, function in peer.cases["edge_attribution"].items()}
    for form in ("pulled_back", "pulled_back_together"):
        check(f"edge_attribution {form}", forms[form].nan_to_num(), forms["published"].nan_to_num(), 1e-5)

    # Attribution: gradients of the plain forward, from a leaf added to every activation.
    for case, pair in (("1x16", peer.pair), ("8x32", peer.pairs)):
        by_position, by_head = [], []
        for clean_row, corrupted_row in zip(*pair):
            clean_values = {}
            plain_forward(model, clean_row, seen(clean_values))
            with torch.enable_grad():
                values = {}

                def leaf(name, value):
                    value = value if value.requires_grad else value.requires_grad_()
                    values[name] = value
                    return value

                metric = difference(plain_forward(model, corrupted_row, leaf))
                names = list(values)
                gradients = dict(zip(names, torch.autograd.grad(metric, [values[n] for n in names])))
            product = {n: (clean_values[n] - values[n].detach()) * gradients[n] for n in names}
            by_position.append(torch.stack([product[i, "resid_pre"].sum(-1) for i in range(gpt2.N_LAYERS)]))
            by_head.append(torch.stack([product[i, "z"].sum((0, 2)) for i in range(gpt2.N_LAYERS)]))
        for form, function in peer.cases[f"attribution_patching_{case}"].items():
            positions, heads = function({})
            check(f"attribution_patching_{case} {form} resid_pre", positions, torch.stack(by_position, 1))
            check(f"attribution_patching_{case} {form} z", heads, torch.stack(by_head, 1))

    tokens = clean[0].tolist()
    for _ in range(64):
        tokens.append(int(plain_forward(model, torch.tensor(tokens))[-1].argmax()))
    for form, function in peer.cases["greedy_decode_64"].items():
        check(f"greedy_decode_64 {form}", torch.tensor(function({})), torch.tensor(tokens[16:]), 0)

    with torch.enable_grad():
        compare_trainings(check)

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "small.safetensors")
        torch.manual_seed(7)
        write_safetensors(path, 1)
        torch.manual_seed(7)
        values = [torch.randn(2**18 // LOAD_TENSORS) for _ in range(LOAD_TENSORS)]
        for form in LOAD_FORMS:
            loaded = load_safetensors(path, form)
            check(f"load {form}", torch.stack([loaded[f"tensor.{i}"] for i in range(LOAD_TENSORS)]), torch.stack(values), 0)
    print(f"{failures} failures")
    return 1 if failures else 0
