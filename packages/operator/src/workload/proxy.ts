/**
 * How a proxy runs in a pod: its container, its volumes and its configuration, which holds nothing but the REST API. The
 * configuration is an annotation of the pod, mounted as a file by the downward API: so a pod needs no ConfigMap of its own, which
 * somebody would have to make before it and remove after it.
 */

export interface ProxyOptions {
  readonly image: string;
  /** Of the REST API. */
  readonly port: number;
  /** As of the proxy's `-l`. Default info. */
  readonly logLevel?: string | undefined;
  /** The Secret, in the pod's namespace, that holds the token for the REST API; without one, it is open. */
  readonly tokenSecret?: SecretKey | undefined;
}

export interface SecretKey {
  readonly name: string;
  readonly key: string;
}

/** What marks the container, as `l7mp.io/proxy-container` does for one of another name. */
export const PROXY_CONTAINER = 'l7mp';

/** Of the pod: the proxy's configuration, as JSON. */
export const CONFIGURATION_ANNOTATION = 'l7mp.io/configuration';

const CONFIGURATION = { volume: 'l7mp-configuration', directory: '/etc/l7mp/configuration', file: 'l7mp.json' };
const TOKEN = { volume: 'l7mp-token', directory: '/etc/l7mp/token', file: 'token' };
/** The proxy's directory of temporary files; the rest of its file system is read-only. */
const TEMPORARY = { volume: 'l7mp-tmp', directory: '/tmp' };

/** Milliseconds that sessions have to end when the pod does: less than the 30 s after which it is killed. */
const DRAIN = 20_000;

/** User and group, numeric so that the kubelet can tell them from root. That of images without users of their own. */
const NOBODY = 65_532;

export function proxyConfiguration({ port, logLevel = 'info', tokenSecret }: ProxyOptions): string {
  const token = { name: 'operator', role: 'admin', token_file: `${TOKEN.directory}/${TOKEN.file}` };
  const destination = { name: 'l7mp-controller', spec: { protocol: 'L7mpController' } };
  return JSON.stringify({
    admin: { log_level: logLevel, log_file: 'stdout', ...(tokenSecret && { auth: { tokens: [token] } }) },
    listeners: [
      {
        name: 'controller-listener',
        spec: { protocol: 'HTTP', port },
        rules: [{ action: { route: { destination } } }],
      },
    ],
  });
}

/** As in core/v1, with nothing but what is needed of it. */
export type ProxyContainer = ReturnType<typeof proxyContainer>;

export function proxyContainer({ image, port, tokenSecret }: ProxyOptions) {
  const probe = (path: string) => ({ httpGet: { path, port, scheme: 'HTTP' } });
  return {
    name: PROXY_CONTAINER,
    image,
    command: [
      'node',
      'l7mp-proxy.js',
      '-c',
      `${CONFIGURATION.directory}/${CONFIGURATION.file}`,
      '--drain',
      String(DRAIN),
    ],
    ports: [{ name: 'l7mp-api', containerPort: port, protocol: 'TCP' }],
    // Programmed or not, a proxy whose API answers is ready: a Service of its pod must not wait for the operator.
    readinessProbe: { ...probe('/readyz'), periodSeconds: 5 },
    livenessProbe: { ...probe('/healthz'), periodSeconds: 10, failureThreshold: 3 },
    // From the memory that it may have, the proxy derives its own limits.
    resources: { requests: { cpu: '50m', memory: '96Mi' }, limits: { memory: '512Mi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: NOBODY,
      runAsGroup: NOBODY,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: [
      { name: CONFIGURATION.volume, mountPath: CONFIGURATION.directory, readOnly: true },
      { name: TEMPORARY.volume, mountPath: TEMPORARY.directory },
      ...(tokenSecret ? [{ name: TOKEN.volume, mountPath: TOKEN.directory, readOnly: true }] : []),
    ],
  };
}

export function proxyVolumes({ tokenSecret }: ProxyOptions) {
  const fieldPath = `metadata.annotations['${CONFIGURATION_ANNOTATION}']`;
  return [
    {
      name: CONFIGURATION.volume,
      downwardAPI: { items: [{ path: CONFIGURATION.file, fieldRef: { apiVersion: 'v1', fieldPath } }] },
    },
    { name: TEMPORARY.volume, emptyDir: {} },
    ...(tokenSecret
      ? [
          {
            name: TOKEN.volume,
            secret: { secretName: tokenSecret.name, items: [{ key: tokenSecret.key, path: TOKEN.file }] },
          },
        ]
      : []),
  ];
}
