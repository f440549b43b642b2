/** The proxy in a process of its own, with the groups' objects, and what changes are asked of it. */
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP } from '../support/command.ts';
import { Api } from './api.ts';
import { FAILING } from './failure.ts';
import { type Form, LISTS, type Named } from './form.ts';
import { type Group, HOST, objectsOf } from './world.ts';

const PLUGINS = [join(import.meta.dirname, 'failing.js')];

function toVirtual(name: string, listening: string, port: number, protocol: string): Named {
  const destination = { spec: { protocol } };
  return { name, spec: { protocol: listening, port, address: HOST }, rules: [{ action: { route: { destination } } }] };
}

/** The groups' objects, the API, and a listener by which a worker can be made to fail. */
function formOf(groups: readonly Group[], api: number, failing: number): Form {
  const listeners = [toVirtual('api', 'HTTP', api, 'L7mpController'), toVirtual(FAILING, 'TCP', failing, 'Failing')];
  const form: Form = { listeners, rulelists: [], rules: [], routes: [], clusters: [] };
  for (const group of groups) {
    const objects = objectsOf(group);
    for (const list of LISTS) form[list].push(...objects[list]);
  }
  return form;
}

export class TestedProxy {
  readonly command: Command;
  readonly api: Api;
  /** Of the listener by which a worker can be made to fail. */
  readonly failing: number;
  /** As it is in the beginning. */
  readonly initial: Form;
  readonly #file: string;
  readonly #more: object;

  private constructor(command: Command, api: Api, failing: number, initial: Form, file: string, more: object) {
    this.command = command;
    this.api = api;
    this.failing = failing;
    this.initial = initial;
    this.#file = file;
    this.#more = more;
  }

  static async start(t: TestContext, groups: readonly Group[], settings: object): Promise<TestedProxy> {
    const folder = await mkdtemp(join(tmpdir(), 'l7mp-churn-'));
    t.after(() => rm(folder, { recursive: true }));
    const [file, port, failing] = [join(folder, 'config.json'), await freePort(), await freePort()];
    const more = { admin: { log_level: 'notice', ...settings }, plugins: PLUGINS };
    const form = formOf(groups, port, failing);
    await writeFile(file, JSON.stringify({ ...form, ...more }));
    const command = new Command(t, L7MP, ['-c', file]);
    const api = new Api(port);
    const ready = async () => command.over || (await isReady(api));
    await until(ready, 'the proxy is ready');
    if (command.over) throw new Error(command.output);
    return new TestedProxy(command, api, failing, form, file, more);
  }

  async form(): Promise<Form & { admin?: object }> {
    return this.api.ok({ method: 'GET', path: 'config?form=apply' });
  }

  /** The text of the configuration, and its version. */
  async state(): Promise<{ text: string; etag: string | undefined }> {
    const { text, etag } = await this.api.ask({ method: 'GET', path: 'config?form=apply' });
    return { text, etag };
  }

  /** What would change if it were made so. */
  async difference(form: Form): Promise<object[]> {
    const request = { method: 'PUT', path: 'config?dry_run=true', body: form };
    return (await this.api.ok<{ changes: object[] }>(request)).changes;
  }

  /** SIGHUP, with that in the configuration file. Rejects where it is not taken. */
  async reread(form: Form): Promise<void> {
    await writeFile(this.#file, JSON.stringify({ ...form, ...this.#more }));
    const before = this.command.output.length;
    this.command.child.kill('SIGHUP');
    const said = () => /config\.json is (read again|not taken.*)/.exec(this.command.output.slice(before));
    const [, what] = await until(said, 'SIGHUP is answered');
    if (what !== 'read again') throw new Error(what);
  }
}

async function isReady(api: Api): Promise<boolean> {
  const answer = await api.ask({ method: 'GET', path: 'readyz' }).catch(() => undefined);
  return answer?.status === 200;
}

/** A port that TCP and UDP sockets of the test have. */
export async function takePort(t: TestContext): Promise<number> {
  const port = await freePort();
  const stream = net.createServer().listen(port, HOST);
  const datagram = dgram.createSocket('udp4').bind({ port, address: HOST, exclusive: true });
  t.after(() => {
    stream.close();
    datagram.close();
  });
  await Promise.all([once(stream, 'listening'), once(datagram, 'listening')]);
  return port;
}
