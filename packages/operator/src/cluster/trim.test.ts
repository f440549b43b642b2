import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trim } from './trim.ts';

const metadata = {
  name: 'web',
  namespace: 'default',
  uid: 'u',
  resourceVersion: '7',
  creationTimestamp: '2026-01-01T00:00:00Z',
};

const kept = { ...metadata, generation: 0, labels: {}, annotations: {} };

test('metadata has all fields, and nothing that repeats the object', () => {
  const { metadata: trimmed } = trim('Target', {
    metadata: {
      ...metadata,
      generation: 3,
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', kept: 'yes' },
      managedFields: [{ manager: 'kubectl' }],
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'q', controller: true }],
    },
    spec: {},
  } as never);
  assert.deepEqual(trimmed, {
    ...kept,
    generation: 3,
    annotations: { kept: 'yes' },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'q' }],
  });
  assert.deepEqual(trim('GatewayClass', { metadata: { name: 'x', resourceVersion: '1' } }).metadata.namespace, '');
});

test('our own kinds keep their spec and status whole', () => {
  const spec = { cluster: { spec: { UDP: { port: 1 } }, endpoints: [{ selector: {} }] } };
  const status = { proxies: { text: '1/1' } };
  assert.deepEqual(trim('Target', { metadata, spec, status } as never), {
    kind: 'Target',
    metadata: kept,
    spec,
    status,
  });
});

test('a pod keeps every scalar, and of lists what is looked at', () => {
  const pod = trim('Pod', {
    metadata: { ...metadata, generateName: 'web-', finalizers: ['x'], labels: { app: 'web' } },
    spec: {
      nodeName: 'n1',
      hostNetwork: true,
      priority: 0,
      securityContext: { runAsUser: 7, seLinuxOptions: {} },
      volumes: [{ name: 'v', emptyDir: {} }],
      tolerations: [{ key: 'k' }],
      containers: [
        {
          name: 'l7mp',
          image: 'i',
          env: [{ name: 'A', value: 'b' }],
          ports: [{ name: 'api', containerPort: 1234, protocol: 'TCP', hostPort: 1234 }],
        },
        { name: 'app' },
      ],
      initContainers: [{ name: 'sidecar', restartPolicy: 'Always', image: 'i' }],
    },
    status: {
      phase: 'Running',
      podIP: '10.0.0.1',
      podIPs: [{ ip: '10.0.0.1' }],
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: 't', lastProbeTime: null }],
      containerStatuses: [{ name: 'l7mp', containerID: 'c', ready: true, restartCount: 3, state: { running: {} } }],
    },
  } as never);
  assert.deepEqual(pod, {
    kind: 'Pod',
    metadata: { ...kept, generateName: 'web-', labels: { app: 'web' } },
    spec: {
      nodeName: 'n1',
      hostNetwork: true,
      priority: 0,
      securityContext: { runAsUser: 7 },
      containers: [{ name: 'l7mp', ports: [{ name: 'api', containerPort: 1234, protocol: 'TCP' }] }, { name: 'app' }],
      initContainers: [{ name: 'sidecar', restartPolicy: 'Always' }],
    },
    status: {
      phase: 'Running',
      podIP: '10.0.0.1',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: 'l7mp', containerID: 'c', ready: true }],
    },
  });
});

test('a pod that was just made has neither containers’ states nor an address', () => {
  const pod = trim('Pod', { metadata, spec: { containers: [{ name: 'a' }] } } as never);
  assert.deepEqual(pod.status, {});
});

test('a Service keeps how it is reached', () => {
  const service = trim('Service', {
    metadata,
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1'],
      ipFamilies: ['IPv4'],
      sessionAffinity: 'None',
      selector: { app: 'web' },
      ports: [{ name: 'dns', port: 53, targetPort: 'dns', protocol: 'UDP', nodePort: 30000 }],
    },
    status: { loadBalancer: { ingress: [{ ip: '1.2.3.4', ports: [] }] } },
  } as never);
  assert.deepEqual(service, {
    kind: 'Service',
    metadata: kept,
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1'],
      ipFamilies: ['IPv4'],
      selector: { app: 'web' },
      ports: [{ name: 'dns', port: 53, targetPort: 'dns', protocol: 'UDP' }],
    },
    status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } },
  });
});

test('an EndpointSlice keeps addresses, their conditions and pods', () => {
  const slice = trim('EndpointSlice', {
    metadata: {
      ...metadata,
      generation: 9,
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': 'now' },
    },
    addressType: 'IPv4',
    ports: null,
    endpoints: [
      {
        addresses: ['10.0.0.1'],
        conditions: { ready: true },
        targetRef: { kind: 'Pod', name: 'p', uid: 'u', namespace: 'd' },
        nodeName: 'n',
        zone: 'z',
      },
      { addresses: ['10.0.0.2'] },
    ],
  } as never);
  assert.deepEqual(slice, {
    kind: 'EndpointSlice',
    metadata: kept,
    addressType: 'IPv4',
    ports: [],
    endpoints: [
      { addresses: ['10.0.0.1'], conditions: { ready: true }, targetRef: { kind: 'Pod', name: 'p', uid: 'u' } },
      { addresses: ['10.0.0.2'] },
    ],
  });
});
