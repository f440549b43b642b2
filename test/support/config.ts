import assert from 'node:assert/strict';
import type { TestProxy } from './proxy.ts';

/** Everything that is configured. The sessions are left out: the question is one of them. */
// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
export async function configOf(proxy: TestProxy): Promise<any> {
  const { sessions: _, ...config } = await proxy.ok('GET', 'config');
  return config;
}

type Request = Parameters<TestProxy['api']>;

/** Makes a request that must be refused and leave nothing behind, and gives what the answer says is wrong. */
export async function refused(proxy: TestProxy, status: number, ...request: Request): Promise<string> {
  const before = await configOf(proxy);
  const answer = await proxy.api(...request);
  assert.equal(answer.status, status, `${request[0]} ${request[1]}: ${answer.text}`);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.deepEqual(Object.keys(answer.body), ['status', 'message', 'content']);
  assert.equal(answer.body.status, status);
  assert.deepEqual(await configOf(proxy), before);
  const { content } = answer.body;
  assert.doesNotMatch(content, /\n|\bat \S+:\d+:\d+|\.ts\b/, 'one line, without a stack');
  return content;
}

export const names = (objects: readonly { name: string }[]): string[] => objects.map(({ name }) => name);
