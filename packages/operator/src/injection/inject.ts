/** Which pods get a proxy, and what makes them have it: a JSON patch (RFC 6902). A pure function. */
import { PROXY_CONTAINER as CONTAINER_ANNOTATION, PROXY_PORT, parsePort } from '../resources/pods.ts';
import {
  CONFIGURATION_ANNOTATION,
  PROXY_CONTAINER,
  type ProxyOptions,
  proxyConfiguration,
  proxyContainer,
  proxyVolumes,
} from '../workload/proxy.ts';

/** Annotations by which a pod asks for a proxy, and says how it shall be. */
export const INJECT = 'l7mp.io/inject';
const IMAGE = 'l7mp.io/proxy-image';
const LOG_LEVEL = 'l7mp.io/log-level';

const LOG_LEVELS = ['silly', 'verbose', 'info', 'notice', 'warn', 'error', 'silent'];

/** As the API server sends it: whatever is looked at may be missing. */
export interface AdmittedPod {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly hostNetwork?: boolean;
    readonly containers?: readonly NamedContainer[];
    readonly initContainers?: readonly NamedContainer[];
    readonly volumes?: readonly unknown[];
  };
}

interface NamedContainer {
  readonly name: string;
  readonly ports?: readonly { readonly containerPort: number; readonly protocol?: string }[];
}

export interface Operation {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

export interface Injection {
  /** Empty for a pod that needs nothing, or has it. */
  readonly patch: readonly Operation[];
  /** For whoever creates the pod. */
  readonly warnings: readonly string[];
}

export interface InjectionOptions extends ProxyOptions {
  /** The API server knows init containers with `restartPolicy: Always` (KEP-753): on by default since Kubernetes 1.29. */
  readonly nativeSidecars: boolean;
}

/** A pod that asks for what cannot be; the message names the annotation. */
export class InvalidPod extends Error {}

const NOTHING: Injection = { patch: [], warnings: [] };

/** Whether it asks for a proxy that it does not have. Done twice, it changes nothing the second time. */
export function wantsProxy({ metadata, spec }: AdmittedPod): boolean {
  const has = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].some(
    ({ name }) => name === PROXY_CONTAINER,
  );
  return metadata?.annotations?.[INJECT] === 'true' && !has;
}

/** Throws InvalidPod. */
export function inject(pod: AdmittedPod, options: InjectionOptions): Injection {
  if (!wantsProxy(pod)) return NOTHING;
  const { metadata: { annotations = {} } = {}, spec = {} } = pod;
  if (spec.hostNetwork) {
    return {
      patch: [],
      warnings: [`${INJECT}: a pod with hostNetwork gets no proxy, whose ports would be the node's`],
    };
  }
  const proxy = withAnnotations(annotations, options);
  const taken = (spec.containers ?? []).find(({ ports = [] }) => ports.some((port) => isPort(port, proxy.port)));
  if (taken)
    throw new InvalidPod(
      `${INJECT}: the container ${taken.name} has port ${proxy.port}, which the proxy needs for its REST API`,
    );
  const patch = [
    annotate(CONFIGURATION_ANNOTATION, proxyConfiguration(proxy)),
    annotate(CONTAINER_ANNOTATION, PROXY_CONTAINER),
    ...containerOf(spec, proxy, options.nativeSidecars),
    ...append('/spec/volumes', spec.volumes, proxyVolumes(proxy)),
  ];
  return { patch, warnings: [] };
}

function isPort(
  { containerPort, protocol = 'TCP' }: { containerPort: number; protocol?: string },
  port: number,
): boolean {
  return containerPort === port && protocol === 'TCP';
}

function withAnnotations(annotations: Readonly<Record<string, string>>, options: InjectionOptions): ProxyOptions {
  const image = annotations[IMAGE] ?? options.image;
  if (!/^\S+$/.test(image)) throw new InvalidPod(`${IMAGE}: '${image}' is no image`);
  const logLevel = annotations[LOG_LEVEL] ?? options.logLevel;
  if (logLevel !== undefined && !LOG_LEVELS.includes(logLevel)) {
    throw new InvalidPod(`${LOG_LEVEL}: '${logLevel}' is none of ${LOG_LEVELS.join(', ')}`);
  }
  const text = annotations[PROXY_PORT] ?? String(options.port);
  const port = parsePort(text);
  if (port === undefined) throw new InvalidPod(`${PROXY_PORT}: '${text}' is no port`);
  return { ...options, image, logLevel, port };
}

/** There are annotations: one of them has asked for a proxy. */
function annotate(name: string, value: string): Operation {
  return { op: 'add', path: `/metadata/annotations/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, value };
}

/** A native sidecar is the first init container: it runs, and answers, before all others start, and ends after them. */
function containerOf(spec: NonNullable<AdmittedPod['spec']>, proxy: ProxyOptions, native: boolean): Operation[] {
  const container = proxyContainer(proxy);
  if (!native) return append('/spec/containers', spec.containers, [container]);
  const { readinessProbe } = container;
  const startupProbe = { ...readinessProbe, periodSeconds: 1, failureThreshold: 120 };
  const sidecar = { ...container, restartPolicy: 'Always', startupProbe };
  if (!spec.initContainers?.length) return [{ op: 'add', path: '/spec/initContainers', value: [sidecar] }];
  return [{ op: 'add', path: '/spec/initContainers/0', value: sidecar }];
}

function append(path: string, present: readonly unknown[] | undefined, values: readonly unknown[]): Operation[] {
  if (!present?.length) return [{ op: 'add', path, value: values }];
  return values.map((value) => ({ op: 'add', path: `${path}/-`, value }));
}
