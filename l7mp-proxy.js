// Starts the proxy under any Node from 14 on: `node l7mp-proxy.js -c FILE ...`. In an installed package that is
// dist/main.js, in a checkout src/main.ts, for which a Node that cannot run TypeScript hands over to node_modules/.bin/node.
// Owns the version check and the signals on their way to that child; all else is the command's.
// biome-ignore-all lint/style/useNodejsImportProtocol: the first releases of Node 14 do not know node: imports.
import { spawn } from 'child_process';
import { existsSync, readFileSync } from 'fs';
import { dirname, join } from 'path';
import { fileURLToPath, pathToFileURL } from 'url';

const ROOT = dirname(fileURLToPath(import.meta.url));
const SOURCE = join(ROOT, 'src', 'main.ts');
const BUILD = join(ROOT, 'dist', 'main.js');
const CHECKOUT_NODE = join(ROOT, 'node_modules', '.bin', 'node');
const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'];

function fail(text) {
  process.stderr.write(`l7mp: ${text}\n`);
  process.exitCode = 1;
}

function load(file) {
  import(pathToFileURL(file).href).catch((error) => fail(error.stack || error));
}

/** The oldest version that package.json allows, where this Node is older. */
function requiredVersion() {
  const required = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).engines.node.match(/\d+\.\d+/)[0];
  const [major, minor] = required.split('.').map(Number);
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number);
  return ownMajor < major || (ownMajor === major && ownMinor < minor) ? required : undefined;
}

/** Ends this process as the child ended. */
function endAs(code, signal) {
  if (!signal) process.exit(code);
  for (const name of FORWARDED) process.removeAllListeners(name);
  process.kill(process.pid, signal);
}

function handOver() {
  // The IPC channel carries nothing: its closing tells the child that this process is gone, also after a SIGKILL.
  const child = spawn(CHECKOUT_NODE, [...process.execArgv, SOURCE, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, L7MP_LAUNCHER: '1' },
  });
  for (const name of FORWARDED) {
    // A terminal sends its Ctrl-C to the child as well.
    const forward = name === 'SIGINT' && process.stdin.isTTY ? () => {} : () => child.kill(name);
    process.on(name, forward);
  }
  child.on('error', (error) => fail(`${CHECKOUT_NODE} does not start: ${error.message}`));
  child.on('exit', endAs);
}

/**
 * Until the proxy has handlers of its own, a SIGHUP must not end it, nor a SIGUSR1 open node's debugger to every process
 * of this machine. They stay: the last handler of a signal must not go, or its default comes back.
 */
function holdSignals() {
  if (process.platform === 'win32') return;
  for (const name of ['SIGHUP', 'SIGUSR1']) process.on(name, () => {});
}

function start() {
  if (existsSync(SOURCE)) {
    if (process.features.typescript) return load(SOURCE);
    if (existsSync(CHECKOUT_NODE)) return handOver();
    return fail(`Node ${process.versions.node} cannot run the sources: run scripts/setup (or npm ci) in ${ROOT} first`);
  }
  const required = requiredVersion();
  if (required) return fail(`Node ${required} or later is needed, and this is ${process.versions.node}`);
  if (!existsSync(BUILD)) return fail(`${BUILD} is missing: the installation is not complete`);
  load(BUILD);
}

holdSignals();
start();
