/** What is left of the offload when its process is gone: nothing. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { program } from '../../../test/support/programs.ts';
import type { Means } from './attach.ts';
import { TcOffload } from './index.ts';
import { loadNative } from './libbpf.ts';
import { later, Namespace, noNamespaces, PATIENCE, Peer } from './testing.ts';

const MODULE = new URL('../open.ts', import.meta.url).href;
const OBJECT = new URL('udp.bpf.o', import.meta.url).pathname;

/** A process with an offload engine that says its status, and waits. */
function run(
  means: Means | undefined,
  options: { uid?: number; gid?: number; env?: NodeJS.ProcessEnv } = {},
): ChildProcess {
  const settings = JSON.stringify({ interfaces: ['lo'], ...(means && { means }) });
  const script = `
    import { openOffload } from '${MODULE}';
    const offload = openOffload(${settings});
    const end = (address, port) => ({ address, port });
    offload.add({ client: end('127.0.0.1', 1), listen: end('127.0.0.1', 2), local: end('127.0.0.1', 3), upstream: end('127.0.0.1', 4) });
    console.log(JSON.stringify(offload.status()));
    setInterval(() => {}, 1000);`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  });
}

async function statusOf(
  child: ChildProcess,
): Promise<{ on: boolean; why?: string; interfaces: { attached?: string }[]; flows: number }> {
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return JSON.parse(line.toString());
}

/** The kernel's names of the programs, maps and links that a process holds: `prog_id 7`. */
function held(pid: number): string[] {
  const files = readdirSync(`/proc/${pid}/fdinfo`).map((fd) => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'));
  return files
    .flatMap((text) => text.match(/^(prog|map|link)_id:\t\d+$/gm) ?? [])
    .map((line) => line.replace(':\t', ' '));
}

function exists(tool: string, name: string): boolean {
  const [kind = '', id = ''] = name.split('_id ');
  try {
    execFileSync(tool, [kind, 'show', 'id', id], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<boolean> {
  const deadline = performance.now() + PATIENCE;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await later(50);
  }
  return true;
}

describe('the end of the offload', { skip: noNamespaces() }, () => {
  let space: Namespace;

  before(() => {
    space = new Namespace('end');
    space.stay();
  });

  after(() => space.remove());

  const filters = (): string[] =>
    space.exec('tc', 'filter', 'show', 'dev', 'lo', 'ingress').match(/\S*\/?l7mp_udp\S*/g) ?? [];

  for (const means of [undefined, 'clsact'] as const) {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const name = means ?? 'the best means';
      it(`leaves nothing with ${name} after ${signal}`, async () => {
        const tool = program('bpftool');
        const there = (held: string): boolean => exists(tool, held);
        const child = run(means);
        const { on, interfaces, flows } = await statusOf(child);
        assert.deepEqual([on, flows, typeof interfaces[0]?.attached], [true, 1, 'string']);
        const names = held(child.pid as number);
        assert.ok(names.length >= 3 && names.every(there), names.join());
        assert.equal(filters().length > 0, means === 'clsact');
        child.kill(signal);
        await once(child, 'exit');
        assert.ok(
          await until(() => !names.some(there) && filters().length === 0),
          `left: ${names.filter(there)} ${filters()}`,
        );
      });
    }
  }

  it('forwards as a filter, and leaves the filters of others', async () => {
    space.exec('tc', 'qdisc', 'replace', 'dev', 'lo', 'clsact');
    space.exec(
      'tc',
      'filter',
      'add',
      'dev',
      'lo',
      'ingress',
      'prio',
      '9',
      'bpf',
      'direct-action',
      'object-file',
      OBJECT,
      'section',
      'tc',
    );
    const before = filters().length;
    const offload = new TcOffload(loadNative(), { interfaces: 'all', means: 'clsact' });
    const [client, listen, local, upstream] = (await Promise.all(
      Array.from({ length: 4 }, () => Peer.open('127.0.0.1')),
    )) as [Peer, Peer, Peer, Peer];
    try {
      assert.deepEqual(offload.status().interfaces, [{ name: 'lo', attached: 'clsact' }]);
      assert.ok(filters().length > before);
      offload.add({ client: client.end, listen: listen.end, local: local.end, upstream: upstream.end });
      client.send(listen, 'ping');
      assert.deepEqual(await upstream.got(1), [{ text: 'ping', from: local.name }]);
    } finally {
      for (const one of [client, listen, local, upstream, offload]) await one.close();
    }
    assert.equal(filters().length, before);
    space.exec('tc', 'qdisc', 'del', 'dev', 'lo', 'clsact');
  });

  it('says that privileges are missing, and takes no flow', async () => {
    const child = run(undefined, { uid: 65534, gid: 65534 });
    const { on, why } = await statusOf(child);
    child.kill();
    assert.equal(on, false);
    assert.match(why ?? '', /EPERM.*CAP_BPF and CAP_NET_ADMIN are needed|EACCES/);
  });
});
