/**
 * Loaded before each test file (`--import`): runs it again in namespaces of its own. Its network is then a node of a cluster
 * with nothing on it, so that well-known ports are free and addresses can be what they like; what it mounts is seen by nobody
 * else; and whatever it leaves behind, processes, mounts, interfaces, goes with it, even if it is killed.
 */
import { spawnSync } from 'node:child_process';

const MARK = 'L7MP_TEST_ISOLATED';

/** Each of these makes one namespace, or ends it with its first process. */
const UNSHARE = ['--net', '--mount', '--pid', '--mount-proc', '--fork', '--kill-child'];

/** The runner gives this to a test file's process, and does not have it itself. */
if (process.env.NODE_TEST_CONTEXT !== undefined && process.env[MARK] === undefined) {
  // Users other than root may be root in a namespace, where the system allows it.
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const { status } = spawnSync('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...user, ...UNSHARE, ...again], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: '1' },
  });
  process.exit(status ?? 1);
}
