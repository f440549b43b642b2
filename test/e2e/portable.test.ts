/** Sessions behave alike on every I/O engine: the proxy chooses the native one where it can, so here is the portable one. */
process.env.L7MP_TEST_IO = 'node';
await import('./sessions.test.ts');
await import('./retry.test.ts');
await import('./endpoints.test.ts');
await import('./drops.test.ts');
await import('./chains.test.ts');
await import('./api-files.test.ts');
