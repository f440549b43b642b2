/** The walk through the README, block by block, as it stands there; on its own ports, in a network namespace. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../src/testing/until.ts';
import { type Command, L7MP, ROOT } from './support/command.ts';
import { Namespace, noNamespaces } from './support/namespace.ts';

const SENDER = 'socat - udp:localhost:15000,sourceport=15001';

/** The blocks of the walk in one language, in order. */
async function blocks(language: string): Promise<string[]> {
  const text = await readFile(join(ROOT, 'README.md'), 'utf8');
  const walk = text.slice(text.indexOf('\n## A walk through'), text.indexOf('\n## In Kubernetes'));
  return [...walk.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, block]) => block as string,
  );
}

async function startReceiver(space: Namespace, folder: string): Promise<Command> {
  const [config] = await blocks('yaml');
  const file = join(folder, 'receiver.yaml');
  await writeFile(file, config as string);
  const receiver = space.start(L7MP, '-c', file, '-l', 'error');
  await until(async () => receiver.over || (await space.type('ss -Hltn sport = 16000')) !== '', 'the receiver listens');
  assert.ok(!receiver.over, receiver.output);
  return receiver;
}

/** What was typed at one end appears at the other, and on the proxy's stdout on the way there. */
async function talk(sender: Command, receiver: Command, proxy: Command): Promise<void> {
  sender.child.stdin?.write('hello\n');
  await until(() => receiver.stdout === 'hello\n' && proxy.stdout.includes('hello\n'), 'hello appears');
  receiver.child.stdin?.write('and back\n');
  await until(() => sender.stdout === 'and back\n', 'the answer appears');
  assert.ok(!proxy.stdout.includes('and back'), 'the way back is not logged');
}

test('the README can be typed as it stands', { skip: noNamespaces() ?? false }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-readme-'));
  t.after(() => rm(folder, { recursive: true }));
  const space = new Namespace(t);
  const proxy = await space.start(L7MP, '-c', 'config/l7mp-minimal.yaml').running();
  const receiver = await startReceiver(space, folder);
  const commands = await blocks('sh');
  assert.ok(
    commands.includes(`${SENDER}\n`) && commands.some((block) => block.startsWith('bin/l7mp -c receiver.yaml')),
  );
  for (const block of commands) {
    if (block === `${SENDER}\n`) await talk(space.start('socat', ...SENDER.split(' ').slice(1)), receiver, proxy);
    else if (block.startsWith('curl')) {
      const output = await space.type(block);
      for (const [line] of output.matchAll(/^HTTP\/1\.1 .*$/gm)) assert.match(line, / 200 /, `${block}\n${output}`);
    }
  }
});
