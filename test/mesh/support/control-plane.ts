/** etcd, the API server and its controllers, as in a cluster: RBAC, service accounts, garbage collection, EndpointSlices. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../../src/testing/until.ts';
import { Api } from './api.ts';
import { writeCertificates } from './certificates.ts';
import { Daemon } from './daemon.ts';
import { NODE_ADDRESS, SCRATCH } from './node.ts';

const FOLDER = join(SCRATCH, 'control-plane');
export const API_PORT = 6443;
const SERVER = `https://${NODE_ADDRESS}:${API_PORT}`;
const ETCD = 'http://127.0.0.1:2379';
const ETCD_PEERS = 'http://127.0.0.1:2380';
/** kubeadm's, so that the DNS service has the address that every document prints. */
const SERVICE_CIDR = '10.96.0.0/16';
/** Milliseconds: that a start may take on a machine that is busy, and between two looks at it. */
const START = 120_000;
const PAUSE = 100;

/** The controllers that the tests have a use for: others cost memory and CPU. */
const CONTROLLERS = [
  'clusterrole-aggregation',
  'daemonset',
  'deployment',
  'endpointslice',
  'garbage-collector',
  'namespace',
  'replicaset',
  'root-ca-certificate-publisher',
  'serviceaccount',
].map((name) => `${name}-controller`);

export const CA_FILE = join(FOLDER, 'ca.crt');

/** Who may talk to the API server from the start; the name is the token's, too. */
const USERS = {
  admin: ['admin', 'system:masters'],
  controllers: ['system:kube-controller-manager'],
};

export class ControlPlane {
  readonly api: Api;
  readonly #etcd: Daemon;
  #server: Daemon;
  #controllers: Daemon | undefined;

  private constructor(etcd: Daemon, server: Daemon) {
    this.api = new Api(SERVER, readFileSync(CA_FILE, 'utf8'), 'admin');
    this.#etcd = etcd;
    this.#server = server;
  }

  /** Rejects with the logs' ends where it does not come up. */
  static async start(): Promise<ControlPlane> {
    mkdirSync(FOLDER);
    writeCertificates(FOLDER, [`IP:${NODE_ADDRESS}`, 'DNS:kubernetes.default.svc']);
    const users = Object.entries(USERS).map(([token, [user, group = '']]) => `${token},${user},${user},"${group}"`);
    writeFileSync(join(FOLDER, 'tokens.csv'), `${users.join('\n')}\n`);
    const plane = new ControlPlane(startEtcd(), startServer());
    try {
      await plane.#answers('/readyz');
      // Not before the API server has made the roles that they have.
      plane.#controllers = startControllers();
      await plane.#answers('/api/v1/namespaces/default/serviceaccounts/default');
    } catch (error) {
      await plane.stop();
      throw error;
    }
    return plane;
  }

  async #answers(path: string): Promise<void> {
    await until(
      async () => {
        for (const daemon of [this.#etcd, this.#server, this.#controllers]) {
          if (daemon?.over) throw new Error(daemon.lastWords);
        }
        return this.api.get(path).then(
          () => true,
          () => new Promise<false>((resolve) => setTimeout(resolve, PAUSE, false)),
        );
      },
      `the API server answers ${path}`,
      START,
    );
  }

  /** Without its end, connections to it hang. */
  async stopServer(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#server.stop(signal);
  }

  startServer(): Promise<void> {
    this.#server = startServer();
    return this.#answers('/readyz');
  }

  async stop(): Promise<void> {
    this.api.close();
    // Nothing of it is needed any more: who waits for a clean end waits for nothing.
    for (const daemon of [this.#controllers, this.#server, this.#etcd]) await daemon?.stop('SIGKILL');
  }
}

function startEtcd(): Daemon {
  return new Daemon('etcd', 'etcd', [
    ...['--data-dir', join(FOLDER, 'etcd'), '--unsafe-no-fsync', '--log-level=warn'],
    ...['--listen-client-urls', ETCD, '--advertise-client-urls', ETCD],
    ...['--listen-peer-urls', ETCD_PEERS, '--initial-advertise-peer-urls', ETCD_PEERS],
    `--initial-cluster=default=${ETCD_PEERS}`,
  ]);
}

function startServer(): Daemon {
  const file = (name: string): string => join(FOLDER, name);
  return new Daemon('kube-apiserver', 'kube-apiserver', [
    `--etcd-servers=${ETCD}`,
    `--bind-address=${NODE_ADDRESS}`,
    `--advertise-address=${NODE_ADDRESS}`,
    `--secure-port=${API_PORT}`,
    `--tls-cert-file=${file('api.crt')}`,
    `--tls-private-key-file=${file('api.key')}`,
    `--token-auth-file=${file('tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-signing-key-file=${file('sa.key')}`,
    `--service-account-key-file=${file('sa.key')}`,
    `--service-cluster-ip-range=${SERVICE_CIDR}`,
    '--allow-privileged=true',
  ]);
}

function startControllers(): Daemon {
  const kubeconfig = writeKubeconfig('controllers', 'controllers');
  return new Daemon('kube-controller-manager', 'kube-controller-manager', [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--bind-address=127.0.0.1',
    '--use-service-account-credentials',
    '--leader-elect=false',
    `--controllers=${CONTROLLERS}`,
    `--service-account-private-key-file=${join(FOLDER, 'sa.key')}`,
    `--root-ca-file=${CA_FILE}`,
  ]);
}

/** A kubeconfig for whoever has the token; its path. */
export function writeKubeconfig(name: string, token: string, namespace = 'default'): string {
  const path = join(FOLDER, `${name}.kubeconfig`);
  // A kubeconfig is YAML, of which JSON is a part.
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: SERVER, 'certificate-authority': CA_FILE } }],
    users: [{ name, user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: name, namespace } }],
    'current-context': 'test',
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

/** Makes etcd forget all but the present, as the API server has it do every five minutes. */
export async function compact(api: Api): Promise<void> {
  const { metadata } = await api.get('/api/v1/namespaces');
  const body = JSON.stringify({ revision: metadata.resourceVersion, physical: true });
  const answer = await fetch(`${ETCD}/v3/kv/compaction`, { method: 'POST', body });
  if (!answer.ok) throw new Error(`etcd does not compact: ${await answer.text()}`);
}
