// Which master keys sealed what a database holds, and whether they are at hand.
import { listTables } from '../platform/database/catalog.ts';
import { type CopyConnection, quoted } from '../platform/database/copy.ts';
import { failure } from '../platform/errors.ts';
import { type MasterKeySettings, masterKeysAtHand } from '../platform/secrets/master-key.ts';
import { sealedColumns } from '../platform/secrets/sealed-columns.ts';
import { sealedUnder } from '../platform/secrets/vault.ts';

/** Needs no key: a sealed value says which one it was. */
export async function masterKeysOf(connection: CopyConnection): Promise<string[]> {
  const tables = await listTables(connection);
  const found = new Set<string>();
  for (const place of Object.keys(sealedColumns)) {
    const [table = '', column = ''] = place.split('.');
    // An older schema may not have it yet.
    if (!tables.some(({ name, columns }) => name === table && columns.includes(column))) continue;
    const rows = await connection.query<{ sealed: Buffer }>(
      `select ${quoted(column)} as sealed from ${quoted(table)}`,
    );
    for (const { sealed } of rows) found.add(sealedUnder(sealed) ?? 'unknown');
  }
  return [...found].sort();
}

/** Throws master_key_missing. Never makes a key: a new one would open nothing. */
export function requireMasterKeys(settings: MasterKeySettings, needed: readonly string[]): void {
  const present = masterKeysAtHand(settings).map(({ id }) => id);
  const missing = needed.filter((id) => !present.includes(id));
  if (missing.length === 0) return;
  throw failure('master_key_missing', {
    needed: missing.join(', '),
    present: present.join(', ') || 'none',
  });
}
