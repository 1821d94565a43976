# SPDX-License-Identifier: MIT
"""PyTorch's attention back ends on the shapes of `confgen bench attention --json`, for compare_hf.py."""
import statistics
import time

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right

BACKENDS = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION,
            "efficient": SDPBackend.EFFICIENT_ATTENTION, "math": SDPBackend.MATH}
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
ROUNDS = 7
TURN_SECONDS = 4e-3  # of calls that are timed together
SLOW_SECONDS = 2e-2  # of a call that is timed alone

# ---- time and memory ----------------------------------------------------------------------------


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def elapsed(device, f):
    """Seconds of f()."""
    if device != "cuda":
        start = time.perf_counter()
        f()
        return time.perf_counter() - start
    a, b = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    a.record()
    f()
    b.record()
    b.synchronize()
    return a.elapsed_time(b) * 1e-3


def time_calls(device, calls, most_seconds, capture=True):
    """Returns the median seconds of a call: all calls in turn, replayed as a graph, or one after the other on the
    CPU, if the graph fails or if capture is false. Of slow calls only the first is used, in fewer rounds."""
    def turn():
        for call in calls:
            call()

    seconds = min(elapsed(device, calls[0]) for _ in range(2))  # the first may make a plan
    if seconds > most_seconds:
        raise RuntimeError(f"a call takes {seconds:.3g} s, wanted at most {most_seconds:g}")
    if seconds > SLOW_SECONDS:
        calls = calls[:1]
    synchronize(device)
    if device == "cuda":
        side = torch.cuda.Stream()  # a capture needs a side stream
        with torch.cuda.stream(side):
            turn()
        torch.cuda.synchronize()
    one_turn = max(elapsed(device, turn), 1e-6)
    turns = max(1, int(TURN_SECONDS / one_turn))

    def queue():
        for _ in range(turns):
            turn()

    run = queue
    if capture and device == "cuda":
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                queue()
            run = graph.replay
        except Exception:
            torch.cuda.synchronize()
    run()
    rounds = max(1, min(ROUNDS, int(SLOW_SECONDS * ROUNDS / one_turn)))
    return statistics.median(elapsed(device, run) for _ in range(rounds)) / (turns * len(calls))


def memory_of(device, call):
    """Bytes that a call allocates besides its result; None on the CPU."""
    if device != "cuda":
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    out = call()
    out = out[0] if isinstance(out, tuple) else out
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before - out.numel() * out.element_size()


# ---- calls --------------------------------------------------------------------------------------


def fault(cell):
    """Why PyTorch's functions cannot compute a shape; None if they may."""
    if cell["kv_min"] != cell["kv_max"]:
        return "PyTorch: sequences of one length each call"
    if cell["kv_dtype"] != cell["dtype"]:
        return "PyTorch: keys and values of the type of the queries"
    return cell["refused"] if not cell["sets"] else None  # not a valid shape, or too large


def mask_of(cell, device):
    """The arguments of scaled_dot_product_attention() for a mask. Its is_causal aligns the mask with the first
    tokens, which is the shape's only if all tokens have rows."""
    rows, n, window = cell["rows"], cell["kv_max"], cell["window"]
    if not cell["causal"] or rows == 1:  # a single row's window is cut out of keys and values
        return {}
    if window and window < n:
        at = torch.arange(n - rows, n, device=device)[:, None]
        key = torch.arange(n, device=device)[None, :]
        return {"attn_mask": (key <= at) & (key > at - window)}
    if rows == n:
        return {"is_causal": True}
    return {"attn_mask": causal_lower_right(rows, n)}


