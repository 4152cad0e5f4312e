// The list of sealed columns is whole: nothing in the database is under a master key that a rotation would not find.
import { expect, it } from 'vitest';
import { sealedColumns } from '../../../src/platform/secrets/sealed-columns.ts';
import { useGatehouse } from '../../support/gatehouse.ts';
import { createApi, createClient, createPerson, operator } from '../../support/people.ts';

const gatehouse = useGatehouse();

interface Column {
  table: string;
  column: string;
  type: string;
}

async function columnsThatMayHold(): Promise<Column[]> {
  const { rows } = await gatehouse.database.db.raw<{ rows: Column[] }>(
    `select table_name as "table", column_name as "column", data_type as type from information_schema.columns
     where table_schema = 'public' and data_type in ('bytea', 'jsonb', 'json', 'text')`,
  );
  return rows;
}

/** A sealed value begins with a version and the id of its master key: nine bytes, twelve letters of base64. */
async function holdsSealed({ table, column, type }: Column): Promise<boolean> {
  const { db } = gatehouse.database;
  const starts = [1, 2].map((version) =>
    Buffer.concat([Buffer.of(version), Buffer.from(gatehouse.services.vault.keyId, 'hex')]),
  );
  for (const start of starts) {
    const found =
      type === 'bytea'
        ? await db(table).whereRaw('position(? in ??) > 0', [start, column]).first(column)
        : await db(table)
            .whereRaw('??::text like any(?)', [
              column,
              (['base64', 'base64url', 'hex'] as const).map((encoding) => `%${start.toString(encoding)}%`),
            ])
            .first(column);
    if (found !== undefined) return true;
  }
  return false;
}

it('names every column that holds a value under a master key, and no other', async () => {
  const { services } = gatehouse;
  await createPerson(services, { admin: true });
  await createApi(services);
  await createClient(services);
  await services.signingKeys.rotate({ force: true }, operator);

  const letter = { channel: 'mail', template: 'verify-address', to: 'ada@example.com' } as const;
  await services.messages.send(services.postgres.db, {
    ...letter,
    accountId: null,
    locale: null,
    values: {},
  });

  const holding: string[] = [];
  for (const column of await columnsThatMayHold()) {
    if (await holdsSealed(column)) holding.push(`${column.table}.${column.column}`);
  }
  expect(holding.sort()).toEqual(Object.keys(sealedColumns).sort());
});
