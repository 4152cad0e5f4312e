// The SQL of master keys: their states, what each running node holds, and the values that each of them wraps.
import type { Db } from '../platform/database/postgres.ts';
import { type SealedColumn, type SealedPlace, sealedColumns } from '../platform/secrets/sealed-columns.ts';

export type MasterKeyState = 'next' | 'current' | 'previous' | 'retired';

export interface StoredMasterKey {
  id: string;
  state: MasterKeyState;
  createdAt: Date;
  activatedAt: Date | null;
  retiredAt: Date | null;
}

export interface MasterKeyNode {
  node: string;
  host: string;
  held: string[];
  uses: string;
  seenAt: Date;
}

/** A node that was not heard of for so long does not run any more. */
const ALIVE_SECONDS = 60;

/** One change of the master keys at a time over all nodes. Ends with the transaction. */
export async function lockMasterKeys(trx: Db): Promise<void> {
  await trx.raw(`select pg_advisory_xact_lock(hashtextextended('gatehouse.master-key', 0))`);
}

/** The newest first. */
export async function readMasterKeys(db: Db): Promise<StoredMasterKey[]> {
  const rows: {
    id: string;
    state: MasterKeyState;
    created_at: Date;
    activated_at: Date | null;
    retired_at: Date | null;
  }[] = await db('master_keys')
    .select('id', 'state', 'created_at', 'activated_at', 'retired_at')
    .orderBy([{ column: 'created_at', order: 'desc' }, 'id']);
  return rows.map((row) => ({
    id: row.id,
    state: row.state,
    createdAt: row.created_at,
    activatedAt: row.activated_at,
    retiredAt: row.retired_at,
  }));
}

export async function insertNext(trx: Db, id: string, now: Date): Promise<void> {
  await trx('master_keys').insert({ id, state: 'next', created_at: now });
}

export async function makeCurrent(trx: Db, id: string, now: Date): Promise<void> {
  await trx('master_keys').where({ state: 'current' }).update({ state: 'previous' });
  await trx('master_keys')
    .insert({ id, state: 'current', created_at: now, activated_at: now })
    .onConflict('id')
    .merge({ state: 'current', activated_at: now, retired_at: null });
}

export async function makeRetired(trx: Db, id: string, now: Date): Promise<void> {
  await trx('master_keys').where({ id }).update({ state: 'retired', retired_at: now });
}

/** Times of nodes are the database's own: clocks differ. */
export async function reportNode(
  db: Db,
  node: { node: string; host: string; held: readonly string[]; uses: string },
): Promise<void> {
  await db('master_key_nodes')
    .insert({ ...node, held: [...node.held], seen_at: db.raw('now()') })
    .onConflict('node')
    .merge();
}

export async function forgetNode(db: Db, node: string): Promise<void> {
  await db('master_key_nodes').where({ node }).delete();
}

export async function readNodes(db: Db): Promise<MasterKeyNode[]> {
  const rows: { node: string; host: string; held: string[]; uses: string; seen_at: Date }[] = await db(
    'master_key_nodes',
  )
    .whereRaw(`seen_at > now() - make_interval(secs => ${ALIVE_SECONDS})`)
    .select('node', 'host', 'held', 'uses', 'seen_at')
    .orderBy(['host', 'node']);
  return rows.map(({ seen_at: seenAt, ...node }) => ({ ...node, seenAt }));
}

export async function deleteOldNodes(db: Db, limit: number): Promise<number> {
  return db('master_key_nodes')
    .whereRaw(
      `ctid = any(array(
         select ctid from master_key_nodes where seen_at < now() - interval '1 hour' order by seen_at limit ?
         for update skip locked))`,
      [limit],
    )
    .delete();
}

/** How many sealed values each master key wraps, by its id. Needs no key. */
export async function countValues(db: Db): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const place of places()) {
    const { rows } = await db.raw<{ rows: { id: string; count: string }[] }>(
      `select encode(substring(?? from 2 for 8), 'hex') as id, count(*) as count from ?? group by 1`,
      [place.column, place.table],
    );
    for (const { id, count } of rows) counts.set(id, (counts.get(id) ?? 0) + Number(count));
  }
  return counts;
}

export interface Place {
  name: SealedColumn;
  table: string;
  column: string;
  /** The column that names the row. */
  key: string;
}

export function places(): Place[] {
  // `as`: the keys of the table three lines below its type.
  return (Object.keys(sealedColumns) as SealedColumn[]).map((name) => {
    const [table = '', column = ''] = name.split('.');
    return { name, table, column, key: sealedColumns[name] };
  });
}

export interface SealedRow {
  key: string;
  sealed: Buffer;
}

export function placeOf(place: Place, key: string): SealedPlace {
  return `${place.name}:${key}`;
}

/** Rows after `after` whose value is not under that master key, in the order of their key. */
export async function readUnder(
  db: Db,
  place: Place,
  read: { otherThan: string; after: string | undefined; limit: number },
): Promise<SealedRow[]> {
  const { rows } = await db.raw<{ rows: SealedRow[] }>(
    `select ??::text as key, ?? as sealed from ??
     where substring(?? from 2 for 8) <> ? and (?::text is null or ?? > ?)
     order by ?? limit ?`,
    [
      place.key,
      place.column,
      place.table,
      place.column,
      Buffer.from(read.otherThan, 'hex'),
      read.after ?? null,
      place.key,
      read.after ?? null,
      place.key,
      read.limit,
    ],
  );
  return rows;
}

/** Only where the value is still the one that was read: a change made meanwhile wins. Answers how many were replaced. */
export async function replaceValues(
  db: Db,
  place: Place,
  values: readonly { key: string; old: Buffer; sealed: Buffer }[],
): Promise<number> {
  const result = await db.raw<{ rowCount: number | null }>(
    `update ?? as kept set ?? = new.sealed
     from unnest(?::text[], ?::bytea[], ?::bytea[]) as new (key, old, sealed)
     where kept.?? = new.key and kept.?? = new.old`,
    [
      place.table,
      place.column,
      values.map(({ key }) => key),
      values.map(({ old }) => old),
      values.map(({ sealed }) => sealed),
      place.key,
      place.column,
    ] as never, // knex types no arrays of buffers; pg takes them
  );
  return result.rowCount ?? 0;
}
