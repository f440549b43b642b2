export * from '../../src/testing/collector.ts';
