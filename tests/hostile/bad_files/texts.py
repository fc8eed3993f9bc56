"""Jobs, lists and calibrations."""

from __future__ import annotations

import struct

from bad_files.builders import Files


def texts() -> Files:
    """Jobs, lists, calibrations: the same files are sent to every reader of text."""
    yield "tag.yaml", b"a: !!python/object/apply:os.system [echo]\n"
    yield "aliases.yaml", b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(8))
    yield "loop.yaml", b"&a [*a]\n"
    yield "merge.yaml", b"a: {<<: {b: 1}}\n"
    yield "twice.yaml", b"source: {a: 1}\nsource: {a: 2}\n"
    yield "numbers.yaml", b"encoding: {near: 1e3, far: 012}\nlimits: {max_pixels: 12:30:45}\nrefine: {clamp: [.nan, .inf]}\n"
    yield "digits.yaml", b"limits: {max_pixels: " + b"9" * 5000 + b"}\n"
    yield "digits.hex.yaml", b"limits: {max_pixels: 0x" + b"9" * 100_000 + b"}\n"
    yield "digits.float.yaml", b"encoding: {near: 1e999999, far: " + b"9" * 400 + b".0}\n"
    yield "deep.yaml", b"[" * 20_000
    yield "deep.block.yaml", b"".join(b" " * n + b"a:\n" for n in range(1000))
    yield "deep.dash.yaml", b"- " * 20_000
    yield "deep.question.yaml", b"? " * 20_000
    yield "wide.yaml", b"a: [" + b"1," * 400_000 + b"]\n"
    yield "wide.keys.yaml", b"".join(b"k%d: 1\n" % n for n in range(60_000))
    yield "long.yaml", b"a: " + b"b" * (1 << 20)
    yield "long.quoted.yaml", b'a: "' + b"\\x41" * 200_000 + b'"\n'
    yield "long.spaces.yaml", b"a:" + b" " * 1_000_000 + b"b\n"
    yield "long.lines.yaml", b"\n" * 1_000_000
    yield "long.comments.yaml", b"#\n" * 500_000
    yield "long.text.yaml", b"a: |\n" + b"  b\n" * 200_000
    yield "long.plain.yaml", b"a:\n" + b"  b\n" * 200_000
    yield "keys.yaml", b"? [a]\n: b\n? {c: d}\n: e\n1: 2\n~: 3\n"
    yield "documents.yaml", b"a: 1\n---\nb: 2\n"
    yield "directive.yaml", b"%YAML 9.9\n---\na: 1\n"
    yield "tab.yaml", b"\ta: 1\n"
    yield "bom.yaml", b"\xff\xfea\0:\0"
    yield "control.yaml", b"a: \x01\x02\n"
    yield "surrogate.yaml", b"a: \xed\xa0\x80\n"
    yield "surrogate.escape.yaml", b'source: {color: "\\ud800", depth: "\\x00"}\noutput: {path: "\\ud800.heic"}\n'
    yield "escape.yaml", b'a: "\\x1b[31m\\U00110000"\n'
    yield "list.yaml", b"- 1\n- 2\n"
    yield "scalar.yaml", b"5"
    yield "types.yaml", b"source: 5\nencoding: [1]\noutput: null\nmap: a\nrefine: true\nrun: {workers: [1]}\nlimits: {max_pixels: -1, max_file: 99999999999999999999999 GiB}\n"
    yield "sizes.yaml", b"source: {color: a, depth: b}\noutput: {path: c.heic}\nlimits: {max_file: '..GiB', max_archive: '1e5GiB', max_xmp: '9999999999999999999999999999.GiB'}\n"
    yield "templates.yaml", b'source: {color: "{x.__class__}/*.heic", depth: "{0}/{stem!r:>{width}}.png"}\noutput: {path: "../../{stem}/{nothing}.heic"}\n'
    for n, text in enumerate((b"{", b"[" * 100_000, b'{"frames": ' + b"[" * 100_000, b'{"frames": [' + b"9" * 5000 + b"]}", b'{"frames": [{"file_path": 5, "depth_file_path": []}]}',
                              b'{"frames": [{"file_path": "\\u0000", "depth_file_path": "\\ud800"}]}', b'{"frames": [{"file_path": "' + b"a" * 100_000 + b'"}]}', b"NaN", b"Infinity",
                              b'{"frames": [{}]}', b'{"frames": {}}', b'{"a": 1, "a": 2}', b"\xff\xfe{\0}\0", b'"' + b"a" * (1 << 20))):
        yield f"{n}.json", text
    for n, text in enumerate((b'{"color": ' + b"9" * 5000 + b"}\n", b"[" * 100_000 + b"\n", b'{"color": "a", "depth": 1e999}\n', b'{"color": "\\ud800", "depth": "\\u0000"}\n',
                              b"null\n" * 50_000, b'{"color": {"a": "b"}, "depth": ["c"]}\n', b'{"color": "' + b"a" * 300 + b'", "depth": "b"}\n')):
        yield f"{n}.jsonl", text
    for n, text in enumerate((b"color,depth\n" + b'"' + b"a" * 200_000 + b'",b\n', b"color,depth\n\0,b\n", b"color,depth,color\na,b,c\n", b"color;depth\na;b\n", b'color,depth\n"a\n',
                              b"color,depth\n" + b"," * 500_000, b"\n\n\n", b"color,depth\n" + b"a,b\n" * 100_000, b"color,depth\r" + b"a,b\r" * 100, b"color,depth\n" + b"a" * 300 + b",b\n",
                              b"," * 100_000 + b"\n")):
        yield f"{n}.csv", text
    for n, text in enumerate((b"1.0 a.jpg\n", b"nan a.jpg\n", b"inf a.jpg\n1e999999 b.jpg\n", b"9" * 5000 + b" a.jpg\n", b"1e99999999999 a.jpg\n", b"1.0\n", b"-1 a\n" * 100_000,
                              b"1 " + b"a" * 100_000 + b"\n", b"\0 \0\n", b"1 a\n1 b\n", b"1e-999999999 a\n2 b\n", b"0x10 a\n", b"1_0 a\n", "\u0663 a\n".encode())):
        yield f"times.{n}.txt", text
    for n, text in enumerate((b"cam0=[1 2 3; 4 5 6; 7 8 9]\n", b"cam0=[nan 0 0; 0 nan 0; 0 0 1]\ncam1=[1 0 0;0 1 0;0 0 1]\ndoffs=nan\nbaseline=inf\nwidth=0\nheight=-5\n",
                              b"cam0=" + b"[" * 100_000, b"baseline=1e999\ndoffs=0\ncam0=[1 0 0; 0 1 0; 0 0 1]\nwidth=1e99\nheight=" + b"9" * 5000, b"=\n" * 100_000, b"a" * (2 << 20))):
        yield f"calib.{n}.txt", text
    for n, text in enumerate((b"1 PINHOLE 640 480 nan inf 0 0\n", b"1 PINHOLE 0 0 1 1 1 1\n", b"1 PINHOLE 99999999999999999999 1 1 1 1 1\n", b"1 OPENCV 1 1\n", b"x PINHOLE 1 1 1 1 1 1\n",
                              b"1 PINHOLE 640 480 1 1 1 1\n" * 50_000, b"1 1 0 0 0 0 0 0 1 a.jpg\n1 2\n", b"1 nan 0 0 0 0 0 0 1 a.jpg\n1 2 3\n", b"1 0 0 0 0 0 0 0 1 a.jpg\n\n", b"9" * 5000 + b" PINHOLE\n")):
        yield f"model.{n}.txt", text
    for n, head in enumerate((1, 2, 1000, 1 << 40, (1 << 64) - 1)):
        yield f"model.{n}.bin", struct.pack("<Q", head) + bytes(range(256)) * 8
        yield f"model.ones.{n}.bin", struct.pack("<Q", head) + b"\xff" * 2048
        yield f"model.zeros.{n}.bin", struct.pack("<Q", head) + bytes(4096)
