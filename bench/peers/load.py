"""Loading safetensors, each time in a process of its own; and the peak memory of this process."""

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

LOAD_TENSORS = 128
PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch_peer.py")


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


def save_tensors(path, tensors):
    """Float32 and int64 tensors by name, as safetensors."""
    header, parts, offset = {}, [], 0
    for name, tensor in tensors.items():
        data = tensor.detach().contiguous().numpy().tobytes()
        dtype = {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + len(data)]}
        parts.append(data)
        offset += len(data)
    encoded = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded + b"".join(parts))


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
        command = [sys.executable, "-B", PEER, "--load", path, form]
        runs = [json.loads(subprocess.check_output(command)) for _ in range(request.get("repeat", 1))]
    last = runs[-1]
    return {
        "form": form,
        "seconds": [run["seconds"] for run in runs],
        "peakRssMb": max(run["peakRssMb"] for run in runs),
        "baselineRssMb": last["baselineRssMb"],
        "weightsMb": last["weightsMb"],
    }
