// How the tests run: one PostgreSQL for the whole run, a database of its own for each file.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    // Nothing in src keeps state of its own, so files share what was imported: a third of the time.
    isolate: false,
    // One more than cores of a small machine: many tests wait for timers and other processes.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 30_000,
    teardownTimeout: 30_000,
  },
});
