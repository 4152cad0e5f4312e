// Which master keys sealed what a database holds, and whether the key at hand is one of them.
import type { CopyConnection } from '../platform/database/copy.ts';
import { failure } from '../platform/errors.ts';
import { type MasterKeySettings, masterKeysAtHand } from '../platform/secrets/master-key.ts';
import { sealedColumns } from '../platform/secrets/sealed-columns.ts';
import { createVault, sealedUnder, type Vault } from '../platform/secrets/vault.ts';

/** Everything else that is encrypted lies under what is in these columns. */
const SEALED = Object.keys(sealedColumns)
  .map((place) => place.split('.'))
  .map(([table, column]) => `select ${column} as sealed from ${table}`)
  .join(' union all ');

/** Needs no key. */
export async function masterKeysOf(connection: CopyConnection): Promise<string[]> {
  const rows = await connection.query<{ sealed: Buffer }>(SEALED);
  const ids = rows.map(({ sealed }) => sealedUnder(sealed)).filter((id) => id !== undefined);
  return [...new Set(ids)].sort();
}

/** Throws master_key_missing. Never makes a key: a new one would open nothing. */
export async function vaultAtHand(settings: MasterKeySettings, wanted: readonly string[]): Promise<Vault> {
  const keys = masterKeysAtHand(settings).map(({ key }) => key);
  const needed = wanted.join(', ');
  const [first] = keys;
  if (first === undefined) throw failure('master_key_missing', { needed });
  const vault = createVault(first, () => keys);
  const present = vault.keyIds();
  if (wanted.some((id) => !present.includes(id))) {
    throw failure('master_key_missing', { needed, present: present.join(', ') });
  }
  return vault;
}
