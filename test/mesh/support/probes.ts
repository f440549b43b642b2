/** Readiness, as a kubelet looks at it. */
import * as http from 'node:http';
import * as net from 'node:net';
import type { KubeObject } from './api.ts';

/** Milliseconds. */
const PATIENCE = 1000;

/** Whether a container is ready; without a probe it is so when it runs. Probes that run a command are not known here. */
export async function probe(spec: KubeObject, address: string, container: KubeObject): Promise<boolean> {
  if (spec === undefined) return true;
  if (spec.httpGet) return httpOk(spec.httpGet, address, portOf(spec.httpGet.port, container));
  if (spec.tcpSocket) return tcpOk(address, portOf(spec.tcpSocket.port, container));
  throw new Error(`nobody here knows a probe like ${JSON.stringify(spec)}`);
}

function portOf(port: number | string, container: KubeObject): number {
  if (typeof port === 'number') return port;
  return container.ports.find((one: KubeObject) => one.name === port).containerPort;
}

function httpOk(get: KubeObject, host: string, port: number): Promise<boolean> {
  const headers = Object.fromEntries((get.httpHeaders ?? []).map(({ name, value }: KubeObject) => [name, value]));
  return new Promise((resolve) => {
    const req = http.get({ host, port, path: get.path, headers, agent: false, timeout: PATIENCE }, (res) => {
      res.resume();
      resolve((res.statusCode ?? 500) < 400);
    });
    req.on('timeout', () => req.destroy());
    req.on('error', () => resolve(false));
  });
}

function tcpOk(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: PATIENCE }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('timeout', () => socket.destroy());
    socket.on('close', () => resolve(false));
    socket.on('error', () => resolve(false));
  });
}
