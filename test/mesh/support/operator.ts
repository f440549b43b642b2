/** The operator, as a process on the node that has a service account's rights and nothing more. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../../src/testing/until.ts';
import { ROOT } from '../../support/command.ts';
import type { Cluster } from './cluster.ts';
import { writeKubeconfig } from './control-plane.ts';
import { Daemon } from './daemon.ts';

const COMMAND = join(ROOT, 'packages', 'operator', 'bin', 'l7mp-operator');
const CHART = join(ROOT, 'charts', 'l7mp-operator');
/** Of the chart that are the operator's rights, and whom they are given to. */
const RIGHTS = ['ServiceAccount', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'];

/** Gives the cluster the kinds of l7mp.io, and the operator's service account the rights that the chart gives it, with `--set`, too. */
export async function installKinds(cluster: Cluster, ...values: string[]): Promise<void> {
  await cluster.kubectl('apply', '--server-side', '-f', join(CHART, 'crds'));
  const rendered = await cluster.helm('template', 'l7mp', CHART, ...values);
  const documents = rendered.split(/^---$/m);
  const kind = (text: string): string => /^kind: (\S+)$/m.exec(text)?.[1] ?? '';
  await cluster.apply(documents.filter((text) => RIGHTS.includes(kind(text))).join('\n---\n'));
}

/** The name of the service account in the chart as it is rendered here. */
const ACCOUNT = 'l7mp-operator';

/** A kubeconfig with the rights of the operator's service account; its path. */
export async function operatorKubeconfig(cluster: Cluster, name: string): Promise<string> {
  const token = await cluster.kubectl('create', 'token', ACCOUNT);
  return writeKubeconfig(name, token.trim());
}

export class Operator {
  readonly #name: string;
  readonly #args: readonly string[];
  #daemon: Daemon;

  private constructor(name: string, args: readonly string[]) {
    this.#name = name;
    this.#args = args;
    this.#daemon = this.#spawn();
  }

  /** Installs what it needs before the first one is started. */
  static async start(cluster: Cluster, name = 'operator', ...args: string[]): Promise<Operator> {
    if (!existsSync(CHART)) throw new Error(`${CHART} is not there`);
    const token = await cluster.kubectl('create', 'token', ACCOUNT);
    const kubeconfig = writeKubeconfig(name, token.trim());
    // Replicas on one node have no port in common.
    return new Operator(name, ['--kubeconfig', kubeconfig, '-l', 'info', '--metrics', 'off', ...args]);
  }

  #spawn(): Daemon {
    // Where it runs as a pod, its name and namespace come from there.
    const env = { ...process.env, POD_NAME: this.#name, POD_NAMESPACE: 'default' };
    return new Daemon(this.#name, COMMAND, this.#args, { env });
  }

  get log(): string {
    return this.#daemon.log;
  }

  /** The end of its log, for an error's message. */
  get lastWords(): string {
    return this.#daemon.lastWords;
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  get over(): boolean {
    return this.#daemon.over;
  }

  /** Waits until its log has it. */
  async says(what: RegExp): Promise<void> {
    await until(() => {
      if (this.#daemon.over) throw new Error(`it has ended: ${this.#daemon.lastWords}`);
      return what.test(this.log);
    }, `the operator says ${what}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#daemon.signal(signal);
  }

  stop(signal?: NodeJS.Signals): Promise<void> {
    return this.#daemon.stop(signal);
  }

  /** After an end: another process with the same command line. */
  startAgain(): void {
    this.#daemon = this.#spawn();
  }
}
