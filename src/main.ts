import { main } from './cli.ts';
import { servePluginImports } from './plugins/plugins.ts';

/** Under l7mp-proxy.js as a parent process: ends, in good order, when that process is gone. */
function followLauncher(): void {
  if (!process.env.L7MP_LAUNCHER) return;
  delete process.env.L7MP_LAUNCHER;
  const stop = () => process.kill(process.pid, 'SIGTERM');
  if (!process.connected) stop();
  process.once('disconnect', stop);
  process.channel?.unref();
}

followLauncher();
servePluginImports();
await main(process.argv.slice(2));
