// All SQL of tokens and of short-lived protocol state: sealed rows under one secret id, many callers to a statement.

import type { NewEvent } from '../../audit/audit.ts';
import { type Batch, createBatch } from '../../platform/database/batch.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { prepared, runPrepared } from '../../platform/database/prepared.ts';
import type { ModelName } from './models.ts';
import {
  type Change,
  changeOf,
  createChangeBatch,
  createReadBatch,
  WRITE_COMPANY_MILLISECONDS,
} from './together.ts';

export interface StoredRow {
  readonly idHash: Buffer;
  readonly payload: Buffer;
  readonly consumedAt: Date | null;
  readonly consumedSecondsAgo: number | null;
}

export interface NewRow {
  readonly idHash: Buffer;
  readonly model: ModelName;
  readonly grantId: string | null;
  readonly accountId: string | null;
  readonly clientId: string | null;
  readonly userCodeHash: Buffer | null;
  readonly payload: Buffer;
  readonly lifetimeSeconds: number;
  /** Only where it still is: an answer that comes late must not bring back what was finished meanwhile. */
  readonly again?: boolean;
}

export interface TokenRows {
  /** Nothing that expired or belongs to another model. */
  find(model: ModelName, idHash: Buffer): Promise<StoredRow | undefined>;
  findByUserCode(model: ModelName, userCodeHash: Buffer): Promise<StoredRow | undefined>;
  /** Reads a device code and notes the poll, so that all processes see one rhythm. */
  poll(idHash: Buffer, intervalSeconds: number): Promise<(StoredRow & { tooSoon: boolean }) | undefined>;
  /**
   * Inserts or replaces, and writes the event in the same commit. What was consumed stays consumed. False when it was to be
   * there (`again`) and is not.
   */
  save(row: NewRow, event: NewEvent | undefined): Promise<boolean>;
  /** True for exactly one of all who ever ask. */
  consume(model: ModelName, idHash: Buffer): Promise<boolean>;
  /** True for exactly one of all who ever ask, as far as it was there; Redis lost in the middle may say false to all. */
  remove(model: ModelName, idHash: Buffer, event: NewEvent | undefined): Promise<boolean>;
  removeOfGrant(model: ModelName, grantId: string): Promise<void>;
}

export interface StoredTokenRows extends TokenRows {
  /** Whatever it is. */
  findAny(idHash: Buffer): Promise<(StoredRow & { readonly model: string }) | undefined>;
}

type Table = 'oidc_tokens' | 'oidc_transients';

interface Asked {
  model: ModelName;
  idHash: Buffer;
}

interface DatabaseRow {
  id_hash: Buffer;
  model: string;
  payload: Buffer;
  consumed_at: Date | null;
  consumed_seconds_ago: number | null;
}

const COLUMNS = `id_hash, model, payload, consumed_at,
  extract(epoch from now() - consumed_at)::float as consumed_seconds_ago`;

export function createTokenRows(db: Db, table: Table): StoredTokenRows {
  const found = createReadBatch<Buffer, DatabaseRow>(db, {
    name: `${table}_find`,
    sql: `select ${COLUMNS} from ${table} where id_hash = any(?::bytea[]) and expires_at > now()`,
    idOf: (row) => row.id_hash,
  });
  const consumed = consumeTogether(db, table);
  const saved = createChangeBatch(db, saveShape(table));
  const removed = createChangeBatch(db, removeShape(table));

  return {
    async find(model, idHash) {
      const row = await found.run(idHash);
      return row?.model === model ? storedRow(row) : undefined;
    },
    async findAny(idHash) {
      const row = await found.run(idHash);
      return row && { ...storedRow(row), model: row.model };
    },
    consume: (model, idHash) => consumed.run({ model, idHash }),
    save: (row, event) => saved.run(savedRow(row, event)),
    remove: (model, idHash, event) => removed.run(changeOf({ key: keyOf(idHash), model }, event)),
    async removeOfGrant(model, grantId) {
      await db(table).where({ grant_id: grantId, model }).delete();
    },
    async findByUserCode(model, userCodeHash) {
      const { rows } = await db.raw<{ rows: DatabaseRow[] }>(
        `select ${COLUMNS} from ${table} where user_code_hash = ? and model = ? and expires_at > now()`,
        [userCodeHash, model],
      );
      return rows[0] && storedRow(rows[0]);
    },
    async poll(idHash, intervalSeconds) {
      const { rows } = await db.raw<{ rows: (DatabaseRow & { too_soon: boolean })[] }>(POLL, [
        idHash,
        intervalSeconds,
      ]);
      return rows[0] && { ...storedRow(rows[0]), tooSoon: rows[0].too_soon };
    },
  };
}

