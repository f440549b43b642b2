export * from '../../src/testing/ports.ts';
