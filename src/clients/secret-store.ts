// All SQL of the table client_secrets. A secret is active until it is retired or has expired.
import type { ClientId, ClientSecretId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { ClientSecretView } from './schema.ts';

export interface SecretHash {
  hash: Buffer;
  expiresAt: Date | null;
}

interface SecretRow {
  id: string;
  client_id: string;
  hash: Buffer;
  created_at: Date;
  expires_at: Date | null;
  retired_at: Date | null;
}

/** Retired ones are history; more of it than this is nobody's need. */
const SHOWN = 100;

export async function insertSecret(
  trx: Db,
  secret: { id: ClientSecretId; clientId: ClientId; hash: Buffer; createdAt: Date; expiresAt: Date | null },
): Promise<void> {
  await trx<SecretRow>('client_secrets').insert({
    id: secret.id,
    client_id: secret.clientId,
    hash: secret.hash,
    created_at: secret.createdAt,
    expires_at: secret.expiresAt,
    retired_at: null,
  });
}

export async function countActiveSecrets(trx: Db, clientId: ClientId, now: Date): Promise<number> {
  return (await active(trx, clientId, now).select('id')).length;
}

/** Gives every active secret an end; one that ends sooner keeps its own. */
export async function endSecretsAt(
  trx: Db,
  clientId: ClientId,
  at: Date,
  now: Date,
): Promise<ClientSecretId[]> {
  const changes = at <= now ? { retired_at: now } : { expires_at: trx.raw('least(expires_at, ?)', [at]) };
  const ended = await active(trx, clientId, now).update(changes).returning('id');
  return ended.map((row) => row.id as ClientSecretId);
}

/** False when the client has no such secret that is not retired yet. */
export async function retireSecret(
  trx: Db,
  clientId: ClientId,
  id: ClientSecretId,
  now: Date,
): Promise<boolean> {
  const retired = await trx<SecretRow>('client_secrets')
    .where({ id, client_id: clientId })
    .whereNull('retired_at')
    .update({ retired_at: now });
  return retired === 1;
}

export async function listSecrets(db: Db, clientId: ClientId): Promise<ClientSecretView[]> {
  const rows = await db<SecretRow>('client_secrets')
    .select('id', 'created_at', 'expires_at', 'retired_at')
    .where({ client_id: clientId })
    .orderBy('id', 'desc')
    .limit(SHOWN);
  return rows.map((row) => ({
    id: row.id as ClientSecretId,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    retiredAt: row.retired_at,
  }));
}

function active(db: Db, clientId: string, now: Date) {
  return db<SecretRow>('client_secrets')
    .where({ client_id: clientId })
    .whereNull('retired_at')
    .where((either) => either.whereNull('expires_at').orWhere('expires_at', '>', now));
}
