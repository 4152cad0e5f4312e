// Keys by the hundred thousand: rows as the server writes them, each of a person of its own.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client } from 'pg';
import { from } from 'pg-copy-streams';
import { newApiKey } from '../src/lib/api-key-format.ts';
import type { ApiKeyId } from '../src/lib/ids.ts';
import { openServices } from '../src/open-services.ts';
import { loadConfig } from '../src/platform/config/load.ts';
import { createPeppers } from '../src/platform/secrets/peppers.ts';

/** Far out of reach: it is there to be counted. */
const LIMITS = JSON.stringify([{ permits: 10_000_000, per: 'minute' }]);

/** The strings. Owners are made where `owner` says nothing. */
export async function makeKeys(
  environment: Record<string, string>,
  count: number,
  owner?: (number: number) => string,
): Promise<string[]> {
  const { services, close } = await openServices(loadConfig({ environment, directory: undefined }), {
    role: 'command',
  });
  const peppers = createPeppers({
    db: services.postgres.db,
    vault: services.vault,
    name: 'api-key',
    first: services.serverSecrets.get('api-key'),
  });
  const id = (number: number) => number.toString(16).padStart(26, '0');
  const ownerOf = owner ?? ((number: number) => `acc_ke${id(number).slice(2)}`);
  const secrets = Array.from({ length: count }, (_, index) => newApiKey(`key_${id(index)}` as ApiKeyId));
  const connection = new Client({ connectionString: environment.DATABASE_URL });
  await connection.connect();
  const copy = (into: string, line: (number: number) => string) =>
    pipeline(
      Readable.from(secrets.map((_, number) => `${line(number)}\n`)),
      connection.query(from(`copy ${into} from stdin`)),
    );
  try {
    const now = new Date().toISOString();
    if (owner === undefined) {
      await copy('accounts (id, name, created_at, updated_at)', (n) =>
        [ownerOf(n), `Owner ${n}`, now, now].join('\t'),
      );
    }
    await copy(
      'api_keys (id, account_id, name, created_at, root_id, permissions, rate_limits)',
      (n) => `key_${id(n)}\t${ownerOf(n)}\tKey ${n}\t${now}\tkey_${id(n)}\t{notes:read}\t${LIMITS}`,
    );
    await copy('api_key_secrets (id, key_id, hash, pepper_version, created_at)', (n) => {
      const hash = peppers.hash(1, secrets[n] ?? '')?.toString('hex');
      return `kse_${id(n)}\tkey_${id(n)}\t\\\\x${hash}\t1\t${now}`;
    });
    for (const table of ['accounts', 'api_keys', 'api_key_secrets']) {
      await connection.query(`vacuum analyze ${table}`);
    }
  } finally {
    await connection.end();
    await close();
  }
  return secrets;
}
