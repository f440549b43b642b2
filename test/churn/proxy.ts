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
import { type Form, LISTS } from './form.ts';
import { type Group, HOST, objectsOf } from './world.ts';

/** What the configuration has beside the groups' objects. */
function withApi(groups: readonly Group[], port: number): Form {
  const controller = { spec: { protocol: 'L7mpController' } };
  const api = {
    name: 'api',
    spec: { protocol: 'HTTP', port, address: HOST },
    rules: [{ action: { route: { destination: controller } } }],
  };
  const form: Form = { listeners: [api], rulelists: [], rules: [], routes: [], clusters: [] };
  for (const group of groups) {
    const objects = objectsOf(group);
    for (const list of LISTS) form[list].push(...objects[list]);
  }
  return form;
}

export class TestedProxy {
  readonly command: Command;
  readonly api: Api;
  readonly #file: string;
  readonly #admin: object;

  private constructor(command: Command, api: Api, file: string, admin: object) {
    this.command = command;
    this.api = api;
    this.#file = file;
    this.#admin = admin;
  }

  static async start(t: TestContext, groups: readonly Group[], settings: object): Promise<TestedProxy> {
    const folder = await mkdtemp(join(tmpdir(), 'l7mp-churn-'));
    t.after(() => rm(folder, { recursive: true }));
    const [file, port] = [join(folder, 'config.json'), await freePort()];
    const admin = { log_level: 'notice', ...settings };
    await writeFile(file, JSON.stringify({ admin, ...withApi(groups, port) }));
    const command = new Command(t, L7MP, ['-c', file]);
    const api = new Api(port);
    t.after(() => api.close());
    const ready = async () => command.over || (await isReady(api));
    await until(ready, 'the proxy is ready');
    if (command.over) throw new Error(command.output);
    return new TestedProxy(command, api, file, admin);
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
    await writeFile(this.#file, JSON.stringify({ ...form, admin: this.#admin }));
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