function consumeTogether(db: Db, table: Table): Batch<Asked, boolean> {
  const sql = (wait: '' | 'nowait') => `with wanted as (
      select id_hash from ${table} join unnest(?::bytea[], ?::text[]) as asked(hash, kind) on id_hash = hash and model = kind
      where consumed_at is null for update of ${table} ${wait})
    update ${table} set consumed_at = now() from wanted where ${table}.id_hash = wanted.id_hash
    returning ${table}.id_hash`;
  const forms = {
    one: prepared(`${table}_consume_one`, sql('')),
    many: prepared(`${table}_consume_many`, sql('nowait')),
  };
  return createBatch({
    inFlight: 2,
    companyMilliseconds: WRITE_COMPANY_MILLISECONDS,
    keyOf: ({ idHash }) => keyOf(idHash),
    async run(asked) {
      const many = asked.length > 1 ? 'many' : 'one';
      const rows = await runPrepared<{ id_hash: Buffer }>(db, forms[many], [
        asked.map(({ idHash }) => idHash),
        asked.map(({ model }) => model),
      ]);
      const taken = new Set(rows.map((row) => keyOf(row.id_hash)));
      return asked.map(({ idHash }) => taken.has(keyOf(idHash)));
    },
  });
}

/** Only what already has a row can be locked by somebody else; new rows wait for nobody. */
function lockRows(table: Table, wait: '' | 'nowait'): string {
  return `locked as materialized (
      select ${table}.id_hash from ${table} join given on ${table}.id_hash = decode(given.key, 'base64')
      for update of ${table} ${wait})`;
}

function saveShape(table: Table) {
  const userCode =
    table === 'oidc_transients' ? [', user_code_hash', ", decode(user_code, 'base64')"] : ['', ''];
  return {
    name: `${table}_save`,
    record:
      'model text, grant_id text, account_id text, client_id text, payload text, user_code text, seconds float, again boolean',
    // consumed_at is left alone on conflict: saving a thing again never makes it fresh.
    change: (wait: '' | 'nowait') => `${lockRows(table, wait)},
      changed as (
        insert into ${table} (id_hash, model, grant_id, account_id, client_id, payload, expires_at${userCode[0]})
        select decode(key, 'base64'), model, grant_id, account_id, client_id, decode(payload, 'base64'),
          now() + make_interval(secs => seconds)${userCode[1]}
        from given where (select count(*) from locked) >= 0
          and (not again or decode(key, 'base64') in (select locked.id_hash from locked))
        on conflict (id_hash) do update set grant_id = excluded.grant_id, account_id = excluded.account_id,
          payload = excluded.payload, expires_at = excluded.expires_at
        returning encode(id_hash, 'base64') as key)`,
  };
}

function removeShape(table: Table) {
  return {
    name: `${table}_remove`,
    record: 'model text',
    change: (wait: '' | 'nowait') => `${lockRows(table, wait)},
      changed as (
        delete from ${table} using locked, given
        where ${table}.id_hash = locked.id_hash and locked.id_hash = decode(given.key, 'base64')
          and ${table}.model = given.model
        returning given.key as key)`,
  };
}

const POLL = `with before as (
    select id_hash, polled_at from oidc_transients where id_hash = ? and model = 'DeviceCode' for update)
  update oidc_transients set polled_at = now() from before
  where oidc_transients.id_hash = before.id_hash and expires_at > now()
  returning oidc_transients.id_hash, model, payload, consumed_at, null::float as consumed_seconds_ago,
    coalesce(before.polled_at > now() - make_interval(secs => ?), false) as too_soon`;

function savedRow(row: NewRow, event: NewEvent | undefined): Change {
  const given = {
    key: keyOf(row.idHash),
    model: row.model,
    grant_id: row.grantId,
    account_id: row.accountId,
    client_id: row.clientId,
    payload: row.payload.toString('base64'),
    user_code: row.userCodeHash?.toString('base64') ?? null,
    seconds: row.lifetimeSeconds,
    again: row.again ?? false,
  };
  return changeOf(given, event);
}

function keyOf(hash: Buffer): string {
  return hash.toString('base64');
}

function storedRow(row: DatabaseRow): StoredRow {
  return {
    idHash: row.id_hash,
    payload: row.payload,
    consumedAt: row.consumed_at,
    consumedSecondsAgo: row.consumed_seconds_ago,
  };
}
