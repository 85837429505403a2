"""PyTorch's side of the bench: one process that answers JSON lines.

    {"case": "hello"}                                -> versions, threads, BLAS
    {"case": NAME, "repeat": 1, "form": NAME?}       -> {"case", "form", "seconds": [...], "peakRssMb"}

Without "form" the first request of a case times all its forms and keeps the fastest; the answer's "forms" has their
seconds. Sweeps take "metric": "logits" or "difference"; their cells take "limit": n, and the answer's seconds are
then scaled to all cells, and "scaledFrom" says from how many.

    torch_peer.py --self-test       every form against one plain forward per cell
    torch_peer.py --load FILE FORM  one load in this fresh process, as JSON
    torch_peer.py --probe           GFLOP/s of this BLAS setting, as JSON
"""

import json
import mmap
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time

import torch

import gpt2
import sweeps

THREADS = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count())
LOAD_TENSORS = 128


def peak_rss_mb():
    """Highest resident set since the last reset, in MiB."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def reset_peak_rss():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass  # then the peak is that of the whole process


# --- load -------------------------------------------------------------------------------------------------------------


def write_safetensors(path, megabytes=500):
    """`megabytes` of float32 in 128 tensors. Torch's random bytes, one tensor at a time."""
    elements = megabytes * 2**20 // 4 // LOAD_TENSORS
    header, offset = {}, 0
    for i in range(LOAD_TENSORS):
        header[f"tensor.{i}"] = {"dtype": "F32", "shape": [elements], "data_offsets": [offset, offset + elements * 4]}
        offset += elements * 4
    encoded = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for _ in range(LOAD_TENSORS):
            file.write(torch.randn(elements).numpy().tobytes())


def load_safetensors(path, form):
    """All float32 tensors by name.

    Form "map" maps the file and reads nothing, "map_populated" also brings every page in, "read" copies the bytes into
    memory of its own.
    """
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        if form == "read":
            size = os.fstat(file.fileno()).st_size - 8 - length
            memory, start = mmap.mmap(-1, size), 0
            file.readinto(memory)
        else:
            populate = mmap.MAP_POPULATE if form == "map_populated" else 0
            memory = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE | populate, mmap.PROT_READ | mmap.PROT_WRITE)
            start = 8 + length
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(memory, dtype=torch.float32, count=(end - begin) // 4, offset=start + begin)
        tensors[name] = flat.view(entry["shape"])
    return tensors


def load_once(path, form):
    baseline = peak_rss_mb()
    start = time.perf_counter()
    tensors = load_safetensors(path, form)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "baselineRssMb": baseline,
        "peakRssMb": peak_rss_mb(),
        "weightsMb": sum(t.numel() for t in tensors.values()) * 4 / 2**20,
    }


LOAD_FORMS = ("read", "map_populated", "map")


def load_case(request):
    """Each repetition in a fresh process, since a peak of this one would count the bench's own model."""
    form = request.get("form") or "read"
    if form not in LOAD_FORMS:
        raise ValueError(f"load has no form {form!r}; forms: {', '.join(LOAD_FORMS)}")
    with tempfile.TemporaryDirectory() as folder:
        path = request.get("path")
        if path is None:
            path = os.path.join(folder, "random.safetensors")
            write_safetensors(path)
        command = [sys.executable, "-B", os.path.abspath(__file__), "--load", path, form]
        runs = [json.loads(subprocess.check_output(command)) for _ in range(request.get("repeat", 1))]
    last = runs[-1]
    return {
        "form": form,
        "seconds": [run["seconds"] for run in runs],
        "peakRssMb": max(run["peakRssMb"] for run in runs),
        "baselineRssMb": last["baselineRssMb"],
        "weightsMb": last["weightsMb"],
    }


# --- cases ------------------------------------------------------------------------------------------------------------


