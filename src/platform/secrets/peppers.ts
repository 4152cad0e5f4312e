// A server secret in versions: what is new is hashed under the newest, what was hashed under an older one stays good.
import { createHmac, type KeyObject, randomBytes } from 'node:crypto';
import type { Db } from '../database/postgres.ts';
import type { SealedPlace } from './sealed-columns.ts';
import type { ServerSecretName } from './server-secrets.ts';
import { preparedKey } from './tokens.ts';
import type { Vault } from './vault.ts';

export interface Peppers {
  /** The newest version that this process knows. */
  newest(): number;
  /** Ascending. */
  versions(): readonly number[];
  /** HMAC-SHA-256; undefined for a version that this process does not know. */
  hash(version: number, text: string): Buffer | undefined;
  /** Reads the versions that there are now. */
  load(): Promise<void>;
  /** In the caller's transaction; answers the new version. Nodes know it when they have loaded. */
  add(trx: Db): Promise<number>;
  /** In the caller's transaction. The first version is a secret that every release makes, so it stays. */
  remove(trx: Db, version: number): Promise<void>;
}

interface Row {
  name: string;
  sealed: Buffer;
}

/** Version 1 is the server secret itself, so that what was hashed before there were versions is of that one. */
export function createPeppers(deps: {
  db: Db;
  vault: Pick<Vault, 'seal' | 'open'>;
  name: ServerSecretName;
  first: Buffer;
}): Peppers {
  const { db, vault, name } = deps;
  let keys = new Map<number, KeyObject>([[1, preparedKey(deps.first)]]);
  let versions: readonly number[] = [1];

  const nameOf = (version: number) => (version === 1 ? name : `${name}:${version}`);
  const placeOf = (version: number): SealedPlace => `server_secrets.sealed:${nameOf(version)}`;

  return {
    newest: () => versions.at(-1) ?? 1,
    versions: () => versions,

    hash(version, text) {
      const key = keys.get(version);
      return key && createHmac('sha256', key).update(text).digest();
    },

    async load() {
      const rows = await db<Row>('server_secrets').select('name', 'sealed').whereLike('name', `${name}:%`);
      const loaded = new Map([[1, preparedKey(deps.first)]]);
      for (const row of rows) {
        const version = Number(row.name.slice(name.length + 1));
        loaded.set(version, keys.get(version) ?? preparedKey(vault.open(row.sealed, placeOf(version))));
      }
      keys = loaded;
      versions = [...loaded.keys()].sort((one, other) => one - other);
    },

    async add(trx) {
      // Of two that rotate at once, the second one finds the first one's version.
      await trx.raw('select pg_advisory_xact_lock(hashtext(?))', [`gatehouse.pepper.${name}`]);
      const names: string[] = await trx('server_secrets').whereLike('name', `${name}:%`).pluck('name');
      const version = Math.max(1, ...names.map((text) => Number(text.slice(name.length + 1)))) + 1;
      await trx('server_secrets').insert({
        name: nameOf(version),
        sealed: vault.seal(randomBytes(32), placeOf(version)),
      });
      return version;
    },

    async remove(trx, version) {
      if (version > 1)
        await trx('server_secrets')
          .where({ name: nameOf(version) })
          .delete();
    },
  };
}
