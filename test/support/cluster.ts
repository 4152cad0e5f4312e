// Several server processes on one database, as they stand behind a load balancer; and services beside them to set things up.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from 'vitest';
import { openRedis } from '../../src/open-services.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices, type Services } from '../../src/services.ts';
import { childEnvironment } from './child.ts';
import { type TestDatabase, useDatabase } from './database.ts';
import { freePort, type ServerProcess, spawnServer, testConfig } from './gatehouse.ts';

const execute = promisify(execFile);

export interface Cluster {
  readonly issuer: string;
  readonly services: Services;
  readonly database: TestDatabase;
  /** Where each process itself is reached; the first one is the issuer. */
  readonly origins: readonly string[];
  readonly processes: readonly ServerProcess[];
  /** What a further process needs to belong to them. */
  environment(): Record<string, string>;
  /** `gatehouse …` on their database, as an operator runs it beside them; answers its `--json`. */
  command(...words: string[]): Promise<unknown>;
}

/** Call it at the top of a file or `describe`. The fields are there when tests run. */
export function useCluster(options: { size: number; settings?: Record<string, string> }): Cluster {
  const database = useDatabase();
  const masterKey = randomBytes(32).toString('base64');
  const running: { issuer: string; services?: Services; processes: ServerProcess[] } = {
    issuer: '',
    processes: [],
  };
  const environment = () => ({
    ISSUER: running.issuer,
    DATABASE_URL: database.databaseUrl(),
    MASTER_KEY: masterKey,
    ...options.settings,
  });

  beforeAll(async () => {
    const ports = await Promise.all(Array.from({ length: options.size }, freePort));
    running.issuer = `http://localhost:${ports[0]}`;
    const started = ports.map((port) => spawnServer({ ...environment(), PORT: String(port) }));
    running.processes = await Promise.all(started);
    const config = testConfig(environment());
    running.services = await createServices(config, {
      postgres: database.postgres,
      redis: openRedis(config, silentLog),
      log: silentLog,
    });
  });
  afterAll(async () => {
    await running.services?.audit.stop();
    await running.services?.changes.stop();
    await running.services?.redis?.close();
    await Promise.all(running.processes.map((node) => node.end('SIGKILL')));
  });

  return {
    database,
    environment,
    async command(...words) {
      const env = { ...childEnvironment, ...environment() };
      const { stdout } = await execute(process.execPath, ['src/cli.ts', ...words, '--json'], { env });
      return JSON.parse(stdout);
    },
    get issuer() {
      return running.issuer;
    },
    get services() {
      if (!running.services) throw new Error('the servers run only while tests run');
      return running.services;
    },
    get origins() {
      return running.processes.map(({ port }) => `http://localhost:${port}`);
    },
    get processes() {
      return running.processes;
    },
  };
}
