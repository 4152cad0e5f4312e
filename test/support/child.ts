// What every process that a test starts gets of the environment: programs, and a cache of what Node has compiled before.
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Half of the start of a process is stripping types and compiling; what one has done the next one reads. */
export const childEnvironment = {
  PATH: process.env.PATH ?? '',
  NODE_COMPILE_CACHE: join(tmpdir(), 'gatehouse-compile-cache'),
};
