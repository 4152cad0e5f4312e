// What keys did since when and from where, from the ledger and the counts of usage.
import type { Audit, AuditEvent, EventFilter } from '../audit/audit.ts';
import type { Usage } from '../usage/usage.ts';
import type { Activity } from './schema.ts';

export interface ActivityDeps {
  audit: Pick<Audit, 'list' | 'stream'>;
  usage: Pick<Usage, 'report' | 'flush'>;
}

/** Of each kind of search: the newest. */
const MOST_EVENTS = 10_000;
const PAGE = 500;
const MOST_HOURS = 1000;
/** What says that a key was used, or was refused, and not that it changed anything. */
const NO_CHANGE =
  /^(token\.(issued|introspected)|credential\.refused|request\.refused|access\.decided|api-key\.(exposed|leak-reported))$/;

/** `accountId`: the person whose keys they are, in whose name they acted. */
export async function activityOf(
  deps: ActivityDeps,
  keyIds: readonly string[],
  accountId: string | null,
): Promise<Activity> {
  const ids = new Set(keyIds);
  const { events, truncated } = await eventsOf(deps, ids, accountId);
  await deps.usage.flush();
  const usage = await deps.usage.report(
    { subjectKind: 'api-key', subjectIds: [...ids], meter: 'requests', groupBy: 'hour' },
    { limit: MOST_HOURS, cursor: null },
  );
  return {
    firstAt: (await firstOf(deps, ids)) ?? events.at(-1)?.occurredAt ?? null,
    lastAt: events[0]?.occurredAt ?? null,
    events: events.length,
    truncated,
    tokensIssued: events.filter(({ type }) => type === 'token.issued').length,
    addresses: seenIn(events, ({ address }) => address),
    userAgents: seenIn(events, ({ userAgent }) => userAgent),
    changes: events.filter(({ type, outcome }) => outcome === 'success' && !NO_CHANGE.test(type)),
    perHour: hoursOf(usage.items),
  };
}

/** What it is the client of, what it did itself, and what it did in the name of its owner. */
async function eventsOf(deps: ActivityDeps, ids: ReadonlySet<string>, accountId: string | null) {
  const found = new Map<string, AuditEvent>();
  let truncated = false;
  const collect = async (filter: EventFilter, isTheirs: (event: AuditEvent) => boolean) => {
    let cursor: string | null = null;
    for (let looked = 0; looked < MOST_EVENTS; looked += PAGE) {
      const page = await deps.audit.list(filter, { limit: PAGE, cursor });
      for (const event of page.items) if (isTheirs(event)) found.set(event.id, event);
      cursor = page.nextCursor;
      if (cursor === null) return;
    }
    truncated = true;
  };
  const byKey = (event: AuditEvent) => ids.has(keyOf(event) ?? '');
  for (const id of ids) {
    await collect({ clientId: id }, byKey);
    await collect({ actorId: id }, byKey);
  }
  if (accountId !== null) await collect({ actorId: accountId }, byKey);
  const events = [...found.values()].sort((a, b) => b.occurredAt.getTime() - a.occurredAt.getTime());
  return { events, truncated };
}

/** The key that acted; undefined for what was done to it, or about it. */
export function keyOf({ actor, clientId, type, details }: AuditEvent): string | undefined {
  if (typeof details.apiKeyId === 'string') return details.apiKeyId;
  if (actor.kind === 'client') return actor.id ?? undefined;
  return type === 'token.issued' ? (clientId ?? undefined) : undefined;
}

async function firstOf(deps: ActivityDeps, ids: ReadonlySet<string>): Promise<Date | undefined> {
  const firsts: Date[] = [];
  for (const clientId of ids) {
    for await (const event of deps.audit.stream({ clientId })) {
      if (keyOf(event) !== clientId) continue;
      firsts.push(event.occurredAt);
      break;
    }
  }
  return firsts.sort((a, b) => a.getTime() - b.getTime())[0];
}

/** The most seen first. */
function seenIn(events: readonly AuditEvent[], textOf: (event: AuditEvent) => string | null) {
  const groups = Map.groupBy(events, textOf);
  return [...groups]
    .flatMap(([value, list]) => {
      const [last, first] = [list[0], list.at(-1)];
      if (value === null || last === undefined || first === undefined) return [];
      return [{ value, count: list.length, firstAt: first.occurredAt, lastAt: last.occurredAt }];
    })
    .sort((a, b) => b.count - a.count);
}

function hoursOf(rows: Awaited<ReturnType<Usage['report']>>['items']): Activity['perHour'] {
  const sums = new Map<string, Activity['perHour'][number]>();
  for (const { period, kind, amount } of rows) {
    const id = `${period.toISOString()} ${kind}`;
    const before = sums.get(id)?.requests ?? 0;
    sums.set(id, { hour: period, kind, requests: before + Number(amount) });
  }
  return [...sums.values()];
}
