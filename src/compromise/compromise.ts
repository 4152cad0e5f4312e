// A key in the wrong hands: it and all below it end, and it is told what it did, from where, and what to rotate next. Said
// again, nothing ends twice.
import { type ApiKeys, type Authority, type ShownKey, stateOf } from '../api-keys/api-keys.ts';
import type { Audit } from '../audit/audit.ts';
import type { PlainHandler } from '../platform/api/plain.ts';
import type { Clock } from '../platform/clock.ts';
import { AppError, failure } from '../platform/errors.ts';
import type { Log } from '../platform/telemetry/log.ts';
import type { Usage } from '../usage/usage.ts';
import { activityOf } from './activity.ts';
import { endFamily, familyFrom } from './family.ts';
import { createLeakHandler } from './leaks/handler.ts';
import { createLeaks } from './leaks/leaks.ts';
import { createReporterKeys, type ReporterKeySettings } from './leaks/reporter-keys.ts';
import type { CompromiseReport, Next, nextReasons } from './schema.ts';

export interface Compromise {
  /** Throws api_key_not_found, permission_denied. */
  report(
    id: string,
    wish: { reason?: string | undefined; rotate?: boolean | undefined },
    as: Authority,
  ): Promise<CompromiseReport>;
  readonly leakReports: PlainHandler;
}

export const LEAK_REPORTS_PATH = '/api/v1/leak-reports';

export interface CompromiseDeps {
  apiKeys: Pick<ApiKeys, 'authenticate' | 'find' | 'familyOf' | 'list' | 'revoke' | 'rotate'>;
  audit: Pick<Audit, 'append' | 'list' | 'refuse' | 'stream'>;
  usage: Pick<Usage, 'report' | 'flush'>;
  clock: Clock;
  log: Log;
  settings: ReporterKeySettings & { onReport: 'revoke' | 'record' };
  request: typeof fetch;
}

const REASON = 'compromised';
const READ_LEDGER = 'audit-events:read';
const ROTATE = 'api-keys:rotate';
const PAGE = 200;
const MOST_PAGES = 25;

export function createCompromise(deps: CompromiseDeps): Compromise {
  const { apiKeys, audit, clock } = deps;

  /** The one event of it; said again, it is the time of the first. */
  async function noted(
    key: ShownKey,
    revoked: readonly string[],
    reason: string,
    as: Authority,
  ): Promise<Date> {
    const target = { kind: 'api-key', id: key.id };
    const search = { type: 'api-key.compromised', targetKind: target.kind, targetId: target.id };
    const { items } = await audit.list(search, { limit: 1, cursor: null });
    const [before] = items;
    if (before !== undefined) return before.occurredAt;
    const at = clock.now();
    await audit.append({
      type: 'api-key.compromised',
      actor: as.by,
      outcome: 'success',
      accountId: key.accountId,
      target,
      reason,
      details: { revoked: revoked.length },
    });
    return at;
  }

  async function all(filter: Parameters<ApiKeys['list']>[0], as: Authority): Promise<ShownKey[]> {
    const found: ShownKey[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const { items, nextCursor } = await apiKeys.list(filter, { limit: PAGE, cursor }, as);
      found.push(...items);
      cursor = nextCursor;
      if (cursor === null) break;
    }
    return found;
  }

  async function madeBy(ids: readonly string[], as: Authority): Promise<ShownKey[]> {
    const made: ShownKey[] = [];
    for (const clientId of ids) {
      const page = { limit: PAGE, cursor: null };
      const { items } = await audit.list({ type: 'api-key.created', clientId }, page);
      for (const { target } of items) {
        const key = target === null ? undefined : await apiKeys.find(target.id, as);
        if (key !== undefined) made.push(key);
      }
    }
    return made;
  }

  /** What whoever had the key may have seen, made or reached. */
  async function nextOf(key: ShownKey, family: readonly ShownKey[], as: Authority) {
    const gone = new Set(family.map(({ id }) => id));
    const why = new Map<string, { key: ShownKey; why: Set<(typeof nextReasons)[number]> }>();
    const add = (reason: (typeof nextReasons)[number], keys: readonly ShownKey[]) => {
      for (const one of keys) {
        if (gone.has(one.id) || stateOf(one, clock.now()) !== 'active') continue;
        const entry = why.get(one.id) ?? { key: one, why: new Set() };
        why.set(one.id, { ...entry, why: entry.why.add(reason) });
      }
    };
    const ownerId = { account: key.accountId, organization: key.organizationId, client: key.clientId }[
      key.ownerKind
    ];
    const parent = key.parentId === null ? undefined : await apiKeys.find(key.parentId, as);
    add('above_it', parent === undefined ? [] : [parent]);
    add('made_by_it', await madeBy([...gone], as));
    add('same_owner', await all({ ownerKind: key.ownerKind, ownerId: ownerId ?? '', state: 'active' }, as));
    add('may_do_everything', await all({ everything: true, state: 'active' }, as));
    return [...why.values()];
  }

  /** The old ones end at once. One that was rotated since is left alone. */
  async function rotateOne(
    key: ShownKey,
    since: Date,
    as: Authority,
  ): Promise<CompromiseReport['rotated'][number]> {
    const about = { keyId: key.id, name: key.name };
    const isRotated = key.secrets.some(({ createdAt }) => createdAt > since);
    if (isRotated) return { ...about, secret: null, error: null };
    try {
      const { secret } = await apiKeys.rotate(key.id, { overlapSeconds: 0 }, as);
      return { ...about, secret, error: null };
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500) throw error;
      return { ...about, secret: null, error: error.code };
    }
  }

  const { onReport } = deps.settings;
  return {
    leakReports: createLeakHandler({
      ...deps,
      reporterKeys: createReporterKeys(deps),
      leaks: createLeaks({ ...deps, onReport }),
    }),

    async report(id, { reason = REASON, rotate = false }, as) {
      const may = (permission: string) =>
        as.caller === undefined || as.caller.permissions.includes(permission);
      if (rotate && !may(ROTATE)) throw failure('permission_denied', { permission: ROTATE });
      const family = await familyFrom(apiKeys, id, as);
      const { key, all: keys } = family;
      const revoked = await endFamily(apiKeys, family, reason, as);
      const compromisedAt = await noted(key, revoked, reason, as);
      const ids = keys.map((one) => one.id);
      const next = await nextOf(key, keys, as);
      const rotated: CompromiseReport['rotated'] = [];
      for (const one of rotate ? next : []) rotated.push(await rotateOne(one.key, compromisedAt, as));
      return {
        keyId: key.id,
        name: key.name,
        compromisedAt,
        revoked,
        endedBefore: ids.filter((one) => !revoked.includes(one)),
        activity: may(READ_LEDGER) ? await activityOf(deps, ids, key.accountId) : null,
        next: next.map((one): Next => ({ keyId: one.key.id, name: one.key.name, why: [...one.why] })),
        rotated,
      };
    },
  };
}
