// What happened in an account, from the ledger in plain words; and the way to shut out whoever was in it and should not be.
import { z } from 'zod';
import type { Audit, AuditEvent } from '../audit/audit.ts';
import type { Dates } from '../lib/dates.ts';
import { browserIn } from '../lib/people/user-agent.ts';
import { accountPage, type Page, type PageResult, type Person } from '../platform/http/page.ts';
import type { Translate } from '../platform/i18n.ts';
import type { Recovery } from '../recovery/recovery.ts';
import { activityEvents, activityTypes, suspicious } from './activity-events.ts';

export interface ActivityDeps {
  audit: Pick<Audit, 'list'>;
  recovery: Pick<Recovery, 'protection'>;
}

const ACTIVITY = '/account/activity';
const NOT_ME = `${ACTIVITY}/not-me`;
const PROTECTED = `${ACTIVITY}/protected`;
const PAGE = 25;

export function activityPages({ audit, recovery }: ActivityDeps): Page[] {
  return [
    accountPage({
      method: 'GET',
      path: ACTIVITY,
      limit: 'page',
      query: z.object({ cursor: z.string().max(200).optional().catch(undefined) }),
      async run({ person, query, t, dates }) {
        const filter = { accountId: person.accountId, types: activityTypes };
        const page = await audit.list(filter, { limit: PAGE, cursor: query.cursor ?? null });
        return view('list', 'activity.title', {
          rows: page.items.map((event) => rowOf(event, { person, t, dates })),
          first: query.cursor === undefined ? null : ACTIVITY,
          next: page.nextCursor && `${ACTIVITY}?${new URLSearchParams({ cursor: page.nextCursor })}`,
          notMe: NOT_ME,
        });
      },
    }),

    accountPage({
      method: 'GET',
      path: NOT_ME,
      limit: 'page',
      sensitive: true,
      run: () => view('not-me', 'activity.notMe.title', { action: NOT_ME, cancel: ACTIVITY }),
    }),
    // Only soon after a sign-in: whoever found an open browser could otherwise lock its owner out everywhere else.
    accountPage({
      method: 'POST',
      path: NOT_ME,
      limit: 'page',
      sensitive: true,
      async run({ person: { accountId, sessionId } }) {
        await recovery.protection.protect({ accountId, sessionId });
        return { kind: 'redirect', to: PROTECTED };
      },
    }),

    accountPage({
      method: 'GET',
      path: PROTECTED,
      limit: 'page',
      run: ({ t }) => view('protected', 'activity.protected.title', { rows: nextSteps(t) }),
    }),
  ];
}

function view(name: string, title: string, model: object): PageResult {
  return { kind: 'view', view: `self-service/activity/${name}`, title, nav: 'activity', model };
}

interface Telling {
  readonly person: Person;
  readonly t: Translate;
  readonly dates: Dates;
}

function rowOf(event: AuditEvent, { person, t, dates }: Telling) {
  const { type, outcome, target } = event;
  const title = t(`activity.${type}`);
  const isThis = type === 'session.started' && target?.id === person.sessionId;
  const isOurs = outcome === 'success' && !isByOther(event);
  return {
    icon: Object.entries(activityEvents).find(([name]) => name === type)?.[1] ?? 'info',
    title,
    lines: [dates.moment(event.occurredAt), whereIn(event, t)],
    ...(isThis && { badge: { kind: 'good', text: t('activity.this') } }),
    ...(outcome !== 'success' && { badge: { kind: 'warn', text: t('activity.refused') } }),
    actions:
      isOurs && !isThis && suspicious.includes(type)
        ? [{ label: t('activity.notMe'), hidden: title, href: NOT_ME }]
        : [],
  };
}

/** Where an administrator sits is nobody's business; that it was one is. */
function whereIn(event: AuditEvent, t: Translate): string {
  if (isByOther(event)) return t(event.actor.kind === 'system' ? 'activity.bySystem' : 'activity.byAdmin');
  const browser = browserIn(t, event.userAgent) ?? t('activity.unknown');
  return event.address === null ? browser : `${browser} · ${event.address}`;
}

function isByOther({ actor, accountId }: AuditEvent): boolean {
  return actor.kind !== 'anonymous' && !(actor.kind === 'account' && actor.id === accountId);
}

function nextSteps(t: Translate) {
  const steps = [
    ['lock', 'password', '/account/security/password'],
    ['shield', 'factors', '/account/security'],
    ['mail', 'email', '/account/email'],
    ['key', 'keys', '/account/keys'],
  ] as const;
  return steps.map(([icon, name, href]) => ({
    icon,
    title: t(`activity.next.${name}`),
    lines: [t(`activity.next.${name}.text`)],
    href,
  }));
}
