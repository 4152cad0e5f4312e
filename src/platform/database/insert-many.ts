// Many rows in one statement, whatever their number: they go as one JSON text, whose columns have the types of the table.
import type { Db } from './postgres.ts';

/** `end`: what follows the rows, such as `on conflict … returning …`; its rows are returned. Bytes are given as '\x…'. */
export async function insertMany<Row extends object = object>(
  db: Db,
  table: string,
  rows: readonly Readonly<Record<string, unknown>>[],
  end = '',
): Promise<Row[]> {
  const [first] = rows;
  if (first === undefined) return [];
  const columns = Object.keys(first).join(', ');
  const inserted = await db.raw<{ rows: Row[] }>(
    `insert into ${table} (${columns})
     select ${columns} from json_populate_recordset(null::${table}, ?::json) ${end}`,
    [JSON.stringify(rows)],
  );
  return inserted.rows;
}
