// Which master key wraps new values is what the database says: a node follows when another one is put to use.
import type { Db } from '../platform/database/postgres.ts';
import type { Vault } from '../platform/secrets/vault.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { readMasterKeys } from './store.ts';

/** False when the key in use is not on this machine: it says so in the log and goes on with what it has. */
export async function follow(deps: { db: Db; vault: Vault; log: Log }): Promise<boolean> {
  const keys = await readMasterKeys(deps.db);
  const current = keys.find(({ state }) => state === 'current')?.id;
  if (current === undefined || current === deps.vault.keyId || deps.vault.use(current)) return true;
  deps.log.error('the master key in use is not on this machine: copy its file to the keys directory', {
    masterKey: current,
  });
  return false;
}