class Peer:
    def __init__(self):
        torch.set_num_threads(THREADS)
        torch.set_grad_enabled(False)
        self.model = gpt2.Gpt2()
        self.layout = self.model.choose_layout()
        tokens = torch.Generator().manual_seed(1)
        self.long = torch.randint(gpt2.D_VOCAB, (8, 128), generator=tokens)
        self.pair = [torch.randint(gpt2.D_VOCAB, (1, 16), generator=tokens) for _ in range(2)]
        self.pairs = [torch.randint(gpt2.D_VOCAB, (8, 32), generator=tokens) for _ in range(2)]
        self.answers = (1234, 4321)
        self.kept_form = {}
        self.cases = self.describe_cases()

    def describe_cases(self):
        """Case -> form -> function of the request."""
        model, answers = self.model, self.answers
        pair, pairs = self.pair, self.pairs

        def sweep(function, *rest):
            return lambda r: function(model, *pair, answers, r.get("metric", "logits"), *rest)

        def cells(function):
            return lambda r: function(model, *pair, answers, r.get("metric", "logits"), r.get("limit"))

        def attribution(of):
            return {
                "all_positions": lambda r: gpt2.attribution_patching(model, *of, answers, False),
                "last_block_last_position": lambda r: gpt2.attribution_patching(model, *of, answers, True),
            }

        return {
            "forward_full_cache_8x128": {"cache": lambda r: gpt2.forward_cache(model, self.long)},
            "full_cache_1x16": {"cache": lambda r: gpt2.forward_cache(model, pair[0])},
            "logits_last_8x128": {
                "index_all_logits": lambda r: gpt2.logits_last_by_index(model, self.long),
                "unembed_last_row": lambda r: gpt2.logits_last_unembed_row(model, self.long),
                "last_block_last_position": lambda r: gpt2.logits_last_from_last_block(model, self.long),
            },
            "sweep_resid_pre_cells": {"one_forward_per_cell": cells(sweeps.resid_pre_cells)},
            "sweep_resid_pre_batched": {
                **{f"chunks_of_{n}": sweep(sweeps.resid_pre_chunks, n) for n in (16, 32, 48, 96, 192)},
                "from_layer": sweep(sweeps.resid_pre_from_layer),
                "staircase": sweep(sweeps.resid_pre_staircase),
                "staircase_positions": sweep(sweeps.resid_pre_staircase_positions),
            },
            "sweep_heads_cells": {"one_forward_per_cell": cells(sweeps.heads_cells)},
            "sweep_heads_batched": {
                **{f"chunks_of_{n}": sweep(sweeps.heads_chunks, n) for n in (12, 24, 48, 144)},
                "from_layer": sweep(sweeps.heads_from_layer),
                "staircase": sweep(sweeps.heads_staircase),
            },
            "attribution_patching_1x16": attribution(pair),
            "attribution_patching_8x32": attribution(pairs),
            "greedy_decode_64": {
                "gemv": lambda r: gpt2.greedy_decode(model, pair[0], 64, "gemv"),
                "gemm": lambda r: gpt2.greedy_decode(model, pair[0], 64, "gemm"),
            },
        }

    def time_once(self, function, request):
        """Seconds of one repetition; what it returns lives until the clock has stopped, then goes."""
        start = time.perf_counter()
        kept = function(request)
        seconds = time.perf_counter() - start
        del kept
        return seconds

    def time_forms(self, forms, request):
        """Best seconds of each form: one repetition, then two more of those within half again of the fastest."""
        times = {form: self.time_once(function, request) for form, function in forms.items()}
        near = [form for form in forms if times[form] <= 1.5 * min(times.values())]
        for _ in range(2):
            for form in near if len(near) > 1 else []:
                times[form] = min(times[form], self.time_once(forms[form], request))
        return times

    def run(self, request):
        name = request["case"]
        if name == "hello":
            return self.hello()
        if name == "load":
            return load_case(request)
        if name not in self.cases:
            raise ValueError(f"no case {name!r}; cases: hello, load, {', '.join(self.cases)}")
        forms, answer = self.cases[name], {}
        form = request.get("form")
        if form is None:
            kept = (name, request.get("metric", "logits"))
            if kept not in self.kept_form:
                answer["forms"] = self.time_forms(forms, request)
                self.kept_form[kept] = min(answer["forms"], key=answer["forms"].get)
            form = self.kept_form[kept]
        if form not in forms:
            raise ValueError(f"{name} has no form {form!r}; forms: {', '.join(forms)}")
        reset_peak_rss()
        seconds = [self.time_once(forms[form], request) for _ in range(request.get("repeat", 1))]
        limit, total = request.get("limit"), {"sweep_resid_pre_cells": 192, "sweep_heads_cells": 144}.get(name)
        if limit and total:
            seconds = [s * total / limit for s in seconds]
            answer["scaledFrom"] = limit
        return {"form": form, "seconds": seconds, "peakRssMb": peak_rss_mb(), **answer}

    def hello(self):
        with open("/proc/self/maps") as maps:
            mapped = {line.split()[-1] for line in maps if "/" in line}
        blas = sorted(p for p in mapped if "openblas" in p or "blis" in p or "libblas" in p or "mkl" in p)
        return {
            "torch": torch.__version__,
            "python": sys.version.split()[0],
            "threads": torch.get_num_threads(),
            "blas": blas,
            "layout": self.layout,
            "weightsMb": self.model.parameters_mb(),
            "cases": {name: list(forms) for name, forms in self.cases.items()} | {"load": list(LOAD_FORMS)},
            **probe(),
        }


def probe():
    """GFLOP/s of 1024x768x3072 and of 16 rows through twelve such matrices."""
    torch.set_num_threads(THREADS)
    x, few = torch.randn(1024, 768), torch.randn(16, 768)
    weights = [torch.randn(768, 3072) for _ in range(12)]

    def best(function, repetitions):
        times = []
        for _ in range(repetitions):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        return min(times[1:])

    large = best(lambda: torch.mm(x, weights[0]), 12)
    small = best(lambda: [torch.mm(few, w) for w in weights], 12)
    flops = 2 * 768 * 3072 / 1e9
    return {"matmulGflops": 1024 * flops / large, "fewRowsGflops": 16 * 12 * flops / small}


# --- self-test --------------------------------------------------------------------------------------------------------


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
            q, k, v = (qkv[:, part * E + h * D : part * E + (h + 1) * D] for part in range(3))
            scores = (q @ k.t() / 8).masked_fill(torch.ones(P, P).triu(1).bool(), float("-inf"))
            zs.append(scores.softmax(-1) @ v)
        z = edit((i, "z"), torch.stack(zs, 1))  # [P, H, D]
        x = x + z.reshape(P, E) @ block.out.in_out + block.out.bias
        pre = layer_norm(x, block.ln2) @ block.mlp_in.in_out + block.mlp_in.bias
        post = 0.5 * pre * (1 + torch.tanh(0.7978845608028654 * (pre + 0.044715 * pre.pow(3))))
        x = x + post @ block.mlp_out.in_out + block.mlp_out.bias
    return layer_norm(x, model.ln_final) @ model.W_U.t()


def self_test():
    peer = Peer()
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
    for i in (0, 11):
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


def serve():
    # Replies go to the real stdout alone; whatever a library prints goes to stderr.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = peer.run(request)
        except Exception as error:  # the process lives on: the bench says which case failed
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({"case": request.get("case"), **answer}), file=replies, flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test())
    elif sys.argv[1:2] == ["--load"]:
        print(json.dumps(load_once(sys.argv[2], sys.argv[3])))
    elif sys.argv[1:] == ["--probe"]:
        print(json.dumps(probe()))
    else:
        serve()
