// Where somebody is signed in: each session with its browser, address, apps and last activity, and the end of it.
import { z } from 'zod';
import type { Actor } from '../audit/audit.ts';
import type { Clients } from '../clients/clients.ts';
import type { Dates } from '../lib/dates.ts';
import { browserIn } from '../lib/people/user-agent.ts';
import type { Interactions } from '../oidc/oidc.ts';
import { failure } from '../platform/errors.ts';
import { accountPage, type Page, type PageResult, type Person } from '../platform/http/page.ts';
import type { Translate } from '../platform/i18n.ts';
import type { BrowserSession, Sessions } from './sessions.ts';
import { afterSignOut, signedOutPage } from './signed-out.ts';

export interface SessionPageDeps {
  sessions: Pick<Sessions, 'list' | 'find' | 'end' | 'endOthers' | 'endAll'>;
  clients: Pick<Clients, 'known' | 'find'>;
  interactions: Pick<Interactions, 'leave'>;
  /** The client of these pages themselves: no app of anybody's. */
  ownClientId: string;
}

const SESSIONS = '/account/sessions';
/** Where one shuts out whoever else was in the account (src/self-service). */
const NOT_ME = '/account/activity/not-me';
const PAGE = 50;

const cursor = z.string().max(200).optional().catch(undefined);
const OneSession = z.object({ session: z.string().min(1).max(64) });

export function sessionPages(deps: SessionPageDeps): Page[] {
  return [listPage(deps), endPage(deps), othersPage(deps), ...allPages(deps), signedOutPage()];
}

function listPage(deps: SessionPageDeps): Page {
  return accountPage({
    method: 'GET',
    path: SESSIONS,
    limit: 'page',
    query: z.object({ cursor }),
    async run({ person: { accountId, sessionId }, query, t, dates }) {
      const [own, page] = await Promise.all([
        deps.sessions.find(sessionId),
        deps.sessions.list({ accountId }, { limit: PAGE, cursor: query.cursor ?? null }),
      ]);
      const others = page.items
        .filter(({ id }) => id !== sessionId)
        .sort((a, b) => b.seenAt.getTime() - a.seenAt.getTime());
      const names = await namesOf([own, ...others], deps);
      const row = (session: BrowserSession) => rowOf(session, { names, isOwn: session === own, t, dates });
      return view('list', 'sessions.title', {
        own: row(own),
        others: others.map(row),
        first: query.cursor === undefined ? null : SESSIONS,
        next: page.nextCursor && `${SESSIONS}?${new URLSearchParams({ cursor: page.nextCursor })}`,
      });
    },
  });
}

function endPage(deps: SessionPageDeps): Page {
  return accountPage({
    method: 'POST',
    path: `${SESSIONS}/end`,
    limit: 'page',
    sensitive: true,
    form: OneSession,
    async run({ person, form, ctx }) {
      const session = form && (await deps.sessions.find(form.session));
      // Also for one that there is, but not of this person.
      if (session?.accountId !== person.accountId) throw failure('session_not_found');
      if (session.id === person.sessionId) {
        return afterSignOut(await deps.interactions.leave(ctx.req, ctx.res, session.id));
      }
      await deps.sessions.end(session.id, byThemselves(person));
      return { kind: 'redirect', to: `${SESSIONS}?done=session-ended` };
    },
  });
}

function othersPage({ sessions }: SessionPageDeps): Page {
  return accountPage({
    method: 'POST',
    path: `${SESSIONS}/others`,
    limit: 'page',
    sensitive: true,
    async run({ person }) {
      await sessions.endOthers(person.accountId, person.sessionId, byThemselves(person));
      return { kind: 'redirect', to: `${SESSIONS}?done=others-ended` };
    },
  });
}

/** It asks first: this browser and every app are signed out, too. */
function allPages({ sessions, interactions }: SessionPageDeps): Page[] {
  return [
    accountPage({
      method: 'GET',
      path: `${SESSIONS}/all`,
      limit: 'page',
      sensitive: true,
      run: () => view('all', 'sessions.all.title', {}),
    }),
    accountPage({
      method: 'POST',
      path: `${SESSIONS}/all`,
      limit: 'page',
      sensitive: true,
      async run({ person, ctx }) {
        const frames = await interactions.leave(ctx.req, ctx.res, person.sessionId);
        await sessions.endAll({ accountId: person.accountId }, byThemselves(person));
        return afterSignOut(frames);
      },
    }),
  ];
}

function byThemselves({ accountId }: Person): Actor {
  return { kind: 'account', id: accountId };
}

function view(name: string, title: string, model: object): PageResult {
  return { kind: 'view', view: `self-service/sessions/${name}`, title, nav: 'sessions', model };
}

/** From memory, unless one is switched off or gone. */
async function namesOf(
  sessions: readonly BrowserSession[],
  { clients, ownClientId }: SessionPageDeps,
): Promise<ReadonlyMap<string, string>> {
  const ids = new Set(sessions.flatMap(({ clientIds }) => clientIds));
  ids.delete(ownClientId);
  const named = [...ids].map(async (id) => {
    const client = (await clients.known(id))?.client ?? (await clients.find(id));
    return client === undefined ? [] : [[id, client.name] as const];
  });
  return new Map((await Promise.all(named)).flat());
}

interface Telling {
  readonly names: ReadonlyMap<string, string>;
  readonly isOwn: boolean;
  readonly t: Translate;
  readonly dates: Dates;
}

function rowOf(session: BrowserSession, { names, isOwn, t, dates }: Telling) {
  const title = browserIn(t, session.userAgent) ?? t('sessions.unknown');
  const apps = session.clientIds.flatMap((id) => names.get(id) ?? []);
  return {
    icon: 'device',
    title,
    lines: [
      t('sessions.line.seen', { at: dates.moment(session.seenAt) }),
      t('sessions.line.begun', { at: dates.moment(session.createdAt) }),
      ...(session.address === null ? [] : [t('sessions.line.address', { address: session.address })]),
      ...(apps.length === 0 ? [] : [t('sessions.line.apps', { apps: apps.join(', ') })]),
    ],
    ...(isOwn && { badge: { kind: 'good', text: t('sessions.this') } }),
    actions: [
      {
        label: t('sessions.end'),
        hidden: title,
        action: `${SESSIONS}/end`,
        fields: { session: session.id },
      },
      ...(isOwn ? [] : [{ label: t('activity.notMe'), hidden: title, href: NOT_ME }]),
    ],
  };
}
