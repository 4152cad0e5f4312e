// Opens the vault with the master keys at hand and the database's word on which of them wraps new values.
import type { Db } from '../database/postgres.ts';
import { loadMasterKey, type MasterKeySettings, masterKeysAtHand, SecretsProblem } from './master-key.ts';
import { createVault, sealedUnder, type Vault } from './vault.ts';

/** Throws SecretsProblem when the key in use is not at hand: a node that seals under another would lock out the others. */
export async function openVault(db: Db, settings: MasterKeySettings): Promise<Vault> {
  const first = await loadMasterKey(settings);
  const vault = createVault(first, () => masterKeysAtHand(settings).map(({ key }) => key));
  const current = (await currentMasterKey(db)) ?? (await chooseFirst(db, vault));
  if (!vault.use(current)) throw notAtHand(vault, current);
  return vault;
}

/** For those who only look: makes no key, chooses none, and opens what the keys at hand open. Throws SecretsProblem. */
export function openVaultToRead(settings: MasterKeySettings): Vault {
  const [first] = masterKeysAtHand(settings);
  if (first === undefined) throw new SecretsProblem('This machine has no master key.');
  return createVault(first.key, () => masterKeysAtHand(settings).map(({ key }) => key));
}

export async function currentMasterKey(db: Db): Promise<string | undefined> {
  const row: { id: string } | undefined = await db('master_keys').where({ state: 'current' }).first('id');
  return row?.id;
}

/** The one that sealed what is there, or on an empty database ours. Of several nodes that start together, one is heard. */
async function chooseFirst(db: Db, vault: Vault): Promise<string> {
  const row: { sealed: Buffer } | undefined = await db('server_secrets').orderBy('name').first('sealed');
  const id = (row && sealedUnder(row.sealed)) ?? vault.keyId;
  const now = new Date();
  await db('master_keys')
    .insert({ id, state: 'current', created_at: now, activated_at: now })
    .onConflict()
    .ignore();
  return (await currentMasterKey(db)) ?? id;
}

function notAtHand(vault: Vault, current: string): SecretsProblem {
  const held = vault.keyIds().join(', ');
  return new SecretsProblem(
    `The master key of this database is ${current}, and this machine has only ${held}. Copy its file to the keys ` +
      'directory or give it by setting; every node of one installation uses the same key.',
  );
}
