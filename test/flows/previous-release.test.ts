// The previous release runs on the schema of the next: migrations only add, and a node does not mind what was added.
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { migrate, migrationStatus } from '../../src/platform/database/migrations.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices } from '../../src/services.ts';
import { useDatabase } from '../support/database.ts';
import { freePort, type ServerProcess, spawnServer, testConfig } from '../support/gatehouse.ts';
import { migrationFaults } from '../support/migration-rules.ts';
import { createPerson } from '../support/people.ts';
import { basic, post, relyingParty } from './relying-party.ts';

const directory = join(import.meta.dirname, '..', '..', 'migrations');

describe('the rule for migrations', () => {
  it('is kept by every one of them', async () => {
    const files = (await readdir(directory)).filter((file) => file.endsWith('.ts'));
    const found = await Promise.all(
      files.map(async (file) => ({
        file,
        faults: migrationFaults(await readFile(join(directory, file), 'utf8')),
      })),
    );
    expect(found.filter(({ faults }) => faults.length > 0)).toEqual([]);
  });

  const up = (body: string, before = '') =>
    `// A test.\n${before}\nexport async function up(knex) {\n  ${body}\n}\n`;
  const alter = (line: string) =>
    up(`await knex.schema.alterTable('accounts', (table) => {\n    ${line}\n  });`);

  it.each([
    ['takes a column away', alter(`table.dropColumn('name');`), /takes away/],
    ['renames one', up('await knex.raw(`alter table accounts rename column name to title`);'), /takes away/],
    ['drops a table', up('await knex.raw(`drop table accounts`);'), /takes away/],
    ['adds a column that must be filled', alter(`table.text('more').notNullable();`), /demands a value/],
    [
      'adds one in SQL',
      up('await knex.raw(`alter table accounts add column a int, add column b int not null`);'),
      /demands/,
    ],
    [
      'demands a value of an old column',
      up('await knex.raw(`alter table accounts alter name set not null`);'),
      /demands/,
    ],
    [
      'changes a type',
      up('await knex.raw(`alter table accounts alter column name type int using 1`);'),
      /type/,
    ],
    [
      'blocks writers by an index',
      up('await knex.raw(`create index more on accounts (name)`);'),
      /writers wait/,
    ],
    ['blocks them by knex', alter(`table.index('name');`), /writers wait/],
    [
      'mixes a concurrent index with others',
      up('await knex.raw(`create index concurrently more on accounts (name)`);'),
      /alone/,
    ],
  ])('refuses one that %s', (_what, text, fault) => {
    expect(migrationFaults(text).join('; ')).toMatch(fault);
  });

  it.each([
    ['adds a column', alter(`table.text('more');\n    table.integer('n').notNullable().defaultTo(0);`)],
    ['drops what no release uses any more', `// Unused since 1.4.0.\n${alter(`table.dropColumn('name');`)}`],
    [
      'builds an index beside the writers',
      up(
        'await knex.raw(`set lock_timeout = 0`);\n  await knex.raw(`create index concurrently more on accounts (name)`);',
        'export const config = { transaction: false };',
      ),
    ],
    [
      'makes a table with its indexes',
      up('await knex.raw(`create table t (a int not null)`);\n  await knex.raw(`create index i on t (a)`);'),
    ],
  ])('lets one pass that %s', (_what, text) => {
    expect(migrationFaults(text)).toEqual([]);
  });
});

describe('a node of this release', () => {
  const database = useDatabase();
  const nodes: ServerProcess[] = [];
  afterAll(() => Promise.all(nodes.map((node) => node.end('SIGKILL'))));

  it('starts and works on a schema to which a later release has added', { timeout: 60_000 }, async () => {
    await database.db.raw(
      `alter table accounts add column later_added text not null default 'unknown to us'`,
    );
    await database.db.raw('create table later_made (id bigint primary key)');
    await database
      .db('knex_migrations')
      .insert({ name: '29990101000000_later', batch: 99, migration_time: new Date() });
    const port = await freePort();
    const environment = {
      PORT: String(port),
      ISSUER: `http://localhost:${port}`,
      DATABASE_URL: database.databaseUrl(),
      MASTER_KEY: randomBytes(32).toString('base64'),
    };
    nodes.push(await spawnServer(environment));
    const services = await createServices(testConfig(environment), {
      postgres: database.postgres,
      log: silentLog,
    });
    const app = await relyingParty({ issuer: environment.ISSUER, services });
    const { tokens } = await app.signIn(await createPerson(services), {
      scope: 'openid offline_access',
      prompt: 'consent',
    });
    const fields = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' };
    expect((await post(`${environment.ISSUER}/token`, fields, basic(app.client, app.secret))).status).toBe(
      200,
    );
    await services.audit.stop();
    await services.changes.stop();
  });
});

describe('a migration that waits for a table in use', () => {
  const database = useDatabase('empty');
  const CHANGE = '20261122060100_add_job_history';

  it('lets the requests behind it pass, and is done when the table is free', {
    timeout: 30_000,
  }, async () => {
    const url = database.databaseUrl();
    const { pending } = await migrationStatus({ url });
    await migrate({ url, log: silentLog, only: pending.filter((name) => name < CHANGE) });
    const reader = new Client({ connectionString: url });
    await reader.connect();
    await reader.query('begin');
    await reader.query('select * from jobs');

    const migrating = migrate({ url, log: silentLog });
    await delay(500);
    const begun = performance.now();
    await database.db('jobs').select('name');
    expect(performance.now() - begun).toBeLessThan(4_000);
    await reader.query('commit');
    await reader.end();
    expect(await migrating).toContain(CHANGE);
    expect((await migrationStatus({ url })).pending).toEqual([]);
  });
});
