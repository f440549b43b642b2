export * from '../../src/testing/fake-cluster-host.ts';
