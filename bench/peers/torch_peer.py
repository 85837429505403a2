"""PyTorch's side of the bench: one process that answers JSON lines.

    {"case": "hello"}                                -> versions, threads, BLAS
    {"case": NAME, "repeat": 1, "form": NAME?}       -> {"case", "form", "seconds": [...], "peakRssMb"}

Without "form" the first request of a case times all its forms and keeps the fastest; the answer's "forms" has their
seconds. Sweeps take "metric": "logits" or "difference", and "pair" and "answers" in place of the peer's own; with "limit": n
they run a part of the cells, the answer's seconds are then scaled to all cells, and "scaledFrom" says from how many. With
"values" the answer also has what the last repetition returned, null for what was not computed.

    torch_peer.py --self-test           every form against one plain computation
    torch_peer.py --memory REQUEST      peak memory of one repetition in this fresh process, as JSON
    torch_peer.py --load FILE FORM      one load in this fresh process, as JSON
    torch_peer.py --train CASE FORM     peak memory of three training steps in this fresh process, as JSON
    torch_peer.py --one-step CASE FILE  a training step's batch, and its parameters before and after, as safetensors
    torch_peer.py --probe               GFLOP/s of this BLAS setting, as JSON
"""

import json
import math
import os
import sys
import time

import torch

import edges
import gpt2
import sweeps
import training
from load import LOAD_FORMS, load_case, load_once, peak_rss_mb, reset_peak_rss, save_tensors

# Sweeps that may run in part: how many cells there are, and how many of them a limit of 1 runs.
SWEPT = {
    "sweep_resid_pre_cells": (gpt2.N_LAYERS * 16, 1),
    "sweep_heads_cells": (gpt2.N_LAYERS * gpt2.N_HEADS, 1),
    "path_patch_cells": (edges.HEAD_EDGES, 1),
    "path_patch_batched": (edges.HEAD_EDGES, edges.HEAD_EDGES // gpt2.N_HEADS),
    "edges_one_by_one": (edges.EDGES, 1),
}
THREADS = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count())


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
        self.trainings = {}
        self.cases = self.describe_cases() | {
            case: {form: self.training_step(case, form) for form in forms}
            for case, forms in training.TRAININGS.items()
        }

    def describe_cases(self):
        """Case -> form -> function of the request."""
        model, answers = self.model, self.answers
        pair, pairs = self.pair, self.pairs

        def asked(r):
            """Prompts, answers and metric of a request."""
            prompts = [torch.tensor([tokens]) for tokens in r["pair"]] if "pair" in r else pair
            return *prompts, r.get("answers", answers), r.get("metric", "logits")

        def sweep(function, *rest):
            return lambda r: function(model, *asked(r), *rest)

        def cells(function, *rest):
            return lambda r: function(model, *asked(r), *rest, r.get("limit"))

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
            "path_patch_cells": {"one_forward_per_edge": cells(edges.path_cells)},
            "path_patch_batched": {f"{n}_senders": cells(edges.path_batched, n) for n in (4, 8, 16)},
            "edge_attribution": {
                "published": sweep(edges.eap_published),
                "pulled_back": sweep(edges.eap, False),
                "pulled_back_together": sweep(edges.eap, True),
            },
            # Any edge takes as long as one between heads.
            "edges_one_by_one": {"one_forward_per_edge": cells(edges.path_cells)},
            "attribution_patching_1x16": attribution(pair),
            "attribution_patching_8x32": attribution(pairs),
            "greedy_decode_64": {
                "gemv": lambda r: gpt2.greedy_decode(model, pair[0], 64, "gemv"),
                "gemm": lambda r: gpt2.greedy_decode(model, pair[0], 64, "gemm"),
            },
        }

    def training_step(self, case, form):
        """One more step of a training, which begins at its first."""

        def step(_):
            with torch.enable_grad():
                if (case, form) not in self.trainings:
                    self.trainings[case, form] = training.TRAININGS[case][form]()
                return self.trainings[case, form].step()

        return step

    def time_once(self, function, request):
        """Seconds of one repetition, and what it returned."""
        start = time.perf_counter()
        returned = function(request)
        return time.perf_counter() - start, returned

    def time_forms(self, forms, request):
        """Best seconds of each form: one repetition, then two more of those within half again of the fastest."""
        times = {form: self.time_once(function, request)[0] for form, function in forms.items()}
        near = [form for form in forms if times[form] <= 1.5 * min(times.values())]
        for _ in range(2):
            for form in near if len(near) > 1 else []:
                times[form] = min(times[form], self.time_once(forms[form], request)[0])
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
        seconds = []
        for _ in range(request.get("repeat", 1)):
            elapsed, returned = self.time_once(forms[form], request)
            seconds.append(elapsed)
        limit = request.get("limit")
        if limit and name in SWEPT:
            total, per_limit = SWEPT[name]
            seconds = [s * total / (limit * per_limit) for s in seconds]
            answer["scaledFrom"] = limit * per_limit
        if request.get("values"):
            answer["values"] = [None if math.isnan(x) else x for x in returned.flatten().tolist()]
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


def memory_once(request):
    """Peak memory of one repetition, over what this process held before it, the model included."""
    peer = Peer()
    reset_peak_rss()
    baseline = peak_rss_mb()
    return {"baselineRssMb": baseline, "peakRssMb": peer.run(request)["peakRssMb"]}


def train_once(case, form):
    """Peak memory of three steps, over what this process held before them."""
    torch.set_num_threads(THREADS)
    baseline = peak_rss_mb()
    steps = training.TRAININGS[case][form]()
    for _ in range(3):
        steps.step()
    return {"baselineRssMb": baseline, "peakRssMb": peak_rss_mb()}


def one_step(case, path):
    """Writes the first step of a case's first form, with an epsilon at which a gradient's last bits do not decide."""
    steps = next(iter(training.TRAININGS[case].values()))()
    for group in steps.optimiser.param_groups:
        group["eps"] = 1e-3
    before = {name: tensor.detach().clone() for name, tensor in steps.named().items()}
    loss = steps.step()
    save_tensors(
        path,
        {f"before/{name}": tensor for name, tensor in before.items()}
        | {f"after/{name}": tensor for name, tensor in steps.named().items()}
        | {f"batch/{name}": tensor for name, tensor in steps.batch().items()},
    )
    return {"loss": loss}


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
        from self_test import self_test  # it makes a peer of this module

        sys.exit(self_test(Peer()))
    elif sys.argv[1:2] == ["--load"]:
        print(json.dumps(load_once(sys.argv[2], sys.argv[3])))
    elif sys.argv[1:2] == ["--memory"]:
        print(json.dumps(memory_once(json.loads(sys.argv[2]))))
    elif sys.argv[1:2] == ["--train"]:
        print(json.dumps(train_once(sys.argv[2], sys.argv[3])))
    elif sys.argv[1:2] == ["--one-step"]:
        print(json.dumps(one_step(sys.argv[2], sys.argv[3])))
    elif sys.argv[1:] == ["--probe"]:
        print(json.dumps(probe()))
    else:
        serve()
