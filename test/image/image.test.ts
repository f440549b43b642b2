/** The image of the proxy, built by the Dockerfile: a container of it, with a root file system that cannot be written to. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command, ROOT } from '../support/command.ts';

const run = promisify(execFile);

interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly WorkingDir: string;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

let folder: string;
let config: ImageConfig;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'l7mp-image-'));
  await run(join(ROOT, 'scripts', 'build-image'), ['proxy', folder]);
  const image = JSON.parse(await readFile(join(folder, 'image.json'), 'utf8'));
  config = image.Docker.config;
});

after(() => rm(folder, { recursive: true, force: true }));

/** As a container runtime does it, with mounts of its own: a file system to read, /proc, and a /tmp that is empty. */
const CONTAINER = `
set -e
root=$1 user=$2 folder=$3
shift 3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind /dev "$root/dev"
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" /usr/bin/env -i "$@"
`;

function container(t: TestContext, command: readonly string[], env: readonly string[] = []): Command {
  const { User, Env, WorkingDir } = config;
  const within = ['--chdir', WorkingDir, ...Env, ...env, ...command];
  const script = ['sh', '-c', CONTAINER, 'container', join(folder, 'root'), User, WorkingDir, ...within];
  // No namespace of processes: what is begun in one ends with its first process only, and that one changes its user.
  return new Command(t, 'unshare', ['--mount', ...script]);
}

test('it runs as nobody', () => {
  assert.match(config.User, /^[1-9]\d*:[1-9]\d*$/);
});

test('it runs on a root file system that cannot be written to, with the configuration in it, and says that it is healthy', async (t) => {
  const port = await freePort();
  const file = 'config/l7mp-minimal.yaml';
  const text = await readFile(join(folder, 'root', config.WorkingDir, file), 'utf8');
  assert.deepEqual(config.Cmd, ['-c', file]);
  await writeFile(join(folder, 'root', config.WorkingDir, file), text.replaceAll('1234', String(port)));
  t.after(() => writeFile(join(folder, 'root', config.WorkingDir, file), text));
  const health = [`L7MP_HEALTH_URL=http://127.0.0.1:${port}/healthz`];
  const [kind, ...check] = config.Healthcheck.Test;
  assert.equal(kind, 'CMD');
  const early = container(t, check, health);
  await until(() => early.over, 'the check ends');
  assert.equal(early.child.exitCode, 1, early.output);
  const proxy = await container(t, [...config.Entrypoint, ...config.Cmd]).running();
  const later = container(t, check, health);
  await until(() => later.over, 'the check ends');
  assert.equal(later.child.exitCode, 0, later.output);
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/admin`);
  const admin = (await answer.json()) as { io_status: { engine: string } };
  assert.equal(admin.io_status.engine, 'native', proxy.output);
});

test('it runs what the DaemonSet of l7mp 0.5 runs', async (t) => {
  const port = await freePort();
  const mounted = join(folder, 'root', config.WorkingDir, 'config', 'l7mp-ingress-gw.yaml');
  const text = await readFile(mounted, 'utf8');
  await writeFile(mounted, text.replaceAll('1234', String(port)));
  t.after(() => writeFile(mounted, text));
  const command = ['node', 'l7mp-proxy.js', '-c', 'config/l7mp-ingress-gw.yaml', '-s', '-l', 'info'];
  await container(t, command).running();
  const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
  assert.equal(answer.status, 200);
});

test('it holds no sources, tests or tools for building', async () => {
  const app = join(folder, 'root', config.WorkingDir);
  for (const name of ['src', 'test', 'packages', 'docs', 'charts']) {
    await assert.rejects(readFile(join(app, name)), { code: 'ENOENT' });
  }
  for (const tool of ['npm', 'gcc', 'curl']) {
    await assert.rejects(readFile(join(folder, 'root', 'usr', 'bin', tool)), { code: 'ENOENT' });
  }
});
