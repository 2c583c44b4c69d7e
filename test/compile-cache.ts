import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Has Node keep what it has compiled, for the many hundred processes that a run of the tests starts. */
export const compileCache = { NODE_COMPILE_CACHE: join(tmpdir(), 'perigee-compile-cache') }
