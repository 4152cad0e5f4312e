// Clients with their active secrets as requests need them: many of them in one statement.
import { type Batch, createBatch } from '../platform/database/batch.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Client } from './schema.ts';
import type { SecretHash } from './secret-store.ts';
import { clientColumns, clientOf } from './store.ts';

export interface StoredClient {
  readonly client: Client;
  readonly secretHashes: readonly SecretHash[];
}

interface Row extends Record<string, unknown> {
  id: string;
  secrets: [hash: string, expiresAt: string | null][];
}

const SELECT = `select ${clientColumns.map((column) => `c.${column}`).join(', ')}, array(
    select json_build_array(encode(s.hash, 'base64'), s.expires_at) from client_secrets s
    where s.client_id = c.id and s.retired_at is null and (s.expires_at is null or s.expires_at > ?)
    order by s.id desc) as secrets
  from clients c where c.id = any(?::text[])`;

export function createKnownStore(db: Db, now: () => Date): Batch<string, StoredClient | undefined> {
  return createBatch({
    inFlight: 2,
    companyMilliseconds: 1,
    async run(ids) {
      const { rows } = await db
        .raw<{ rows: Row[] }>(SELECT, [now(), [...ids]])
        .options({ name: 'known_clients' });
      const byId = new Map(rows.map((row) => [row.id, row]));
      return ids.map((id) => stored(byId.get(id)));
    },
  });
}

function stored(row: Row | undefined): StoredClient | undefined {
  if (row === undefined) return undefined;
  const secretHashes = row.secrets.map(([hash, expiresAt]) => ({
    hash: Buffer.from(hash, 'base64'),
    expiresAt: expiresAt === null ? null : new Date(expiresAt),
  }));
  return { client: clientOf(row), secretHashes };
}
