// What is used up, kept in PostgreSQL: with Redis, too, one durable conditional statement decides who was the first.
import { type Batch, createBatch } from '../../platform/database/batch.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { prepared, runPrepared } from '../../platform/database/prepared.ts';
import { createReadBatch, WRITE_COMPANY_MILLISECONDS } from './together.ts';

export interface Spent {
  /** True for exactly one of all who ever ask, on any node, whatever Redis has lost. */
  take(idHash: Buffer, lifetimeSeconds: number): Promise<boolean>;
  /** When it was used up; undefined when it was not. */
  find(idHash: Buffer): Promise<Date | undefined>;
}

interface Use {
  idHash: Buffer;
  lifetimeSeconds: number;
}

export function createSpent(db: Db): Spent {
  const taken = createUseBatch(db, 'oidc_spent_take', takeSql);
  const found = createReadBatch<Buffer, { id_hash: Buffer; spent_at: Date }>(db, {
    name: 'oidc_spent_find',
    sql: 'select id_hash, spent_at from oidc_spent where id_hash = any(?::bytea[])',
    idOf: (row) => row.id_hash,
  });
  return {
    take: (idHash, lifetimeSeconds) => taken.run({ idHash, lifetimeSeconds }),
    find: async (idHash) => (await found.run(idHash))?.spent_at,
  };
}

/** RFC 9449 §11.1: true for the first use of an id within its lifetime. One insert, so that only one of many can win. */
export function createReplays(db: Db): (idHash: Buffer, lifetimeSeconds: number) => Promise<boolean> {
  const firsts = createUseBatch(db, 'oidc_replays_take', () => REPLAY);
  return (idHash, lifetimeSeconds) => firsts.run({ idHash, lifetimeSeconds });
}

/** Statements that take the hashes and their seconds, and answer the hashes that were the first. */
function createUseBatch(db: Db, name: string, sql: (wait: '' | 'nowait') => string): Batch<Use, boolean> {
  const forms = { one: prepared(`${name}_one`, sql('')), many: prepared(`${name}_many`, sql('nowait')) };
  return createBatch({
    inFlight: 2,
    companyMilliseconds: WRITE_COMPANY_MILLISECONDS,
    keyOf: ({ idHash }) => idHash.toString('latin1'),
    async run(uses) {
      const size = uses.length > 1 ? 'many' : 'one';
      const rows = await runPrepared<{ id_hash: Buffer }>(db, forms[size], [
        uses.map(({ idHash }) => idHash),
        uses.map(({ lifetimeSeconds }) => lifetimeSeconds),
      ]);
      return uses.map(({ idHash }) => rows.some((row) => row.id_hash.equals(idHash)));
    },
  });
}

// Inserted in the order of the hashes: of two statements with the same ones, the second waits for the first and never
// each for the other. A row of oidc_transients counts as well: it was there before Redis was, or while it was away.
function takeSql(wait: '' | 'nowait'): string {
  return `with asked as (select * from unnest(?::bytea[], ?::float[]) as asked(hash, seconds)),
    stored as materialized (
      select id_hash, consumed_at from oidc_transients join asked on id_hash = hash for update of oidc_transients ${wait}),
    spent as (
      insert into oidc_spent (id_hash, expires_at)
      select hash, now() + make_interval(secs => seconds) from asked
      where not exists (select 1 from stored where stored.id_hash = hash and consumed_at is not null)
      order by hash
      on conflict (id_hash) do nothing
      returning id_hash),
    marked as (
      update oidc_transients set consumed_at = now() from spent where oidc_transients.id_hash = spent.id_hash)
    select id_hash from spent`;
}

const REPLAY = `insert into oidc_replays (id_hash, expires_at)
  select hash, now() + make_interval(secs => seconds) from unnest(?::bytea[], ?::float[]) as asked(hash, seconds)
  order by hash
  on conflict (id_hash) do update set expires_at = excluded.expires_at where oidc_replays.expires_at <= now()
  returning id_hash`;
