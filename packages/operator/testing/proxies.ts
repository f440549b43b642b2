/** Real proxies as processes, and what tests of those that program them need beside. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { inspect } from 'node:util';
import { Client } from '@l7mp/client';
import { freePort } from '../../../src/testing/ports.ts';
import { until } from '../../../src/testing/until.ts';
import { Command, L7MP } from '../../../test/support/command.ts';
import { listener } from '../../../test/support/proxy.ts';
import type { ProxyState } from '../src/proxies/contract.ts';
import { NOTHING } from '../src/proxies/objects.ts';
import type { CallKind, CallOutcome, ProxiesObserver } from '../src/proxies/observer.ts';
import type { ProxiesOptions } from '../src/proxies/options.ts';
import { makeProxies } from '../src/proxies/proxies.ts';
import type { Definition, ProxyPod, Wish, WishedCluster } from '../src/translation/contract.ts';

export interface RealProxy {
  readonly port: number;
  readonly client: Client;
  /** kill -9, and started anew from the same file. */
  restart(): Promise<void>;
  kill(): Promise<void>;
}

export interface RealProxyOptions {
  readonly address?: string;
  readonly port?: number;
  /** Of the configuration, beside the controller. */
  readonly config?: object;
  readonly admin?: object;
}

/** A proxy in a process of its own, whose API is at the address; it ends with the test. */
export async function startRealProxy(t: TestContext, options: RealProxyOptions = {}): Promise<RealProxy> {
  const { address = '127.0.0.1', port = await freePort(), config = {}, admin = {} } = options;
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-operator-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'proxy.json');
  const { listeners = [], ...rest } = config as { listeners?: object[] };
  const destination = { name: 'l7mp-controller', spec: { protocol: 'L7mpController' } };
  const controller = listener('controller', { protocol: 'HTTP', port, address }, { destination });
  const whole = { admin: { threads: 0, ...admin }, ...rest, listeners: [controller, ...listeners] };
  await writeFile(file, JSON.stringify(whole));
  let command = await new Command(t, L7MP, ['-c', file]).running();
  const client = new Client({ base: `http://${address}:${port}` });
  t.after(() => client.close());
  const kill = async () => {
    command.child.kill('SIGKILL');
    await until(() => command.over, 'the proxy is dead');
  };
  const restart = async () => {
    await kill();
    command = await new Command(t, L7MP, ['-c', file]).running();
  };
  return { port, client, restart, kill };
}

export function podAt(address: string | undefined, more: Partial<ProxyPod> = {}): ProxyPod {
  const known = address === undefined ? {} : { address };
  return { uid: `uid-${address}`, namespace: 'default', name: `pod-${address}`, incarnation: '1', ...known, ...more };
}

/** A wish, written as objects; of clusters with their endpoints by name. */
export interface Written {
  readonly clusters?: Readonly<
    Record<string, Definition & { readonly endpoints?: Readonly<Record<string, Definition>> }>
  >;
  readonly routes?: Readonly<Record<string, Definition>>;
  readonly rules?: Readonly<Record<string, Definition>>;
  readonly rulelists?: Readonly<Record<string, Definition>>;
  readonly listeners?: Readonly<Record<string, Definition>>;
}

export function wishOf(written: Written): Wish {
  const map = (objects: Readonly<Record<string, Definition>> = {}) => new Map(Object.entries(objects));
  const clusters = Object.entries(written.clusters ?? {}).map(([name, { endpoints, ...definition }]) => {
    const cluster: WishedCluster = { definition, endpoints: map(endpoints) };
    return [name, cluster] as const;
  });
  return {
    ...NOTHING,
    clusters: new Map(clusters),
    routes: map(written.routes),
    rules: map(written.rules),
    rulelists: map(written.rulelists),
    listeners: map(written.listeners),
  };
}

/** Notes what it is told. */
export class Watcher implements ProxiesObserver {
  readonly calls: [CallKind, CallOutcome][] = [];
  readonly repairs: { names: readonly string[]; cause: string }[] = [];
  readonly refusals: string[] = [];
  readonly failures: string[] = [];
  readonly programmedPods: string[] = [];

  called(call: CallKind, outcome: CallOutcome): void {
    this.calls.push([call, outcome]);
  }

  programmed({ uid }: ProxyPod): void {
    this.programmedPods.push(uid);
  }

  repaired(_: ProxyPod, names: readonly string[], cause: string): void {
    this.repairs.push({ names, cause });
  }

  refused(_: ProxyPod, name: string): void {
    this.refusals.push(name);
  }

  unreachable(_: ProxyPod, message: string): void {
    this.failures.push(message);
  }

  count(call: CallKind): number {
    return this.calls.filter(([kind]) => kind === call).length;
  }

  /** Calls that are more than a look. */
  get work(): string[] {
    return this.calls.filter(([kind]) => kind !== 'check').map(([kind]) => kind);
  }
}

/** What programs them in a test: quick to look again, and closed at its end. */
export function startProxies(t: TestContext, options: Partial<ProxiesOptions> & { readonly port: number }) {
  const watcher = new Watcher();
  const timing = { interval: 60_000, ...options.timing };
  const proxies = makeProxies({ observer: watcher, ...options, timing });
  t.after(() => proxies.close());
  const reaches = async (uid: string, state: ProxyState['state']) => {
    await until(() => proxies.state(uid)?.state === state, `${uid} is ${state}`).catch((error) => {
      throw new Error(`${error.message}: ${inspect(proxies.state(uid))}`);
    });
  };
  return { proxies, watcher, reaches };
}
