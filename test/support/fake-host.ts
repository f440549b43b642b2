export * from '../../src/testing/fake-host.ts';
