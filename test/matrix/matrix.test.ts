/** Every listener protocol with every cluster protocol, but for those that have a matrix of their own (`test/sctp`). */
import { DESTINATIONS } from './destinations.ts';
import { runPairs } from './pairs.ts';
import { SOURCES } from './sources.ts';

runPairs(SOURCES, DESTINATIONS);
