/** Makes the table of ratios over all results anew, where results have come from elsewhere. Usage: node bench/ranges.ts */
import { contenders } from './contenders/index.ts';
import { writeRanges } from './harness/publish.ts';

writeRanges(contenders());
