// A database of its own for each test file, copied from the migrated template and dropped afterwards.
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';
import { createPostgres, type Db, type Postgres } from '../../src/platform/database/postgres.ts';

export interface TestDatabase {
  postgres: Postgres;
  db: Db;
  /** For DATABASE_URL of a server process that a test starts. */
  databaseUrl(): string;
}

/** Call it at the top of a file or a `describe`. `migrated`: as before the first start; `started`: as after it. */
export function useDatabase(state: 'empty' | 'migrated' | 'started' = 'migrated'): TestDatabase {
  const name = `gatehouse_test_${randomUUID().replaceAll('-', '')}`;
  const url = new URL(inject('ownerUrl'));
  url.pathname = `/${name}`;
  const owner = decodeURIComponent(url.username);
  const template = {
    empty: 'template0',
    migrated: inject('template'),
    started: inject('started').template,
  }[state];
  // Connects at its first query, so it may be handed out before the database exists.
  const postgres = createPostgres({
    url: url.href,
    poolMax: 12,
    statementTimeoutSeconds: 20,
    applicationName: 'gatehouse test',
  });

  // The default strategy writes every page into the log: several times the work.
  beforeAll(() =>
    execute(`create database ${name} template ${template} strategy file_copy owner "${owner}"`),
  );
  afterAll(async () => {
    await postgres.close();
    await execute(`drop database if exists ${name} with (force)`);
  });

  return { postgres, db: postgres.db, databaseUrl: () => url.href };
}

async function execute(sql: string): Promise<void> {
  const client = new Client({ connectionString: inject('adminUrl') });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
