/** What a data plane is tried with: a configuration that it is made to run, a control plane that remembers, clients. */
import { once } from 'node:events';
import * as net from 'node:net';
import type { TestContext } from 'node:test';
import type { ConfigInput } from '../config/schema.ts';
import { Validator } from '../config/validate.ts';
import type { ApiRequest } from '../core/protocol.ts';
import { Registry } from '../core/registry.ts';
import { PROTOCOLS } from '../protocols.ts';
import { apply } from '../reconcile/apply.ts';
import { DefinitionStore } from '../reconcile/definition-store.ts';
import { plan } from '../reconcile/plan.ts';
import { replacing } from '../reconcile/replace.ts';
import { restartsOf } from '../reconcile/restarts.ts';
import { until } from '../testing/until.ts';
import type { ControlPlane, DataPlane, Ending, LogLine, SessionQuery } from './contract.ts';
import { ALL } from './testing-samples.ts';

export const HOST = '127.0.0.1';

/** A control plane that keeps what it is told. */
export class FakeControl implements ControlPlane {
  readonly lines: LogLine[] = [];
  readonly records: object[] = [];
  readonly requests: ApiRequest[] = [];

  log(lines: readonly LogLine[]): void {
    this.lines.push(...structuredClone(lines));
  }

  ended(records: readonly object[]): void {
    this.records.push(...structuredClone(records));
  }

  async api(request: ApiRequest) {
    this.requests.push(structuredClone(request));
    return { status: 200, headers: { 'content-type': 'text/plain' }, body: 'answered' };
  }

  async metrics() {
    return { type: 'text/plain', text: 'measured' };
  }
}

/** What crosses is plain data. */
export function cloning(plane: DataPlane): DataPlane {
  return new Proxy(plane, {
    get: (target, name) => {
      const method = Reflect.get(target, name, target) as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]) => structuredClone(await method.apply(target, structuredClone(args)));
    },
  });
}

/** A data plane, and the configuration that it runs. */
export class Trial {
  readonly plane: DataPlane;
  readonly control: FakeControl;
  readonly #registry = new Registry(PROTOCOLS);
  readonly #store = new DefinitionStore();

  constructor(plane: DataPlane, control: FakeControl) {
    this.plane = plane;
    this.control = control;
  }

  /** Makes it run this, and nothing else. */
  async run(config: object, { endings = [], refuse }: { endings?: Ending[]; refuse?: string } = {}): Promise<void> {
    const checked: ConfigInput = new Validator(this.#registry).config(config);
    const before = this.#store.definitions();
    const changes = replacing(this.#store, this.#registry, before, (normalizer) => normalizer.config(checked));
    const steps = plan(changes, restartsOf(this.#registry));
    const commit = async (): Promise<void> => {
      if (refuse !== undefined) throw new Error(refuse);
      this.#store.apply(steps);
    };
    await apply(steps, this.plane, { commit, endings });
  }

  async names(query: Partial<SessionQuery> = {}): Promise<string[]> {
    const { sessions } = await this.plane.sessions({ ...ALL, fields: ['name'], ...query });
    return sessions.map(({ view }) => (view as { name: string }).name);
  }

  async live(count: number, query: Partial<SessionQuery> = {}): Promise<string[]> {
    await until(async () => (await this.names(query)).length === count, `${count} sessions`);
    return this.names(query);
  }
}

export interface Client {
  readonly socket: net.Socket;
  text(): string;
  readonly over: boolean;
}

export async function connect(t: TestContext, port: number): Promise<Client> {
  const socket = net.connect({ port, host: HOST });
  t.after(() => socket.destroy());
  let text = '';
  let over = false;
  socket.on('data', (data) => {
    text += data;
  });
  socket
    .on('error', () => {})
    .on('close', () => {
      over = true;
    });
  await once(socket, 'connect');
  return {
    socket,
    text: () => text,
    get over() {
      return over;
    },
  };
}

export async function talk({ socket, text }: Client, word: string): Promise<void> {
  const before = text();
  socket.write(word);
  await until(() => text() === before + word, `${word} comes back`);
}

export const ECHO = { destination: 'echo' };
export const route = (to: object | string) => [{ action: { route: to } }];
export const tcp = (name: string, port: number, more: object = {}) => ({
  name,
  spec: { protocol: 'TCP', port, address: HOST },
  rules: route(ECHO),
  ...more,
});
export const http = (name: string, port: number, protocol: string) => ({
  name,
  spec: { protocol: 'HTTP', port, address: HOST },
  rules: route({ destination: { spec: { protocol } } }),
});
export const clusters = [{ name: 'echo', spec: { protocol: 'Echo' } }];

export async function isRefused(port: number): Promise<boolean> {
  const socket = net.connect({ port, host: HOST });
  const [error] = await Promise.race([once(socket, 'connect'), once(socket, 'error')]).catch((thrown) => [thrown]);
  socket.destroy();
  return error !== undefined;
}
