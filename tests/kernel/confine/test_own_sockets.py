"""What a strict kernel can send to its own host: garbage, too much, forgeries. The host lives on.

Each attempt is a cell of a real strict kernel. Afterwards the gateway answers, a cell runs, and the
host holds no descriptor, no task and hardly any memory more than before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from pydantic import BaseModel, ConfigDict

from spatialclaw.kernel import Call, Gateway, Kernel, KernelOptions
from spatialclaw.kernel.methods import DecodeParams

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

DEADLINE = 4.0
WAS_HERE = Path("/tmp/spatialclaw-was-here")

TOOLS = """
import array, os, pickle, socket, struct, threading, time
import msgpack
from spatialclaw.primitives import runtime
GATE = runtime.client().path
IPC = os.path.dirname(GATE)
K = get_ipython().kernel
class Evil:
    def __reduce__(self):
        return os.system, ('touch /tmp/spatialclaw-was-here',)
def gate():
    s = socket.socket(socket.AF_UNIX); s.connect(str(GATE)); s.settimeout(1); return s
def frame(data, size=None):
    return struct.pack('>I', len(data) if size is None else size) + data
def ask(data, size=None):
    s = gate(); s.sendall(frame(data, size))
    try: return s.recv(1 << 16)
    except OSError as error: return error
def request(**parts):
    return msgpack.packb({'id': 1, 'method': 'echo', 'params': {'text': 'x'}, **parts})
def publish(kind, content, **more):
    K.session.send(K.iopub_socket, kind, content, parent=K.get_parent(), **more)
"""

GATEWAY = {
    "garbage": "[ask(os.urandom(n)) for n in (0, 1, 7, 1000, 100_000)]",
    "a frame said to be of four gigabytes": "ask(b'x', size=0xFFFFFFFF)",
    "a frame that is too large, sent whole": """
s = gate()
try:
    s.sendall(frame(b'', 1 << 30))
    for _ in range(300): s.sendall(bytes(1 << 20))
except OSError as error: print(type(error).__name__)
""",
    "half a frame, for ever": "S = gate(); S.sendall(frame(b'abc', 1000))",
    "a pickle": "ask(pickle.dumps(Evil()))",
    "a pickle as a parameter": "ask(request(params={'text': pickle.dumps(Evil())}))",
    "no map": "[ask(msgpack.packb(v)) for v in (1, None, 'x', [1, 2], {'id': 1})]",
    "deeply nested": "ask(b'\\x91' * 100_000 + b'\\xc0')",
    "a list said to have four billion items": "ask(b'\\xdd\\xff\\xff\\xff\\xff')",
    "a map said to have four billion items": "ask(b'\\xdf\\xff\\xff\\xff\\xff')",
    "an extension type": "ask(request(params={'text': msgpack.ExtType(5, b'x' * 100)}))",
    "strange ids": "[ask(request(id=v)) for v in (-1, 2**63, 'a', None, [1], 1.5, True)]",
    "strange methods": "[ask(request(method=v)) for v in ('__class__', '', 7, None, '../echo')]",
    "strange parameters": "[ask(request(params=v)) for v in (None, [], {'text': 7}, {'a': 1})]",
    "a method of ten megabytes": "ask(request(method='m' * 10_000_000))",
    "private methods": "[ask(request(method=v, params={})) for v in ('register', '_charge')]",
    "paths for the host to open": """
for where in ('/etc/passwd', '../../etc/passwd', 'file:///etc/passwd'):
    print(ask(request(method='media.decode', params={'video': where}))[:200])
""",
    "descriptors": """
