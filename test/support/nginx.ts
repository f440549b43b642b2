/** nginx as a server that others have written. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command } from './command.ts';
import { connectStream } from './peers.ts';
import { program } from './programs.ts';

/** Starts it; `server` makes the server block, of which `folder` is for its files. Ends with the test. */
export async function startNginx(
  t: TestContext,
  server: (place: { port: number; folder: string }) => string,
): Promise<{ port: number; command: Command; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-nginx-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const text = `daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
events {}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  ${server({ port, folder })}
}
`;
  const config = join(folder, 'nginx.conf');
  await writeFile(config, text);
  const command = new Command(t, program('nginx'), ['-p', folder, '-c', config, '-e', 'stderr']);
  const listens = async (): Promise<boolean> => {
    if (command.over) throw new Error(`nginx: ${command.output}`);
    return connectStream(t, { port }).then(
      (peer) => {
        peer.close();
        return true;
      },
      () => false,
    );
  };
  await until(listens, 'nginx listens');
  return { port, command, folder };
}
