/** The tutorial on DTLS, typed as it stands there: what it shows must happen. In a network namespace its ports are free. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../src/testing/until.ts';
import { type Command, L7MP, ROOT } from './support/command.ts';
import { Namespace, noNamespaces } from './support/namespace.ts';

const skip = noNamespaces() ?? false;

const text = readFileSync(join(ROOT, 'docs/tutorials/dtls.md'), 'utf8');
const blocks = (language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, block]) =>
    (block as string).trim(),
  );

test('a plain UDP server behind DTLS, and a DTLS server behind plain UDP', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-tutorial-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [config = ''] = blocks('yaml');
  writeFileSync(join(folder, 'dtls.yaml'), config);
  const [certificate = '', echo = '', proxy = '', client = '', server = '', plain = '', ...rest] = blocks('sh');
  assert.deepEqual(rest, []);

  const space = new Namespace(t);
  const start = (command: string): Command =>
    space.start('bash', '-c', `cd ${folder} && exec ${command.replace(/^l7mp /, `${L7MP} `)}`);
  await space.type(`cd ${folder} && ${certificate}`);
  const first = start(echo);
  const second = await start(proxy).running();

  const encrypted = start(client);
  encrypted.child.stdin?.write('hello\n');
  await until(() => encrypted.stdout === 'hello\n', 'the line comes back');
  await until(() => second.stdout.includes('encrypted'), 'the proxy says something of it');

  await first.stop();
  const dtls = start(server);
  const own = start(plain);
  // Nobody says when s_server listens: a line may be lost, as any datagram.
  await until(() => {
    if (dtls.stdout === '') own.child.stdin?.write('hello\n');
    return dtls.stdout.startsWith('hello\n');
  }, 'the line is shown by the server');
  dtls.child.stdin?.write('and back\n');
  await until(() => own.stdout === 'and back\n', 'and its answer by the client');
});