s = gate()
fds = array.array('i', [os.open('/dev/null', os.O_RDONLY) for _ in range(50)])
for _ in range(4): s.sendmsg([frame(request())], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
s.recv(1 << 16)
""",
    "many connections": """
S = []
try:
    for _ in range(300): S.append(gate())
except OSError as error: print(type(error).__name__)
""",
    "more calls than there are": "for _ in range(1500): last = ask(request())\nprint(last[:200])",
    "refused calls without end": """
s = gate()
end = time.time() + 1.5
while time.time() < end:
    s.sendall(frame(request(method='m' * 50_000)))
    s.recv(1 << 16)
""",
    "replies that nobody reads": """
s = gate()
try:
    for _ in range(2000): s.sendall(frame(request(params={'text': 'x' * 100_000})))
except OSError as error: print(type(error).__name__)
""",
    "its own gateway in place of the host's": """
os.unlink(GATE)
S = socket.socket(socket.AF_UNIX); S.bind(str(GATE)); S.listen(5)
""",
}

JUPYTER = {
    "unknown kinds": "for n in range(100): publish(f'kind{n}', {'a': n})",
    "contents of no form": """
for junk in (b'[]', b'"x"', b'5', b'null', b'{"name": 5, "text": [1]}', b'{"data": 7}'):
    for kind in ('stream', 'display_data', 'execute_result', 'error'):
        parts = K.session.serialize(K.session.msg(kind, {}, parent=K.get_parent()))
        parts[5] = junk
        parts[1] = K.session.sign(parts[2:6])
        K.iopub_socket.send_multipart(parts)
""",
    "a wrong signature": """
parts = K.session.serialize(K.session.msg('stream', {'name': 'stdout', 'text': 'FORGED'},
                            parent=K.get_parent()))
parts[1] = b'0' * 64
K.iopub_socket.send_multipart(parts)
""",
    "no JSON": """
for junk in (b'', b'{', b'\\xff\\xfe', b'[' * 100_000, b'{"a":' * 5000):
    parts = K.session.serialize(K.session.msg('stream', {}, parent=K.get_parent()))
    parts[5] = junk
    parts[1] = K.session.sign(parts[2:6])
    K.iopub_socket.send_multipart(parts)
""",
    "parts that are missing": "for n in range(6): K.iopub_socket.send_multipart([b'x'] * (n + 1))",
    "a picture that is a path": """
publish('display_data', {'data': {'image/png': '/etc/passwd'}, 'metadata': {}})
publish('display_data', {'data': {'image/png': 'file:///etc/passwd'}, 'metadata': {}})
""",
    "a picture that is a bomb": """
import base64, zlib
def chunk(k, d): return struct.pack('>I', len(d)) + k + d + struct.pack('>I', zlib.crc32(k + d))
head = struct.pack('>IIBBBBB', 60_000, 60_000, 8, 2, 0, 0, 0)
data = b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', head)
data += chunk(b'IDAT', zlib.compress(bytes(1 << 24)))
data += chunk(b'IEND', b'')
publish('display_data', {'data': {'image/png': base64.b64encode(data).decode()}, 'metadata': {}})
""",
    "a report of its own making": """
publish('display_data', {'data': {'application/vnd.spatialclaw.cell+json':
        {'variables': 'x' * 100_000, 'error': [1], 'seconds': 'NaN'}}, 'metadata': {}})
""",
    "a forged reply": """
K.session.send(K.shell_stream, 'spatialclaw_reply', {'status': 'ok', 'outputs': 10**9,
               'report': [1, 2], 'raw': 'yes'}, parent=K.get_parent(),
               ident=K._shell_parent_ident.get())
K.shell_stream.flush()
""",
    "replies to requests that were never made": """
for n in range(1000):
    K.session.send(K.shell_stream, 'spatialclaw_reply', {'status': 'ok'},
                   parent={'msg_id': str(n)}, ident=K._shell_parent_ident.get())
""",
    "messages of sixty megabytes": """
publish('stream', {'name': 'stdout', 'text': 'x' * 60_000_000})
""",
    "a key of its own": """
K.session.key = b'mine'
publish('stream', {'name': 'stdout', 'text': 'FORGED'})
""",
    "sockets of its own in place of the kernel's": """
S = []
for name in sorted(os.listdir(IPC)):
    if name.startswith('k0'):
        os.unlink(os.path.join(IPC, name))
        s = socket.socket(socket.AF_UNIX); s.bind(os.path.join(IPC, name)); s.listen(5); S.append(s)
def serve(s):
    while True:
        c, _ = s.accept(); c.sendall(b'\\x00' * 10_000)
for s in S: threading.Thread(target=serve, args=(s,), daemon=True).start()
K.shell_stream.socket.close(0)
""",
    "the guard's line, forged": """
tie = K.app.tie
for junk in (b'{', b'[]', b'{"say": "ready"}', b'{"say": "awake", "pid": 1}',
             b'{"say": "snapshot", "name": "x"}', b'{"say": "refused"}', b'\\xff' * 60_000):
    try: tie.channel.send(junk)
    except OSError: break
""",
    "the line from the guard to the host": """
found = []
for name in os.listdir(IPC):
    if 'life' in name:
        s = socket.socket(socket.AF_UNIX); s.connect(os.path.join(IPC, name)); found.append(name)
print(found)
""",
}


class Text(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str


@pytest.fixture
def calls() -> list[Call]:
    return []


@pytest.fixture
async def kernel(calls: list[Call]) -> AsyncIterator[Kernel]:
    gateway = Gateway(record=calls.append, max_calls=1000)
    gateway.register("echo", Text, lambda p: p.text)
    gateway.register("media.decode", DecodeParams, lambda p: "decoded")
    async with await Kernel.start(KernelOptions(confine="strict", gateway=gateway)) as made:
        result = await made.execute(TOOLS)
        assert result.ok, result.error
        yield made
    assert not await asyncio.to_thread(WAS_HERE.exists)


@pytest.mark.parametrize("name", [*GATEWAY, *JUPYTER])
async def test_the_host_refuses_and_lives_on(kernel: Kernel, calls: list[Call], name: str) -> None:
    code = GATEWAY.get(name) or JUPYTER[name]
    me = psutil.Process()
    fds, memory, tasks = me.num_fds(), me.memory_info().rss, len(asyncio.all_tasks())
    ticks = asyncio.ensure_future(_ticks())
    started = time.monotonic()
    result = await kernel.execute(code, timeout=DEADLINE)
    assert time.monotonic() - started < DEADLINE + 3.0
    print(name, result.status, result.error, result.stdout[:300], result.stderr[:300])
    # an attempt that fails by itself proves nothing
    assert result.status in ("ok", "timeout", "died"), result.error
    for text in (result.stdout, str(result.images), str(result.displays)):
        assert "root:x:0" not in text
        assert "FORGED" not in text
    assert result.images == []
    # the next cell runs, in this kernel or in a fresh one, and the gateway is there for it
    for _ in range(3):
        again = await kernel.execute("print(6 * 7)", timeout=10)
        if again.ok and again.stdout == "42\n":
            break
    assert again.ok, (again.status, again.error)
    assert again.stdout == "42\n"
    call = (
        "from spatialclaw.primitives import runtime as r; print(r.client().call('echo', text='z'))"
    )
    if name in ("many connections", "half a frame, for ever"):
        call = "[s.close() for s in (S if isinstance(S, list) else [S])]; time.sleep(0.2)\n" + call
    answered = await kernel.execute(call, timeout=10)
    used_up = name in ("more calls than there are", "replies that nobody reads")
    own = name == "its own gateway in place of the host's"  # it has cut itself off
    assert answered.stdout == "z\n" or used_up or own, (answered.stdout, answered.error)
    ticks.cancel()
    (stood_still,) = await asyncio.gather(ticks, return_exceptions=True)
    assert isinstance(stood_still, asyncio.CancelledError), stood_still
    assert me.num_fds() - fds < 40
    assert me.memory_info().rss - memory < 150_000_000
    assert len(asyncio.all_tasks()) - tasks < 24
    assert len(calls) <= 1200
    assert all(len(call.method) <= 80 for call in calls)
    if name == "paths for the host to open":
        assert "decoded" not in result.stdout


async def _ticks() -> None:
    """The host's loop turns all the while."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.01)
        assert time.monotonic() - began < 2.0, "the host stood still"


def test_there_are_enough() -> None:
    assert len(GATEWAY) + len(JUPYTER) >= 35
