// Starts one throwaway PostgreSQL for the run and prepares the migrated template that each test file copies.
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { openServices } from '../../src/open-services.ts';
import { loadConfig } from '../../src/platform/config/load.ts';
import { migrate } from '../../src/platform/database/migrations.ts';
import { openEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** As a role that may create databases. */
    adminUrl: string;
    /** As the role that owns the databases of the tests. */
    ownerUrl: string;
    template: string;
    /** The same after the first start of a server, whose keys are in that folder: making them is half of a start. */
    started: { template: string; keys: string };
  }
}

/** TEST_DATABASE_URL takes another server, with a role that may create databases. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const own = process.env.TEST_DATABASE_URL;
  const server = own === undefined ? await startThrowaway() : { url: own, admin: own, stop: async () => {} };
  const template = `gatehouse_template_${randomUUID().slice(0, 8)}`;
  const started = { template: `${template}_started`, keys: await mkdtemp(join(tmpdir(), 'gatehouse-keys-')) };
  try {
    const owner = decodeURIComponent(new URL(server.url).username);
    await execute(server.admin, `create database ${template} owner "${owner}"`);
    await migrate({ url: withDatabase(server.url, template), log: silentLog });
    await execute(server.admin, `create database ${started.template} template ${template} owner "${owner}"`);
    await startOnce(withDatabase(server.url, started.template), started.keys);
  } catch (error) {
    await server.stop();
    throw error;
  }
  project.provide('adminUrl', server.admin);
  project.provide('ownerUrl', server.url);
  project.provide('template', template);
  project.provide('started', started);
  return async () => {
    for (const name of [template, started.template])
      await execute(server.admin, `drop database if exists ${name} with (force)`);
    await rm(started.keys, { recursive: true, force: true });
    await server.stop();
  };
}

/** What a server registers for itself at its address goes again: each one has an address of its own. */
async function startOnce(url: string, keys: string): Promise<void> {
  const environment = { DATABASE_URL: url, KEYS_DIRECTORY: keys };
  const { close } = await openServices(loadConfig({ environment, directory: undefined }), { role: 'serve' });
  await close();
  await execute(url, 'delete from clients; delete from apis');
}

async function startThrowaway(): Promise<{ url: string; admin: string; stop(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-test-'));
  await chmod(directory, 0o755);
  const postgres = await openEmbeddedPostgres({
    dataDirectory: directory,
    role: 'serve',
    log: silentLog,
    // Only here: a lost test database is no loss.
    serverSettings: {
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
      max_connections: '200',
    },
  });
  const admin = new URL(postgres.url);
  admin.username = 'postgres';
  admin.pathname = '/postgres';
  return {
    url: postgres.url,
    admin: admin.href,
    stop: async () => {
      await postgres.release();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
