import type { Mutant } from './mutant.ts'

const simulate = 'test/simulate.test.ts'

/** Lines of `bench/`. */
export const benchMutants: readonly Mutant[] = [
  {
    name: 'sample-stands-for-all',
    file: 'bench/simulate/popularity.ts',
    find: 'number => things / sampled',
    replace: 'number => things / things',
    test: simulate,
    testName: 'a sample of the things tells what all of them do',
  },
  {
    name: 'read-for-seconds',
    file: 'bench/simulate/model.ts',
    find: 'if (isRead(stratum, segment)) tally.seconds[at]',
    replace: 'tally.seconds[at]',
    test: simulate,
    testName: 'a sample of the things tells what all of them do',
  },
  {
    name: 'drawn-by-seed',
    file: 'bench/simulate/deployment.ts',
    find: 'createRandom(seedOf(scenario.seed, scenario.name))',
    replace: 'Math.random',
    test: simulate,
    testName: 'a seed decides what comes out',
  },
  {
    name: 'at-rest-before-the-next-step',
    file: 'bench/simulate/clock.ts',
    find: 'if (each(nowMs) || works) await new Promise(setImmediate)',
    replace: 'each(nowMs)',
    test: simulate,
    testName: 'every read is answered by one tier',
  },
]
