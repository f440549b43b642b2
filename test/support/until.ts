export * from '../../src/testing/until.ts';
