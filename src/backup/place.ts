// Where the staged tables go: is the place free, and the one transaction in which they take it.
import { appliedMigrations, connectedPrograms, listTables } from '../platform/database/catalog.ts';
import { type CopyConnection, quoted } from '../platform/database/copy.ts';
import { migrationNames } from '../platform/database/migrations.ts';
import { failure } from '../platform/errors.ts';

/** Throws database_in_use, database_newer or, without `replace`, database_not_empty. */
export async function checkPlace(connection: CopyConnection, replace: boolean): Promise<void> {
  await refuseInUse(connection);
  const known = await migrationNames();
  const newer = ((await appliedMigrations(connection)) ?? []).filter((name) => !known.includes(name));
  if (newer.length > 0) throw failure('database_newer', { migration: newer.at(-1) });
  const filled = replace ? undefined : await firstFilledTable(connection);
  if (filled !== undefined) throw failure('database_not_empty', { table: filled });
}

/** Servers are known by the name of their connections; a server always holds one, to look for changes. */
export async function refuseInUse(connection: CopyConnection): Promise<void> {
  const programs = await connectedPrograms(connection);
  if (programs.length > 0) throw failure('database_in_use', { by: programs.join(', ') });
}

export async function firstFilledTable(connection: CopyConnection): Promise<string | undefined> {
  for (const { name } of await listTables(connection)) {
    const [row] = await connection.query<{ filled: boolean }>(
      `select exists (select 1 from ${quoted(name)}) as filled`,
    );
    if (row?.filled === true) return name;
  }
  return undefined;
}

interface Part {
  /** `table`, `sequence`, `function`, `type` */
  kind: string;
  /** As it is named in a statement, but for the schema. */
  name: string;
}

// Sequences that belong to a column move with its table; row types with theirs.
const PARTS = `
  select case when c.relkind = 'S' then 'sequence' else 'table' end as kind, quote_ident(c.relname) as name
    from pg_class c
   where c.relnamespace = $1::regnamespace and (c.relkind in ('r', 'p') or c.relkind = 'S' and not exists (
           select 1 from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')))
  union all
  select 'function', quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')'
    from pg_proc p where p.pronamespace = $1::regnamespace
  union all
  select 'type', quote_ident(t.typname) from pg_type t
   where t.typnamespace = $1::regnamespace and t.typtype in ('e', 'd')
   order by 1, 2`;

/** All or nothing. Fails when the staging schema holds anything that was not moved, for then it cannot be dropped. */
export async function putInPlace(
  connection: CopyConnection,
  { staging, replace }: { staging: string; replace: boolean },
): Promise<void> {
  const [here] = await connection.query<{ place: string }>('select quote_ident(current_schema()) as place');
  const place = here?.place ?? 'public';
  await connection.query('begin');
  await checkPlace(connection, replace);
  const parts = await connection.query<Part>(PARTS, [staging]);
  const named = (kind: string) => parts.filter((part) => part.kind === kind).map(({ name }) => name);
  // Tables first and together: they refer to each other, and the rest belongs to them.
  for (const kind of ['table', 'sequence', 'function', 'type']) {
    const names = named(kind).map((name) => `${place}.${name}`);
    if (names.length > 0) await connection.query(`drop ${kind} if exists ${names.join(', ')}`);
  }
  for (const { kind, name } of parts) {
    await connection.query(`alter ${kind} ${staging}.${name} set schema ${place}`);
  }
  await connection.query(`drop schema ${staging}`);
  await connection.query('commit');
}
