"""A machine for PTX in numpy: what NVRTC really emits, run on all threads at once, and watched.

Every thread of a launch is a lane. Lanes at one instruction run together; where they part, those that are behind run
first. It stops at whatever a GPU would do silently: an access out of bounds or misaligned, a read of shared memory that
nobody wrote, two threads at one place of shared memory without a barrier between them, a barrier that some threads of
a block miss, arguments of another width, an instruction that is not exactly rounded (.ftz, .approx, fma) or not known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from support.hostcc import HostDevice

from gpudepth.compute.nvrtc import FLAGS, Nvrtc, _candidates
from gpudepth.errors import BackendError

TYPES = {f"{kind}{bits}": np.dtype(f"{'i' if kind == 's' else 'u'}{bits // 8}")
         for kind in "usb" for bits in (8, 16, 32, 64)} | {"f32": np.dtype("f4"), "f16": np.dtype("f2")}
REGISTERS = {"pred": np.dtype(bool), "b16": np.dtype("u2"), "b32": np.dtype("u4"), "f32": np.dtype("u4"),
             "b64": np.dtype("u8")}
GAP = 1 << 20     # between arrays in global memory
MOST = 2_000_000  # instructions of a launch
COMPARE = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
           "ge": np.greater_equal}
ARITHMETIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum,
              "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}


class PtxError(Exception):
    """What the machine does not let pass."""


@dataclass
class Instruction:
    text: str
    op: list[str]
    args: list[Any]
    guard: tuple[str, bool] | None = None


@dataclass
class Entry:
    """A kernel: parameters (name, type), registers (prefix → type), instructions, where labels point, memory sizes."""

    parameters: list[tuple[str, str]]
    registers: dict[str, np.dtype[Any]] = field(default_factory=dict)
    code: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    local: dict[str, int] = field(default_factory=dict)


def parse(ptx: str) -> dict[str, Entry]:
    """All kernels of a module."""
    ptx = re.sub(r"//[^\n]*", "", ptx.replace("\0", ""))
    common = {n: int(s) for n, s in re.findall(r"\.shared\s+\.align\s+\d+\s+\.b8\s+(\w+)\[(\d+)\];", ptx)}
    entries = {}
    for name, head, body in re.findall(r"\.entry\s+(\w+)\s*\(([^)]*)\)[^{]*\{(.*?)\n\}", ptx, re.DOTALL):
        words = [one.split() for one in head.split(",") if one.strip()]  # .param .u64 [.ptr .align 1] name
        entry = Entry([(w[-1], w[1].lstrip(".")) for w in words], shared=dict(common))
        for kind, prefix in re.findall(r"\.reg\s+\.(\w+)\s+(%\w+?)<\d+>;", body):
            entry.registers[prefix] = REGISTERS[kind]
        for kind, one in re.findall(r"\.reg\s+\.(\w+)\s+(%?\w+);", body):
            entry.registers[one] = REGISTERS[kind]
        entry.local = {n: int(s) for n, s in re.findall(r"\.local\s+\.align\s+\d+\s+\.b8\s+(\w+)\[(\d+)\];", body)}
        for line in re.split(r"[;\n]", re.sub(r"\{([^{}\n]*)\}", lambda m: "<" + m[1].replace(",", "!") + ">", body)):
            line = line.strip()  # noqa: PLW2901
            if line.endswith(":"):
                entry.labels[line[:-1]] = len(entry.code)
            elif line and not line.startswith((".", "{", "}")):
                entry.code.append(_instruction(line))
        entries[name] = entry
    return entries


def _instruction(line: str) -> Instruction:
    guard = re.match(r"@(!?)(%\w+)\s+", line)
    rest = line[guard.end() :] if guard else line
    op, _, tail = rest.partition(" ") if " " in rest else rest.partition("\t")
    args: list[Any] = []
    for text in (a.strip() for a in tail.replace("\t", " ").split(",")):
        if text:
            args.append([p.strip() for p in text[1:-1].split("!")] if text.startswith("<") else text)
    words = op.strip().split(".")
    if words[0] in ("atom", "red"):     # that each is visible to the whole device is what the older form means
        words = [word for word in words if word not in ("relaxed", "gpu")]
    return Instruction(line, words, args, (guard[2], not guard[1]) if guard else None)


class Memory:
    """Global memory: arrays far apart, and nothing between them."""

    def __init__(self) -> None:
        self.arrays: dict[int, tuple[Any, np.ndarray]] = {}
        self.next = GAP

    def place(self, array: np.ndarray) -> int:
        """Its address."""
        for base, (there, _) in self.arrays.items():
            if there is array:
                return base
        base = self.next
        self.arrays[base] = array, array.reshape(-1).view(np.uint8)
        self.next += (array.nbytes // GAP + 2) * GAP
        return base

    def find(self, address: np.ndarray, size: int, text: str) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """(lanes, bytes of the array, offset) for each array that is touched."""
        if (address % size).any():
            raise PtxError(f"misaligned access: {text}")
        out, left = [], np.ones(address.size, bool)
        for base, (_, data) in self.arrays.items():
            inside = (address >= base) & (address < base + GAP // 2 + data.size)
            if inside.any():
                offset = (address[inside] - base).astype(np.int64)
                if (offset + size > data.size).any():
                    raise PtxError(f"out-of-bounds access at offset {int(offset.max())} of {data.size}: {text}")
                out.append((np.flatnonzero(inside), data, offset))
                left &= ~inside
        if left.any():
            raise PtxError(f"access to no array, address {int(address[left][0]):#x}: {text}")
        return out


class Launch:
    """One launch of a kernel."""

    def __init__(self, entry: Entry, grid: tuple[int, int], block: tuple[int, int], args: tuple[Any, ...]) -> None:
        self.entry, self.grid, self.block = entry, grid, block
        self.memory, self.threads = Memory(), block[0] * block[1]
        self.lanes = grid[0] * grid[1] * self.threads
        lane = np.arange(self.lanes)
        inner, outer = lane % self.threads, lane // self.threads
        self.block_of = outer
        self.special = {
            "%tid.x": inner % block[0], "%tid.y": inner // block[0], "%ntid.x": np.full(self.lanes, block[0]),
            "%ntid.y": np.full(self.lanes, block[1]), "%ctaid.x": outer % grid[0], "%ctaid.y": outer // grid[0]}
        self.values: dict[str, np.ndarray] = {}
        self.parameters = self._bind(args)
        starts = np.cumsum([0, *entry.shared.values()])
        self.shared_at = dict(zip(entry.shared, (int(s) for s in starts), strict=False))
        size = int(starts[-1])
        blocks = grid[0] * grid[1]
        self.shared = np.zeros((blocks, size), np.uint8)
        self.writer = np.full((blocks, size), -1, np.int64)     # lane that wrote last
        self.wrote = np.full((blocks, size), -1, np.int64)      # in which epoch
        self.reader = np.full((blocks, size), -1, np.int64)     # lane that read last; -2: several
        self.read_in = np.full((blocks, size), -1, np.int64)
        self.epoch = np.zeros(blocks, np.int64)
        self.local = np.zeros((self.lanes, sum(entry.local.values())), np.uint8)

    def _bind(self, args: tuple[Any, ...]) -> dict[str, Any]:
        if len(args) != len(self.entry.parameters):
            raise PtxError(f"{len(args)} arguments for {len(self.entry.parameters)} parameters")
        bound: dict[str, Any] = {}
        for (name, kind), value in zip(self.entry.parameters, args, strict=True):
            if value is None or isinstance(value, np.ndarray):
                if kind != "u64":
                    raise PtxError(f"{name} is {kind}, not a pointer")
                bound[name] = np.uint64(0 if value is None else self.memory.place(value))
            elif value.dtype.itemsize != TYPES[kind].itemsize:
                raise PtxError(f"{name} is {kind}, the argument {value.dtype}")
            else:
                bound[name] = value.view(f"u{value.dtype.itemsize}")
        return bound

    # ---- control -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        ready: dict[int, np.ndarray] = {0: np.arange(self.lanes)}
        waiting: dict[int, np.ndarray] = {}
        steps = 0
        with np.errstate(all="ignore"):
            while ready or waiting:
                if not ready:
                    ready, waiting = self._release(waiting), {}
                at = min(ready)
                lanes = ready.pop(at)
                while True:
                    steps += 1
                    if steps > MOST:
                        raise PtxError("does not end")
                    if at >= len(self.entry.code):
                        break
                    instruction = self.entry.code[at]
                    name, active = instruction.op[0], lanes
                    if instruction.guard:
                        register, wanted = instruction.guard
                        active = lanes[self._register(register)[lanes] == wanted]
                    if name in ("ret", "exit"):
                        lanes = np.setdiff1d(lanes, active, assume_unique=True)
                        at += 1
                    elif name == "bra":
                        other = np.setdiff1d(lanes, active, assume_unique=True)
                        target = self.entry.labels[instruction.args[0]]
                        for place, some in ((target, active), (at + 1, other)):
                            if some.size:
                                ready[place] = np.union1d(ready[place], some) if place in ready else some
                        break
                    elif name == "bar":
                        waiting[at + 1] = np.union1d(waiting.get(at + 1, lanes[:0]), lanes)
                        break
                    else:
                        if active.size:
                            self._execute(instruction, active)
                        at += 1
                    if not lanes.size:
                        break
                    if ready and at >= min(ready):
                        ready[at] = np.union1d(ready[at], lanes) if at in ready else lanes
                        break

    def _release(self, waiting: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        """All that live stand at a barrier: each block must be there whole, and at one."""
        for lanes in waiting.values():
            blocks, counts = np.unique(self.block_of[lanes], return_counts=True)
            if (counts != self.threads).any():
                raise PtxError(f"a barrier that not all threads reach: {counts.min()} of {self.threads} in a block")
            self.epoch[blocks] += 1
        return dict(waiting)

    # ---- values ------------------------------------------------------------------------------------------------------

    def _register(self, name: str) -> np.ndarray:
        if name not in self.values:
            prefix = name if name in self.entry.registers else name.rstrip("0123456789")
            self.values[name] = np.zeros(self.lanes, self.entry.registers[prefix])
        return self.values[name]

    def _get(self, text: str, lanes: np.ndarray, kind: str) -> np.ndarray:
        """An operand as `kind`."""
        dtype = TYPES.get(kind, np.dtype(bool))
        if text in self.special:
            return self.special[text][lanes].astype(dtype)
        if text.startswith("%"):
            value = self._register(text)[lanes]
            if kind == "pred":
                return value
            unsigned = np.dtype(f"u{dtype.itemsize}")
            return (value if value.dtype == unsigned else value.astype(unsigned)).view(dtype)
        if text.startswith("0f"):
            return np.full(lanes.size, int(text[2:], 16), np.uint32).view(dtype)
        if re.match(r"-?(0x)?[0-9a-fA-F]+U?$", text):
            bits = int(text.rstrip("U"), 0) & ((1 << 8 * dtype.itemsize) - 1)
            return np.full(lanes.size, bits, f"u{dtype.itemsize}").view(dtype)
        if text in self.shared_at:
            return np.full(lanes.size, self.shared_at[text], dtype)
        if text in self.entry.local:
            return np.zeros(lanes.size, dtype)
        raise PtxError(f"unknown operand {text}")

    def _put(self, name: str, lanes: np.ndarray, value: np.ndarray) -> None:
        register = self._register(name)
        if register.dtype == bool:
            register[lanes] = value
            return
        wide = value.astype(np.int64) if value.dtype.kind == "i" and value.itemsize < register.itemsize else value
        bits = wide.view(f"u{wide.dtype.itemsize}") if wide.dtype.kind != "u" else wide
        register[lanes] = bits.astype(register.dtype)

    # ---- instructions ------------------------------------------------------------------------------------------------

    def _execute(self, i: Instruction, lanes: np.ndarray) -> None:
        op, args = i.op, i.args
        name, kind = op[0], op[-1]
        if {"ftz", "approx", "fma", "sat"} & set(op) or name == "fma" or "f64" in op:
            raise PtxError(f"not exact IEEE: {i.text}")
        if kind == "f32" and name in ("add", "sub", "mul", "div", "mad") and op[1:] != ["rn", "f32"]:
            raise PtxError(f"not rounded to nearest: {i.text}")

        def get(n: int, as_kind: str = kind) -> np.ndarray:
            return self._get(args[n], lanes, as_kind)

        if name in ("ld", "st", "atom", "red"):
            self._memory(i, lanes)
        elif name == "mov" and isinstance(args[0], list):    # a register is taken apart, its low end first
            parts = get(1).view(np.uint64)[:, None] >> np.arange(0, 64, 64 // len(args[0]), dtype=np.uint64)
            for part, register in zip(parts.T, args[0], strict=True):
                if register != "_":
                    self._put(register, lanes, part.astype(self._register(register).dtype))
        elif name in ("mov", "cvta"):
            self._put(args[0], lanes, get(1))
        elif name in ARITHMETIC and op[1:2] != ["wide"]:
            if kind == "pred":
                self._put(args[0], lanes, {"and": np.logical_and, "or": np.logical_or, "xor": np.not_equal}[name](get(1), get(2)))
            else:
                self._put(args[0], lanes, ARITHMETIC[name](get(1), get(2)))
        elif name == "mul":  # wide
            wide = np.dtype(f"{TYPES[kind].kind}{2 * TYPES[kind].itemsize}")
            self._put(args[0], lanes, get(1).astype(wide) * get(2).astype(wide))
        elif name == "mad" and op[1] == "lo":
            self._put(args[0], lanes, get(1) * get(2) + get(3))
        elif name == "div":
            self._put(args[0], lanes, get(1) / get(2) if kind == "f32" else _quotient(get(1), get(2)))
        elif name == "rem":
            self._put(args[0], lanes, get(1) - _quotient(get(1), get(2)) * get(2))
        elif name == "neg":
            self._put(args[0], lanes, -get(1))
        elif name == "abs":
            self._put(args[0], lanes, np.abs(get(1)))
        elif name == "not":
            self._put(args[0], lanes, ~get(1))
        elif name in ("shl", "shr"):
            self._put(args[0], lanes, _shift(name, get(1), get(2, "u32")))
        elif name == "setp":
            self._compare(i, lanes)
        elif name == "selp":
            self._put(args[0], lanes, np.where(get(3, "pred"), get(1), get(2)))
        elif name == "cvt":
            self._put(args[0], lanes, _convert(i, get(1)))
        elif name == "bfe" and kind == "u32":
            self._put(args[0], lanes, (get(1) >> get(2)) & ((np.uint64(1) << get(3).astype(np.uint64)) - np.uint64(1)).astype(np.uint32))
        elif name == "bfi":
            position, length = get(3, "u32").astype(np.uint64), get(4, "u32").astype(np.uint64)
            mask = ((np.uint64(1) << length) - np.uint64(1)) << position
            merged = (get(2).astype(np.uint64) & ~mask) | ((get(1).astype(np.uint64) << position) & mask)
            self._put(args[0], lanes, merged.astype(TYPES[kind]))
        elif name == "prmt":
            self._put(args[0], lanes, _permute(get(1), get(2), get(3)))
        else:
            raise PtxError(f"unknown instruction: {i.text}")

    def _compare(self, i: Instruction, lanes: np.ndarray) -> None:
        how, kind = i.op[1], i.op[-1]
        a, b = self._get(i.args[1], lanes, kind), self._get(i.args[2], lanes, kind)
        unordered = kind == "f32" and how.endswith("u") and len(how) == 3
        result = COMPARE[how[:2]](a, b)
        if kind == "f32" and how == "ne":  # ordered: false for NaN
            result &= ~(np.isnan(a) | np.isnan(b))
        if unordered:
            result |= np.isnan(a) | np.isnan(b)
        self._put(i.args[0], lanes, result)

    def _memory(self, i: Instruction, lanes: np.ndarray) -> None:
        op = i.op
        space, kind = op[1], op[-1]
        count = int(op[2][1:]) if re.fullmatch(r"v[24]", op[2]) else 1
        where = i.args[0] if op[0] in ("st", "red") else i.args[1]
        inner = where[1:-1]
        if space == "param":
            self._put(i.args[0], lanes, np.full(lanes.size, self.parameters[inner.partition("+")[0]]))
            return
        base, _, plus = inner.partition("+")
        address = self._get(base.strip(), lanes, "u64").astype(np.int64) + (int(plus, 0) if plus else 0)
        dtype = TYPES[kind]
        if op[0] in ("atom", "red"):
            value = self._get(i.args[-1], lanes, kind)
            for some, data, offset in self.memory.find(address.astype(np.uint64), dtype.itemsize, i.text):
                words, index = data.view(dtype), offset // dtype.itemsize
                {"add": np.add, "min": np.minimum, "max": np.maximum}[op[2]].at(words, index, value[some])
            return  # no kernel of ours uses what an atomic returns
        registers = i.args[0] if op[0] == "ld" else i.args[1]
        registers = registers if isinstance(registers, list) else [registers]
        size = dtype.itemsize
        if space == "global":
            places = self.memory.find(address.astype(np.uint64), size * count, i.text)
        for n, register in enumerate(registers):
            if op[0] == "st":
                raw = np.ascontiguousarray(self._get(register, lanes, kind)).view(np.uint8).reshape(-1, size)
            else:
                raw = np.zeros((lanes.size, size), np.uint8)
            reach = np.arange(size) + n * size
            if space == "global":
                for some, data, offset in places:
                    if op[0] == "st":
                        data[offset[:, None] + reach] = raw[some]
                    else:
                        raw[some] = data[offset[:, None] + reach]
            else:
                self._scratch(i, lanes, address[:, None] + reach, raw)
            if op[0] == "ld":
                self._put(register, lanes, raw.view(dtype).reshape(-1))

    def _scratch(self, i: Instruction, lanes: np.ndarray, at: np.ndarray, raw: np.ndarray) -> None:
        """Shared and local memory, (lanes, bytes)."""
        store = i.op[0] == "st"
        memory, row = (self.local, lanes) if i.op[1] == "local" else (self.shared, self.block_of[lanes])
        if (at < 0).any() or (at >= memory.shape[1]).any():
            raise PtxError(f"out-of-bounds access to {i.op[1]} memory: {i.text}")
        if (at[:, 0] % raw.shape[1]).any():
            raise PtxError(f"misaligned access: {i.text}")
        where = (row[:, None], at)
        if i.op[1] == "shared":
            self._watch(i, lanes, where, store=store)
        if store:
            memory[where] = raw
        else:
            raw[...] = memory[where]

    def _watch(self, i: Instruction, lanes: np.ndarray, where: Any, *, store: bool) -> None:
        now, me = self.epoch[where[0]], lanes[:, None]
        if not store and (self.writer[where] < 0).any():
            raise PtxError(f"read of shared memory that nobody wrote: {i.text}")
        fresh = (self.wrote[where] == now) & (self.writer[where] != me)
        if fresh.any():
            raise PtxError(f"shared-memory race: {'write' if store else 'read'} after another thread's write: {i.text}")
        if store:
            if ((self.read_in[where] == now) & (self.reader[where] != me)).any():
                raise PtxError(f"shared-memory race: write after another thread's read: {i.text}")
            if np.unique(where[0] * self.shared.shape[1] + where[1]).size != where[1].size:
                raise PtxError(f"shared-memory race: two threads write one place: {i.text}")
            self.writer[where], self.wrote[where] = me, now
        else:
            several = (self.read_in[where] == now) & (self.reader[where] != me)
            place = where[0] * self.shared.shape[1] + where[1]
            _, back, counts = np.unique(place, return_inverse=True, return_counts=True)
            several |= (counts > 1)[back.reshape(place.shape)]
            self.reader[where] = np.where(several, -2, me)
            self.read_in[where] = now


def _quotient(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Towards zero, as C divides."""
    whole, part = a // b, a % b
    return np.where((part != 0) & ((a < 0) != (b < 0)), whole + 1, whole).astype(a.dtype)


