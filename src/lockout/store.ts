// All SQL of sign_in_attempts. Counting an attempt and finding out whether it may be made are one statement.
import type { Db } from '../platform/database/postgres.ts';
import { runPrepared } from '../platform/database/prepared.ts';
import type { Level } from './policy.ts';

/** Keyed hashes of what was typed and where it came from. */
export interface AttemptKeys {
  identifier: Buffer;
  address: Buffer;
}

export interface LevelRule {
  /** Delays by number of failures; the last one holds for all further failures. */
  delays: readonly number[];
  free: number;
}

export type Rules = Readonly<Record<Level, LevelRule>>;

export interface Times {
  now: Date;
  /** Failures before this instant are forgotten. */
  forgetBefore: Date;
  /** A success after this instant makes the address known for this identifier. */
  knownSince: Date;
  /** When a row written now may be deleted. */
  expiresAt: Date;
  /** For each failure so long, when it has caused no delay and the row is not that of a name. */
  freeKeptSeconds: number;
}

/** A change of somebody else's that is part of the same statement, and so of the same commit and round trip. */
export interface Also {
  /** Part of the name of the prepared statement: another text, another name. */
  readonly name: string;
  /** Common table expressions, one of them named `also`. They change something only where `condition` holds. */
  sql(condition: string): string;
  readonly bindings: Readonly<Record<string, unknown>>;
}

export interface CountedLevel {
  level: Level;
  failures: number;
  blocked_until: Date | null;
  /** With the level `address`: the row that `also` returned. */
  also: unknown;
}

const ANY = Buffer.alloc(0);
const rowOf = {
  pair: 'identifier = :identifier and address = :address',
  identifier: 'identifier = :identifier and address = :any',
  address: 'identifier = :any and address = :address',
} as const;
const keysOf = {
  pair: ':identifier, :address',
  identifier: ':identifier, :any',
  address: ':any, :address',
} as const;

/**
 * Counts a failure in advance at each level and returns the levels counted. All three: the attempt may be made. Fewer:
 * it may not. The snapshot (`standing`) keeps an attempt that is refused anyway from counting at all; among attempts in
 * parallel, which do not see each other in it, the conditions of the inserts decide, one row lock after the other in a
 * fixed order. So of any number of parallel attempts no more than the free ones get through.
 */
const reserveSql = (also: Also | undefined) => `
  with standing as (
    select address, identifier, blocked_until, last_success_at from sign_in_attempts
    where (${rowOf.pair}) or (${rowOf.identifier}) or (${rowOf.address})
  ), known as (
    select exists (select from standing where ${rowOf.pair} and last_success_at > :knownSince) as address
  ), free as (
    select where not exists (
      select from standing where blocked_until > :now and not (${rowOf.identifier} and (select address from known)))
  ), pair as (
    ${countLevel('pair', 'free', 'false')}
  ), identifier as (
    ${countLevel('identifier', 'pair', '(select address from known)')}
  ), address as (
    ${countLevel('address', 'identifier', 'false')}
  ) ${also ? `, ${also.sql('(select count(*) from address) > 0')}` : ''}
  select 'pair' as level, failures, blocked_until, null::json as also from pair
  union all select 'identifier', failures, blocked_until, null from identifier
  union all select 'address', failures, blocked_until, ${also ? '(select row_to_json(also) from also)' : 'null'} from address`;

function countLevel(level: Level, after: string, spared: string): string {
  const failures = '(case when counted.failed_at > :forgetBefore then counted.failures + 1 else 1 end)';
  return `
    insert into sign_in_attempts as counted (identifier, address, failures, failed_at, blocked_until, expires_at)
    select ${keysOf[level]}, 1, :now, ${blockedUntil(level, '1')}, ${expiresAt(level, '1')} from ${after}
    on conflict (identifier, address) do update set
      failures = ${failures},
      failed_at = :now,
      blocked_until = greatest(counted.blocked_until, ${blockedUntil(level, failures)}),
      expires_at = greatest(counted.expires_at, ${expiresAt(level, failures)})
    where counted.blocked_until is null or counted.blocked_until <= :now or ${spared}
    returning failures, blocked_until`;
}

function blockedUntil(level: Level, failures: string): string {
  const delay = delayOf(level, failures);
  return `(case when ${delay} > 0 then cast(:now as timestamptz) + ${delay} * interval '1 second' end)`;
}

function expiresAt(level: Level, failures: string): string {
  if (level === 'identifier') return 'cast(:expiresAt as timestamptz)';
  const kept = `${failures} * cast(:freeKeptSeconds as double precision) * interval '1 second'`;
  const soon = `least(cast(:expiresAt as timestamptz), cast(:now as timestamptz) + ${kept})`;
  return `(case when ${delayOf(level, failures)} > 0 then cast(:expiresAt as timestamptz) else ${soon} end)`;
}

function delayOf(level: Level, failures: string): string {
  const delays = `cast(:${level}Delays as double precision[])`;
  return `(${delays})[least(${failures}, cardinality(${delays}))]`;
}

export async function reserveAttempt(
  db: Db,
  keys: AttemptKeys,
  rules: Rules,
  times: Times,
  also?: Also,
): Promise<CountedLevel[]> {
  return run<CountedLevel>(db, named('lockout_reserve', also), reserveSql(also), {
    ...also?.bindings,
    ...keys,
    any: ANY,
    now: times.now,
    forgetBefore: times.forgetBefore,
    knownSince: times.knownSince,
    expiresAt: times.expiresAt,
    freeKeptSeconds: times.freeKeptSeconds,
    pairDelays: `{${rules.pair.delays.join(',')}}`,
    identifierDelays: `{${rules.identifier.delays.join(',')}}`,
    addressDelays: `{${rules.address.delays.join(',')}}`,
  });
}

