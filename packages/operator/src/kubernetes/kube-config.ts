/** Access by a kubeconfig file, or by the service account of the pod that we run in. */
import { existsSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
// Not the package's index: that evaluates all of its API, twice the memory of the rest of the operator.
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { Access } from './access.ts';

const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/**
 * How long TLS files and tokens serve before they are looked at again, in milliseconds. Tokens of pods are changed minutes
 * before they expire, and what expires sooner is found by a 401.
 */
const OPTIONS_AGE = 10_000;

/**
 * The first there is of: `file`, the files in KUBECONFIG, the pod's service account, ~/.kube/config. Throws an Error that
 * says which file is wrong, or that there is none.
 */
export function loadAccess(file?: string): Access {
  const source = sourceOf(file);
  const config = new KubeConfig();
  try {
    if (file !== undefined) config.loadFromFile(file);
    else if (source === SERVICE_ACCOUNT_TOKEN) config.loadFromCluster();
    else config.loadFromDefault();
  } catch (error) {
    throw new Error(`${source}: ${(error as Error).message}`);
  }
  return accessOf(config, source);
}

function sourceOf(file: string | undefined): string {
  const { KUBECONFIG, KUBERNETES_SERVICE_HOST, HOME } = process.env;
  if (file !== undefined) return file;
  if (KUBECONFIG) return `KUBECONFIG=${KUBECONFIG}`;
  if (KUBERNETES_SERVICE_HOST && existsSync(SERVICE_ACCOUNT_TOKEN)) return SERVICE_ACCOUNT_TOKEN;
  const own = `${HOME ?? ''}/.kube/config`;
  if (existsSync(own)) return own;
  throw new Error(`there is no --kubeconfig, no KUBECONFIG, no service account of a pod, and no ${own}`);
}

function accessOf(config: KubeConfig, source: string): Access {
  const context = config.getContextObject(config.getCurrentContext());
  if (!context) throw new Error(`${source}: there is no context '${config.getCurrentContext() ?? ''}'`);
  const cluster = config.getCluster(context.cluster);
  if (!cluster?.server) throw new Error(`${source}: there is no server of the cluster '${context.cluster}'`);
  if (!config.getUser(context.user)) throw new Error(`${source}: there is no user '${context.user}'`);
  const server = URL.parse(cluster.server);
  if (!server || !/^https?:$/.test(server.protocol))
    throw new Error(`${source}: ${cluster.server} is no URL of a server`);
  // client-node refuses plain HTTP unless certificates are not looked at; without TLS there are none.
  if (server.protocol === 'http:') Object.assign(cluster, { skipTLSVerify: true });
  return new KubeAccess(config, server, context.namespace);
}

class KubeAccess implements Access {
  readonly server: URL;
  readonly namespace: string | undefined;
  readonly #config: KubeConfig;
  #options: Promise<RequestOptions> | undefined;
  #made = 0;

  constructor(config: KubeConfig, server: URL, namespace: string | undefined) {
    this.#config = config;
    this.server = server;
    this.namespace = namespace;
  }

  options(): Promise<RequestOptions> {
    const now = performance.now();
    if (!this.#options || now - this.#made > OPTIONS_AGE) {
      this.#made = now;
      const made = this.#make();
      this.#options = made;
      made.catch(() => {
        if (this.#options === made) this.#options = undefined;
      });
    }
    return this.#options;
  }

  refused(): void {
    this.#options = undefined;
  }

  async #make(): Promise<RequestOptions> {
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    // Its agent keeps no connection: only one that goes through a proxy is of use.
    if (!this.#config.getCurrentCluster()?.proxyUrl) delete options.agent;
    return options;
  }
}
