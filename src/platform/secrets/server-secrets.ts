// The 32-byte secrets that all nodes share (cookies, CSRF, pairwise subjects …): made once, sealed in server_secrets.
import { randomBytes } from 'node:crypto';
import type { Db } from '../database/postgres.ts';
import { SecretsProblem } from './master-key.ts';
import type { SealedPlace } from './sealed-columns.ts';
import { SealBroken, type Vault } from './vault.ts';

export const serverSecretNames = [
  'cookie',
  'csrf',
  'state',
  'handle',
  'pairwise',
  'dpop-nonce',
  'identifier',
  'token',
  'api-key',
  'idempotency',
  'reflection',
  'one-time',
  'device',
] as const;

export type ServerSecretName = (typeof serverSecretNames)[number];

export interface ServerSecrets {
  get(name: ServerSecretName): Buffer;
}

export async function loadServerSecrets(db: Db, vault: Vault): Promise<ServerSecrets> {
  const present = new Set((await readSealed(db)).map((row) => row.name));
  const missing = serverSecretNames.filter((name) => !present.has(name));
  // Insert-if-absent, then read: of two nodes that start together, both end with what was stored first.
  if (missing.length > 0) await insertAbsent(db, vault, missing);
  return readServerSecrets(db, vault);
}

/** Those that there are. Makes none. */
export async function readServerSecrets(db: Db, vault: Vault): Promise<ServerSecrets> {
  const secrets = new Map<string, Buffer>();
  for (const row of await readSealed(db)) secrets.set(row.name, openSecret(vault, row));
  return {
    get(name) {
      const secret = secrets.get(name);
      if (secret === undefined) throw new Error(`the server secret ${name} is missing`);
      return secret;
    },
  };
}

interface SealedRow {
  name: string;
  sealed: Buffer;
}

function readSealed(db: Db): Promise<SealedRow[]> {
  return db<SealedRow>('server_secrets').select('name', 'sealed');
}

async function insertAbsent(db: Db, vault: Vault, missing: readonly ServerSecretName[]): Promise<void> {
  const rows = missing.map((name) => ({ name, sealed: vault.seal(randomBytes(32), rowOf(name)) }));
  await db<SealedRow>('server_secrets').insert(rows).onConflict('name').ignore();
}

function openSecret(vault: Vault, row: SealedRow): Buffer {
  try {
    return vault.open(row.sealed, rowOf(row.name));
  } catch (error) {
    throw error instanceof SealBroken ? unopened(vault, row.name, error) : error;
  }
}

/** Never a silent new secret: that would sign everybody out, change every pairwise subject and hide the lost key. */
function unopened(vault: Vault, name: string, broken: SealBroken): SecretsProblem {
  if (broken.reason === 'key') {
    return new SecretsProblem(
      `The master key at hand (${vault.keyIds().join(', ')}) is not the one that sealed the secrets of this database ` +
        `(${broken.sealedUnder}). Restore the original keys/master.key or give it by setting; ` +
        'every node of one installation uses the same key.',
      broken,
    );
  }
  return new SecretsProblem(
    `The server secret ${name} in the database was damaged or changed. Restore the table server_secrets from a back-up.`,
    broken,
  );
}

function rowOf(name: string): SealedPlace {
  return `server_secrets.sealed:${name}`;
}
