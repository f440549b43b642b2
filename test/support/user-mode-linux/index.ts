/**
 * A Linux kernel that is a program (user-mode-linux): for tests of what the kernel of this machine may not have. It boots this
 * machine's own files in some seconds, as any user, and has one CPU and a loopback interface.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { program, run } from '../programs.ts';

const REPOSITORY = resolve(import.meta.dirname, '../../..');

/** Modules of SCTP, in the order of what needs what. Without hmac, listen(2) fails. */
const SCTP = [
  'lib/crc-ccitt',
  'net/ipv4/udp_tunnel',
  'net/ipv6/ipv6',
  'net/ipv6/ip6_udp_tunnel',
  'crypto/hmac',
  'net/sctp/sctp',
];

/** Its memory. What is not used is not there. */
const MEMORY = '1024M';

/** How long it may take to boot and to run a file of tests, in milliseconds. */
const PATIENCE = 900_000;

/** Set in it, and nowhere else: tests there change what belongs to the whole machine. */
const INSIDE = 'L7MP_IN_USER_MODE_LINUX';

/** Whether this process runs in such a kernel, which has SCTP. */
export function isInside(): boolean {
  return process.env[INSIDE] !== undefined;
}

/** Adds a test that runs a file of tests in such a kernel with SCTP: all of them pass there. */
export function testInUserModeLinux(file: string): void {
  test('in a kernel with SCTP', { timeout: PATIENCE }, async (t) => {
    const output = await inUserModeLinux(t, [process.execPath, '--conditions=l7mp-source', '--test', file]);
    t.diagnostic(
      output
        .split('\n')
        .filter((line) => /^ℹ (pass|skipped)/.test(line))
        .join(', '),
    );
  });
}

/** Runs a command, which must succeed; what it has written. */
async function inUserModeLinux(t: TestContext, command: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-uml-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string): string => join(folder, name);
  writeFileSync(file('init'), init(folder, command), { mode: 0o755 });
  const env = { ...process.env, ...(needsShim() && { LD_PRELOAD: await buildShim(file('ptrace.so')) }) };
  const console = await boot(t, env, [
    `mem=${MEMORY}`,
    'root=none',
    'rootfstype=hostfs',
    'rootflags=/',
    'rw',
    `init=${file('init')}`,
    'quiet',
    'con=null',
    'con0=null,fd:1',
  ]);
  const output = read(file('output'));
  if (read(file('status')) !== '0\n') throw new Error(`in user-mode Linux:\n${output}\n${console}`);
  return output;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Runs it to its end; what its kernel has said. */
function boot(t: TestContext, env: NodeJS.ProcessEnv, args: readonly string[]): Promise<string> {
  // All of its processes are one group.
  const child = spawn(program('linux.uml'), args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => {
    if (child.exitCode === null && child.pid) process.kill(-child.pid, 'SIGKILL');
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      said = (said + data).slice(-10_000);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(said));
  });
}

/** The first process. It powers the machine off when the command is over. */
function init(folder: string, command: readonly string[]): string {
  const { NODE_COMPILE_CACHE } = process.env;
  const kept = NODE_COMPILE_CACHE === undefined ? '' : `NODE_COMPILE_CACHE=${quote(NODE_COMPILE_CACHE)}`;
  return `#!/bin/sh
export PATH=${process.env.PATH}:/usr/sbin:/sbin HOME=/tmp ${INSIDE}=yes ${kept}
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
ip link set lo up
for module in ${SCTP.join(' ')}; do insmod "/usr/lib/uml/modules/$(uname -r)/kernel/$module.ko"; done
cd ${quote(REPOSITORY)}
{ ${command.map(quote).join(' ')}; } >${quote(join(folder, 'output'))} 2>&1
echo $? >${quote(join(folder, 'status'))}
echo o >/proc/sysrq-trigger
sleep 60
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// -------------------------------------------------------------------- CPUs that are newer than it

/** Whether the CPU has more state than it knows (AMX). */
function needsShim(): boolean {
  return /^flags\s.*\bamx_tile\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

async function buildShim(to: string): Promise<string> {
  await run('cc', ['-shared', '-fPIC', '-O1', '-o', to, join(import.meta.dirname, 'ptrace.c'), '-ldl']);
  return to;
}
