// What the database holds, from its catalog: tables in the order of their references, partitions, sequences, other users.
import type { CopyConnection } from './copy.ts';

export interface StoredTable {
  readonly name: string;
  /** Those that are stored; generated ones are computed again. */
  readonly columns: readonly string[];
  /** Of a partitioned table: what it is divided into, but for the default partition. */
  readonly partitions: readonly Partition[];
}

export interface Partition {
  readonly name: string;
  /** `FOR VALUES FROM ('…') TO ('…')` */
  readonly bound: string;
}

export interface Sequence {
  readonly name: string;
  readonly last: string;
  readonly called: boolean;
}

interface TableRow {
  name: string;
  columns: string[];
  refers_to: string[];
  partitions: Partition[];
}

// Partitions are read through their parent. Unlogged tables hold nothing that outlives a crash, and what belongs to an
// extension or to the migrations is made by them.
const TABLES = `
  select c.relname::text as name,
         array(select attname::text from pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                order by a.attnum) as columns,
         array(select distinct other.relname::text from pg_constraint f join pg_class other on other.oid = f.confrelid
                where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid) as refers_to,
         coalesce((select json_agg(json_build_object('name', part.relname, 'bound', pg_get_expr(part.relpartbound, part.oid))
                                   order by part.relname collate "C")
                     from pg_inherits i join pg_class part on part.oid = i.inhrelid
                    where i.inhparent = c.oid and pg_get_expr(part.relpartbound, part.oid) <> 'DEFAULT'), '[]') as partitions
    from pg_class c
   where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
     and not c.relispartition and c.relpersistence = 'p'
     and c.relname not in ('knex_migrations', 'knex_migrations_lock')
     and not exists (select 1 from pg_depend d
                      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
   order by c.relname collate "C"`;

/** What others refer to comes first, so that rows can be written in this order. */
export async function listTables(connection: CopyConnection): Promise<StoredTable[]> {
  const rows = await connection.query<TableRow>(TABLES);
  const ordered: TableRow[] = [];
  const left = new Map(rows.map((row) => [row.name, row]));
  while (left.size > 0) {
    const free = [...left.values()].filter((row) => row.refers_to.every((other) => !left.has(other)));
    // Tables that refer to each other in a circle: as they come; PostgreSQL says what it cannot take.
    for (const row of free.length > 0 ? free : [...left.values()]) {
      ordered.push(row);
      left.delete(row.name);
    }
  }
  return ordered.map(({ name, columns, partitions }) => ({ name, columns, partitions }));
}

/** Not part of any snapshot: read them after the rows, so that they are never behind them. */
export async function listSequences(connection: CopyConnection): Promise<Sequence[]> {
  const names = await connection.query<{ name: string }>(
    `select relname::text as name from pg_class
      where relnamespace = current_schema()::regnamespace and relkind = 'S' and relname not like 'knex\\_migrations%'
      order by relname collate "C"`,
  );
  const sequences: Sequence[] = [];
  for (const { name } of names) {
    const [row] = await connection.query<{ last: string; called: boolean }>(
      `select last_value::text as last, is_called as called from "${name.replaceAll('"', '""')}"`,
    );
    if (row !== undefined) sequences.push({ name, ...row });
  }
  return sequences;
}

/** In the order in which they ran; undefined when no migration ever ran here. */
export async function appliedMigrations(connection: CopyConnection): Promise<string[] | undefined> {
  const [found] = await connection.query<{ there: boolean }>(
    `select to_regclass('knex_migrations') is not null as there`,
  );
  if (found?.there !== true) return undefined;
  const rows = await connection.query<{ name: string }>('select name from knex_migrations order by id');
  return rows.length === 0 ? undefined : rows.map(({ name }) => name);
}

/** Programs of ours that are connected to this database, but for the one asking. Sees those of the same database user. */
export async function connectedPrograms(connection: CopyConnection): Promise<string[]> {
  const rows = await connection.query<{ name: string }>(
    `select distinct application_name as name from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and application_name like 'gatehouse-%'
      order by 1`,
  );
  return rows.map(({ name }) => name);
}
