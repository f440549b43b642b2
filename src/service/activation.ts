/** The descriptor of the first socket (sd_listen_fds(3), SD_LISTEN_FDS_START). */
const FIRST = 3;

/** Descriptors of sockets that a service manager has opened for this process. Takes its variables out of `env`. */
export function activatedSockets(env: NodeJS.ProcessEnv): number[] {
  const { LISTEN_PID: pid, LISTEN_FDS: count } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  if (pid !== String(process.pid) || !count || !/^\d{1,4}$/.test(count)) return [];
  return Array.from({ length: Number(count) }, (_, n) => FIRST + n);
}