def _shift(name: str, a: np.ndarray, by: np.ndarray) -> np.ndarray:
    bits = 8 * a.dtype.itemsize
    far = by >= bits
    shifted = np.left_shift(a, by.astype(a.dtype)) if name == "shl" else np.right_shift(a, np.minimum(by, bits - 1).astype(a.dtype))
    gone = np.zeros_like(a) if name == "shl" or a.dtype.kind == "u" else shifted
    return np.where(far, gone, shifted)


def _convert(i: Instruction, value: np.ndarray) -> np.ndarray:
    target, source = TYPES[i.op[-2]], TYPES[i.op[-1]]
    rounding = i.op[1:-2]
    if target.kind == "f":
        wanted = [] if source.kind == "f" and target.itemsize > source.itemsize else ["rn"]
        if rounding != wanted:
            raise PtxError(f"not rounded to nearest: {i.text}")
        return value.astype(target)
    if source.kind == "f":
        if rounding != ["rni"]:
            raise PtxError(f"another rounding than to nearest: {i.text}")
        limits = np.iinfo(target)
        return np.clip(np.rint(np.nan_to_num(value).astype(np.float64)), limits.min, limits.max).astype(target)
    if rounding:
        raise PtxError(f"unknown instruction: {i.text}")
    return value.astype(target)