def operands(cell, device):
    b, h, hkv = cell["sequences"], cell["heads"], cell["kv_heads"]
    d, dv, rows, n = cell["head_dim"], cell["v_head_dim"], cell["rows"], cell["kv_max"]
    dtype = DTYPES[cell["dtype"]]
    sets = cell["sets"]
    q = [torch.randn(b, h, rows, d, device=device, dtype=dtype) for _ in range(sets)]
    k = [torch.randn(b, hkv, n, d, device=device, dtype=dtype) for _ in range(sets)]
    if cell["latent"]:
        v = [x[..., :dv] for x in k]
    else:
        v = [torch.randn(b, hkv, n, dv, device=device, dtype=dtype) for _ in range(sets)]
    if cell["causal"] and rows == 1 and 0 < cell["window"] < n:
        k, v = ([x[:, :, -cell["window"]:] for x in list_] for list_ in (k, v))
    return q, k, v


def with_lengths(cell, q, k, v):
    """The back ends' variable-length functions. Like confgen's plugins they read the lengths, here all equal,
    from device memory, and take packed rows."""
    b, rows, n, causal = cell["sequences"], cell["rows"], cell["kv_max"], bool(cell["causal"])
    starts = torch.arange(b + 1, device="cuda", dtype=torch.int32) * rows

    def packed(x):
        return x.transpose(1, 2).reshape(b * x.shape[2], x.shape[1], x.shape[3]).contiguous()

    q, k, v = ([packed(x) for x in list_] for list_ in (q, k, v))
    ops = torch.ops.aten
    return {
        "flash, lengths": lambda i: ops._flash_attention_forward(
            q[i], k[i], v[i], starts, starts, rows, n, 0.0, causal, False),
        "cudnn, lengths": lambda i: ops._cudnn_attention_forward(
            q[i], k[i], v[i], None, starts, starts, rows, n, False, 0.0, causal, False),
    }


def rows_of(cell, device, most_seconds):
    """Rows of the table for a cell's shape: its members with those of each back end of PyTorch."""
    shape = {key: cell[key] for key in
             ("set", "shape", "sequences", "heads", "kv_heads", "head_dim", "v_head_dim", "rows", "kv_min",
              "kv_max", "causal", "window", "latent", "dtype", "kv_dtype", "layout", "flops", "bytes")}
    reason = fault(cell)
    if reason:
        return [dict(shape, attention=f"PyTorch {name}", kv_cache="", refused=reason) for name in BACKENDS]
    out = []

    def add(name, calls, capture=True):
        row = dict(shape, attention=f"PyTorch {name}", kv_cache="")
        try:
            with torch.inference_mode():
                seconds = time_calls(device, calls, most_seconds, capture)
                bytes_ = memory_of(device, calls[0])
            row.update(ms=1e3 * seconds, tflops=cell["flops"] / seconds * 1e-12,
                       kv_bytes_per_second=cell["bytes"] / seconds)
            if bytes_ is not None:
                row.update(workspace_bytes=bytes_, plan_bytes=0)
        except Exception as e:
            row["refused"] = f"PyTorch {name}: {type(e).__name__}: {e}".split("\n")[0][:120]
            synchronize(device)
        out.append(row)

    try:
        q, k, v = operands(cell, device)
        mask = mask_of(cell, device)
    except (RuntimeError, MemoryError) as e:  # out of memory
        return [dict(shape, attention=f"PyTorch {name}", kv_cache="",
                     refused=f"PyTorch: {type(e).__name__}: {e}".split("\n")[0][:120]) for name in BACKENDS]
    grouped = {"enable_gqa": True} if cell["heads"] != cell["kv_heads"] else {}
    for name, backend in BACKENDS.items():
        with sdpa_kernel(backend):
            add(name, [lambda i=i: F.scaled_dot_product_attention(q[i], k[i], v[i], **mask, **grouped)
                       for i in range(len(q))])
    if device == "cuda" and 1 < cell["rows"] == cell["kv_max"] and not cell["window"] and \
            cell["v_head_dim"] == cell["head_dim"]:
        for name, form in with_lengths(cell, q, k, v).items():
            # cudnn copies the lengths to the host, which a capture forbids
            add(name, [lambda i=i: form(i) for i in range(len(q))], capture=name != "cudnn, lengths")
    return out