const named = (name: string, also: Also | undefined) => (also ? `${name}_${also.name}` : name);

/** `:name` for a value, each of them sent once: twenty times `:now` as knex writes them are twenty values. */
function run<Row>(
  db: Db,
  name: string,
  sql: string,
  values: Readonly<Record<string, unknown>>,
): Promise<Row[]> {
  const names: string[] = [];
  const text = sql.replaceAll(/(?<!:):([a-z]\w*)/gi, (_, value: string) => {
    if (!names.includes(value)) names.push(value);
    return `$${names.indexOf(value) + 1}`;
  });
  return runPrepared<Row>(
    db,
    { name, text },
    names.map((value) => values[value]),
  );
}

/** When the attempt may be made: the latest end of the blocks that stand in its way. */
export async function blockedUntilOf(db: Db, keys: AttemptKeys, times: Times): Promise<Date | undefined> {
  const { rows } = await db.raw<{ rows: { until: Date | null }[] }>(
    `select max(blocked_until) as until from sign_in_attempts
     where blocked_until > :now and ((${rowOf.pair}) or (${rowOf.address}) or (${rowOf.identifier} and not exists (
       select from sign_in_attempts where ${rowOf.pair} and last_success_at > :knownSince)))`,
    { ...keys, any: ANY, now: times.now, knownSince: times.knownSince },
  );
  return rows[0]?.until ?? undefined;
}

/**
 * Clears identifier and pair, remembers the address as known, and takes back this one attempt from the address. False, and
 * nothing of this has happened, when `also` touched no row.
 */
export async function settleSuccess(
  db: Db,
  keys: AttemptKeys,
  rules: Rules,
  times: { now: Date; expiresAt: Date },
  also?: Also,
): Promise<boolean> {
  try {
    await run(db, named('lockout_settle', also), settleSql(also), {
      ...also?.bindings,
      ...keys,
      ...times,
      any: ANY,
      addressFree: rules.address.free,
    });
    return true;
  } catch (error) {
    if (also !== undefined && isDivisionByZero(error)) return false;
    throw error;
  }
}

function isDivisionByZero(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '22012';
}

// Each step names the one before it, so that rows are locked in the order of `reserveSql` and two statements never wait for
// each other. The division by zero undoes the whole statement.
const settleSql = (also: Also | undefined) =>
  `with pair as (
       update sign_in_attempts
       set failures = 0, failed_at = null, blocked_until = null, last_success_at = :now, expires_at = :expiresAt
       where ${rowOf.pair} returning 1
     ), identifier as (
       delete from sign_in_attempts where ${rowOf.identifier} and (select count(*) from pair) >= 0 returning 1
     ), address as (
       ${takeBack('address', 'identifier')}
     ) ${also ? `, ${also.sql('(select count(*) from address) >= 0')}` : ''}
     select ${also ? '1 / count(*) from also' : 'count(*) from address'}`;

/** The attempt was not made after all: it counts nowhere. */
export async function takeBackAttempt(db: Db, keys: AttemptKeys, rules: Rules): Promise<void> {
  await db.raw(
    `with pair as (
       ${takeBack('pair')}
     ), identifier as (
       ${takeBack('identifier', 'pair')}
     ), address as (
       ${takeBack('address', 'identifier')}
     )
     select count(*) from address`,
    {
      ...keys,
      any: ANY,
      pairFree: rules.pair.free,
      identifierFree: rules.identifier.free,
      addressFree: rules.address.free,
    },
  );
}

function takeBack(level: Level, after?: string): string {
  return `
    update sign_in_attempts set
      failures = greatest(failures - 1, 0),
      blocked_until = case when failures - 1 < :${level}Free then null else blocked_until end
    where ${rowOf[level]} ${after === undefined ? '' : `and (select count(*) from ${after}) >= 0`} returning 1`;
}

export interface Standing {
  failures: number;
  blockedUntil: Date | null;
}

/** What stands against an identifier from anywhere, and the longest block of it from a single address. */
export async function readStanding(db: Db, identifier: Buffer, now: Date): Promise<Standing> {
  const { rows } = await db.raw<{ rows: { failures: number; until: Date | null }[] }>(
    `select coalesce(max(failures), 0) as failures, max(blocked_until) filter (where blocked_until > :now) as until
     from sign_in_attempts where identifier = :identifier`,
    { identifier, now },
  );
  return { failures: rows[0]?.failures ?? 0, blockedUntil: rows[0]?.until ?? null };
}

/** The identifier itself and all its pairs. True when something was blocked. */
export async function releaseIdentifier(db: Db, identifier: Buffer, now: Date): Promise<boolean> {
  const rows = await db('sign_in_attempts').where({ identifier }).delete().returning('blocked_until');
  return rows.some(
    (row: { blocked_until: Date | null }) => row.blocked_until !== null && row.blocked_until > now,
  );
}

export async function releaseAddress(db: Db, address: Buffer, now: Date): Promise<boolean> {
  const rows = await db('sign_in_attempts')
    .where({ identifier: ANY, address })
    .delete()
    .returning('blocked_until');
  return rows.some(
    (row: { blocked_until: Date | null }) => row.blocked_until !== null && row.blocked_until > now,
  );
}

export async function deleteExpired(db: Db, now: Date, limit: number): Promise<number> {
  const expired = db('sign_in_attempts')
    .select('identifier', 'address')
    .where('expires_at', '<', now)
    .orderBy('expires_at')
    .limit(limit)
    .forUpdate()
    .skipLocked();
  return db('sign_in_attempts').whereIn(['identifier', 'address'], expired).delete();
}