def _permute(a: np.ndarray, b: np.ndarray, selector: np.ndarray) -> np.ndarray:
    both = a.astype(np.uint64) | b.astype(np.uint64) << np.uint64(32)
    out = np.zeros(a.size, np.uint64)
    for n in range(4):
        pick = (selector >> np.uint32(4 * n)).astype(np.uint64) & np.uint64(7)
        out |= (both >> (pick * np.uint64(8)) & np.uint64(255)) << np.uint64(8 * n)
    return out.astype(np.uint32)


@lru_cache(maxsize=4)
def library(major: int) -> Nvrtc:
    """NVRTC of a major version, of those that are installed."""
    path = next((c for c in _candidates() if f".so.{major}" in c), None)
    if path is None:
        raise BackendError(f"NVRTC {major} is not installed")
    return Nvrtc(path)


@lru_cache(maxsize=128)
def entries(module: str, capability: int, flags: tuple[str, ...] = FLAGS, major: int = 12) -> dict[str, Entry]:
    """The kernels of kernels/MODULE.cu, as NVRTC compiles them for a compute capability (80: 8.0)."""
    return parse(library(major).compile(module, f"compute_{capability}", flags).decode())


class PtxDevice(HostDevice):
    """`compute.launch.KernelDevice` on this machine."""

    def __init__(self, capability: int, flags: tuple[str, ...] = FLAGS, major: int = 12) -> None:
        super().__init__(flags=flags)
        self.major = major
        self.name, self.capability = f"ptx-{capability}", capability  # type: ignore[misc]

    def empty(self, shape: Any, dtype: Any) -> Any:
        out = super().empty(shape, dtype)
        out.view(np.ndarray).reshape(-1).view(np.uint8)[:] = 0xA5  # nobody may count on zeros
        return out

    def launch(self, module: str, kernel: str, grid: tuple[int, int], block: tuple[int, int], *args: Any) -> None:
        plain = (a.view(np.ndarray) if isinstance(a, np.ndarray) else a for a in args)
        whole = tuple(np.ascontiguousarray(a) if isinstance(a, np.ndarray) and not a.flags.c_contiguous else a for a in plain)
        Launch(entries(module, self.capability, self.flags, self.major)[kernel], grid, block, whole).run()
