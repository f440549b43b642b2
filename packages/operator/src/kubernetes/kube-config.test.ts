import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { loadAccess } from './kube-config.ts';

let folder: string;
const { KUBECONFIG, HOME } = process.env;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'l7mp-kubeconfig-'));
});

after(() => rm(folder, { recursive: true, force: true }));

afterEach(() => {
  restore({ KUBECONFIG, HOME });
});

function restore(values: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

async function kubeconfig(text: string): Promise<string> {
  const file = join(folder, 'config');
  await writeFile(file, text);
  return file;
}

const config = (cluster: string, user = '{token: secret}') => `
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: ${cluster}}]
users: [{name: u, user: ${user}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: mesh}}]
current-context: x
`;

test('a kubeconfig says where the server is, whom it trusts, and who we are', async () => {
  await writeFile(join(folder, 'ca.crt'), 'the CA');
  const file = await kubeconfig(
    config('{server: "https://10.0.0.1:6443", certificate-authority: ca.crt, tls-server-name: api}'),
  );
  const access = loadAccess(file);
  const { ca, servername, headers, agent } = await access.options();
  assert.deepEqual([access.server.href, access.namespace], ['https://10.0.0.1:6443/', 'mesh']);
  assert.deepEqual([String(ca), servername, agent], ['the CA', 'api', undefined]);
  assert.deepEqual(headers, { Authorization: 'Bearer secret' });
});

test('what a program prints is the token, and is asked for anew when it was refused', async () => {
  const count = join(folder, 'count');
  const script = `echo x >>'${count}'; printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t%d","expirationTimestamp":"2001-01-01T00:00:00Z"}}' $(wc -l <'${count}')`;
  const exec = `{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: [-c, ${JSON.stringify(script)}], interactiveMode: Never}}`;
  const access = loadAccess(await kubeconfig(config('{server: "https://10.0.0.1"}', exec)));
  const token = async () => (await access.options()).headers;
  assert.deepEqual(await token(), { Authorization: 'Bearer t1' });
  assert.deepEqual(await token(), { Authorization: 'Bearer t1' });
  access.refused();
  assert.deepEqual(await token(), { Authorization: 'Bearer t2' });
});

test('a server without TLS is fine, as kubectl proxy is one', async () => {
  const access = loadAccess(await kubeconfig(config('{server: "http://127.0.0.1:8001"}')));
  await access.options();
});

test('KUBECONFIG is used where no file is given', async () => {
  process.env.KUBECONFIG = await kubeconfig(config('{server: "https://10.0.0.7"}'));
  assert.equal(loadAccess().server.href, 'https://10.0.0.7/');
});

test('errors name the file, and what is wrong with it', async () => {
  assert.throws(() => loadAccess('/nowhere/config'), /^Error: \/nowhere\/config: ENOENT/);
  const file = await kubeconfig('{clusters: [], contexts: [], users: [], current-context: x}');
  assert.throws(() => loadAccess(file), { message: `${file}: there is no context 'x'` });
  await kubeconfig(config('{}'));
  assert.throws(() => loadAccess(file), { message: `${file}: clusters[0].cluster.server is missing` });
  await kubeconfig(config('{server: "ftp://x"}'));
  assert.throws(() => loadAccess(file), { message: `${file}: ftp://x is no URL of a server` });
  restore({ KUBECONFIG: undefined, HOME: folder });
  assert.throws(
    () => loadAccess(),
    /there is no --kubeconfig, no KUBECONFIG, no service account of a pod, and no .*\.kube/,
  );
});
