/** nginx as a server that others have written. */
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command } from './command.ts';
import { program } from './programs.ts';

const HOST = '127.0.0.1';

/**
 * nginx with these directives in its server, below a folder of its own: its port, and the folder that it serves. `options`: of
 * its `listen`, as http2.
 */
export async function nginx(t: TestContext, directives: string, options = ''): Promise<{ port: number; www: string }> {
  const folder = await fs.mkdtemp(join(tmpdir(), 'l7mp-nginx-'));
  t.after(() => fs.rm(folder, { recursive: true, force: true }));
  // What it serves is read by a user that it makes itself, where the tests run as root.
  await fs.chmod(folder, 0o755);
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
    events { worker_connections 64; }
    http {
      access_log off; default_type text/plain;
      ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
      server { listen ${HOST}:${port} ${options}; root ${folder}/www; ${directives} }
    }`;
  await fs.mkdir(join(folder, 'www'));
  await fs.writeFile(join(folder, 'nginx.conf'), config);
  const command = new Command(t, program('nginx'), ['-p', folder, '-c', join(folder, 'nginx.conf')]);
  await until(async () => {
    if (command.over) throw new Error(command.output);
    return connects(port);
  }, 'nginx listens');
  return { port, www: join(folder, 'www') };
}

async function connects(port: number): Promise<boolean> {
  const socket = net.connect(port, HOST);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
