#!/usr/bin/env node
// Exits with 0 where the proxy of this container, or machine, runs, else with 1 and the reason: for Docker's HEALTHCHECK and
// the like. The URL is that of its REST API's /healthz, which asks for no token: L7MP_HEALTH_URL.
const url = process.env.L7MP_HEALTH_URL || 'http://127.0.0.1:1234/healthz';

try {
  const { status } = await fetch(url, { signal: AbortSignal.timeout(5000) });
  if (status !== 200) throw new Error(`it answers ${status}`);
} catch (error) {
  console.error(`${url}: ${error.cause?.message ?? error.message}`);
  process.exitCode = 1;
}
