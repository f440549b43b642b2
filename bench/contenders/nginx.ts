import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CERTIFIED, certificate } from '../harness/certificate.ts';
import type { Command, Contender, Place } from '../harness/types.ts';
import { output } from '../harness/version.ts';

const MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** nginx with its stream module: one worker; 64 KiB buffers, since its default of 16 KiB halves its bulk rate. */
export const nginx: Contender = {
  name: 'nginx',
  group: 'peer',
  version: async () => {
    await output('test', '-e', MODULE).catch(() => {
      throw new Error(`${MODULE} is missing`);
    });
    return (await output('nginx', '-v')).match(/nginx\/(\S+)/)?.[1] ?? 'unknown';
  },
  carries: {
    udp: (place) => commands(place, stream(place, 'udp reuseport rcvbuf=4m')),
    tcp: (place) => commands(place, stream(place, 'backlog=4096 so_keepalive=off')),
    'tcp-tls-tcp': (place) => commands(place, encrypted(place, 'off')),
    'tcp-tls-tcp-resumed': (place) => commands(place, encrypted(place, 'on')),
    http: (place) => commands(place, http(place, 'return 200;')),
    http2: (place) => commands(place, http(place, 'return 200;', '', 'http2')),
    'http-proxied': (place) => commands(place, http(place, PROXIED, kept(place))),
    websocket: (place) => commands(place, http(place, upgraded(place))),
  },
};

function stream({ listen, upstream }: Place, options: string): string {
  return `stream {
  tcp_nodelay on;
  proxy_buffer_size 64k;
  proxy_timeout 1h;
  server { listen 127.0.0.1:${listen} ${options}; proxy_pass 127.0.0.1:${upstream}; }
}`;
}

/** Two hops in one worker, with TLS between them, as `encrypted` is for the others. `resumption`: whether sessions are resumed. */
function encrypted({ listen, middle, upstream, folder }: Place, resumption: 'on' | 'off'): string {
  const { cert, key } = certificate(folder);
  return `stream {
  tcp_nodelay on;
  proxy_buffer_size 64k;
  proxy_timeout 1h;
  ssl_session_tickets ${resumption}; ssl_session_cache off; proxy_ssl_session_reuse ${resumption};
  ssl_ecdh_curve X25519;
  server {
    listen 127.0.0.1:${middle} ssl backlog=4096 so_keepalive=off;
    ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3;
    proxy_pass 127.0.0.1:${upstream};
  }
  server {
    listen 127.0.0.1:${listen} backlog=4096 so_keepalive=off;
    proxy_ssl on; proxy_ssl_verify on; proxy_ssl_trusted_certificate ${cert}; proxy_ssl_name ${CERTIFIED};
    proxy_ssl_protocols TLSv1.2 TLSv1.3;
    proxy_pass 127.0.0.1:${middle};
  }
}`;
}

/** A connection serves any number of requests: the default ends it after 1,000. */
function http({ listen }: Place, location: string, more = '', options = ''): string {
  return `http {
  access_log off;
  keepalive_requests 1000000000;
  proxy_buffer_size 64k; proxy_buffers 8 64k;
  ${more}
  server { listen 127.0.0.1:${listen} backlog=4096 ${options}; location / { ${location} } }
}`;
}

/** Connections to the server are kept, which is not the default. */
function kept({ upstream }: Place): string {
  return `upstream load { server 127.0.0.1:${upstream}; keepalive 1024; keepalive_requests 1000000000; }`;
}

const PROXIED = 'proxy_pass http://load; proxy_http_version 1.1; proxy_set_header Connection "";';

function upgraded({ upstream }: Place): string {
  return `proxy_pass http://127.0.0.1:${upstream}; proxy_http_version 1.1; proxy_read_timeout 1h;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`;
}

function commands({ folder }: Place, block: string): Command[] {
  const config = join(folder, 'nginx.conf');
  writeFileSync(
    config,
    `load_module ${MODULE};
daemon off; worker_processes 1; worker_rlimit_nofile 20000;
pid ${folder}/nginx.pid; error_log stderr crit;
events { use epoll; worker_connections 40000; multi_accept on; }
${block}
`,
  );
  return [{ file: 'nginx', args: ['-p', folder, '-c', config, '-e', 'stderr'] }];
}
