// Keys for machines: who presents one, what it may do, and everything that is done to keys. A string is shown once and rests
// as a keyed hash.
import type { Accounts } from '../accounts/accounts.ts';
import type { Apis } from '../apis/apis.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import { type AccountId, newId } from '../lib/ids.ts';
import type { Page, PageRequest } from '../lib/page.ts';
import type { PermissionSet } from '../lib/permission.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { KeyLimits, KeyLimitVerdict } from '../platform/limits/key-limits.ts';
import type { Peppers } from '../platform/secrets/peppers.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { keyJobs } from './jobs.ts';
import type { KeySettings } from './manage/bounds.ts';
import { type Authority, createMakers } from './manage/makers.ts';
import { createMaking, newKey } from './manage/making.ts';
import { createManaging, type IssuedKey, type Managing } from './manage/managing.ts';
import { createOwnBounds } from './manage/own-bounds.ts';
import { createPepperRotation, type PepperRotation } from './manage/pepper.ts';
import { createShowing } from './manage/showing.ts';
import type { ApiKeyFilter, KnownKey, ShownKey } from './schema.ts';
import { countEnding } from './store.ts';
import { type Authenticating, createAuthenticating } from './use/authenticate.ts';
import { createKnownKeys } from './use/known.ts';
import { createKeyRights, type KeyRights, type Owners } from './use/rights.ts';
import { createLastUse } from './use/used.ts';

export { type Authority, asOperator, managing, owning } from './manage/makers.ts';
export type { IssuedKey } from './manage/managing.ts';
export type {
  ApiKey,
  ApiKeyChange,
  ApiKeyFilter,
  Effective,
  KeyRefusal,
  KeyScope,
  KnownKey,
  NewApiKey,
  ShownKey,
} from './schema.ts';
export { stateOf } from './schema.ts';
export type { Authenticated } from './use/authenticate.ts';
export { createExposedKeys } from './use/exposed.ts';
export type { Facts, Owners } from './use/rights.ts';

export interface ApiKeys extends Authenticating, Omit<Managing, 'insert'>, PepperRotation {
  /** Good or not, from memory: fresh at once on this node after a change of its own, within a second or two after others'. */
  known(id: string): Promise<KnownKey | undefined>;
  /** What the key may do here and now, at one API where it is named. Undefined when its owner or a key above it is gone. */
  effective: KeyRights['effective'];
  /** The same of a key that is good, by its id: for decisions about keys. */
  permissionsOf(
    id: string,
  ): Promise<{ permissions: PermissionSet; organizationId: string | null } | undefined>;
  /** One permit of every limit of the key and of the keys above it; the first that is used up is the last of the answer. */
  takePermits(key: KnownKey): Promise<readonly KeyLimitVerdict[]>;
  /** Notes the use; written within seconds, at most once a minute. */
  used(key: Pick<KnownKey, 'id'>, use: { address: string | null; userAgent: string | null }): void;

  /** Without permissions of its own to check: all that the account may. For the set-up, in its transaction. */
  issue(trx: Db, input: { accountId: AccountId; name: string }, by: Actor): Promise<IssuedKey>;
  find(id: string, as: Authority): Promise<ShownKey | undefined>;
  /** The newest first. */
  list(filter: ApiKeyFilter, page: PageRequest, as: Authority): Promise<Page<ShownKey>>;
  /** The key and all below it. Throws api_key_not_found. */
  familyOf(id: string, as: Authority): Promise<ShownKey[]>;

  /** How many keys of the account work now and end within so many days. */
  endingSoon(accountId: AccountId, days: number): Promise<number>;

  jobs(): Job[];
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ApiKeysDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump' | 'on' | 'poll' | 'silence'>;
  clock: Clock;
  log: Log;
  accounts: Pick<Accounts, 'find'>;
  apis: Pick<Apis, 'known'>;
  owners: Owners;
  limits: KeyLimits;
  peppers: Peppers;
  settings: KeySettings;
}

const DAY_MILLISECONDS = 86_400_000;

export function createApiKeys(deps: ApiKeysDeps): ApiKeys {
  const { postgres, changes, clock, peppers, settings, log } = deps;
  const { db } = postgres;
  const known = createKnownKeys({ db, clock, silence: changes.silence });
  const find = async (id: string) => (await known.get(id))?.key;
  const hasRoles = async (id: string) => (await known.get(id))?.hasRoles ?? false;
  const rights = createKeyRights({ owners: deps.owners, clock, find, hasRoles });
  const makers = createMakers({ accounts: deps.accounts, rights, find });
  const ownBounds = createOwnBounds({ rights, find });
  const making = createMaking({ ...deps, makers, ownBounds, rights });
  const { insert, ...managed } = createManaging({ ...deps, making, makers, ownBounds, rights });
  const lastUse = createLastUse({ db, clock, log });

  return {
    ...createAuthenticating({ db, log, clock, known, rights, peppers }),
    ...managed,
    ...createPepperRotation(deps),
    ...createShowing({ db, clock, rights }),
    known: find,
    effective: rights.effective,
    used: ({ id }, use) => lastUse.note(id, use),

    async permissionsOf(id) {
      const key = await find(id);
      if (key === undefined || (await rights.refusalOf(key)) !== undefined) return undefined;
      const effective = await rights.effective(key);
      return effective && { permissions: effective.permissions, organizationId: key.organizationId };
    },

    async takePermits(key) {
      const verdicts: KeyLimitVerdict[] = [];
      for (const { id, rateLimits } of (await rights.chainOf(key)) ?? []) {
        if (rateLimits.length > 0) verdicts.push(...(await deps.limits.take(`key:${id}`, rateLimits)));
        if (verdicts.at(-1)?.allowed === false) break;
      }
      return verdicts;
    },

    async issue(trx, { accountId, name }, by) {
      const owner = { ownerKind: 'account', accountId, organizationId: null, clientId: null } as const;
      return insert(trx, { ...newKey(newId('key'), owner, clock.now()), name, permissions: ['*:*'] }, by);
    },

    endingSoon(accountId, days) {
      const now = clock.now();
      return countEnding(db, accountId, now, new Date(now.getTime() + days * DAY_MILLISECONDS));
    },

    jobs: () => keyJobs({ ...deps, settings }),

    async start() {
      changes.on('api-keys', async (ids) => {
        known.expire(ids);
        if (ids === undefined) await peppers.load();
      });
      // Of what is assigned to whom, what is assigned to keys.
      changes.on('access', (ids) => known.expire(ids?.filter((id) => id.startsWith('key_'))));
      await peppers.load();
      lastUse.start();
    },
    stop: lastUse.stop,
  };
}
